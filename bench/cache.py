"""What a hit costs in each layer of the cache, in-process, and what the memory layer's policy is worth.

Memory: the time of a hit, threads, and memory of an entry (bench/memory_cache_bench.cc). Disk: a whole hit, decoded and
kept in memory. Redis: a hit beside a bare client's GET, in turns in one run (bench/cache_bench.cc). Policy: the hit
ratio of SIEVE, LRU and FIFO on the stream of questions that 1,000 users put about the recorded books of
../shared/data/lob10 or --data (bench/question_stream.cc); without recordings, about simulated ones.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys

import questions
import redis_nodes
from machine import write
from servers import BUILD, Bench, build, copy_models

CAPACITIES = [8, 16, 32, 64, 256, 1024]  # entries
# The figures that have an aim: where they come from, and the aim. A hit in memory: one alone, of 1,000 entries, which is
# far more than are in use at a time (of 10,000 and 100,000 they are figures of their own).
HEADLINES = {
    "l1_hit_p50_ns": ("l1_hit_of_1000_alone_p50_ns", "at most 150"),
    "l1_hit_p99_ns": ("l1_hit_of_1000_alone_p99_ns", "at most 1,000"),
    "l1_scaling_2_threads": ("l1_scaling_uniform_2_threads", "near 2"),
    "l2_hit_p50_us": ("l2_hit_p50_us", "at most 3"),
    "l3_hit_ratio_vs_bare_get": ("l3_hit_ratio_vs_bare_get", "at most 1.3"),
}


def measure(command: list) -> dict[str, dict]:
    """Runs a program that prints a figure a line, as JSON."""
    print(f"{pathlib.Path(command[0]).name} ...", flush=True)
    result = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    if result.returncode:
        sys.exit(f"bench: {command[0]} failed:\n{result.stdout}")
    return {figure["name"]: figure for figure in map(json.loads, result.stdout.splitlines())}


def show(found: dict[str, dict]) -> None:
    print()
    for name, (_, aim) in HEADLINES.items():
        if name in found:
            print(f"  {name:<26}{found[name]['value']:>10,.4g} {found[name]['unit']:<4} aim {aim}")
    print(f"\n  hit ratio of questions about replayed books\n  {'entries':>8}{'SIEVE':>10}{'LRU':>10}{'FIFO':>10}")
    for capacity in CAPACITIES:
        ratios = [100 * found[f"l1_{policy}_hit_ratio_at_{capacity}"]["value"] for policy in ("sieve", "lru", "fifo")]
        print(f"  {capacity:>8}" + "".join(f"{ratio:>8.2f} %" for ratio in ratios))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, default=questions.RECORDINGS)
    parser.add_argument("--rate", type=float, default=2000, help="questions a second of the replayed stream (2000)")
    parser.add_argument("--seconds", type=float, default=300, help="of the recordings, in simulated time (300)")
    args = parser.parse_args()

    build("punctual", "memory_cache_bench", "cache_bench", "question_stream")
    with Bench("cache") as bench:
        copy_models(bench.work / "models")
        trace = bench.work / "questions.bin"
        trace.write_bytes(questions.stream(bench.work / "models", args.rate, args.seconds, questions.books(bench, args.data, args.seconds)))
        count, kinds = questions.counts(trace.read_bytes())
        print(f"questions: {count:,}, of which {kinds:,} differ: at most {100 * (1 - kinds / count):.2f} % can be hits")
        found = measure([BUILD / "memory_cache_bench", "--trace", trace, *CAPACITIES])
        redis = redis_nodes.single(bench)
        shutil.rmtree(bench.work / "disk", ignore_errors=True)
        found |= measure([BUILD / "cache_bench", bench.work / "models", "mlp", bench.work / "disk", redis.port])
    for name, (source, _) in HEADLINES.items():
        if source in found:  # one core has no scaling
            found[name] = found[source] | {"name": name}
    show(found)
    write("cache", [(figure["name"], figure["value"], figure["unit"], figure["better"]) for figure in found.values()])


if __name__ == "__main__":
    main()
