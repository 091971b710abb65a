"""A network that can be bad: a proxy before a TCP server, whose manners can be changed while it is used."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections.abc import Callable

Treatment = Callable[[bytes], bytes]  # of what is passed on, in either way; ConnectionError cuts the connection


def pass_on(data: bytes) -> bytes:
    return data


def delayed(seconds: float) -> Treatment:
    def treat(data: bytes) -> bytes:
        time.sleep(seconds)
        return data

    return treat


def black_hole(_: bytes) -> bytes:
    """Nothing arrives, and nothing says so."""
    return b""


def cut(_: bytes) -> bytes:
    raise ConnectionError


def losing_bytes(seed: int) -> Treatment:
    """Every third time or so a piece is missing from what is passed on, or all of it is."""
    choose = random.Random(seed)

    def treat(data: bytes) -> bytes:
        if choose.random() > 0.3:
            return data
        if choose.random() < 0.5:
            return b""
        begin = choose.randrange(len(data))
        return data[:begin] + data[begin + choose.randint(1, 40) :]

    return treat


class TcpProxy:
    """Listens on 127.0.0.1 and connects to `port` there."""

    def __init__(self, port: int):
        self.treat: Treatment = pass_on
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:{1}".format(*self._listener.getsockname())
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._target))
                except OSError:
                    client.close()
                    continue
                with self._lock:
                    self._sockets |= {client, server}
                for ends in ((client, server), (server, client)):
                    self._threads.append(threading.Thread(target=self._pump, args=ends))
                    self._threads[-1].start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if passed := self.treat(data):
                    target.sendall(passed)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def disconnect(self) -> None:
        """Ends all connections there are."""
        with self._lock:
            ended, self._sockets = self._sockets, set()
        for one in ended:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self.disconnect()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def __enter__(self) -> TcpProxy:
        return self

    def __exit__(self, *_) -> None:
        self.close()
