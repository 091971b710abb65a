"""The log goes to whoever takes it, and holds up nobody who does not."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import re
import signal
import subprocess
import time

import pytest
from bad_input_checks import GOOD
from punctual_server import PATIENCE_S, PROGRAM, Client, write_config
from test_statistics import metrics

PIPE_BYTES = 16384  # a few pages: one that is in use at all has no room, as far as poll() says


class PipedServer:
    """A server whose standard error is a small pipe."""

    def __init__(self, folder):
        self.read_end, write_end = os.pipe()
        fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        command = [str(PROGRAM), "serve", "--config", str(write_config(folder))]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=write_end, text=True)
        os.close(write_end)
        self.port = int(re.search(r":(\d+)$", self.process.stdout.readline().strip())[1])

    def client(self) -> Client:
        return Client(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S))

    def log_a_line(self) -> None:
        self.process.send_signal(signal.SIGHUP)
        time.sleep(0.005)  # two at once would be one

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def close_log(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.read_end)


@pytest.fixture
def piped(tmp_path):
    server = PipedServer(tmp_path)
    yield server
    server.process.kill()
    server.process.wait()
    server.process.stdout.close()
    server.close_log()


def dropped(client: Client) -> float:
    return metrics(client).value("punctual_log_lines_dropped_total")


def test_a_reader_of_the_log_who_stops_holds_up_neither_answers_nor_the_end(piped):
    with piped.client() as client:
        assert dropped(client) == 0
        give_up_at = time.monotonic() + PATIENCE_S
        while dropped(client) == 0:
            assert time.monotonic() < give_up_at
            for _ in range(20):
                piped.log_a_line()
            client.answer(GOOD)
    assert piped.stop() == 0
    text = os.read(piped.read_end, 2 * PIPE_BYTES).decode()
    assert text.endswith("\n"), "no line is cut"


def test_a_reader_of_the_log_who_goes_on_gets_the_lines_that_come_then(piped):
    with piped.client() as client:
        give_up_at = time.monotonic() + PATIENCE_S
        while dropped(client) == 0:
            assert time.monotonic() < give_up_at
            piped.log_a_line()
    os.read(piped.read_end, 2 * PIPE_BYTES)
    assert piped.stop() == 0
    assert "stopped" in os.read(piped.read_end, 2 * PIPE_BYTES).decode()


def test_a_reader_of_the_log_who_leaves_does_not_end_the_server(piped):
    piped.close_log()
    with piped.client() as client:
        for _ in range(20):
            piped.log_a_line()
        client.answer(GOOD)
    assert piped.stop() == 0
