"""Bad HTTP and bad peers: requests over the limits, half of them, garbage, and hundreds of those at once."""

from __future__ import annotations

import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from bad_input_checks import GOOD, Healthy, check_error
from order_books import made_up, made_up_window
from punctual_server import Server, post, user

MAX_BODY, MAX_HEADER = 65536, 2048
INVALID = (400, "INVALID_ARGUMENT")


@pytest.fixture(scope="module")
def healthy(start_module_server) -> Healthy:
    return Healthy(start_module_server(server={"max_body_bytes": MAX_BODY, "max_header_bytes": MAX_HEADER}))


def head(*lines: str) -> bytes:
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


PREDICT = "POST /v1/predict HTTP/1.1"
GARBAGE = {
    "words": b"this is not HTTP\r\n\r\n",
    "zero bytes": b"\x00\x01\x02\xff\xfe\r\n\r\n",
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "a method alone": b"GET\r\n\r\n",
    "an unknown version": b"GET /healthz HTTP/9.9\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a header without a colon": head("GET /healthz HTTP/1.1", "no colon"),
    "a zero byte in a header": head("GET /healthz HTTP/1.1", "A: \x00"),
    "a negative length": head(PREDICT, "Content-Length: -1"),
    "a length of text": head(PREDICT, "Content-Length: many"),
    "a length beyond 64 bits": head(PREDICT, "Content-Length: 99999999999999999999999"),
    "two lengths": head(PREDICT, "Content-Length: 2", "Content-Length: 3") + b"{}",
    "a length and chunks": head(PREDICT, "Content-Length: 2", "Transfer-Encoding: chunked") + b"{}",
    "a chunk size that is not hex": head(PREDICT, "Transfer-Encoding: chunked") + b"zz\r\n",
    "an unknown transfer encoding": head(PREDICT, "Transfer-Encoding: gzip"),
}
TOO_MUCH = {
    "a body over the limit": (post("/v1/predict", b"x" * (MAX_BODY + 1)), 413, "body", "max_body_bytes"),
    "books over the limit": (post("/v1/market/A", b"\n" * (MAX_BODY + 1)), 413, "body", "max_body_bytes"),
    "an announced body": (head(PREDICT, "Content-Length: 1000000000"), 413, "body", "max_body_bytes"),
    "chunks over the limit": (
        head(PREDICT, "Transfer-Encoding: chunked") + (b"8000\r\n" + b"x" * 0x8000 + b"\r\n") * 3,
        413,
        "body",
        "max_body_bytes",
    ),
    "a long header": (head(PREDICT, "A: " + "a" * MAX_HEADER), 431, "head", "max_header_bytes"),
    "many headers": (head(PREDICT, *["A: a"] * MAX_HEADER), 431, "head", "max_header_bytes"),
    "a long path": (head(f"GET /{'a' * MAX_HEADER} HTTP/1.1"), 431, "head", "max_header_bytes"),
    "a header without an end": (b"GET / HTTP/1.1\r\nA: " + b"a" * 4 * MAX_HEADER, 431, "head", "max_header_bytes"),
}
WRONG_METHODS = [
    ("GET", "/v1/predict", "POST"),
    ("PUT", "/v1/predict", "POST"),
    ("GET", "/v1/market/A", "POST, DELETE"),
    ("POST", "/v1/models", "GET, HEAD"),
    ("DELETE", "/v1/stats", "GET, HEAD"),
    ("POST", "/metrics", "GET, HEAD"),
    ("POST", "/healthz", "GET, HEAD"),
    ("BREW", "/readyz", "GET, HEAD"),
]


@pytest.mark.parametrize("request_bytes", GARBAGE.values(), ids=GARBAGE.keys())
def test_what_is_not_http_is_told_so_and_cut_off(healthy, request_bytes):
    healthy.refuses(request_bytes, *INVALID, "request: not HTTP/1.1")


@pytest.mark.parametrize("case", TOO_MUCH.values(), ids=TOO_MUCH.keys())
def test_a_request_over_a_limit_is_refused(healthy, case):
    request, status, *parts = case
    healthy.refuses(request, status, "OUT_OF_RANGE", *parts)


def test_a_body_at_the_limit_is_taken(healthy):
    body = json.dumps(GOOD)
    with healthy.server.client() as client:
        assert client.predict(body + " " * (MAX_BODY - len(body))).json()["outputs"] == healthy.outputs


@pytest.mark.parametrize("method, path, allow", WRONG_METHODS)
def test_a_wrong_method_is_told_the_right_ones(healthy, method, path, allow):
    with healthy.server.client() as client:
        reply = client.ask(method, path)
        check_error(reply, 405, "INVALID_ARGUMENT", "method", allow)
        assert reply.headers["allow"] == allow
        healthy.check_client(client)
    healthy.check_anew()


@pytest.mark.parametrize("path", ["/", "/nothing", "/v1", "/v1/", "/v1/predict/", "/v1/market", "/../etc/passwd", "*"])
def test_an_unknown_path_is_not_found(healthy, path):
    healthy.refuses(f"GET {path} HTTP/1.1\r\n\r\n".encode(), 404, "NOT_FOUND", "path", "/v1/predict")


def test_parameters_in_the_url_are_refused(healthy):
    healthy.refuses(b"GET /v1/models?x=1 HTTP/1.1\r\n\r\n", *INVALID, "query")


def test_a_compressed_body_is_refused(healthy):
    request = post("/v1/predict", b"\x1f\x8b", "Content-Encoding: gzip")
    healthy.refuses(request, 415, "INVALID_ARGUMENT", "Content-Encoding")


