"""Servers with a Redis behind them: their configuration, and what they say of it."""

from __future__ import annotations

import itertools
import re

from punctual_server import Client, Server

# Far above what a model takes here and far below what a sick Redis would cost, were it waited for.
BUDGET_MS = 1000
TIERS_IN_TIME = {f"tiers.{tier}": {"budget_ms": BUDGET_MS} for tier in ("premium", "standard", "basic")}
ALL_ON_DISK = {"slow_look_up_ms": 10_000}  # a busy disk lets no look-up be skipped
_fresh = itertools.count(1)


def fresh_prefix() -> str:
    return f"test{next(_fresh)}"


def tables(nodes: list[str], prefix: str, /, secret: str = "shared", **redis) -> dict:
    """All layers."""
    return {
        **TIERS_IN_TIME,
        "cache": {"secret": secret},
        "cache.disk": ALL_ON_DISK,
        "cache.redis": {"nodes": nodes, "prefix": prefix, **redis},
    }


def redis_alone(nodes: list[str], prefix: str, /, **redis) -> dict:
    """No other layer, so that Redis is asked each time."""
    return {**tables(nodes, prefix, **redis), "cache.memory": {"bytes": 0}, "cache.disk": {"directory": ""}}


def redis_of(client: Client) -> dict:
    return client.get("/v1/cache").json()["redis"]


def node_of(client: Client, address: str) -> dict:
    return next((node for node in redis_of(client)["nodes"] if node["address"] == address), {"state": "unknown"})


def wait_for_redis(server: Server, client: Client) -> None:
    """Until it is connected, and expected to be quicker than the model "heavy": one slow PING on a busy machine lets it
    seem slower for some seconds."""
    models = client.get("/v1/models").json()["models"]
    model_s = next(model["expected_us"] for model in models if model["name"] == "heavy") / 1e6

    def is_ready() -> bool:
        nodes = [node for node in redis_of(client)["nodes"] if node["role"] in ("master", "single")]
        if not any(node["look_up_ms"] for node in nodes) or any(node["state"] != "up" for node in nodes):
            return False
        expected = re.search(r"^punctual_redis_look_up_seconds (\S+)$", client.get("/metrics").body.decode(), re.M)
        return 0 < float(expected[1]) < model_s / 2

    server.wait_until(is_ready, "expected Redis to be quicker than the model")
