"""1,000 and 10,000 connected users who ask as much in all: what ten times the connections cost.

Two servers, one for each number of users, asked in turns at 2,000 requests a second: a multi-layer perceptron (66,307
parameters) about 128 floats, 90 % of the requests repeats. The difference of the servers' memory while all are connected,
by connection, is what a connection costs. A bare echo server takes the same two loads: what is the kernel's and the
generator's in it, and the machine's own share of late answers.
"""

import argparse
import itertools
import resource
import sys
import threading

from machine import write
from servers import Bench, Server, build, load, make_mlp_repository, median, start_echo, start_punctual, write_users

WIDTHS = [128, 256, 128, 3]
RATE, SYMBOLS, REPEATS, BUDGET_MS = 2000, 20, 0.9, 15
FEW, MANY = 1000, 10_000
SPARE_FILES = 1024  # of a process, besides its connections
SEEDS = itertools.count(1)


def allow_files() -> None:
    """For the servers and the generator, which inherit it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < MANY + SPARE_FILES:
        sys.exit(f"bench: {MANY} connections take {MANY + SPARE_FILES} open files, and a process may have {hard} here; raise the hard "
                 "limit (ulimit -Hn, /etc/security/limits.conf, or --ulimit nofile of the container)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def serve(bench: Bench, name: str) -> Server:
    return start_punctual(
        bench, f'max_connections = {MANY + 100}\n[models]\nrepository = "models"\n[users]\nfile = "users.csv"\n[tiers.premium]\n'
        f'budget_ms = {BUDGET_MS}\n[styles]\nany = "mlp"\n[cache.disk]\ndirectory = ""\n',
        ["--kind", "tensors", "--model", "mlp", "--input", "x", "--features", str(WIDTHS[0])], name)


def run(bench: Bench, server: Server, users: int, seconds: float) -> dict:
    """The SLO report, with `rss`: the server's memory at its highest, when all are connected."""
    rss, ended = [server.rss_bytes()], threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            rss.append(server.rss_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    slo = load(bench, server, RATE, seconds, options=[
        "--users", users, "--symbols", SYMBOLS, "--tick-hz", (1 - REPEATS) * RATE / SYMBOLS, "--tier", f"premium={BUDGET_MS}", "--tier",
        f"standard={BUDGET_MS}", "--tier", f"basic={BUDGET_MS}", "--seed", next(SEEDS)])
    ended.set()
    watcher.join()
    slo["rss"] = max(rss)
    ms = slo["latency_ms"]
    print(f"  {server.name:<13} {users:>6,} users  p50 {ms['p50']:7.3f}  p99 {ms['p99']:8.3f}  p99.9 {ms['p999']:8.3f} ms  within "
          f"{BUDGET_MS} ms {100 * slo['within'][str(BUDGET_MS)]:7.3f} %  server CPU {slo['server_cpu_us']:6.1f} us/request  "
          f"{slo['rss'] / 1e6:7.1f} MB", flush=True)
    return slo


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8, help="of each measurement (8)")
    parser.add_argument("--rounds", type=int, default=5, help="of all four in turns (5)")
    args = parser.parse_args()

    allow_files()
    build("punctual", "echo_server", "make_mlp")
    found: dict[tuple[str, int], list[dict]] = {}
    with Bench("users") as bench:
        make_mlp_repository(bench, WIDTHS)
        write_users(bench.work / "users.csv", [(f"u{i}", "premium", "any") for i in range(1, MANY + 1)])
        few, many = serve(bench, "punctual-few"), serve(bench, "punctual-many")
        echo = start_echo(bench, few.load)
        for _ in range(args.rounds):
            for server, users in ((few, FEW), (many, MANY), (echo, FEW), (echo, MANY)):
                found.setdefault((server.name.split("-")[0], users), []).append(run(bench, server, users, args.seconds))
    write("users", figures(found))


def figures(found: dict[tuple[str, int], list[dict]]) -> list[tuple[str, float, str, str]]:
    def p99(name: str, users: int) -> float:
        return median([slo["latency_ms"]["p99"] for slo in found[name, users]])

    def ratio(name: str, of) -> float:
        return median([of(many) / of(few) for few, many in zip(found[name, FEW], found[name, MANY])])

    def rss(users: int) -> float:
        return median([slo["rss"] for slo in found["punctual", users]])

    listed = []
    for users, short in ((FEW, "1k"), (MANY, "10k")):
        slos = found["punctual", users]
        listed += [(f"p99_{short}_ms", p99("punctual", users), "ms", "lower"),
                   (f"within_15ms_{short}", median([slo["within"][str(BUDGET_MS)] for slo in slos]), "share", "higher"),
                   (f"server_cpu_us_per_request_{short}", median([slo["server_cpu_us"] for slo in slos]), "us", "lower"),
                   (f"echo_p99_{short}_ms", p99("echo", users), "ms", "lower")]
    noise = [slo for (name, _), slos in found.items() if name == "echo" for slo in slos]
    return listed + [
        ("p99_ratio_10k_vs_1k", ratio("punctual", lambda slo: slo["latency_ms"]["p99"]), "ratio", "lower"),
        ("echo_p99_ratio_10k_vs_1k", ratio("echo", lambda slo: slo["latency_ms"]["p99"]), "ratio", "lower"),
        ("cpu_ratio_10k_vs_1k", ratio("punctual", lambda slo: slo["server_cpu_us"]), "ratio", "lower"),
        ("bytes_per_connection", (rss(MANY) - rss(FEW)) / (MANY - FEW), "bytes", "lower"),
        ("unanswered", sum(slo["unanswered"] + slo["errors"] for (name, _), slos in found.items() if name == "punctual" for slo in slos),
         "requests", "lower"),
        ("noise_late_share", sum((1 - slo["within"][str(BUDGET_MS)]) * slo["sent"] for slo in noise) / sum(slo["sent"] for slo in noise),
         "share", "lower"),
    ]


if __name__ == "__main__":
    main()
