"""Rates of users and tiers: what is over them is told when to come again, and costs nobody else anything."""

from __future__ import annotations

import json
import time

from bad_input_checks import GOOD
from punctual_server import Reply, post, user
from test_statistics import metrics

SLOW = 0.001  # a second: no token comes back while a test runs


def check_over(reply: Reply, *parts: str) -> float:
    """Gives after how many seconds it may be asked again."""
    assert reply.status == 429, reply
    error = reply.json()["error"]
    assert set(error) == {"code", "message", "retry_after_ms"}
    assert error["code"] == "RESOURCE_EXHAUSTED"
    for part in parts:
        assert part in error["message"], error
    seconds = error["retry_after_ms"] / 1000
    assert seconds > 0
    assert seconds <= int(reply.headers["retry-after"]) < seconds + 1
    return seconds


def good(tier: str) -> dict:
    return {**GOOD, "user": user(tier)}


def test_a_user_over_its_rate_is_refused_and_others_are_not(start_server):
    server = start_server(**{"tiers.premium": {"user_rate": SLOW, "user_burst": 3}})
    with server.client() as client:
        for _ in range(3):
            client.answer(good("premium"))
        for _ in range(20):
            message = f'user: "{user("premium")}"', "3 at once", "tiers.premium.user_rate"
            assert 500 < check_over(client.predict(good("premium")), *message) <= 1000
        client.answer({**GOOD, "user": user("premium", "day")})  # another one of the same tier
        client.answer(good("basic"))
        counted = metrics(client)
        assert counted.value("punctual_rate_limited_total", tier="premium", limit="user") == 20
        assert counted.sum("punctual_rate_limited_total") == 20
        assert client.get("/v1/stats").json()["errors"] == {"RESOURCE_EXHAUSTED": 20}


def test_a_tier_over_its_rate_is_refused_whoever_asks(start_server):
    server = start_server(**{"tiers.basic": {"rate": SLOW, "burst": 4}})
    with server.client() as client:
        users = [user("basic", style) for style in ("scalping", "day", "swing", "day")]
        for name in users:
            client.answer({**GOOD, "user": name})
        check_over(client.predict(good("basic")), 'tier: "basic"', "4 at once", "tiers.basic.rate")
        client.answer(good("premium"))
        counted = metrics(client)
        assert counted.value("punctual_rate_limited_total", tier="basic", limit="tier") == 1


def test_who_waits_as_told_is_answered(start_server):
    server = start_server(**{"tiers.premium": {"user_rate": 5}})  # and so one at once
    with server.client() as client:
        client.answer(good("premium"))
        refused = 0
        for _ in range(5):
            # A slow machine may have waited long enough already.
            while (reply := client.predict(good("premium"))).status != 200:
                refused += 1
                time.sleep(check_over(reply, "5 requests a second"))
        assert refused > 0


def test_limits_hold_over_many_connections_and_pipelined_requests(start_server):
    server = start_server(**{"tiers.premium": {"user_rate": SLOW, "user_burst": 50}})
    request = post("/v1/predict", json.dumps(good("premium")))
    wires = [server.wire() for _ in range(10)]
    for wire in wires:
        wire.send(request * 10)
    statuses = [wire.read().status for wire in wires for _ in range(10)]
    assert sorted(statuses) == [200] * 50 + [429] * 50
    for wire in wires:
        wire.close()
