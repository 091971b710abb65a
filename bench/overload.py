"""More requests than the model can answer: what comes in time, from which rung, and how late the rest is.

1,000 users of three tiers (10 / 30 / 60 %, 15 / 25 / 50 ms) ask a DeepLOB of the paper's size about 200 symbols that tick 20 times a second;
no answer is cached, so that what is offered is what the model is asked. The capacity is the highest rate of answers in
time that the model itself computes. Then 0.5, 1, 2 and 5 times that is offered: to Punctual, to the straightforward server
in Node (the same model file and absolute rates; its requests carry tensors, and its budget is 15 ms), and to a bare echo
server, in turns.

Goodput is the rate of primary answers in time (computed for the question, or for one that was the same and under way) as a
share of the capacity. Then the effective accuracy on recorded books,
under twice the capacity (bench/effective_accuracy.py).
"""

import argparse
import itertools
import pathlib

import effective_accuracy
import questions
import workload
from machine import write
from servers import PEER, Bench, Server, build, load, median, start_echo, start_node

LOADS = (0.5, 1, 2, 5)
SEEDS = itertools.count(1)
NODE_BUDGET_MS, NODE_SOURCE = 15, "inference"


def ask(bench: Bench, server: Server, rate: float, seconds: float) -> dict:
    # Tensors change as often as books (symbols' names alone do not change).
    return load(bench, server, rate, seconds, options=[*workload.load_options(bench, next(SEEDS)), "--tick-hz", workload.BOOKS_HZ])


def measure(bench: Bench, server: Server, rate: float, seconds: float) -> dict:
    if server.name != "punctual":
        return ask(bench, server, rate, seconds)
    with workload.feeding(bench, server):
        return ask(bench, server, rate, seconds)


def late_p999_ms(slo: dict) -> float:
    return max(tier["late_by_ms"]["p999"] for tier in slo["tiers"].values())


def line(name: str, times: float, rate: float, capacity: float, slo: dict) -> None:
    tiers = " / ".join(f"{100 * slo['tiers'][tier]['within_budget']:7.3f}" for tier in workload.BUDGETS_MS)
    sources = ", ".join(f"{source} {100 * count / max(1, slo['sent']):.1f}" for source, count in
                        sorted(slo["sources"].items(), key=lambda item: -item[1]))
    goodput = f"  goodput {workload.primary_rps(slo) / capacity:5.2f}" if name == "punctual" else ""
    print(f"  {times:>4}x {rate:>7,.0f}/s  {name:<9} in time {tiers} %{goodput}  late by p99.9 {late_p999_ms(slo):8.3f} ms  "
          f"unanswered {slo['unanswered'] + slo['errors']:>5}  % from: {sources}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", type=pathlib.Path, default=PEER)
    parser.add_argument("--data", type=pathlib.Path, default=questions.RECORDINGS)
    parser.add_argument("--seconds", type=float, default=8, help="of each measurement (8)")
    parser.add_argument("--rounds", type=int, default=3, help="of each load (3)")
    parser.add_argument("--load", type=float, action="append", choices=LOADS, help="this one alone; may be repeated")
    parser.add_argument("--accuracy-seconds", type=float, default=20, help="of each way to answer recorded books (20); 0: not")
    args = parser.parse_args()

    build("punctual", "echo_server", "make_model")
    found: dict[tuple[str, float], list[dict]] = {}
    with Bench("overload") as bench:
        workload.make_models(bench.work / "models", workload.LADDER)
        punctual = workload.serve(bench, "punctual", "models")
        echo = start_echo(bench, [])
        node = start_node(bench, args.peer, workload.model_file(bench.work / "models"), workload.SHAPE)
        print("the capacity of the model:", flush=True)
        with workload.feeding(bench, punctual):
            capacity = workload.capacity(lambda rate: ask(bench, punctual, rate, args.seconds / 2), 1.3)
        node_capacity = None
        if node:
            print("\nin Node:", flush=True)
            node_capacity = workload.capacity(lambda rate: ask(bench, node, rate, args.seconds / 2), 1.3, NODE_SOURCE)
        print(f"\n{capacity:,.0f}/s; so many times that, {args.rounds} rounds in turns "
              f"(in time: {' / '.join(workload.BUDGETS_MS)}):", flush=True)
        for _ in range(args.rounds):
            for times, server in itertools.product(args.load or LOADS, [punctual, echo] + ([node] if node else [])):
                slo = measure(bench, server, times * capacity, args.seconds)
                found.setdefault((server.name, times), []).append(slo)
                line(server.name, times, times * capacity, capacity, slo)
        accuracy = effective_accuracy.measure(bench, args.data, args.accuracy_seconds) if args.accuracy_seconds > 0 else []
    listed = [("capacity_rps", capacity, "1/s", "higher")]
    if node_capacity is not None:
        listed += [("node_capacity_rps", node_capacity, "1/s", "lower"),
                   ("capacity_ratio_vs_node", capacity / max(node_capacity, 1.0), "ratio", "higher")]
    write("overload", listed + figures(found, capacity) + accuracy)


def share(slos: list[dict], of) -> float:
    return sum(of(slo) * slo["sent"] for slo in slos) / sum(slo["sent"] for slo in slos)


def primary_share(slo: dict, tier: str) -> float:
    counts = slo["tiers"][tier]
    return sum(counts["sources_within_budget"].get(source, 0) for source in workload.PRIMARY) / max(1, counts["sent"])


def figures(found: dict[tuple[str, float], list[dict]], capacity: float) -> list[tuple[str, float, str, str]]:
    ours = {times: slos for (name, times), slos in found.items() if name == "punctual"}
    listed = []
    for times, slos in ours.items():
        listed.append((f"within_budget_at_{times:g}x", share(slos, workload.within_budget), "share", "higher"))
        for tier in workload.BUDGETS_MS:
            listed.append((f"within_budget_{tier}_at_{times:g}x", share(slos, lambda slo: slo["tiers"][tier]["within_budget"]), "share",
                           "higher"))
        if times >= 1:
            listed.append((f"goodput_at_{times:g}x", median([workload.primary_rps(slo) for slo in slos]) / capacity, "share", "higher"))
    if 2 in ours:
        premium, basic = (share(ours[2], lambda slo: primary_share(slo, tier)) for tier in ("premium", "basic"))
        listed.append(("premium_to_basic_primary_ratio_at_2x", premium / max(basic, 1e-4), "ratio", "higher"))
    for (name, times), slos in found.items():
        if name == "node":
            within = share(slos, lambda slo: slo["within"][str(NODE_BUDGET_MS)])
            listed.append((f"node_within_15ms_at_{times:g}x", within, "share", "lower"))
            listed.append((f"node_goodput_at_{times:g}x", median([workload.primary_rps(slo, (NODE_SOURCE,)) for slo in slos]) / capacity,
                           "share", "lower"))
    echoes = [slo for (name, _), slos in found.items() if name == "echo" for slo in slos]
    return listed + [
        # Of the worst load and tier.
        ("lateness_p999_ms", max(median([late_p999_ms(slo) for slo in slos]) for slos in ours.values()), "ms", "lower"),
        ("unanswered", sum(slo["unanswered"] + slo["errors"] for slos in ours.values() for slo in slos), "requests", "lower"),
        ("noise_late_share", 1 - share(echoes, workload.within_budget), "share", "lower"),
        ("echo_lateness_p999_ms", median([late_p999_ms(slo) for slo in echoes]), "ms", "lower"),
    ]


if __name__ == "__main__":
    main()
