"""Tells bench/faulty_server.cc what its models shall suffer, by a page of memory that both have mapped (bench/faults.h)."""

import contextlib
import mmap
import pathlib
import struct
from collections.abc import Iterator

BYTES = 32
FAULT, AMOUNT, PER_MILLION, LEFT, SUFFERED = range(0, 20, 4)
NONE, SLEEP, HANG, NAN, ERROR, TIMES = range(6)


class Faults:
    """One fault at a time, and none to begin with. A server that is to end must not be hanging: clear() first."""

    def __init__(self, path: pathlib.Path) -> None:
        path.write_bytes(bytes(BYTES))
        with path.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), BYTES)

    def _write(self, at: int, value: int) -> None:
        struct.pack_into("<i", self._page, at, value)

    def _set(self, fault: int, amount: int = 0, share: float = 1, count: int = -1) -> None:
        """`share` of the inferences suffer it, `count` of them at most (-1: all)."""
        self.clear()
        for at, value in ((AMOUNT, amount), (PER_MILLION, round(share * 1e6)), (LEFT, count), (SUFFERED, 0), (FAULT, fault)):
            self._write(at, value)

    def sleep(self, ms: int, share: float) -> None:
        self._set(SLEEP, ms, share)

    def hang(self, count: int) -> None:
        """So many inferences hang until the fault is cleared."""
        self._set(HANG, count=count)

    def nan(self) -> None:
        self._set(NAN)

    def fail(self) -> None:
        self._set(ERROR)

    def slow(self, times: int) -> None:
        self._set(TIMES, times)

    def clear(self) -> None:
        self._write(FAULT, NONE)

    @property
    def suffered(self) -> int:
        """Inferences that this fault has hit."""
        return struct.unpack_from("<I", self._page, SUFFERED)[0]


@contextlib.contextmanager
def page(path: pathlib.Path) -> Iterator[Faults]:
    faults = Faults(path)
    try:
        yield faults
    finally:
        faults.clear()
