"""Real redis-servers for benchmarks: one, or a cluster of three masters with a replica each, one of them behind a proxy."""

import asyncio
import collections
import dataclasses
import multiprocessing
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

from servers import Bench, free_port

NODE_TIMEOUT_MS = 2000


def server_program() -> str:
    """Debian's redis-tools has no redis-server, but the same program under another name: it goes by its argv[0]."""
    found = shutil.which("redis-server") or shutil.which("redis-check-rdb")
    return found or sys.exit("bench: neither redis-server nor redis-check-rdb is installed (script/setup)")


@dataclasses.dataclass
class RedisNode:
    bench: Bench
    port: int
    options: list[str]
    process: subprocess.Popen | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def folder(self) -> pathlib.Path:
        return self.bench.work / f"redis-{self.port}"

    def start(self) -> "RedisNode":
        self.folder.mkdir(exist_ok=True)
        self.process = self.bench.start(
            f"redis-{self.port}", ["redis-server", "--bind", "127.0.0.1", "--port", self.port, "--dir", self.folder, "--save", "",
                                   "--appendonly", "no", *self.options],
            "Ready to accept connections", executable=server_program())
        return self

    def ask(self, *command: str) -> str:
        """What it answers; empty if it does not within a second."""
        try:
            return subprocess.run(["redis-cli", "-p", str(self.port), *command], capture_output=True, text=True, timeout=1).stdout.strip()
        except subprocess.TimeoutExpired:
            return ""

    def fields(self, *command: str) -> dict[str, str]:
        return dict(line.split(":", 1) for line in self.ask(*command).splitlines() if ":" in line)


def clear(bench: Bench) -> None:
    for folder in bench.work.glob("redis-*"):
        shutil.rmtree(folder) if folder.is_dir() else folder.unlink()


def single(bench: Bench) -> RedisNode:
    clear(bench)
    return RedisNode(bench, free_port(), []).start()


class Cluster:
    """The first master announces the address of a proxy, which can hold its replies back; the second is the one that
    suffers other things. A process of a shard is found by whose turn it is to be its master."""

    def __init__(self, bench: Bench) -> None:
        clear(bench)
        self.delay_s = multiprocessing.Value("d", 0.0)
        ports, bus = [free_port() for _ in range(6)], [free_port() for _ in range(6)]
        self.proxy_port = free_port()
        options = ["--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS), "--repl-diskless-sync-delay", "0"]
        self.nodes = [RedisNode(bench, port, [*options, "--cluster-port", str(bus[i]),
                                              *(["--cluster-announce-port", str(self.proxy_port)] if i == 0 else [])])
                      for i, port in enumerate(ports)]
        for node in self.nodes:
            node.start()
        self.proxy = multiprocessing.Process(target=run_proxy, args=(self.proxy_port, ports[0], self.delay_s), daemon=True)
        self.proxy.start()
        created = subprocess.run(["redis-cli", "--cluster", "create", *(node.address for node in self.nodes), "--cluster-replicas", "1",
                                  "--cluster-yes"], capture_output=True, text=True)
        if created.returncode:
            sys.exit(f"bench: the cluster was not made:\n{created.stdout}{created.stderr}")
        self.shard_slots = [self.slots_of(i) for i in range(3)]
        self.settle()

    @property
    def addresses(self) -> list[str]:
        """Of those that began as masters, as clients are to reach them."""
        return [f"127.0.0.1:{self.proxy_port}", self.nodes[1].address, self.nodes[2].address]

    def slots_of(self, at: int) -> str:
        line = next(line for line in self.nodes[at].ask("CLUSTER", "NODES").splitlines() if "myself" in line)
        return line.split()[8]

    def master_of(self, shard: int) -> RedisNode:
        """Who serves the slots that nodes[shard] began with."""
        for node in self.nodes:
            for line in node.ask("CLUSTER", "NODES").splitlines():
                words = line.split()
                if "myself" in words[2] and "master" in words[2] and self.shard_slots[shard] in words[8:]:
                    return node
        sys.exit("bench: nobody serves a part of the cluster's slots")

    def is_whole(self) -> bool:
        """Everybody sees all six up and all slots served, and each replica has its master."""
        replicas = 0
        for node in self.nodes:
            info, replication = node.fields("CLUSTER", "INFO"), node.fields("INFO", "replication")
            lines = node.ask("CLUSTER", "NODES").splitlines()
            if info.get("cluster_state") != "ok" or len(lines) != 6 or any("fail" in line or "disconnected" in line for line in lines):
                return False
            if replication.get("role") == "slave":
                replicas += 1
                if replication.get("master_link_status") != "up":
                    return False
        return replicas == 3

    def settle(self, patience_s: float = 40) -> None:
        until = time.monotonic() + patience_s
        while not self.is_whole():
            if time.monotonic() > until:
                sys.exit("bench: the cluster did not become whole:\n" + self.nodes[0].ask("CLUSTER", "NODES"))
            time.sleep(0.2)
        if "role:slave" in self.nodes[0].ask("INFO", "replication"):  # the proxy is in front of it
            self.nodes[0].ask("CLUSTER", "FAILOVER")
            time.sleep(1)
            self.settle(patience_s)

    def stop_one(self) -> RedisNode:
        """Hung: its connections stay, nothing answers."""
        node = self.master_of(1)
        node.process.send_signal(signal.SIGSTOP)
        return node

    def kill_one(self) -> RedisNode:
        node = self.master_of(1)
        node.process.kill()
        node.process.wait()
        return node


def run_proxy(port: int, target: int, delay_s) -> None:
    """Passes bytes on both ways, those of the target `delay_s` later, in their order. A process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ends with the benchmark
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    async def forward(reader, writer, is_reply: bool) -> None:
        loop, waiting, more = asyncio.get_running_loop(), collections.deque(), asyncio.Event()

        async def write_when_due() -> None:
            while True:
                while not waiting:
                    more.clear()
                    await more.wait()
                due, data = waiting.popleft()
                if (left := due - loop.time()) > 0:
                    await asyncio.sleep(left)
                if not data:
                    writer.close()
                    return
                writer.write(data)

        task = loop.create_task(write_when_due())
        try:
            data = b"-"
            while data:
                data = await reader.read(65536)
                waiting.append((loop.time() + (delay_s.value if is_reply else 0), data))
                more.set()
            await task
        except ConnectionError:
            task.cancel()
            writer.close()

    async def accept(reader, writer) -> None:
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(forward(reader, to_writer, False), forward(to_reader, writer, True))

    async def serve() -> None:
        server = await asyncio.start_server(accept, "127.0.0.1", port)
        async with server:
            parent = os.getppid()
            while os.getppid() == parent:
                await asyncio.sleep(0.5)

    asyncio.run(serve())
