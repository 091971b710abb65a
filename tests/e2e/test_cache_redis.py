"""The third layer, in real Redis servers: answers that servers share, and a Redis that is sick, slow or away.
Whatever becomes of it, every request is answered in time and rightly."""

from __future__ import annotations

import json
import re
import time
from collections import Counter

import pytest
from punctual_server import Client, post, run, write_config
from questions import Load, Questions, heavy, write_model
from redis_layer import ALL_ON_DISK, fresh_prefix, node_of, redis_alone, redis_of, tables, wait_for_redis
from redis_servers import RedisServer, make_certificates
from tcp_proxy import TcpProxy, black_hole, cut, delayed, losing_bytes, pass_on


# Servers that measure may choose differently where the two are about as quick, and then share no answers.
MANIFEST = 'backend = "native"\n'


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("models"), "heavy", heavy(), MANIFEST)


@pytest.fixture(scope="module")
def questions():
    return Questions("heavy", heavy())


def fill(client: Client, questions: Questions, redis: RedisServer, prefix: str, count: int) -> range:
    """Asks new questions until `count` answers are in Redis; gives those that were asked."""
    numbers = range(0)
    while len(redis.keys(prefix)) < count:
        assert len(numbers) < 20 * count, "hardly anything is kept in Redis"
        numbers = range(len(numbers) + 1)
        assert questions.ask(client, numbers[-1]) == "model"
    return numbers


class Shared:
    """Answers of one server in Redis."""

    COUNT = 12

    def __init__(self, start, models, questions: Questions, redis: RedisServer):
        self.prefix = fresh_prefix()
        server = start(models, **tables([redis.address], self.prefix))
        with server.client() as client:
            wait_for_redis(server, client)
            self.numbers = fill(client, questions, redis, self.prefix, self.COUNT)


@pytest.fixture(scope="module")
def shared(start_module_server, models, questions, redis):
    return Shared(start_module_server, models, questions, redis)


def test_an_answer_of_one_server_is_found_in_redis_by_another_and_rises_there(
    start_server, models, questions, redis, shared
):
    all_layers = tables([redis.address], shared.prefix)
    server = start_server(models, **all_layers)
    with server.client() as client:
        sources = {}
        for number in shared.numbers:
            wait_for_redis(server, client)  # each time: a busy machine may have let it rest
            sources[number] = questions.ask(client, number)
        assert set(sources.values()) <= {"l3", "model"}
        found = [number for number, source in sources.items() if source == "l3"]
        assert len(found) >= shared.COUNT / 2, (sources, redis_of(client))
        assert questions.ask_all(client, found) == ["l1"] * len(found)
        assert redis_of(client)["hits"] == len(found)
    # Now without Redis, and with nothing in memory from the start.
    assert server.stop() == 0
    del all_layers["cache.redis"]
    write_config(server.folder, models, **{**all_layers, "cache.disk": {**ALL_ON_DISK, "warm_up_ms": 0}})
    server.start()
    with server.client() as client:
        assert questions.ask_all(client, found) == ["l2"] * len(found)
        assert questions.ask_all(client, found) == ["l1"] * len(found)


def test_servers_of_another_secret_share_nothing(start_server, models, questions, redis, shared):
    server = start_server(models, **redis_alone([redis.address], shared.prefix, secret="another"))
    with server.client() as client:
        wait_for_redis(server, client)
        assert questions.ask_all(client, shared.numbers) == ["model"] * len(shared.numbers)
        assert redis_of(client)["misses"] > 0
        assert redis_of(client)["hits"] == 0


def test_another_file_under_the_same_name_and_number_is_another_model(start_server, tmp_path, redis, shared):
    rewritten = write_model(tmp_path, "heavy", heavy(seed=2), MANIFEST)
    server = start_server(rewritten, **redis_alone([redis.address], shared.prefix))
    with server.client() as client:
        wait_for_redis(server, client)
        # The answers are checked against the new file.
        sources = Questions("heavy", heavy(seed=2)).ask_all(client, shared.numbers)
        assert sources == ["model"] * len(sources)
        assert redis_of(client)["hits"] == 0


