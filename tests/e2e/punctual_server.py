"""The program as its users meet it: a process with a configuration file, and clients that speak HTTP to it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("PUNCTUAL", ROOT / "build/release/punctual")).resolve()
MODELS = ROOT / "models"
PATIENCE_S = 180  # how long anything is waited for on a busy machine; no test says how quick something is

STYLES = {"scalping": "mlp", "day": "tcn", "swing": "deeplob"}
# The names of the defaults with budgets that a busy machine keeps: what is tested here is what is answered, not when.
TIERS = {"premium": 30_000, "standard": 40_000, "basic": 50_000}


def user(tier: str = "premium", style: str = "scalping") -> str:
    return f"{tier}-{style}"


def toml(tables: dict) -> str:
    """Tables of scalars and lists of them; a JSON scalar is a TOML scalar."""
    lines = []
    for name, table in tables.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def write_config(folder: Path, repository: Path = MODELS, /, **tables: dict) -> Path:
    """A configuration with nine users, one for each tier and style. `tables` add to its tables or make more of them."""
    rows = [f"{user(tier, style)},{tier},{style}" for tier in TIERS for style in STYLES]
    (folder / "users.csv").write_text("user,tier,style\n" + "\n".join(rows) + "\n")
    config = {
        "server": {"listen": "127.0.0.1:0"},
        "models": {"repository": str(repository)},
        "users": {"file": "users.csv"},
        "styles": STYLES,
        **{f"tiers.{tier}": {"budget_ms": budget_ms} for tier, budget_ms in TIERS.items()},
    }
    for name, table in tables.items():
        config[name] = {**config.get(name, {}), **table}
    path = folder / "punctual.toml"
    path.write_text(toml(config))
    return path


def run(*arguments: str | Path, **options) -> subprocess.CompletedProcess:
    """Runs the program to its end."""
    return subprocess.run(
        [str(PROGRAM), *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE_S, check=False, **options
    )


@contextlib.contextmanager
def running(*arguments: str | Path):
    """Runs the program meanwhile; it must neither end before it is told to, nor badly."""
    command = [str(PROGRAM), *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield
            assert process.poll() is None, f"{command} ended early: {process.stderr.read()}"
        finally:
            process.terminate()
            errors = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 0, f"{command}: {errors}"


@dataclass
class Reply:
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    def json(self) -> dict:
        return json.loads(self.body)

    @property
    def closes(self) -> bool:
        return self.headers.get("connection", "").lower() == "close"


class Client:
    """A keep-alive connection of the standard library's HTTP client, which knows nothing of this server."""

    def __init__(self, connection: http.client.HTTPConnection):
        self._connection = connection

    def ask(self, method: str, path: str, body: bytes | str | None = None, headers: dict | None = None) -> Reply:
        body = body.encode() if isinstance(body, str) else body
        self._connection.request(method, path, body=body, headers=headers or {})
        response = self._connection.getresponse()
        return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def get(self, path: str) -> Reply:
        return self.ask("GET", path)

    def predict(self, request: dict | bytes | str) -> Reply:
        return self.ask("POST", "/v1/predict", json.dumps(request) if isinstance(request, dict) else request)

    def answer(self, request: dict) -> dict:
        """The answer to a request that must succeed."""
        reply = self.predict(request)
        assert reply.status == 200, reply
        return reply.json()

    def publish(self, symbol: str, *books: dict) -> Reply:
        """One book as JSON, or several as NDJSON. json.dumps writes doubles so that they read back as the same."""
        body = "\n".join(json.dumps(book) for book in books)
        kind = "application/json" if len(books) == 1 else "application/x-ndjson"
        return self.ask("POST", f"/v1/market/{symbol}", body, {"Content-Type": kind})

    def forget(self, symbol: str) -> None:
        assert self.ask("DELETE", f"/v1/market/{symbol}").status in (200, 404)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_) -> None:
        self.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str):
        super().__init__("localhost", timeout=PATIENCE_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Wire:
    """A connection that sends whatever bytes it is given."""

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

    def send(self, data: bytes) -> Wire:
        self.socket.sendall(data)
        return self

    def _fill(self) -> None:
        chunk = self.socket.recv(65536)
        if not chunk:
            raise ConnectionError(f"closed after {self._received!r}")
        self._received += chunk

    def read(self) -> Reply:
        """The next reply."""
        while b"\r\n\r\n" not in self._received:
            self._fill()
        head, self._received = self._received.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
        size = int(headers.get("content-length", 0))
        while len(self._received) < size:
            self._fill()
        body, self._received = self._received[:size], self._received[size:]
        return Reply(int(first.split(" ")[1]), headers, body)

    def is_closed(self) -> bool:
        """Waits until the server closes; False if it sends something instead."""
        try:
            return not self._received and self.socket.recv(1) == b""
        except ConnectionError:
            return True

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_) -> None:
        self.close()


def post(path: str, body: bytes | str, *headers: str) -> bytes:
    """A request as bytes, for Wire."""
    body = body.encode() if isinstance(body, str) else body
    head = [f"POST {path} HTTP/1.1", "Host: localhost", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


class Server:
    """`punctual serve`, from its start until it is stopped, by its process id. `within`: a command that runs it."""

    def __init__(self, folder: Path, config: Path, within: Sequence[str] = ()):
        self.folder = folder
        self._command = [*within, str(PROGRAM), "serve", "--config", str(config)]
        self._out, self._log = folder / "serve.out", folder / "serve.log"
        self.start()

    def start(self) -> None:
        """Also again, after it ended: with another port, and the log goes on."""
        self.killed = False
        with self._out.open("wb") as out, self._log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=out, stderr=log)
        try:
            self.wait_until(lambda: "listening on" in self._out.read_text(), "listens")
        except BaseException:
            self.kill()
            raise
        found = re.search(r"http://[0-9.]+:(\d+)", self._out.read_text())
        self.port = int(found[1]) if found else 0
        self.url = found[0] if found else ""

    def wait_until(self, condition, what: str) -> None:
        give_up_at = time.monotonic() + PATIENCE_S
        while not condition():
            assert self.process.poll() is None, f"the server ended before it {what}:\n{self.log()}"
            assert time.monotonic() < give_up_at, f"the server never {what}:\n{self.log()}"
            time.sleep(0.01)

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def client(self) -> Client:
        return Client(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S))

    def unix_client(self, path: Path) -> Client:
        return Client(_UnixConnection(str(path)))

    def wire(self) -> Wire:
        return Wire(self.port)

    def send_signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """Its exit code."""
        return self.process.wait(timeout=PATIENCE_S)

    def kill(self) -> None:
        """As a crash would."""
        self.killed = True
        self.process.kill()
        self.process.wait()

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.send_signal(number)
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def restart(self) -> None:
        assert self.stop() == 0, self.log()
        self.start()


@contextlib.contextmanager
def running_servers(make_folder, started: list[Server]):
    """Gives a function that starts servers; at the end they are stopped and must have ended well."""
    mine = []

    def start(repository: Path = MODELS, /, within: Sequence[str] = (), **tables: dict) -> Server:
        folder = make_folder()
        server = Server(folder, write_config(folder, repository, **tables), within)
        mine.append(server)
        started.append(server)
        return server

    try:
        yield start
    finally:
        codes = [server.stop() for server in mine if not server.killed]
        for server in mine:
            started.remove(server)
        assert codes == [0] * len(codes), "a server did not end well:\n" + "\n".join(server.log() for server in mine)
