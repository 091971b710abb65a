"""Clients that nobody wants, each in a process of its own that ends with the benchmark: `with running(slow, url): ...`."""

import contextlib
import multiprocessing
import os
import resource
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator

QUESTION = b'{"user":"u1","symbol":"SIM1"}'
REQUEST = b"POST /v1/predict HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n%s" % (len(QUESTION), QUESTION)


def slow(url: str, count: int = 500) -> None:
    """Half of them ask once a second and read nothing, the others send a byte a second."""
    clients = [connect(url) for _ in range(count)]
    for at in range(10**9):
        for i, client in enumerate(clients):
            with contextlib.suppress(BlockingIOError):
                try:
                    client.send(REQUEST if i % 2 else REQUEST[at % len(REQUEST):][:1])
                except (BrokenPipeError, ConnectionError):  # the server has had enough of it
                    client.close()
                    clients[i] = connect(url)
        time.sleep(1)


def come_and_go(url: str, count: int = 2000, over_s: float = 6) -> None:
    """`count` connections over `over_s`, again and again: each asks once, and goes when it has its answer."""
    waiting = selectors.DefaultSelector()
    begin = time.monotonic()
    for opened in range(10**9):
        client = connect(url)
        client.send(REQUEST)
        waiting.register(client, selectors.EVENT_READ)
        while (left := begin + opened * over_s / count - time.monotonic()) > 0:
            for key, _ in waiting.select(left):
                with contextlib.suppress(ConnectionError):
                    key.fileobj.recv(65536)
                waiting.unregister(key.fileobj)
                key.fileobj.close()


def burn(_: str) -> None:
    while True:
        pass


def connect(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    client = socket.create_connection((host, int(port)), timeout=10)
    client.setblocking(False)
    return client


def run(work: Callable[[str], None], url: str, parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ends with the benchmark
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if os.getppid() == parent:
        work(url)


@contextlib.contextmanager
def running(work: Callable[[str], None], url: str, processes: int = 1) -> Iterator[None]:
    started = [multiprocessing.Process(target=run, args=(work, url, os.getpid()), daemon=True) for _ in range(processes)]
    for process in started:
        process.start()
    try:
        yield
    finally:
        for process in started:
            process.terminate()
            process.join()