@pytest.mark.parametrize("half", [b"POST /v1/pre", post("/v1/predict", json.dumps(GOOD))[:-5]], ids=["head", "body"])
def test_a_half_sent_request_is_given_up_on(start_server, half):
    healthy = Healthy(start_server(server={"request_timeout_ms": 1000}))
    healthy.refuses(half, 408, "DEADLINE_EXCEEDED", "request", "request_timeout_ms")


def test_pipelined_requests_are_answered_in_their_order_bad_ones_among_them(healthy):
    bad = post("/v1/predict", "{")
    good = post("/v1/predict", json.dumps(GOOD))
    with healthy.server.wire() as wire:
        wire.send((bad + good) * 50)
        for _ in range(50):
            check_error(wire.read(), *INVALID, "body")
            assert wire.read().json()["outputs"] == healthy.outputs


def test_more_connections_than_allowed_are_told_so(start_server):
    server = start_server(server={"max_connections": 3})
    wires = [server.wire() for _ in range(3)]
    for wire in wires:
        assert wire.send(head("GET /healthz HTTP/1.1")).read().status == 200
    with server.wire() as refused:
        check_error(refused.read(), 503, "RESOURCE_EXHAUSTED", "max_connections")
        assert refused.is_closed()
    for wire in wires:
        assert wire.send(head("GET /healthz HTTP/1.1")).read().status == 200
        wire.close()


def test_one_symbol_too_many_is_refused_and_the_others_go_on(start_server):
    with start_server(market={"symbols": 2}).client() as client:
        for symbol in ("A", "B"):
            assert client.publish(symbol, made_up(1)).status == 200
        check_error(client.publish("C", made_up(1)), 429, "RESOURCE_EXHAUSTED", "symbol", "market.symbols")
        assert client.publish("A", made_up(2)).status == 200
        client.forget("B")
        assert client.publish("C", made_up(1)).status == 200


class Nuisance:
    """Bad peers of every kind, each on a thread of its own, until they are told to stop."""

    HALF_OPEN, SLOW = 300, 20

    def __init__(self, server: Server):
        self._server = server
        self._stop = threading.Event()
        self._failures = []
        works = [self._half_open, self._slow, self._garbage, self._bad_json, self._leaves_early]
        self._threads = [threading.Thread(target=self._guarded, args=(work,)) for work in works]
        self.rounds = dict.fromkeys(works, 0)

    def _guarded(self, work) -> None:
        try:
            while not self._stop.is_set():
                work()
                self.rounds[work] += 1
        except Exception as failure:
            self._failures.append(failure)

    def _half_open(self) -> None:
        wires = [self._server.wire() for _ in range(self.HALF_OPEN)]
        for i, wire in enumerate(wires):
            wire.send(post("/v1/predict", json.dumps(GOOD))[: i % 180])
        self._stop.wait(0.5)
        for wire in wires:
            wire.close()

    def _slow(self) -> None:
        """Byte by byte, and right in the end."""
        request = post("/v1/predict", json.dumps(GOOD))
        wires = [self._server.wire() for _ in range(self.SLOW)]
        for i in range(len(request)):
            for wire in wires:
                wire.send(request[i : i + 1])
        for wire in wires:
            assert wire.read().status == 200
            wire.close()

    def _garbage(self) -> None:
        random_bytes = random.Random(sum(self.rounds.values()))
        for size in (1, 10, 1000, 20000):
            with self._server.wire() as wire:
                try:
                    wire.send(b"\x80" + random_bytes.randbytes(size) + b"\r\n\r\n")
                    assert wire.read().status in (400, 431)
                except ConnectionError:
                    pass  # cut off while it was still talking

    def _bad_json(self) -> None:
        with self._server.wire() as wire:
            for body in ("{", "[" * 30000, '{"user":"nobody","symbol":"A"}', b"\xff" * 5000):
                assert wire.send(post("/v1/predict", body)).read().status in (400, 404)

    def _leaves_early(self) -> None:
        """Asks for much and closes without reading."""
        for _ in range(20):
            with self._server.wire() as wire:
                wire.send(post("/v1/predict", json.dumps(GOOD)) * 16)

    def __enter__(self) -> Nuisance:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        assert not self._failures, self._failures
        assert all(self.rounds.values()), self.rounds


def test_good_requests_are_answered_while_bad_peers_swarm(healthy):
    window = made_up_window()
    with healthy.server.client() as client:
        expected = client.answer({"user": user(), "market": window})["outputs"]

    def tensors() -> None:
        with healthy.server.client() as client:
            for _ in range(400):
                healthy.check_client(client)

    def books() -> None:
        with healthy.server.client() as client:
            for _ in range(100):
                answer = client.answer({"user": user(), "market": window})
                assert (answer["outputs"], answer["as_of"]["seq"]) == (expected, window[-1]["seq"])

    def feed_and_ask() -> None:
        with healthy.server.client() as client:
            assert client.publish("SWARM", *window).status == 200
            for sequence in range(window[-1]["seq"] + 1, 400):
                assert client.publish("SWARM", made_up(sequence)).status == 200
                answer = client.answer({"user": user(), "symbol": "SWARM"})
                assert (answer["as_of"]["seq"], answer["degraded"]) == (sequence, False)

    with Nuisance(healthy.server), ThreadPoolExecutor() as pool:
        for work in [pool.submit(work) for work in (tensors, tensors, books, feed_and_ask)]:
            work.result()
    healthy.check_anew()
