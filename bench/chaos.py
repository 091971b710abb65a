"""One fault after another, at half the capacity: what is answered in time, and when things are as before again.

The users and symbols of bench/overload.py, on bench/faulty_server.cc: the whole program, with a model that misbehaves on
command, all layers of the cache, a Redis Cluster of three masters and replicas, and a disk cache on a small disk. Each fault
lasts some seconds, between calm ones. Things are as before when a second has 99.9 % of its answers in time and no more
degraded ones (but for a point) than before the fault. A bare echo server is measured between the faults: the machine's own
share of late answers.
"""

import argparse
import dataclasses
import itertools
import os
import time
from collections.abc import Iterator

import chaos_faults
import faults
import workload
from machine import write
from redis_nodes import Cluster
from servers import BUILD, Bench, build, load, load_command, load_report, start_echo

WINDOW_MS = 100
SECOND = 1000 // WINDOW_MS  # windows
IN_TIME, DEGRADED_MORE = 0.999, 0.01
BOOKS_HZ = 10     # of each symbol, so that ten times that can be fed
DISK_SIZE, DISK_BYTES = "24m", 16 << 20
MEMORY_BYTES = 16 << 20  # full soon: what grows then is no cache
WARMUP_S = 1


@dataclasses.dataclass
class Part:
    """What became of the requests that were due in a part of a run."""

    sent: int
    within: float
    degraded: float
    unanswered: int  # errors too

    @staticmethod
    def of(windows: dict, begin: int, end: int) -> "Part":
        sent, within, degraded, unanswered, errors = (sum(windows[name][begin:end]) for name in
                                                      ("sent", "within_budget", "degraded", "unanswered", "errors"))
        return Part(sent, within / max(1, sent), degraded / max(1, sent), unanswered + errors)


@dataclasses.dataclass
class Outcome:
    before: Part
    during: Part
    after: Part
    recovery_s: float
    recovered: bool  # else recovery_s is as long as it was looked at


def outcome(slo: dict, begin: float, end: float) -> Outcome:
    """`begin`, `end`: of the fault, Unix time."""
    windows, count = slo["windows"], len(slo["windows"]["sent"])

    def index(at: float, up: bool) -> int:
        exact = (at - slo["measured_from_unix_ms"] / 1e3) * 1e3 / WINDOW_MS
        return min(max(int(exact) + up, 0), count)

    first, last = index(begin, False), index(end, True)
    before = Part.of(windows, 0, first)
    for at in range(last, count - SECOND + 1):
        second = Part.of(windows, at, at + SECOND)
        if second.within >= IN_TIME and second.degraded <= before.degraded + DEGRADED_MORE:
            return Outcome(before, Part.of(windows, first, last), Part.of(windows, last, count), (at - last) * WINDOW_MS / 1e3, True)
    return Outcome(before, Part.of(windows, first, last), Part.of(windows, last, count), (count - last) * WINDOW_MS / 1e3, False)


def start_server(bench: Bench, chaos: chaos_faults.Chaos, within: list) -> None:
    nodes = ", ".join(f'"{address}"' for address in chaos.cluster.addresses)
    chaos.server = workload.serve(
        bench, "punctual", "models", f'[cache]\nsecret = "bench"\nmemory.bytes = {MEMORY_BYTES}\n[cache.disk]\ndirectory = "disk"\n'
        f'bytes = {DISK_BYTES}\n[cache.redis]\nnodes = [{nodes}]\n', program=[*within, BUILD / "faulty_server"],
        env={**os.environ, "PUNCTUAL_FAULTS": str(bench.work / "faults")})


def capacity(bench: Bench) -> float:
    """Of the model, as bench/overload.py has it, but quickly."""
    workload.make_models(bench.work / "models-alone", workload.LADDER)
    server = workload.serve(bench, "alone", "models-alone")
    print("the capacity of the model, roughly:", flush=True)
    with workload.feeding(bench, server):
        found = workload.capacity(lambda rate: load(bench, server, rate, 2, options=workload.load_options(bench, round(rate))), 1.6)
    bench.stop(server.process)
    return found


def suffer(bench: Bench, chaos: chaos_faults.Chaos, fault: str, rate: float, seed: int, args: argparse.Namespace) -> Outcome:
    """A run with calm, the fault, and twice as long a calm."""
    (bench.work / "load.json").unlink(missing_ok=True)
    options = [*workload.load_options(bench, seed), "--windows", WINDOW_MS]
    run = bench.spawn("load", load_command(bench, chaos.server, rate, 3 * args.calm + args.seconds, WARMUP_S, "load", options))
    time.sleep(WARMUP_S + args.calm)
    begin = time.time()
    with getattr(chaos, fault)():
        time.sleep(args.seconds)
    end = time.time()
    run.wait(60)
    return outcome(load_report(bench, "load"), begin, end)


