"""Dropping answers, by model, by symbol, all, and those of versions that are gone: from memory, disk and Redis."""

from __future__ import annotations

import http.client
import ipaddress
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from bad_input_checks import check_error
from order_books import made_up_window
from punctual_server import PATIENCE_S, Client, Server, run, user
from questions import Questions, features, heavy, light, write_model
from redis_layer import wait_for_redis

SYMBOLS = ("ONE", "OTHER")
MODELS = ("heavy", "light")  # of which the light one never goes to Redis


def cache_of(client: Client) -> dict:
    return client.get("/v1/cache").json()


def purge(client: Client, body: dict | str):
    return client.ask("POST", "/v1/cache/purge", json.dumps(body) if isinstance(body, dict) else body)


def dropped_from_memory(reply) -> int:
    assert reply.status == 200, reply
    assert reply.json()["id"] > 0
    return reply.json()["dropped_from_memory"]


def status_of(client: Client, model: str) -> dict:
    return next(m for m in client.get("/v1/models").json()["models"] if m["name"] == model)


class Filled:
    """A server with all layers that has answers of both models for both symbols in each of them."""

    def __init__(self, start, models, redis, folder: Path):
        self.redis, self.prefix, self.unix_socket = redis, "purge", folder / "punctual.sock"
        self.server: Server = start(
            models,
            **{
                "cache": {"secret": "purge"},
                "cache.disk": {"slow_look_up_ms": 10_000},
                "cache.redis": {"nodes": [redis.address], "prefix": self.prefix},
                "server": {"unix_socket": str(self.unix_socket)},
            },
        )
        self.client = self.server.client()
        for number, symbol in enumerate(SYMBOLS):
            assert self.client.publish(symbol, *made_up_window(first=1000 * (number + 1))).status == 200

    def ask(self, model: str, symbol: str) -> str:
        return self.client.answer({"user": user(), "model": model, "symbol": symbol})["source"]

    def fill(self) -> None:
        """Answers everything anew."""
        assert purge(self.client, {"all": True}).status == 200
        self.wait_until_purged()
        wait_for_redis(self.server, self.client)
        for _ in range(20):  # a write to Redis may be left out when it is not expected to be worth it
            for model in MODELS:
                for symbol in SYMBOLS:
                    assert self.ask(model, symbol) in ("model", "l1")
            self.server.wait_until(lambda: cache_of(self.client)["disk"]["queued"] == 0, "wrote to disk")
            self.server.wait_until(lambda: cache_of(self.client)["redis"]["outstanding"] == 0, "wrote to Redis")
            if self.entries() == (4, 4, 2):
                return
            purge(self.client, {"all": True})
            self.wait_until_purged()
        raise AssertionError(f"the layers are not filled: {self.entries()}, {cache_of(self.client)}")

    def wait_until_purged(self) -> None:
        self.server.wait_until(lambda: cache_of(self.client)["purges_running"] == 0, "purged")

    def entries(self) -> tuple[int, int, int]:
        """In memory, on disk, in Redis."""
        stats = cache_of(self.client)
        return stats["memory"]["entries"], stats["disk"]["entries"], len(self.redis.keys(self.prefix))

    def left(self) -> dict[tuple[str, str], str]:
        """What each question is answered from now."""
        return {(model, symbol): self.ask(model, symbol) for model in MODELS for symbol in SYMBOLS}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    manifest = "max_age_ms = 3600000\n" + features()  # the books are published once
    write_model(folder, "heavy", heavy(), manifest)
    return write_model(folder, "light", light(), manifest)


@pytest.fixture(scope="module")
def _filled(start_module_server, models, redis, tmp_path_factory):
    filled = Filled(start_module_server, models, redis, tmp_path_factory.mktemp("socket"))
    with filled.client:
        yield filled


@pytest.fixture
def filled(_filled):
    _filled.fill()
    return _filled


PURGES = {
    "a_model": ({"model": "heavy"}, {("heavy", "ONE"), ("heavy", "OTHER")}, (2, 2, 0)),
    "a_light_model": ({"model": "light"}, {("light", "ONE"), ("light", "OTHER")}, (2, 2, 2)),
    "a_symbol": ({"symbol": "ONE"}, {("heavy", "ONE"), ("light", "ONE")}, (2, 2, 1)),
    "a_symbol_of_a_model": ({"model": "heavy", "symbol": "OTHER"}, {("heavy", "OTHER")}, (3, 3, 1)),
    "all": ({"all": True}, {(model, symbol) for model in MODELS for symbol in SYMBOLS}, (0, 0, 0)),
    "nothing": ({"symbol": "NONE"}, set(), (4, 4, 2)),
}


@pytest.mark.parametrize(("what", "dropped", "entries"), PURGES.values(), ids=PURGES.keys())
def test_what_is_named_is_dropped_everywhere_and_nothing_else(filled, what, dropped, entries):
    assert dropped_from_memory(purge(filled.client, what)) == 4 - entries[0]
    filled.wait_until_purged()
    assert filled.entries() == entries
    last = cache_of(filled.client)["purges"][-1]
    before = 4, 4, 2
    gone = tuple(last[layer]["dropped"] for layer in ("memory", "disk", "redis"))
    assert gone == tuple(had - has for had, has in zip(before, entries, strict=True)), last
    left = filled.left()
    assert {question for question, source in left.items() if source == "model"} == dropped, left
    assert {source for question, source in left.items() if question not in dropped} <= {"l1"}


