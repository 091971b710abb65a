"""What chaos does to a server, one thing after another. Each is a context: it begins with the block and ends with it."""

import contextlib
import errno
import os
import pathlib
import shutil
import signal
import subprocess
from collections.abc import Iterator

import clients
import faults
import workload
from redis_nodes import Cluster
from servers import PROGRAM, Bench, Server

SLOW_MS, SLOW_SHARE = 200, 0.2
BURST_TIMES = 10
BROKEN_VERSION = 1_000_000


class Chaos:
    """The methods' names are the faults'; those that this machine does not permit are in `not_here`, with the reason."""

    def __init__(self, bench: Bench, page: faults.Faults, cluster: Cluster, books_hz: float, disk: str) -> None:
        self.bench, self.page, self.cluster, self.books_hz, self.disk = bench, page, cluster, books_hz, disk
        self.server: Server | None = None
        self.feed: subprocess.Popen | None = None
        self.model = bench.work / "models" / workload.MODEL
        self.version = 1
        self.not_here = {} if disk else {"disk_full": "no mounts in a namespace of our own (unshare -rm)"}

    @contextlib.contextmanager
    def model_slow(self) -> Iterator[None]:
        self.page.sleep(SLOW_MS, SLOW_SHARE)
        yield
        self.page.clear()

    @contextlib.contextmanager
    def model_hangs(self) -> Iterator[None]:
        self.page.hang(count=1)
        yield
        self.page.clear()

    @contextlib.contextmanager
    def model_nan(self) -> Iterator[None]:
        self.page.nan()
        yield
        self.page.clear()

    @contextlib.contextmanager
    def model_broken_file(self) -> Iterator[None]:
        self._publish(BROKEN_VERSION, b"this is no model")
        yield
        shutil.rmtree(self.model / str(BROKEN_VERSION))

    @contextlib.contextmanager
    def model_new_file(self) -> Iterator[None]:
        """The same model under a new number: it is read, compiled and measured like any."""
        before = self.model / str(self.version)
        self._publish(self.version + 1, (before / "model.onnx").read_bytes())
        self.version += 1
        yield
        shutil.rmtree(before)

    def _publish(self, version: int, onnx: bytes) -> None:
        """As the one that is served, but for its file."""
        making = self.bench.work / "making"
        shutil.rmtree(making, ignore_errors=True)
        shutil.copytree(self.model / str(self.version), making)
        (making / "model.onnx").write_bytes(onnx)
        making.rename(self.model / str(version))

    @contextlib.contextmanager
    def redis_stops(self) -> Iterator[None]:
        node = self.cluster.stop_one()
        try:
            yield
        finally:
            node.process.send_signal(signal.SIGCONT)

    @contextlib.contextmanager
    def disk_full(self) -> Iterator[None]:
        """The disk is mounted where only the server sees it: it is reached through the server's eyes."""
        filler = pathlib.Path(f"/proc/{self.server.process.pid}/root{self.disk}/filler")
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
        yield
        filler.unlink()

    @contextlib.contextmanager
    def feed_stops(self) -> Iterator[None]:
        """All that was due meanwhile comes when it ends."""
        self.feed.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.feed.send_signal(signal.SIGCONT)

    @contextlib.contextmanager
    def feed_bursts(self) -> Iterator[None]:
        """Further symbols, with as many books as make ten times those there were."""
        burst = self.bench.spawn("burst", [PROGRAM, "simulate", "--prefix", "BURST", "--symbols", workload.SYMBOLS, "--rate",
                                           (BURST_TIMES - 1) * self.books_hz, "--to", self.server.url])
        try:
            yield
        finally:
            self.bench.stop(burst)

    def slow_clients(self):
        return clients.running(clients.slow, self.server.url)

    def connections(self):
        return clients.running(clients.come_and_go, self.server.url)

    def cpu_burner(self):
        return clients.running(clients.burn, self.server.url, len(os.sched_getaffinity(0)))


OF_INFERENCES = ("model_slow", "model_hangs", "model_nan")
FAULTS = [name for name in vars(Chaos) if not name.startswith("_")]


def on_small_disk(folder: pathlib.Path, size: str) -> list:
    """What a command is run by so that it alone sees a small disk at `folder`; nothing where that is not permitted."""
    folder.mkdir(exist_ok=True)
    command = ["unshare", "-rm", "sh", "-c", f'mount -t tmpfs -o mode=0700,size={size} tmpfs "$0" && exec "$@"', folder]
    tried = subprocess.run([*command, "true"], capture_output=True)
    return command if tried.returncode == 0 else []
