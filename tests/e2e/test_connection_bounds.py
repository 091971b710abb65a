"""What connections may cost: how slow a peer may be, how little it may read, how long it may stay, and how many there are."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import time

import pytest
from bad_input_checks import GOOD, Healthy, check_error
from punctual_server import PATIENCE_S, Server, Wire, post
from test_statistics import metrics

HEALTHZ = b"GET /healthz HTTP/1.1\r\n\r\n"
BODY = b"POST /v1/predict HTTP/1.1\r\nContent-Length: 100000\r\n\r\n"
CHUNKS = b"POST /v1/predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"


def timeouts(server: Server) -> float:
    with server.client() as client:
        return metrics(client).value("punctual_http_timeouts_total")


def readable(wire: Wire) -> bool:
    return bool(select.select([wire.socket], [], [], 0.05)[0])


def trickle(wire: Wire, piece: bytes) -> None:
    """Until the server has something to say to it."""
    give_up_at = time.monotonic() + PATIENCE_S
    while not readable(wire):
        assert time.monotonic() < give_up_at, "it may go on for ever"
        with contextlib.suppress(ConnectionError):
            wire.send(piece)


@pytest.mark.parametrize(
    "begin, piece",
    [(b"GET /healthz HTTP/1.1\r\nA: ", b"a"), (BODY, b" "), (CHUNKS, b"1\r\n \r\n")],
    ids=["head", "body", "chunks"],
)
def test_a_request_that_trickles_in_is_given_up_on(start_server, begin, piece):
    healthy = Healthy(start_server(server={"request_timeout_ms": 500, "idle_timeout_ms": 60_000}))
    wires = [healthy.server.wire().send(begin) for _ in range(20)]
    healthy.check_anew()
    for wire in wires:
        trickle(wire, piece)
        check_error(wire.read(), 408, "DEADLINE_EXCEEDED", "request_timeout_ms")
        wire.close()
    assert timeouts(healthy.server) == 20
    healthy.check_anew()


def test_an_idle_connection_is_closed_and_a_used_one_stays(start_server):
    server = start_server(server={"idle_timeout_ms": 1500})
    with server.wire() as never_used, server.wire() as idle, server.client() as used:
        assert idle.send(HEALTHZ).read().status == 200
        while not readable(idle):
            used.answer(GOOD)
        assert idle.is_closed()
        assert never_used.is_closed()
        used.answer(GOOD)
    assert timeouts(server) == 2


def test_empty_lines_do_not_keep_a_connection_open(start_server):
    server = start_server(server={"idle_timeout_ms": 500})
    with server.wire() as wire:
        trickle(wire, b"\r\n")
        assert wire.is_closed()


def test_peers_that_read_nothing_are_closed_and_hold_up_nobody(start_server):
    healthy = Healthy(start_server(server={"write_timeout_ms": 500}))
    request = post("/v1/predict", json.dumps(GOOD)) * 100
    wires = []
    for _ in range(20):
        wire = healthy.server.wire()
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.socket.setblocking(False)
        wires.append(wire)
    give_up_at = time.monotonic() + PATIENCE_S
    while wires:
        assert time.monotonic() < give_up_at, f"{len(wires)} are open"
        for wire in list(wires):
            try:
                wire.socket.send(request)
            except BlockingIOError:
                pass  # the server reads no more from it
            except ConnectionError:
                wires.remove(wire)
        healthy.check_anew()
        time.sleep(0.01)
    assert timeouts(healthy.server) == 20


def test_connections_over_the_bound_are_told_so_and_those_that_leave_make_room(start_server):
    server = start_server(server={"max_connections": 10})
    for _ in range(3):
        wires = [server.wire() for _ in range(10)]
        for wire in wires:
            assert wire.send(HEALTHZ).read().status == 200
        for _ in range(10):
            with server.wire() as refused:
                check_error(refused.read(), 503, "RESOURCE_EXHAUSTED", "max_connections")
                assert refused.is_closed()
        for wire in wires:
            wire.close()
        server.wait_until(lambda: open_connections(server) == 1, "saw them leave")
    with server.client() as client:
        assert metrics(client).value("punctual_http_connections_refused_total") >= 30


def test_an_address_over_its_bound_is_refused_and_others_are_not(start_server):
    server = start_server(server={"max_connections_per_address": 3, "listen": "127.0.0.1:0"})
    wires = [server.wire() for _ in range(3)]
    for wire in wires:
        assert wire.send(HEALTHZ).read().status == 200
    with server.wire() as refused:
        check_error(refused.read(), 503, "RESOURCE_EXHAUSTED", "max_connections_per_address")
        assert refused.is_closed()
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE_S, ("127.0.0.2", 0)) as other:
        other.sendall(HEALTHZ)
        assert other.recv(4096).startswith(b"HTTP/1.1 200 OK")
    for wire in wires:
        wire.close()
    server.wait_until(lambda: open_connections(server) == 1, "saw them leave")


def open_connections(server: Server) -> float:
    """With the one that asks; 0 if there is no room for it yet."""
    with server.wire() as wire:
        reply = wire.send(b"GET /metrics HTTP/1.1\r\n\r\n").read()
    if reply.status != 200:
        return 0
    return float(reply.body.decode().split("\npunctual_http_connections ")[1].split()[0])
