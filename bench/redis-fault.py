"""What a sick Redis costs: one of three masters is stopped, killed, or answers 20 ms late, under 1,000 requests a second.

A Redis Cluster of three masters and three replicas (node timeout 2 s). Punctual and the straightforward server in Node
use it in turns, each under the same load before, during and after each fault. The fault begins within the phase called
"during", and ends within the one called "after", so that both transitions are measured; a master that was killed or
stopped is replaced by its replica meanwhile. 90 % of the requests are repeats, and the model is heavy enough that Redis
is asked about each of the others first. A bare echo server is measured between them: the machine's own share of late answers.
"""

import argparse
import contextlib
import pathlib
import signal
import threading
from collections.abc import Callable

from machine import write
from redis_nodes import Cluster
from servers import (PEER, Bench, Server, build, load, make_mlp_repository, start_echo, start_node, start_punctual, write_users)

# 1.2 million parameters, 160 MFLOP: what an inference takes hangs on the processor, and not on memory that others use.
PARTS, WIDTHS = 64, [2] + [256] * 20 + [3]
FEATURES = PARTS * WIDTHS[0]
RATE, SYMBOLS, REPEATS, BUDGET_MS = 1000, 20, 0.9, 15
SLOW_S = 0.020
FAULT_DELAY_S = 1.0  # of a fault after its load was started, which takes some tenths of a second to connect
ASKED = ("hits", "misses", "timeouts", "errors")


def punctual_server(bench: Bench, cluster: Cluster) -> Server:
    write_users(bench.work / "users.csv", [(f"u{i}", "premium", "any") for i in range(1, 1001)])
    nodes = ", ".join(f'"{address}"' for address in cluster.addresses)
    return start_punctual(
        bench, f'[models]\nrepository = "models"\n[users]\nfile = "users.csv"\n[tiers.premium]\nbudget_ms = {BUDGET_MS}\n'
        f'[styles]\nany = "mlp"\n[cache]\nsecret = "bench"\n[cache.disk]\ndirectory = ""\n[cache.redis]\nnodes = [{nodes}]\n',
        ["--kind", "tensors", "--model", "mlp", "--input", "x", "--features", str(FEATURES)])


@contextlib.contextmanager
def resting(others: list[Server]):
    """They are stopped meanwhile: they have clients of the same cluster, which would react to its faults at the measured one's
    expense."""
    for other in others:
        other.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for other in others:
            other.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def meanwhile(action: Callable[[], None] | None):
    """Does it on another thread, a while after the block began."""
    failure = []

    def act() -> None:
        try:
            action()
        except (Exception, SystemExit) as error:
            failure.append(error)

    timer = threading.Timer(FAULT_DELAY_S, act) if action else None
    if timer:
        timer.start()
    try:
        yield
    finally:
        if timer:
            timer.cancel()
            timer.join()
    if failure:
        raise failure[0]


