"""What benchmarks start and load: Punctual, its peer in Node, a bare echo server, and the generator that drives them."""

import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

from machine import ROOT

BUILD = ROOT / "build" / "release"
PROGRAM = BUILD / "punctual"
PEER = ROOT.parent / "shared/peers/adr-node"


def build(*targets: str) -> None:
    subprocess.run([ROOT / "script/build", "release", *targets], check=True)


def free_port() -> int:
    """One that is free now, below those that the kernel gives to outgoing connections."""
    for port in range(18100 + os.getpid() % 1000, 30000):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in free_port.given:
            free_port.given.add(port)
            return port
    sys.exit("bench: no free port")


free_port.given = set()


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


class Bench:
    """A benchmark's folder, build/bench/NAME, and the processes it started, which end with the `with` block."""

    def __init__(self, name: str) -> None:
        self.work = ROOT / "build" / "bench" / name
        self.work.mkdir(parents=True, exist_ok=True)
        self.processes: list[subprocess.Popen] = []

    def __enter__(self) -> "Bench":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return self

    def __exit__(self, *_) -> None:
        self.stop(*reversed(self.processes))

    def spawn(self, name: str, command: list, **popen) -> subprocess.Popen:
        """What it says is in NAME.log."""
        with (self.work / f"{name}.log").open("w") as log:
            process = subprocess.Popen([str(word) for word in command], stdout=log, stderr=subprocess.STDOUT, cwd=self.work, **popen)
        self.processes.append(process)
        return process

    def start(self, name: str, command: list, ready: str, **popen) -> subprocess.Popen:
        """Returns when its log says `ready`."""
        process = self.spawn(name, command, **popen)
        for _ in range(600):
            if ready in self.log(name):
                return process
            if process.poll() is not None:
                break
            time.sleep(0.05)
        sys.exit(f"bench: {name} did not start:\n{self.log(name)}")

    def log(self, name: str) -> str:
        return (self.work / f"{name}.log").read_text(errors="replace")

    def stop(self, *processes: subprocess.Popen) -> None:
        """All of them at once, also one that was stopped by a signal."""
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.send_signal(signal.SIGCONT)
        for process in processes:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process in self.processes:
                self.processes.remove(process)


@dataclasses.dataclass
class Server:
    name: str
    url: str
    load: list[str]  # how the generator speaks to it
    process: subprocess.Popen

    def cpu_seconds(self) -> float:
        """What its threads ran, by the scheduler's own count: user and system times are sampled by the clock's tick."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def rss_bytes(self) -> int:
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.M)[1])

    def get(self, path: str) -> dict:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def predict(self, **question) -> dict:
        request = urllib.request.Request(self.url + "/v1/predict", json.dumps(question).encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


def url_in(log: str) -> str:
    return next(word for word in log.split() if word.startswith("http://"))


def write_users(path: pathlib.Path, users: list[tuple[str, str, str]]) -> None:
    path.write_text("user,tier,style\n" + "".join(f"{user},{tier},{style}\n" for user, tier, style in users))


def make_mlp_repository(bench: Bench, widths: list[int], parts: int = 1) -> pathlib.Path:
    """models/mlp, a model of tensors alone (bench/make_mlp.cc); returns its file."""
    shutil.rmtree(bench.work / "models", ignore_errors=True)
    model = bench.work / "models" / "mlp" / "1" / "model.onnx"
    model.parent.mkdir(parents=True)
    subprocess.run([BUILD / "make_mlp", model, str(parts), *map(str, widths)], check=True)
    (bench.work / "models" / "mlp" / "model.toml").write_text("# tensors only\n")
    return model


MODELS = ["mlp", "tcn", "deeplob"]


def copy_models(folder: pathlib.Path, names: list[str] = MODELS, heads: dict[str, str] = {}, manifest_tail: str = "") -> None:
    """Those of models/, with keys of their own in front of some manifests and after all of them."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in names:
        shutil.copytree(ROOT / "models" / name, folder / name)
        manifest = folder / name / "model.toml"
        manifest.write_text(heads.get(name, "") + manifest.read_text() + manifest_tail)


def start_punctual(bench: Bench, config: str, load: list[str], name: str = "punctual", program: list = (PROGRAM,), **popen) -> Server:
    """`config`: the text of its punctual.toml, but the address. Its disk cache, if it lies here, is begun anew."""
    shutil.rmtree(bench.work / "cache", ignore_errors=True)
    (bench.work / f"{name}.toml").write_text('[server]\nlisten = "127.0.0.1:0"\n' + config)
    process = bench.start(name, [*program, "serve", "--config", f"{name}.toml"], "http://", **popen)
    return Server(name, url_in(bench.log(name)), load, process)


def start_echo(bench: Bench, load: list[str]) -> Server:
    process = bench.start("echo", [BUILD / "echo_server", "0"], "http://")
    return Server("echo", url_in(bench.log("echo")), load, process)


def start_node(bench: Bench, peer: pathlib.Path, model: pathlib.Path, shape: list[int], redis: str = "") -> Server | None:
    """The straightforward server in Node; none if it, node or npm is not there. `shape`: of the model's input. `redis`:
    host:port,host:port,..."""
    if not (peer / "server.mjs").exists() or not shutil.which("npm"):
        print(f"bench: no peer at {peer}, or no npm: Punctual is measured alone")
        return None
    folder = ROOT / "build" / "bench" / "adr-node"
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("server.mjs", "worker.mjs", "package.json"):
        shutil.copy(peer / file, folder / file)
    if not (folder / "node_modules").exists():
        print("bench: installing the peer's packages", flush=True)
        subprocess.run(["npm", "install", "--ignore-scripts", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True)
    port, dimensions = str(free_port()), ",".join(map(str, shape))
    process = bench.start("node", ["node", folder / "server.mjs", model, dimensions, port, *([redis] if redis else [])], "listening",
                          env={**os.environ, "WORKERS": "8"})
    return Server("node", f"http://127.0.0.1:{port}", ["--api", "adr", "--kind", "tensors", "--shape", dimensions], process)


def load_command(bench: Bench, server: Server, rate: float, seconds: float, warmup: float, name: str, options: list) -> list:
    return [PROGRAM, "load", "--to", server.url, *server.load, "--rate", rate, "--duration", seconds, "--warmup", warmup,
            "--report", bench.work / f"{name}.json", *options]


def load_report(bench: Bench, name: str) -> dict:
    return json.loads((bench.work / f"{name}.json").read_text())


def load(bench: Bench, server: Server, rate: float, seconds: float, warmup: float = 1.5, options: list = ()) -> dict:
    """The SLO report of one run, and the server's CPU a request (`server_cpu_us`, warm-up included)."""
    report = bench.work / "report.json"
    report.unlink(missing_ok=True)
    command = load_command(bench, server, rate, seconds, warmup, "report", list(options))
    cpu = server.cpu_seconds()
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if not report.exists() or not report.stat().st_size:
        sys.exit(f"bench: the generator failed against {server.name}:\n{result.stdout}{result.stderr}")
    slo = load_report(bench, "report")
    slo["server_cpu_us"] = (server.cpu_seconds() - cpu) / max(1, rate * (seconds + warmup)) * 1e6
    rest(server)
    return slo


def rest(server: Server, patience_s: float = 60) -> None:
    """Until it has worked off what it was left with: a server whose queue has no bound goes on for long after it was asked, and
    what is measured next would pay for that."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        before = server.cpu_seconds()
        time.sleep(0.2)
        if server.cpu_seconds() - before < 0.5 * 0.2:
            return
