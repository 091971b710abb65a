"""Redis as it is: redis-server processes on free ports, alone or as a cluster, ended by their process ids. Spoken to
with sockets, since Python has no Redis client of its own."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

PATIENCE_S = 180
_PROGRAMS = ("redis-server", "redis-check-rdb")  # Debian's redis-tools has the same program under its other name


class RedisError(Exception):
    """An error that Redis replied."""


def _read(stream) -> str | bytes | int | list | None:
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("closed")
    kind, text = line[:1], line[1:-2]
    if kind == b"+":
        return text.decode()
    if kind == b"-":
        raise RedisError(text.decode())
    if kind == b":":
        return int(text)
    size = int(text)
    if size < 0:
        return None
    return stream.read(size + 2)[:-2] if kind == b"$" else [_read(stream) for _ in range(size)]


def wait_until(condition, what: str) -> None:
    give_up_at = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up_at, f"Redis never {what}"
        time.sleep(0.02)


def free_port() -> int:
    """Below the ports that the kernel gives to outgoing connections; a cluster's nodes take the port 10000 above too."""
    while True:
        port = random.SystemRandom().randrange(11_000, 22_000)
        try:
            for number in (port, port + 10_000):
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", number))
            return port
        except OSError:
            continue


def make_certificates(folder: Path) -> None:
    """ca.crt, and server.crt with server.key for 127.0.0.1, signed by it."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=PATIENCE_S)

    new = ("req", "-newkey", "rsa:2048", "-nodes")
    openssl(*new, "-x509", "-days", "2", "-subj", "/CN=punctual tests", "-keyout", "ca.key", "-out", "ca.crt")
    openssl(*new, "-subj", "/CN=127.0.0.1", "-keyout", "server.key", "-out", "server.csr")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    authority = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial")
    openssl("x509", "-req", "-days", "2", "-in", "server.csr", *authority, "-extfile", "names", "-out", "server.crt")


class RedisServer:
    """One process; it keeps its port and its folder from start to start."""

    def __init__(self, folder: Path, *options: str, password: str = "", certificates: Path | None = None):
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._folder, self._options, self._password, self._certificates = folder, options, password, certificates
        self._process: subprocess.Popen | None = None
        self._program = folder / "redis-server"
        found = next(filter(None, map(shutil.which, _PROGRAMS)), None)
        assert found, f"none of {_PROGRAMS} is installed: run script/setup"
        self._program.symlink_to(found)

    def start(self) -> RedisServer:
        options = {"bind": "127.0.0.1", "port": str(self.port), "dir": str(self._folder), "save": ""}
        options |= {"appendonly": "no", "repl-diskless-sync-delay": "0"}
        if self._password:
            options["requirepass"] = self._password
        if self._certificates:
            files = {"cert": "server.crt", "key": "server.key", "ca-cert": "ca.crt"}
            options |= {"port": "0", "tls-port": str(self.port), "tls-auth-clients": "no"}
            options |= {f"tls-{kind}-file": str(self._certificates / name) for kind, name in files.items()}
        words = [word for key, value in options.items() for word in (f"--{key}", value)]
        # Whatever becomes of the tests, the server goes with them.
        command = ["setpriv", "--pdeathsig", "KILL", self._program, *words, *self._options]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(self._answers, f"came up:\n{(self._folder / 'log').read_text()[-2000:]}")
        return self

    def _answers(self) -> bool:
        assert self.running, f"redis-server ended: {(self._folder / 'log').read_text()[-2000:]}"
        try:
            return self.command("PING") == "PONG"
        except (OSError, RedisError):
            return False

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        if self.running:
            self._process.kill()  # also one that is paused
            self._process.wait()

    def pause(self) -> None:
        """It hangs: the kernel goes on taking connections and bytes for it."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def command(self, *words: str | bytes | int):
        """The reply: texts of a status as str, values as bytes. RedisError, OSError."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as connection:
            if self._certificates:
                context = ssl.create_default_context(cafile=str(self._certificates / "ca.crt"))
                connection = context.wrap_socket(connection, server_hostname="127.0.0.1")
            with connection, connection.makefile("rb") as stream:
                reply = None
                for one in ([("AUTH", self._password)] if self._password else []) + [words]:
                    parts = [word if isinstance(word, bytes) else str(word).encode() for word in one]
                    sized = [b"$%d\r\n%b\r\n" % (len(part), part) for part in parts]
                    connection.sendall(b"*%d\r\n" % len(parts) + b"".join(sized))
                    reply = _read(stream)
                return reply

    def keys(self, prefix: str) -> list[bytes]:
        return self.command("KEYS", f"{prefix}:*")

    def cluster_id(self) -> str:
        return self.command("CLUSTER", "MYID").decode()


class RedisCluster:
    """Three masters, each with a replica."""

    def __init__(self, make_folder):
        options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1500"]
        options += ["--cluster-require-full-coverage", "no"]
        self.nodes = [RedisServer(make_folder(), *options) for _ in range(6)]
        try:
            for node in self.nodes:
                node.start()
            self.manage("create", *(node.address for node in self.nodes), "--cluster-replicas", "1")
            wait_until(self.is_whole, "became a cluster")
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        for node in self.nodes:
            node.kill()

    @property
    def addresses(self) -> list[str]:
        return [node.address for node in self.nodes]

    def manage(self, job: str, *arguments: str) -> None:
        command = ["redis-cli", "--cluster", job, *arguments, "--cluster-yes"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE_S, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def _rows(self, witness: RedisServer) -> list[list[str]]:
        return [line.split() for line in witness.command("CLUSTER", "NODES").decode().splitlines()]

    def masters(self) -> list[RedisServer]:
        """Those that hold slots."""
        witness = next(node for node in self.nodes if node.running)
        holders = {row[1].split("@")[0] for row in self._rows(witness) if "master" in row[2] and len(row) > 8}
        return [node for node in self.nodes if node.running and node.address in holders]

    def is_whole(self) -> bool:
        """All nodes say so: every slot is held, nobody is away, every replica follows its master."""
        views = set()
        for node in self.nodes:
            if b"cluster_state:ok" not in node.command("CLUSTER", "INFO"):
                return False
            info = node.command("INFO", "replication")
            if b"role:slave" in info and b"master_link_status:up" not in info:
                return False
            rows = self._rows(node)
            if any("fail" in row[2] or "handshake" in row[2] or row[7] != "connected" for row in rows):
                return False
            views.add(frozenset((row[0], row[2].removeprefix("myself,"), *row[8:]) for row in rows))
        return len(views) == 1

    def heal(self) -> None:
        """Brings back what a test left killed or paused."""
        for node in self.nodes:
            if node.running:
                node.resume()
            else:
                node.start()
        wait_until(self.is_whole, "was whole again")

    def configure(self, key: str, value: str) -> None:
        for node in self.nodes:
            node.command("CONFIG", "SET", key, value)