class Faults:
    """Each with what ends it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.node = cluster, None

    def stopped(self) -> None:
        self.node = self.cluster.stop_one()

    def stopped_ends(self) -> None:
        self.node.process.send_signal(signal.SIGCONT)

    def killed(self) -> None:
        self.node = self.cluster.kill_one()

    def killed_ends(self) -> None:
        self.node.start()

    def slow(self) -> None:
        self.cluster.delay_s.value = SLOW_S

    def slow_ends(self) -> None:
        self.cluster.delay_s.value = 0


def run(bench: Bench, server: Server, seconds: float, seed: int, warmup: float = 0, rate: float = RATE) -> dict:
    redis = server.get("/v1/cache")["redis"] if server.name == "punctual" else {}
    slo = load(bench, server, rate, seconds, warmup, ["--users", 1000, "--symbols", SYMBOLS, "--tick-hz", (1 - REPEATS) * rate / SYMBOLS,
                                                      "--tier", f"premium={BUDGET_MS}", "--seed", seed])
    if redis:
        after = server.get("/v1/cache")["redis"]
        slo["redis"] = {name: after[name] - redis[name] for name in (*ASKED, "skipped")}
    return slo


def line(fault: str, server: Server, phase: str, slo: dict) -> None:
    ms = slo["latency_ms"]
    redis = ""
    if "redis" in slo:
        counts = slo["redis"]
        redis = (f"  Redis: {sum(counts[name] for name in ASKED):>4} asked, {counts['timeouts']} late, {counts['errors']} failed, "
                 f"{counts['skipped']} skipped")
    print(f"  {fault:<8} {server.name:<9} {phase:<7} within {BUDGET_MS} ms {100 * slo['within'][str(BUDGET_MS)]:7.3f} %  "
          f"p50 {ms['p50']:8.3f}  p99 {ms['p99']:9.3f}  max {ms['max']:9.3f} ms  unanswered {slo['unanswered']:>5}{redis}", flush=True)


def measure(bench: Bench, server: Server, fault: str, faults: Faults, seed: int, args: argparse.Namespace) -> dict[str, dict]:
    phases = {}
    for phase, seconds, action in (("before", args.around, None), ("during", args.seconds, getattr(faults, fault)),
                                   ("after", args.around, getattr(faults, f"{fault}_ends"))):
        with meanwhile(action):
            phases[phase] = run(bench, server, seconds + (FAULT_DELAY_S if action else 0), seed, 1.5 if phase == "before" else 0)
        line(fault, server, phase, phases[phase])
        seed += 1
    return phases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", type=pathlib.Path, default=PEER)
    parser.add_argument("--seconds", type=float, default=10, help="of each fault (10)")
    parser.add_argument("--around", type=float, default=5, help="seconds before it and after it (5)")
    parser.add_argument("--fault", action="append", choices=["stopped", "killed", "slow"], help="this one alone; may be repeated")
    args = parser.parse_args()

    build("punctual", "echo_server", "make_mlp")
    found: dict[tuple[str, str], dict[str, dict]] = {}
    with Bench("redis-fault") as bench:
        print("starting six redis-servers, Punctual, the peer", flush=True)
        model = make_mlp_repository(bench, WIDTHS, PARTS)
        cluster = Cluster(bench)
        punctual = punctual_server(bench, cluster)
        echo = start_echo(bench, punctual.load)
        node = start_node(bench, args.peer, model, [1, FEATURES], ",".join(cluster.addresses))
        expected_us = next(m for m in punctual.get("/v1/models")["models"] if m["name"] == "mlp")["expected_us"]
        print(f"an inference takes {expected_us / 1000:.2f} ms (p99 at load); {RATE} requests a second, 1,000 connections:")
        servers = [punctual] + ([node] if node else [])
        for server in servers:  # the peer compiles its code while it runs, and loads models after it says that it listens
            for rate in (RATE / 5, RATE):
                run(bench, server, 3, 0, rate=rate)
        faults, seed, noise = Faults(cluster), 1, []
        for fault in args.fault or ["stopped", "killed", "slow"]:
            noise.append(run(bench, echo, args.around, seed, 1))
            line(fault, echo, "", noise[-1])
            for server in servers:
                with resting([other for other in servers if other is not server]):
                    found[server.name, fault] = measure(bench, server, fault, faults, seed, args)
                    cluster.settle()
            seed += 3
    write("redis-fault", figures(found, noise))


def figures(found: dict[tuple[str, str], dict[str, dict]], noise: list[dict]) -> list[tuple[str, float, str, str]]:
    def within(slo: dict) -> float:
        return slo["within"][str(BUDGET_MS)]

    ours = [slo for (name, _), phases in found.items() if name == "punctual" for slo in phases.values()]
    listed = []
    for (name, fault), phases in found.items():
        who, better = ("", "higher") if name == "punctual" else ("node_", "lower")
        listed.append((f"{who}{fault}_within_15ms", within(phases["during"]), "share", better))
        for phase in ("before", "after"):
            listed.append((f"{who}{fault}_{phase}_within_15ms", within(phases[phase]), "share", better))
    late = sum((1 - within(slo)) * slo["sent"] for slo in noise) / sum(slo["sent"] for slo in noise)
    before = [phases["before"]["redis"] for (name, _), phases in found.items() if name == "punctual"]
    asked = sum(counts[name] for counts in before for name in ASKED)
    return listed + [
        # Of the questions that memory could not answer, before each fault. Where it is low Redis was not relied on, and the
        # faults could not have cost much.
        ("redis_asked_share", asked / max(1, asked + sum(counts["skipped"] for counts in before)), "share", "higher"),
        ("worst_phase_within_15ms", min(within(slo) for slo in ours), "share", "higher"),
        ("all_phases_within_15ms", sum(within(slo) * slo["sent"] for slo in ours) / sum(slo["sent"] for slo in ours), "share", "higher"),
        ("unanswered", sum(slo["unanswered"] + slo["errors"] for slo in ours), "requests", "lower"),
        ("noise_late_share", late, "share", "lower"),
    ]


if __name__ == "__main__":
    main()