def test_what_was_dropped_is_gone_after_a_restart_too(start_server, models):
    questions = Questions("light", light())
    server = start_server(models)
    with server.client() as client:
        questions.ask_all(client, range(20))
        assert dropped_from_memory(purge(client, {"model": "light"})) == 20
    server.restart()
    with server.client() as client:
        assert questions.ask_all(client, range(20)) == ["model"] * 20


def test_the_unix_socket_may_purge(filled):
    with filled.server.unix_client(filled.unix_socket) as client:
        assert dropped_from_memory(purge(client, {"all": True})) == 4
    filled.wait_until_purged()


BAD_BODIES = {
    "nothing": ("{}", "model"),
    "no_json": ("{", "body"),
    "no_object": ("[]", "body"),
    "a_number": ('{"model":7}', "model"),
    "an_empty_name": ('{"symbol":""}', "symbol"),
    "a_word": ('{"all":"yes"}', "all"),
    "not_all": ('{"all":false}', "all"),
    "all_of_a_model": ('{"all":true,"model":"heavy"}', "all"),
    "another_field": ('{"modle":"heavy"}', "modle"),
    "twice": ('{"model":"heavy","model":"light"}', "model"),
}


@pytest.mark.parametrize(("body", "named"), BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_a_bad_purge_is_refused_and_drops_nothing(_filled, body, named):
    _filled.left()
    before = cache_of(_filled.client)["memory"]["entries"]
    check_error(purge(_filled.client, body), 400, "INVALID_ARGUMENT", named)
    assert cache_of(_filled.client)["memory"]["entries"] == before > 0


def test_purging_is_a_post(_filled):
    reply = _filled.client.get("/v1/cache/purge")
    check_error(reply, 405, "INVALID_ARGUMENT", "POST")


def test_nobody_else_on_the_network_may_purge(start_server, models):
    found = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=True).stdout.split()
    address = next((a for a in found if ipaddress.ip_address(a).version == 4 and not a.startswith("127.")), None)
    if address is None:
        pytest.skip("this machine has no address but its own")
    server = start_server(models, server={"listen": "0.0.0.0:0"})
    questions = Questions("light", light())
    with server.client() as local:
        assert questions.ask(local, 1) == "model"
        with Client(http.client.HTTPConnection(address, server.port, timeout=PATIENCE_S)) as stranger:
            check_error(purge(stranger, {"all": True}), 403, "PERMISSION_DENIED", "/v1/cache/purge")
            assert questions.ask(stranger, 1) == "l1"
            assert stranger.get("/v1/cache").status == 200
        assert dropped_from_memory(purge(local, {"all": True})) == 1


def test_a_web_page_may_not_purge(_filled):
    _filled.left()
    before = cache_of(_filled.client)["memory"]["entries"]
    for header in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        reply = _filled.client.ask("POST", "/v1/cache/purge", '{"all":true}', header)
        check_error(reply, 403, "PERMISSION_DENIED", "/v1/cache/purge")
    assert cache_of(_filled.client)["memory"]["entries"] == before > 0


def test_a_model_that_nobody_serves_is_no_success(_filled):
    check_error(purge(_filled.client, {"model": "nosuch"}), 404, "NOT_FOUND", 'no model "nosuch" is served here')


def test_a_new_version_is_not_answered_from_the_old_one_whose_answers_go(start_server, tmp_path):
    models = write_model(tmp_path, "light", light())
    server = start_server(models, models={"reload_poll_ms": 0}, **{"cache.disk": {"slow_look_up_ms": 10_000}})
    old, new, rewritten = (Questions("light", light(seed)) for seed in (1, 2, 3))
    numbers = range(30)
    with server.client() as client:

        def disk_is(entries: int) -> bool:
            stats = cache_of(client)
            return stats["purges_running"] == stats["disk"]["queued"] == 0 and stats["disk"]["entries"] == entries

        assert old.ask_all(client, numbers) == ["model"] * 30
        server.wait_until(lambda: disk_is(30), "wrote to disk")
        write_model(models, "light", light(seed=2), version=2)
        server.send_signal(signal.SIGHUP)
        server.wait_until(lambda: status_of(client, "light")["version"] == "2", "served version 2")
        server.wait_until(lambda: disk_is(0), "dropped the old version's answers from disk")
        server.wait_until(lambda: cache_of(client)["memory"]["entries"] == 0, "dropped them from memory")
        assert new.ask_all(client, numbers) == ["model"] * 30
        # The same number, but another file.
        file = models / "light/2/model.onnx"
        write_model(models, "light", light(seed=3), version=2)
        os.utime(file, ns=(0, file.stat().st_mtime_ns + 10**9))
        server.send_signal(signal.SIGHUP)
        server.wait_until(lambda: cache_of(client)["memory"]["entries"] == 0, "dropped the old file's answers")
        assert rewritten.ask_all(client, numbers) == ["model"] * 30
        assert rewritten.ask_all(client, numbers) == ["l1"] * 30
    server.restart()
    with server.client() as client:
        assert set(rewritten.ask_all(client, numbers)) <= {"l1", "l2"}
        assert cache_of(client)["disk"]["entries"] == 30


