"""What somebody else writes under our keys in Redis is never served, is counted, and is replaced by the answer."""

from __future__ import annotations

import os

import pytest
from punctual_server import Client
from questions import Questions, heavy, write_model
from redis_layer import fresh_prefix, node_of, redis_alone, redis_of, wait_for_redis
from redis_servers import RedisServer, wait_until


def flipped(record: bytes, bit: int) -> bytes:
    changed = bytearray(record)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


# What somebody else may write under our key, made of the right record and of another question's.
LIES = {
    "noise": lambda record, _: os.urandom(len(record)),
    "much_noise": lambda *_: os.urandom(1 << 20),
    "nothing": lambda *_: b"",
    "the_beginning_alone": lambda record, _: record[:40],
    "all_but_the_end": lambda record, _: record[:-1],
    "more_than_all": lambda record, _: record + b"\0" * 8,
    "anothers_record": lambda _, other: other,
    "anothers_answer": lambda record, other: record[:64] + other[64:],
    "a_bit_of_the_answer": lambda record, _: flipped(record, 8 * len(record) - 20),
    "a_bit_of_the_checksum": lambda record, _: flipped(record, 8 * 9),
    "a_bit_of_the_expiry": lambda record, _: flipped(record, 8 * 60 + 5),
}


@pytest.fixture(scope="module")
def questions():
    return Questions("heavy", heavy())


@pytest.fixture(scope="module")
def lied_to(start_module_server, redis, tmp_path_factory):
    """A server that asks Redis each time, and the prefix of its keys."""
    models = write_model(tmp_path_factory.mktemp("models"), "heavy", heavy())
    write_model(models, "brief", heavy(seed=3), "[cache]\nttl_ms = 400\n")
    prefix = fresh_prefix()
    return start_module_server(models, **redis_alone([redis.address], prefix)), prefix


def key_of(client: Client, questions: Questions, number: int, redis: RedisServer, prefix: str) -> bytes:
    """Asks until the answer is in Redis; what is new there is it."""
    before, new = set(redis.keys(prefix)), set()

    def is_there() -> bool:
        questions.ask(client, number)
        new.update(set(redis.keys(prefix)) - before)
        return bool(new)

    wait_until(is_there, "was given the answer")
    return new.pop()


def until_hit(client: Client, questions: Questions, number: int) -> None:
    wait_until(lambda: questions.ask(client, number) == "l3", "gave the answer")


@pytest.fixture(scope="module")
def records(lied_to, questions, redis):
    """The keys of two questions, and their right records."""
    server, prefix = lied_to
    with server.client() as client:
        wait_for_redis(server, client)
        keys = [key_of(client, questions, number, redis, prefix) for number in (0, 1)]
    return [(key, redis.command("GET", key)) for key in keys]


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_what_somebody_else_wrote_is_never_served_and_is_replaced(lied_to, records, questions, redis, lie):
    (key, record), (_, other) = records
    server, _ = lied_to
    with server.client() as client:
        wait_for_redis(server, client)
        until_hit(client, questions, 0)
        before = sum(redis_of(client)["faults"].values())
        for _ in range(20):  # a look-up that comes too late sees nothing
            redis.command("SET", key, lie(record, other), "PX", 300_000)
            assert questions.ask(client, 0) == "model"
            if sum(redis_of(client)["faults"].values()) > before:
                break
        else:
            raise AssertionError(f"was never counted: {redis_of(client)}")
        until_hit(client, questions, 0)


def test_a_value_of_another_type_is_an_error_and_is_replaced(lied_to, records, questions, redis):
    key, _ = records[0]
    server, _ = lied_to
    with server.client() as client:
        until_hit(client, questions, 0)
        before = redis_of(client)["errors"]
        for _ in range(20):
            redis.command("DEL", key)
            redis.command("RPUSH", key, "one", "two")
            assert questions.ask(client, 0) == "model"
            if redis_of(client)["errors"] > before:
                break
        else:
            raise AssertionError(f"was never counted: {redis_of(client)}")
        assert "WRONGTYPE" in node_of(client, redis.address)["last_error"]
        until_hit(client, questions, 0)


def test_an_answer_that_outlived_its_time_is_not_served(lied_to, redis):
    server, prefix = lied_to
    brief = Questions("brief", heavy(seed=3))
    with server.client() as client:
        wait_for_redis(server, client)
        key = record = None
        while record is None:  # it may be gone before it is read
            key = key_of(client, brief, 0, redis, prefix)
            record = redis.command("GET", key)
        wait_until(lambda: redis.command("GET", key) is None, "let it expire")
        before = redis_of(client)["faults"].get("expired", 0)
        for _ in range(20):
            redis.command("SET", key, record)  # to be kept for ever
            assert brief.ask(client, 0) == "model"
            if redis_of(client)["faults"].get("expired", 0) > before:
                return
    raise AssertionError("was never counted")