def test_a_killed_master_costs_no_answer_and_its_replica_takes_over(start_server, models, questions, cluster):
    prefix = fresh_prefix()
    # Two are named, the others are found.
    server = start_server(models, **redis_alone(cluster.addresses[:2], prefix))
    with server.client() as client:
        wait_for_redis(server, client)
        with Load(server, questions, range(40)) as load:
            load.wait_for_hits()
            killed = cluster.masters()[0]
            assert killed.keys(prefix), "it holds some of the answers"
            killed.kill()
            server.wait_until(lambda: node_of(client, killed.address)["state"] != "up", "saw that a node is gone")
            load.wait_for_hits()
            cluster.heal()
            load.wait_for_hits()
        assert {"master", "replica"} <= {node["role"] for node in redis_of(client)["nodes"]}


def test_slots_migrate_under_load(start_server, models, questions, cluster):
    prefix = fresh_prefix()
    server = start_server(models, **redis_alone(cluster.addresses[:1], prefix))
    with server.client() as client:
        wait_for_redis(server, client)
        with Load(server, questions, range(150)) as load:
            load.wait_for_hits()
            giver, taker = cluster.masters()[:2]
            before, since = len(taker.keys(prefix)), load.now()
            ends = "--cluster-from", giver.cluster_id(), "--cluster-to", taker.cluster_id()
            cluster.manage("reshard", giver.address, *ends, "--cluster-slots", "600")
            during = load.sources(since)
            assert len(taker.keys(prefix)) > before, "answers went over"
            assert during["l3"] > during["model"], during
            load.wait_for_hits()


def test_a_hung_master_is_left_alone_until_it_is_back(start_server, models, questions, cluster):
    prefix = fresh_prefix()
    server = start_server(models, **redis_alone(cluster.addresses[:1], prefix))
    reader = start_server(models, **redis_alone(cluster.addresses[:1], prefix, read_from_replicas=True))
    cluster.configure("cluster-node-timeout", "120000")  # nobody takes over
    try:
        with server.client() as client, reader.client() as reading:
            wait_for_redis(server, client)
            wait_for_redis(reader, reading)
            with Load(server, questions, range(30)) as load:
                load.wait_for_hits()
                hung = cluster.masters()[-1]
                its_own = len(hung.keys(prefix))
                assert 0 < its_own < 30
                hung.pause()
                server.wait_until(lambda: node_of(client, hung.address)["state"] == "open", "left the node alone")
                since = load.now()
                load.wait_for_hits(30 - its_own)
                # Its replica still has what it had.
                with Load(reader, questions, range(30)) as other:
                    other.wait_for_hits()
                load.go_on(100)
                assert len(load.hits(since)) == 30 - its_own, "what the hung node holds cannot come from elsewhere"
                hung.resume()
                server.wait_until(lambda: node_of(client, hung.address)["state"] == "up", "came back to the node")
                load.wait_for_hits()
    finally:
        cluster.heal()
        cluster.configure("cluster-node-timeout", "1500")


def test_a_purge_waits_for_a_hung_master_while_the_others_are_purged(start_server, models, questions, cluster):
    prefix = fresh_prefix()
    server = start_server(models, **redis_alone(cluster.addresses[:1], prefix))
    cluster.configure("cluster-node-timeout", "120000")  # nobody takes over
    try:
        with server.client() as client:
            wait_for_redis(server, client)
            with Load(server, questions, range(30)) as load:
                load.wait_for_hits()
            hung = cluster.masters()[-1]
            others = [master for master in cluster.masters() if master is not hung]
            hung.pause()
            server.wait_until(lambda: node_of(client, hung.address)["state"] == "open", "left the node alone")
            assert client.ask("POST", "/v1/cache/purge", '{"model":"heavy"}').status == 200
            server.wait_until(lambda: not any(node.keys(prefix) for node in others), "purged the others")

            def purge() -> dict:
                return client.get("/v1/cache").json()["purges"][-1]

            server.wait_until(lambda: hung.address in purge()["redis"].get("waits_for", ""), "said what it waits for")
            assert purge()["running"]
            hung.resume()
            server.wait_until(lambda: not purge()["running"], "went on")
            assert (purge()["redis"]["state"], hung.keys(prefix)) == ("done", [])
            assert f"cache.redis: {hung.address} is up" in server.log()
    finally:
        cluster.heal()
        cluster.configure("cluster-node-timeout", "1500")