def cli(*arguments: str) -> tuple[int, str, str]:
    done = run("cache", *arguments)
    return done.returncode, done.stdout, done.stderr


def table(out: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if "│" in line]


def test_the_command_shows_every_layer_and_node(filled):
    code, out, err = cli("stats", "--to", filled.server.url)
    assert (code, err) == (0, "")
    rows = {first: cells for first, *cells in table(out)}
    assert rows["entries"][:2] == ["4", "4"]
    for name in ("hit rate", "hits", "misses", "timeouts", "skipped", "evictions", "queued", "dropped", "failed"):
        assert len(rows[name]) == 3, rows
    assert filled.redis.address in out
    assert "up" in rows[filled.redis.address]


def test_the_command_gives_json(filled):
    code, out, err = cli("stats", "--to", filled.server.url, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["memory"]["entries"] == 4


def test_the_command_shows_no_layer_that_is_not_there(start_server, models):
    server = start_server(models, **{"cache.disk": {"directory": ""}})
    questions = Questions("light", light())
    with server.client() as client:
        assert questions.ask_all(client, [1, 1, 1, 1]) == ["model", "l1", "l1", "l1"]
        metrics = client.get("/metrics").body.decode()
    code, out, err = cli("stats", "--to", server.url)
    assert (code, err) == (0, "")
    rows = {cells[0]: cells[1:] for cells in table(out)}
    assert rows[""] == ["memory"]
    assert rows["hit rate"] == ["75.0 %"]
    assert not {"queued", "skipped", "connects"} & rows.keys()
    assert 'layer="memory"' in metrics
    assert 'layer="disk"' not in metrics
    assert 'layer="redis"' not in metrics


def test_the_command_purges(filled):
    code, out, err = cli("purge", "--to", filled.server.url, "--model", "heavy", "--symbol", "ONE")
    assert (code, err) == (0, "")
    assert out.splitlines() == [f"dropped 1 answer from {layer}" for layer in ("memory", "disk", "Redis")]
    assert filled.entries() == (3, 3, 1), "it waits until all is done"
    code, out, _ = cli("purge", "--to", f"unix:{filled.unix_socket}", "--all")
    assert code == 0
    assert out.splitlines()[:2] == ["dropped 3 answers from memory", "dropped 3 answers from disk"]
    assert filled.entries() == (0, 0, 0)
    assert "purged model heavy, symbol ONE: 1 from memory, 1 from disk, 1 from Redis" in filled.server.log()


def test_the_command_says_what_is_not_done_and_it_is_done_later(filled):
    filled.redis.pause()
    try:
        filled.server.wait_until(
            lambda: cache_of(filled.client)["redis"]["nodes"][0]["state"] != "up", "saw that Redis is away"
        )
        code, out, err = cli("purge", "--to", filled.server.url, "--all")
        assert code == 1
        assert "dropped 4 answers from memory\n" in out
        assert "dropped 4 answers from disk\n" in out
        assert "dropped 0 answers from Redis so far" in out
        assert f"Redis waits for {filled.redis.address}" in err
        assert cache_of(filled.client)["purges_running"] == 1
    finally:
        filled.redis.resume()
    filled.wait_until_purged()
    assert filled.entries() == (0, 0, 0)


def test_the_command_of_a_server_with_memory_alone_speaks_of_memory_alone(start_server, models):
    server = start_server(models, **{"cache.disk": {"directory": ""}})
    assert cli("purge", "--to", server.url, "--all") == (0, "dropped 0 answers from memory\n", "")
    code, _, err = cli("purge", "--to", server.url, "--model", "nosuch")
    assert (code, 'no model "nosuch" is served here' in err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["purge"], 2, "--all"),
        (["purge", "--all", "--model", "heavy"], 2, "--all"),
        (["purge", "--all", "--nonsense"], 2, "--nonsense"),
        (["purge", "--model", "", "--symbol", "ONE"], 2, "--model: must not be empty"),
        (["purge", "--model", "heavy", "--symbol", ""], 2, "--symbol: must not be empty"),
        (["stats", "--to", "ftp://nowhere"], 2, "ftp://nowhere"),
        (["stats", "--to", "http://127.0.0.1:1"], 1, "127.0.0.1:1"),
        (["purge", "--all", "--to", "http://127.0.0.1:1"], 1, "127.0.0.1:1"),
        ([], 2, "SUBCOMMAND"),
    ],
    ids=["nothing", "all_and_a_model", "an_unknown_flag", "an_empty_model", "an_empty_symbol", "no_address", "nobody_there", "nobody_to_purge", "alone"],
)
def test_the_command_says_what_was_wrong(arguments, code, said):
    done, out, err = cli(*arguments)
    assert done == code, out + err
    assert said.lower() in (out + err).lower()
