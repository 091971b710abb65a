"""What spinning I/O threads are worth: latency and CPU with `spin_us` of 0, 20, 50 and 100, in turns.

A server for each setting, all at once: one that has nothing to do costs the others nothing. 1,000 connections ask a small
model, 90 % of the questions are repeats; a bare echo server, which sleeps, shows the machine's own noise. The generator
shares the cores with the servers, as a neighbour on a busy machine would.
"""

import argparse
import itertools

from machine import write
from servers import Bench, Server, build, load, make_mlp_repository, median, start_echo, start_punctual, write_users

WIDTHS = [128, 256, 128, 3]
SPINS_US = [0, 20, 50, 100]
RATES = [500, 2000, 10000]
SYMBOLS, REPEATS = 20, 0.9
SEEDS = itertools.count(1)  # new bodies in each run: no answer is cached from the run before


def start(bench: Bench, spin_us: int) -> Server:
    config = (
        f'spin_us = {spin_us}\n[models]\nrepository = "models"\n[users]\nfile = "users.csv"\n[tiers.premium]\nbudget_ms = 15\n'
        '[styles]\nany = "mlp"\n[cache.disk]\ndirectory = ""\n'
    )
    options = ["--kind", "tensors", "--model", "mlp", "--input", "x", "--features", str(WIDTHS[0])]
    return start_punctual(bench, config, options, f"spin-{spin_us}")


def run(bench: Bench, server: Server, rate: float, seconds: float) -> dict:
    return load(bench, server, rate, seconds, options=[
        "--users", 1000, "--symbols", SYMBOLS, "--tick-hz", (1 - REPEATS) * rate / SYMBOLS, "--tier", "premium=15",
        "--seed", next(SEEDS)])


def summary(slos: list[dict]) -> dict[str, float]:
    found = {f"{quantile}_ms": median([slo["latency_ms"][quantile] for slo in slos]) for quantile in ("p50", "p99")}
    return found | {"cpu_us": median([slo["server_cpu_us"] for slo in slos])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5, help="of each measurement (5)")
    parser.add_argument("--rounds", type=int, default=5, help="in turns (5)")
    args = parser.parse_args()

    build("punctual", "echo_server", "make_mlp")
    figures, late, sent = [], 0.0, 0
    with Bench("spin") as bench:
        make_mlp_repository(bench, WIDTHS)
        write_users(bench.work / "users.csv", [(f"u{i}", "premium", "any") for i in range(1, 1001)])
        servers = [start(bench, spin_us) for spin_us in SPINS_US]
        for spin_us, server in zip(SPINS_US, servers):
            if "do not spin" in bench.log(server.name):
                print(f"note: spin_us = {spin_us}: {bench.log(server.name).strip()}")
        echo = start_echo(bench, servers[0].load)
        for rate in RATES:
            rounds: dict[str, list[dict]] = {server.name: [] for server in [*servers, echo]}
            for _ in range(args.rounds):
                for server in [*servers, echo]:
                    rounds[server.name].append(run(bench, server, rate, args.seconds))
            print(f"\nat {rate:,} requests a second, {args.rounds} rounds in turns, medians:")
            for name, slos in rounds.items():
                found = summary(slos)
                print(f"  {name:<9} p50 {found['p50_ms']:7.3f} ms  p99 {found['p99_ms']:7.3f} ms  server CPU "
                      f"{found['cpu_us']:6.1f} us/request", flush=True)
                if name == "echo":
                    late += sum((1 - slo["within"]["15"]) * slo["sent"] for slo in slos)
                    sent += sum(slo["sent"] for slo in slos)
                else:
                    label = name.replace("-", "_")
                    figures += [(f"{label}_{rate}_p50_ms", found["p50_ms"], "ms", "lower"),
                                (f"{label}_{rate}_p99_ms", found["p99_ms"], "ms", "lower"),
                                (f"{label}_{rate}_cpu_us", found["cpu_us"], "us", "lower")]
    write("spin", [*figures, ("noise_late_share", late / sent, "share", "lower")])


if __name__ == "__main__":
    main()