def rounds(faults_of_round: list[str], until: float) -> Iterator[tuple[int, str]]:
    """Whole rounds, numbered, the first in any case."""
    for number in itertools.count(1):
        yield from ((number, fault) for fault in faults_of_round)
        if time.monotonic() >= until:
            return


def line(fault: str, found: Outcome, suffered: int | None, rss: int) -> None:
    during = found.during
    recovery = f"{found.recovery_s:4.1f} s" if found.recovered else f"not within {found.recovery_s:.0f} s"
    print(f"  {fault:<18} in time {100 * during.within:7.3f} %  unanswered {during.unanswered + found.after.unanswered:>5}  degraded "
          f"{100 * found.before.degraded:5.1f} -> {100 * during.degraded:5.1f} -> {100 * found.after.degraded:5.1f} %  as before after "
          f"{recovery}, {rss / 1e6:.0f} MB{'' if suffered is None else f'  ({suffered} inferences hit)'}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6, help="of each fault (6)")
    parser.add_argument("--calm", type=float, default=3, help="seconds before it; twice that after it (3)")
    parser.add_argument("--minutes", type=float, default=0, help="repeat all of it until so long has passed: does the memory grow?")
    parser.add_argument("--rate", type=float, help="requests a second; without it the capacity is measured first, and half of it taken")
    parser.add_argument("--fault", action="append", choices=chaos_faults.FAULTS, help="this one alone; may be repeated")
    args = parser.parse_args()

    build("punctual", "faulty_server", "echo_server", "make_model")
    found: dict[str, list[Outcome]] = {}
    noise: list[dict] = []
    crashes = 0
    with Bench("chaos") as bench, faults.page(bench.work / "faults") as page:
        workload.make_models(bench.work / "models", [], "faulty")
        disk = bench.work / "disk"
        within = chaos_faults.on_small_disk(disk, DISK_SIZE)
        chaos = chaos_faults.Chaos(bench, page, Cluster(bench), BOOKS_HZ, str(disk) if within else "")
        echo = start_echo(bench, [])
        rate = args.rate or capacity(bench) / 2
        start_server(bench, chaos, within)
        chosen = [fault for fault in args.fault or chaos_faults.FAULTS if fault not in chaos.not_here]
        for fault, why in chaos.not_here.items():
            print(f"  {fault}: left out: {why}")
        print(f"\nat {rate:,.0f} requests a second:", flush=True)
        until, rss = time.monotonic() + args.minutes * 60, []
        for seed, fault in rounds(chosen, until):
            with workload.feeding(bench, chaos.server, BOOKS_HZ) as chaos.feed:
                found.setdefault(fault, []).append(suffer(bench, chaos, fault, rate, seed, args))
            rss.append(chaos.server.rss_bytes())
            line(fault, found[fault][-1], page.suffered if fault in chaos_faults.OF_INFERENCES else None, rss[-1])
            noise.append(load(bench, echo, rate, args.calm, options=workload.load_options(bench, seed)))
            if chaos.server.process.poll() is not None:
                crashes += 1
                print(f"  the server has ended:\n{bench.log('punctual')[-2000:]}", flush=True)
                start_server(bench, chaos, within)
            if fault == "redis_stops":
                chaos.cluster.settle()
        # Against the first round's end, where there are more: by then everything has been used once.
        grown = rss[-1] - rss[len(chosen) - 1 if len(rss) > len(chosen) else 0]
        page.clear()
    write("chaos", figures(found, noise) + [("crashes", crashes, "times", "lower"), ("rss_growth_mb", grown / 1e6, "MB", "lower")])


def figures(found: dict[str, list[Outcome]], noise: list[dict]) -> list[tuple[str, float, str, str]]:
    listed = []
    for fault, outcomes in found.items():
        sent = sum(one.during.sent for one in outcomes)
        listed += [
            (f"{fault}_within_budget", sum(one.during.within * one.during.sent for one in outcomes) / sent, "share", "higher"),
            (f"{fault}_unanswered", sum(one.during.unanswered + one.after.unanswered for one in outcomes), "requests", "lower"),
            (f"{fault}_degraded", sum(one.during.degraded * one.during.sent for one in outcomes) / sent, "share", "lower"),
            # The longest; where things were not as before again, how long that was looked at.
            (f"{fault}_recovery_s", max(one.recovery_s for one in outcomes), "s", "lower"),
        ]
    everything = [one for outcomes in found.values() for one in outcomes]
    late = sum((1 - workload.within_budget(slo)) * slo["sent"] for slo in noise) / sum(slo["sent"] for slo in noise)
    return listed + [
        ("worst_fault_within_budget", min(one.during.within for one in everything), "share", "higher"),
        ("calm_within_budget", sum(one.before.within * one.before.sent for one in everything) / sum(one.before.sent for one in everything),
         "share", "higher"),
        ("not_recovered", sum(not one.recovered for one in everything), "times", "lower"),
        ("noise_late_share", late, "share", "lower"),
    ]


if __name__ == "__main__":
    main()