def test_a_purge_reaches_every_master(start_server, models, questions, cluster):
    prefix = fresh_prefix()
    server = start_server(models, **redis_alone(cluster.addresses[:1], prefix))
    with server.client() as client:
        wait_for_redis(server, client)
        with Load(server, questions, range(30)) as load:
            load.wait_for_hits()
        assert all(master.keys(prefix) for master in cluster.masters())
        assert client.ask("POST", "/v1/cache/purge", '{"model":"heavy"}').status == 200
        server.wait_until(lambda: client.get("/v1/cache").json()["purges_running"] == 0, "purged")
        assert not any(master.keys(prefix) for master in cluster.masters())
        assert questions.ask(client, 0) == "model"


@pytest.fixture(scope="module")
def proxy(redis):
    with TcpProxy(redis.port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def behind_proxy(start_module_server, models, proxy):
    return start_module_server(models, **redis_alone([proxy.address], fresh_prefix()))


BAD_NETWORKS = {"late": delayed(0.02), "lossy": losing_bytes(seed=5), "cut": cut, "black_hole": black_hole}


@pytest.mark.parametrize("treatment", BAD_NETWORKS.values(), ids=BAD_NETWORKS.keys())
def test_a_bad_network_costs_no_answer_and_is_got_over(behind_proxy, proxy, questions, treatment):
    with behind_proxy.client() as client:
        wait_for_redis(behind_proxy, client)
        with Load(behind_proxy, questions, range(20)) as load:
            load.wait_for_hits()
            proxy.treat = treatment
            try:
                began, since = time.monotonic(), load.now()
                load.go_on(200)
                load.wait_until(lambda: time.monotonic() > began + 2, "two seconds of it")
                assert load.sources(since)["model"] > 0
            finally:
                proxy.treat = pass_on
            load.wait_for_hits()


def test_a_connection_that_is_lost_is_made_again(behind_proxy, proxy, questions):
    with behind_proxy.client() as client, Load(behind_proxy, questions, range(20)) as load:
        load.wait_for_hits()
        before = redis_of(client)["connects"]
        proxy.disconnect()
        behind_proxy.wait_until(lambda: redis_of(client)["connects"] > before, "reconnected")
        load.wait_for_hits()


def test_a_wrong_password_is_reported_and_the_right_one_works(start_server, start_redis, models, questions):
    redis = start_redis(password="right")
    wrong = start_server(models, **redis_alone([redis.address], "auth", password="wrong"))
    right = start_server(models, **redis_alone([redis.address], "auth", password="right"))
    with wrong.client() as client:
        wrong.wait_until(lambda: "WRONGPASS" in node_of(client, redis.address).get("last_error", ""), "said why")
        assert questions.ask_all(client, range(5)) == ["model"] * 5
        assert questions.ask_all(client, range(5)) == ["model"] * 5
        assert node_of(client, redis.address)["state"] != "up"
    with right.client() as client:
        wait_for_redis(right, client)
        with Load(right, questions, range(5)) as load:
            load.wait_for_hits()


def test_a_full_redis_refuses_and_the_answers_go_on(start_server, start_redis, models, questions):
    redis = start_redis("--maxmemory", "1000", "--maxmemory-policy", "noeviction")
    server = start_server(models, **redis_alone([redis.address], "full"))
    with server.client() as client:
        wait_for_redis(server, client)
        with Load(server, questions, range(10)) as load:
            server.wait_until(lambda: redis_of(client)["failed"] >= 10, "counted refused writes")
            assert set(load.sources(0)) == {"model"}
            assert "OOM" in node_of(client, redis.address)["last_error"]
            assert redis_of(client)["writes"] == 0
            redis.command("CONFIG", "SET", "maxmemory", "0")
            load.wait_for_hits()


def test_a_redis_that_comes_later_is_used_then(start_server, start_redis, models, questions):
    redis = start_redis()
    redis.kill()
    server = start_server(models, **redis_alone([redis.address], "later"))
    with server.client() as client:
        assert questions.ask_all(client, range(5)) == ["model"] * 5
        assert redis_of(client)["skipped"] > 0
        assert node_of(client, redis.address)["last_error"]
        redis.start()
        with Load(server, questions, range(5)) as load:
            load.wait_for_hits()


def test_a_server_ends_well_while_redis_hangs(start_server, start_redis, models, questions):
    redis = start_redis()
    server = start_server(models, **redis_alone([redis.address], "hangs"))
    with server.client() as client:
        wait_for_redis(server, client)
        redis.pause()
        questions.ask_all(client, range(3))
        assert server.stop() == 0


SOMEWHERE = {"nodes": ["127.0.0.1:1"]}
BAD_TABLES = {
    "cache.secret": {"cache": {}},
    "cache.redis.nodes": {"cache.redis": {"nodes": ["nowhere"]}},
    "cache.redis.timeout_ms": {"cache.redis": {**SOMEWHERE, "timeout_ms": 0}},
    "cache.redis.password": {"cache.redis": {**SOMEWHERE, "username": "me"}},
    "cache.redis.tls": {"cache.redis": {**SOMEWHERE, "ca_file": "ca.crt"}},
    "cache.redis.ca_file": {"cache.redis": {**SOMEWHERE, "tls": True, "ca_file": "none.crt"}},
    "cache.redis.cert_file": {"cache.redis": {**SOMEWHERE, "tls": True, "cert_file": __file__}},
    "cache.redis.prefix": {"cache.redis": {**SOMEWHERE, "prefix": "x" * 33}},
    "cache.redis.retries": {"cache.redis": {**SOMEWHERE, "retries": 3}},
    "cache.disk.bytes": {"cache.disk": {"bytes": 1000}},
}


@pytest.mark.parametrize("named", BAD_TABLES)
def test_a_configuration_that_cannot_work_is_refused_by_name(models, tmp_path, named):
    config = write_config(tmp_path, models, **{**tables(SOMEWHERE["nodes"], "x"), **BAD_TABLES[named]})
    done = run("serve", "--config", config)
    assert done.returncode == 2, done
    assert re.search(rf"{re.escape(str(config))}:\d+: {re.escape(named)}: ", done.stderr), done.stderr


def test_a_check_tries_each_node_once_and_names_those_that_fail(tmp_path, redis):
    config = write_config(tmp_path, **tables([redis.address], "checked", connect_timeout_ms=20_000))
    done = run("serve", "--check", "--config", config)
    assert done.returncode == 0, done
    nobody = {"nodes": [redis.address, "127.0.0.1:1"], "connect_timeout_ms": 20_000}
    config = write_config(tmp_path, **{**tables([], "checked"), "cache.redis": nobody})
    done = run("serve", "--check", "--config", config)
    assert done.returncode == 1, done
    assert "cache.redis.nodes: 127.0.0.1:1: " in done.stderr
    assert f"cache.redis.nodes: {redis.address}" not in done.stderr
    assert "is right, but not every layer of the cache can be used" in done.stderr
    assert done.stdout == ""


def test_redis_over_tls(start_server, start_redis, models, questions, tmp_path):
    for name in ("ours", "anothers"):
        (tmp_path / name).mkdir()
        make_certificates(tmp_path / name)
    redis = start_redis(certificates=tmp_path / "ours")
    trusting, doubting = (
        start_server(models, **redis_alone([redis.address], "tls", tls=True, ca_file=str(tmp_path / of / "ca.crt")))
        for of in ("ours", "anothers")
    )
    with trusting.client() as client:
        wait_for_redis(trusting, client)
        with Load(trusting, questions, range(5)) as load:
            load.wait_for_hits()
    with doubting.client() as client:
        doubting.wait_until(lambda: "certificate" in node_of(client, redis.address).get("last_error", ""), "said why")
        assert questions.ask_all(client, range(5)) == ["model"] * 5


def test_equal_questions_at_once_are_computed_once(start_server, models, questions, redis):
    server = start_server(models, **tables([redis.address], fresh_prefix()))
    with server.client() as client:
        wait_for_redis(server, client)
    wires = [server.wire() for _ in range(50)]
    coalesced = 0
    for number in range(5):
        request = post("/v1/predict", json.dumps(questions.request(number)))
        for wire in wires:
            wire.send(request)
        sources = Counter(questions.check(number, wire.read().json()) for wire in wires)
        assert sources["model"] == 1, sources
        assert set(sources) <= {"model", "coalesced", "l1"}, sources
        coalesced += sources["coalesced"]
    assert coalesced > 0
    for wire in wires:
        wire.close()
