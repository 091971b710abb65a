"""What overload and chaos put on a server: 1,000 users of three tiers who ask a DeepLOB about 200 symbols that tick fast.

The DeepLOB has the size of the paper's code (32 and 64 filters, bench/make_model.cc), with random weights. The trained one of
models/ is three times smaller, which is fast enough that on two cores what would be measured is the kernel's sockets.
"""

import contextlib
import itertools
import json
import pathlib
import subprocess
import sys
import time
import urllib.error
from collections.abc import Callable, Iterator

from servers import BUILD, PROGRAM, Bench, Server, copy_models, start_punctual, write_users

MODEL, STYLE = "deeplob", "swing"
STUDENT, STUDENT_STYLE = "mlp", "scalping"
SHAPE = [1, 100, 40]
# Without a cache what is offered is what the model is asked: with one, a symbol's second question between two ticks would
# be a hit, and twice the capacity no overload. Questions that are asked at once still share an answer.
LADDER = ["coalesced", "model", "student", "stale", "signal"]
BUDGETS_MS = {"premium": 15, "standard": 25, "basic": 50}
WEIGHTS = {"premium": 6, "standard": 3, "basic": 1}
TIERS = ["premium"] + ["standard"] * 3 + ["basic"] * 6  # in turn
USERS, SYMBOLS = 1000, 200
CONNECTIONS = 5 * USERS  # as browsers do: on one that is busy a request would wait for the answer before it
BOOKS_HZ = 20   # of each symbol
PREFILL = 110   # books of each symbol, so that all windows are full
PRIMARY = ("model", "coalesced")
LOWEST_RATE = 200.0  # where the search for a capacity begins
SEEDS = itertools.count(1)  # another market each time: what is cached of one is no answer in the next


def make_models(folder: pathlib.Path, ladder: list[str], backend: str = "auto", trained: bool = False) -> None:
    """The model, which `backend` computes, and its student, with a signal for each symbol of the feed. An empty ladder: all that
    there are. `trained`: the one of models/, else one of the paper's size."""
    def head(rungs: list[str]) -> str:
        return f"ladder = {json.dumps(rungs)}\n" if rungs else ""

    student = f'student = "{STUDENT}"\n' if not ladder or "student" in ladder else ""
    copy_models(folder, [MODEL, STUDENT],
                {MODEL: f'backend = "{backend}"\n' + student + head(ladder), STUDENT: head([rung for rung in ladder if rung != "student"])})
    for name in (MODEL, STUDENT):
        if name == MODEL and not trained:
            subprocess.run([BUILD / "make_model", "deeplob_32", folder / name / "1" / "model.onnx", "--input", "book"], check=True)
        signals = folder / name / "1" / "signals.csv"
        lines = signals.read_text().splitlines()
        any_symbol = next(line for line in lines if line.startswith("SIM1,")).split(",", 1)[1]
        lines = [line for line in lines if not line.startswith("SIM")] + [f"SIM{i},{any_symbol}" for i in range(1, SYMBOLS + 1)]
        signals.write_text("\n".join(lines) + "\n")


def serve(bench: Bench, name: str, models: str, config: str = "", **start) -> Server:
    """`models`: a folder that make_models() made. Without `config` it has no cache on disk or in Redis."""
    write_users(bench.work / "users.csv", [(f"u{i + 1}", TIERS[i % 10], STYLE) for i in range(USERS)])
    tiers = "".join(f"[tiers.{tier}]\nbudget_ms = {ms}\nweight = {WEIGHTS[tier]}\n" for tier, ms in BUDGETS_MS.items())
    return start_punctual(bench, f'[models]\nrepository = "{models}"\n[users]\nfile = "users.csv"\n{tiers}[styles]\n{STYLE} = "{MODEL}"\n'
                          + (config or '[cache.disk]\ndirectory = ""\n'), [], name, **start)


@contextlib.contextmanager
def feeding(bench: Bench, server: Server, hz: float = BOOKS_HZ) -> Iterator[subprocess.Popen]:
    """Simulated books of all symbols; the block begins when the model can answer about each of them."""
    process = bench.spawn("feed", [PROGRAM, "simulate", "--symbols", SYMBOLS, "--rate", hz, "--prefill", PREFILL, "--seed",
                                   next(SEEDS), "--to", server.url])
    wait_for_windows(bench, server, [f"SIM{i}" for i in range(1, SYMBOLS + 1)], "feed")
    try:
        yield process
    finally:
        bench.stop(process)


def wait_for_windows(bench: Bench, server: Server, symbols: list[str], feed: str, patience_s: float = 60) -> None:
    until, missing = time.monotonic() + patience_s, list(symbols)
    user = f"u{TIERS.index('basic') + 1}"
    while missing:
        with contextlib.suppress(urllib.error.HTTPError):  # nothing was published for it yet
            if not server.predict(user=user, symbol=missing[0])["degraded"]:
                missing.pop(0)
                continue
        if time.monotonic() > until:
            sys.exit(f"bench: the model does not answer about {missing[0]} on {server.name}:\n{bench.log(feed)}{bench.log(server.name)}")
        time.sleep(0.05)


def load_options(bench: Bench, seed: int) -> list:
    return ["--users-file", bench.work / "users.csv", "--connections", CONNECTIONS, "--symbols", SYMBOLS, "--zipf", 0, "--seed", seed,
            "--threads", 1,
            *(word for tier, ms in BUDGETS_MS.items() for word in ("--tier", f"{tier}={ms}"))]


def primary_rps(slo: dict, sources: tuple[str, ...] = PRIMARY) -> float:
    """Answers a second that the primary model computed for this very question, and that came in time."""
    return sum(tier["sources_within_budget"].get(source, 0) for tier in slo["tiers"].values() for source in sources) / slo["duration_s"]


def within_budget(slo: dict) -> float:
    """Of all tiers together, of all that was sent."""
    return sum(tier["within_budget"] * tier["sent"] for tier in slo["tiers"].values()) / max(1, slo["sent"])


def capacity(measure: Callable[[float], dict], step: float, source: str = "model") -> float:
    """The highest rate of answers in time that the model computed: the offered rate is raised by `step` until that brings no
    more. `measure`: of a rate, its SLO report."""
    best, vain, rate = 0.0, 0, LOWEST_RATE
    while vain < 2:
        slo = measure(rate)
        found = primary_rps(slo, (source,))
        print(f"  {rate:7,.0f}/s offered: {found:7,.0f}/s answered by the model in time, {100 * within_budget(slo):7.3f} % of all in time",
              flush=True)
        vain = vain + 1 if found < 1.03 * best else 0
        best = max(best, found)
        rate *= step
    return best


def model_file(models: pathlib.Path) -> pathlib.Path:
    """Of a folder that make_models() made."""
    return models / MODEL / "1" / "model.onnx"
