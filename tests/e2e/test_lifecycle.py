"""The server from start to end: signals, reloads, sockets, health."""

from __future__ import annotations

import json
import shutil
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
from bad_input_checks import GOOD, NUMBERS, check_error
from order_books import made_up_window
from punctual_server import MODELS, Client, Server, post, run, user, write_config


def repository(folder: Path, *models: str) -> Path:
    """A repository of copies."""
    for model in models:
        shutil.copytree(MODELS / model, folder / model)
    return folder


def another_version(models: Path, model: str, version: int) -> Path:
    """Adds a version that computes the same with another file: ONNX's doc_string (field 6, a text) is set behind it."""
    source, folder = models / model / "1", models / model / str(version)
    text = f"version {version}".encode()
    shutil.copytree(source, folder)
    (folder / "model.onnx").write_bytes((source / "model.onnx").read_bytes() + bytes([0x32, len(text)]) + text)
    return folder


def status_of(client: Client, model: str) -> dict:
    return next(m for m in client.get("/v1/models").json()["models"] if m["name"] == model)


def mlp_request(seed: int) -> dict:
    """A question of its own for each seed."""
    return {**GOOD, "inputs": {"book": np.random.default_rng(seed).normal(size=22).tolist()}}


class Clients:
    """Clients that ask different questions all the time; every answer must be one."""

    def __init__(self, server: Server, count: int = 6):
        self._server = server
        self._stop = threading.Event()
        self.versions = [[] for _ in range(count)]
        self._failures = []
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(count)]

    def _ask(self, number: int) -> None:
        try:
            with self._server.client() as client:
                for i in range(10**9):
                    if self._stop.is_set():
                        return
                    # Half of the questions come again, and are answered from memory.
                    answer = client.answer(mlp_request(number * 10**9 + i // 2))
                    assert (answer["degraded"], answer["model"]) == (False, "mlp")
                    self.versions[number].append(answer["version"])
        except Exception as failure:
            self._failures.append(failure)

    def answered(self) -> int:
        return min(len(versions) for versions in self.versions)

    def go_on(self, server: Server) -> None:
        """Returns when each of them has had 50 answers more."""
        target = self.answered() + 50
        server.wait_until(lambda: self._failures or self.answered() >= target, "answered more requests")
        assert not self._failures, self._failures

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        assert not self._failures, self._failures


def test_sigterm_finishes_what_was_admitted(start_server):
    # One worker, so that requests wait for it.
    server = start_server(engine={"workers": 1}, server={"max_body_bytes": 1 << 20})
    per_connection, connections = 10, 20
    random = np.random.default_rng(1)

    def slow_request() -> bytes:
        values = [round(value, 2) for value in random.normal(size=4000).tolist()]
        tensor = {"shape": [1, 100, 40], "data": values}
        return post("/v1/predict", json.dumps({"user": user(), "model": "deeplob", "inputs": {"book": tensor}}))

    with server.client() as client:

        def misses() -> int:
            return client.get("/v1/stats").json()["cache"]["memory"]["misses"]

        with server.wire() as wire:
            assert wire.send(slow_request()).read().status == 200
        misses_of_one = misses()
        wires = [server.wire() for _ in range(connections)]
        senders = [
            threading.Thread(target=wire.send, args=(b"".join(slow_request() for _ in range(per_connection)),))
            for wire in wires
        ]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        all_admitted = misses_of_one * (1 + connections * per_connection)
        server.wait_until(lambda: misses() >= all_admitted, "admitted every request")

    server.send_signal(signal.SIGTERM)
    for wire in wires:
        replies = [wire.read() for _ in range(per_connection)]
        for reply in replies:
            assert reply.status == 200, reply
            assert reply.json()["source"] == "model"
        assert wire.is_closed()
        wire.close()
    assert server.wait() == 0
    with pytest.raises(ConnectionError):
        server.wire()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_ends_on_a_signal(start_server, number):
    server = start_server()
    with server.client() as idle:
        idle.answer(GOOD)
        assert server.stop(number) == 0


def test_sighup_brings_a_new_version_without_dropping_a_request(start_server, tmp_path):
    models = repository(tmp_path, "mlp", "tcn", "deeplob")
    server = start_server(models, models={"reload_poll_ms": 0})
    with server.client() as client, Clients(server) as clients:
        before = client.answer(GOOD)
        for version in (2, 3):
            clients.go_on(server)
            another_version(models, "mlp", version)
            server.send_signal(signal.SIGHUP)
            server.wait_until(lambda v=version: status_of(client, "mlp")["version"] == str(v), f"served {version}")
        clients.go_on(server)
        after = client.answer(GOOD)
    assert (before["version"], after["version"]) == ("1", "3")
    assert np.allclose(before["outputs"]["probabilities"], after["outputs"]["probabilities"], atol=1e-6)
    for versions in clients.versions:
        assert set(versions) == {"1", "2", "3"}
        assert versions == sorted(versions), "an old version answered after a new one"


def test_a_new_version_is_found_without_a_signal(start_server, tmp_path):
    models = repository(tmp_path, "mlp", "tcn", "deeplob")
    server = start_server(models, models={"reload_poll_ms": 50})
    another_version(models, "mlp", 2)
    with server.client() as client:
        server.wait_until(lambda: status_of(client, "mlp")["version"] == "2", "served version 2")
        assert client.answer(GOOD)["version"] == "2"


def garbage(model: Path) -> None:
    (model / "2").mkdir()
    (model / "2/model.onnx").write_bytes(b"this is no model" * 100)


def truncated(model: Path) -> None:
    (model / "2").mkdir()
    whole = (model / "1/model.onnx").read_bytes()
    (model / "2/model.onnx").write_bytes(whole[: len(whole) // 2])


def another_models_file(model: Path) -> None:
    (model / "2").mkdir()
    shutil.copy(MODELS / "tcn/1/model.onnx", model / "2/model.onnx")


def no_model_file(model: Path) -> None:
    (model / "2").mkdir()
    (model / "2/notes.txt").write_text("the model was forgotten")


def bad_manifest(model: Path) -> None:
    another_version(model.parent, model.name, 2)
    (model / "model.toml").write_text('backend = "openvino"\nladder = ["l1", "nonsense"]\n')


@pytest.mark.parametrize("break_it", [garbage, truncated, another_models_file, no_model_file, bad_manifest])
def test_a_broken_version_is_refused_and_the_old_one_goes_on(start_server, tmp_path, break_it):
    models = repository(tmp_path, "mlp", "tcn", "deeplob")
    server = start_server(models, models={"reload_poll_ms": 0})
    with server.client() as client, Clients(server, count=3) as clients:
        before = client.answer(GOOD)
        break_it(models / "mlp")
        server.send_signal(signal.SIGHUP)
        server.wait_until(lambda: "error" in status_of(client, "mlp"), "noticed the broken version")
        status = status_of(client, "mlp")
        assert (status["version"], status["serving"]) == ("1", True)
        assert str(models / "mlp") in status["error"], "the error names the file"
        clients.go_on(server)
        assert client.answer(GOOD)["outputs"] == before["outputs"]
        assert "mlp was refused" in server.log()
        # Once it is mended, the error goes.
        shutil.rmtree(models / "mlp/2")
        shutil.copy(MODELS / "mlp/model.toml", models / "mlp/model.toml")
        server.send_signal(signal.SIGHUP)
        server.wait_until(lambda: "error" not in status_of(client, "mlp"), "noticed that it was mended")
    assert {version for versions in clients.versions for version in versions} == {"1"}


def test_a_server_with_a_broken_model_says_so_and_serves_the_others(start_server, tmp_path):
    models = repository(tmp_path, "mlp", "tcn")
    (models / "tcn/1/model.onnx").write_bytes(b"broken")
    server = start_server(models)
    with server.client() as client:
        assert status_of(client, "tcn")["serving"] is False
        assert client.get("/readyz").status == 200
        assert client.answer(GOOD)["model"] == "mlp"
        reply = client.predict({"user": user(style="day"), "market": made_up_window()})
        check_error(reply, 400, "FAILED_PRECONDITION", "model", "tcn", "could not be loaded")


def test_a_server_without_a_model_lives_but_is_not_ready(start_server, tmp_path):
    models = repository(tmp_path, "mlp")
    (models / "mlp/1/model.onnx").write_bytes(b"broken")
    with start_server(models).client() as client:
        assert client.get("/healthz").json() == {"status": "alive"}
        check_error(client.get("/readyz"), 503, "UNAVAILABLE", "models", "/v1/models")


def test_a_ready_server_says_so(start_server):
    with start_server().client() as client:
        for path, body in (("/healthz", {"status": "alive"}), ("/readyz", {"status": "ready"})):
            reply = client.get(path)
            assert (reply.status, reply.json()) == (200, body)
            reply = client.ask("HEAD", path)
            assert (reply.status, reply.body) == (200, b"")


def test_the_unix_socket_serves_the_same(start_server, tmp_path):
    path = tmp_path / "punctual.sock"
    server = start_server(server={"unix_socket": str(path)})
    with server.client() as tcp, server.unix_client(path) as unix:
        assert unix.publish("BOOKS", *made_up_window()).json() == {"published": 101}
        request = {"user": user(style="day"), "symbol": "BOOKS"}
        first, second = unix.answer(request), tcp.answer(request)
        assert (first["source"], second["source"]) == ("model", "l1")
        assert first["outputs"] == second["outputs"]
        check_error(unix.predict("{"), 400, "INVALID_ARGUMENT", "body")
        assert unix.answer(request)["outputs"] == first["outputs"]
    assert server.stop() == 0
    assert not path.exists(), "the socket goes with the server"


def test_a_server_may_have_a_unix_socket_alone_and_take_over_a_dead_ones(start_server, tmp_path):
    path = tmp_path / "punctual.sock"
    dead = start_server(server={"listen": "", "unix_socket": str(path)})
    dead.kill()
    assert path.exists()
    server = start_server(server={"listen": "", "unix_socket": str(path)})
    with server.unix_client(path) as client:
        assert client.answer({**GOOD, "inputs": {"book": NUMBERS}})["source"] == "model"


def test_an_address_in_use_is_named(start_server, tmp_path):
    server = start_server()
    taken = f"127.0.0.1:{server.port}"
    done = run("serve", "--config", write_config(tmp_path, server={"listen": taken}))
    assert done.returncode == 1
    assert taken in done.stderr
