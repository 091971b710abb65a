"""Servers for the tests: each in a folder of its own, on a free port, stopped at the end, its log beside a failure."""

from __future__ import annotations

import pytest
from punctual_server import PROGRAM, Server, running_servers
from redis_servers import RedisCluster, RedisServer

_started: list[Server] = []
_LOG_TAIL = 8000


def pytest_sessionstart() -> None:
    if not PROGRAM.exists():
        pytest.exit(f"{PROGRAM} is not there: run script/build, or set PUNCTUAL to the program", returncode=2)


@pytest.fixture
def start_server(tmp_path_factory):
    """start_server(REPOSITORY, TABLE={KEY: VALUE}, ...) -> Server, for one test; see write_config."""
    with running_servers(lambda: tmp_path_factory.mktemp("server"), _started) as start:
        yield start


@pytest.fixture(scope="module")
def start_module_server(tmp_path_factory):
    """The same for all tests of a module."""
    with running_servers(lambda: tmp_path_factory.mktemp("server"), _started) as start:
        yield start


@pytest.fixture
def start_redis(tmp_path_factory):
    """start_redis(OPTION, ...) -> RedisServer, for one test; see RedisServer."""
    mine = []

    def start(*options: str, **more) -> RedisServer:
        mine.append(RedisServer(tmp_path_factory.mktemp("redis"), *options, **more))
        return mine[-1].start()

    yield start
    for server in mine:
        server.kill()


@pytest.fixture(scope="session")
def redis(tmp_path_factory):
    """One Redis that is well, for tests with secrets and prefixes of their own."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server.start()
    server.kill()


@pytest.fixture(scope="session")
def _cluster(tmp_path_factory):
    cluster = RedisCluster(lambda: tmp_path_factory.mktemp("node"))
    yield cluster
    cluster.kill()


@pytest.fixture
def cluster(_cluster):
    """A cluster that is whole; a test may do to it what it likes."""
    _cluster.heal()
    return _cluster


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        report.sections += [(f"log of the server at {s.url or s.folder}", s.log()[-_LOG_TAIL:]) for s in _started]
    return report
