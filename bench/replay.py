"""What the layers of the cache are worth: 1,000 users poll three models about replayed order books.

Three servers, as a deployment has them: a and b on one machine share a disk cache, c has one of its own (another
machine), all share one Redis. All are fed the same books at the pace they came in; the users are spread evenly over
servers and models, and poll at random times (Poisson), all symbols alike. A layer's share is of all answers.

Then the same with models that quantise their input to 8 bits first, without and with exact semantic answers, whose gain
is what the hit rate gains. In such runs it also hangs on which server a book reaches first, so the same is counted in
simulated time as well, where both have exactly the same questions (semantic_exact_gain; the servers': ..._live).

The books are ../shared/data/lob10 or --data (a folder of order-book CSV files); without them the simulator's.
"""

import argparse
import contextlib
import pathlib
import shutil
import subprocess
import sys
import time
import tomllib
import urllib.error

import questions
import redis_nodes
from machine import ROOT, write
from servers import BUILD, MODELS, PROGRAM, Bench, Server, build, copy_models, load_command, load_report, start_punctual, write_users

STYLES = {"scalping": "mlp", "day": "tcn", "swing": "deeplob"}
PLAIN, QUANTISED, SEMANTIC = "as they are", "quantised input", "quantised input, exact semantic answers"
LAYERS = ["l1", "l2", "l3", "coalesced", "model"]
SERVERS = "abc"
TIERS = ["premium"] * 2 + ["standard"] * 3 + ["basic"] * 5
USERS = 1000
PREFILL = 300  # books of each symbol before the run: all windows are full


def make_models(folder: pathlib.Path, kind: str, names: list[str] = MODELS) -> None:
    copy_models(folder, names, manifest_tail='\n[semantic]\nkind = "exact"\n' if kind == SEMANTIC else "")
    for name in names if kind != PLAIN else []:
        features = tomllib.loads((folder / name / "model.toml").read_text())["features"]
        onnx = folder / name / "1" / "model.onnx"
        onnx.unlink()
        subprocess.run([BUILD / "quantize_input", ROOT / "models" / name / "1" / "model.onnx", onnx, features["input"],
                        str(features["clip"] / 127)], check=True)


def users_of(server: str) -> list[tuple[str, str, str]]:
    styles = list(STYLES)
    return [(f"u{i}", TIERS[i // 9 % 10], styles[i // 3 % 3]) for i in range(USERS) if SERVERS[i % 3] == server]


def wait_for_windows(server: Server, symbols: list[str]) -> None:
    until = time.monotonic() + 30
    user_of = {style: user for user, _, style in users_of(server.name)}
    missing = [(style, symbol) for style in STYLES for symbol in symbols]
    while missing:
        with contextlib.suppress(urllib.error.HTTPError):  # nothing was published for it yet
            if not server.predict(user=user_of[missing[0][0]], symbol=missing[0][1])["degraded"]:
                missing.pop(0)
                continue
        if time.monotonic() > until:
            sys.exit(f"bench: no model answers about {missing[0][1]} on server {server.name}: {server.get('/v1/models')}")
        time.sleep(0.05)


def serve(bench: Bench, name: str, redis: redis_nodes.RedisNode) -> Server:
    write_users(bench.work / f"users-{name}.csv", users_of(name))
    styles = "".join(f'{style} = "{model}"\n' for style, model in STYLES.items())
    disk = "disk-ab" if name in "ab" else "disk-c"
    return start_punctual(
        bench, f'[models]\nrepository = "models"\n[users]\nfile = "users-{name}.csv"\n[styles]\n{styles}[cache]\nsecret = "bench"\n'
        f'[cache.disk]\ndirectory = "{disk}"\n[cache.redis]\nnodes = ["{redis.address}"]\n', [], name)


def run(kind: str, data: list[pathlib.Path], args: argparse.Namespace) -> dict[tuple[str, str], dict[str, int]]:
    """(server, model) -> source -> answers."""
    with Bench("replay") as bench:
        for folder in ("disk-ab", "disk-c"):
            shutil.rmtree(bench.work / folder, ignore_errors=True)
        make_models(bench.work / "models", kind)
        redis = redis_nodes.single(bench)
        servers = [serve(bench, name, redis) for name in SERVERS]
        symbols = [file.name.split(".")[0].upper() for file in data]
        for server in servers:
            bench.spawn(f"feed-{server.name}", [PROGRAM, "replay", *data, "--to", server.url, "--prefill", PREFILL])
        for server in servers:
            wait_for_windows(server, symbols)
        loads = {}
        for s, server in enumerate(servers):
            for m, (style, model) in enumerate(STYLES.items()):
                name = f"load-{server.name}-{model}"
                (bench.work / f"{name}.json").unlink(missing_ok=True)
                loads[server.name, model] = bench.spawn(name, load_command(
                    bench, server, args.rate / 9, args.seconds, args.warmup, name,
                    ["--users-file", bench.work / f"users-{server.name}.csv", "--style", style, "--symbols", ",".join(symbols),
                     "--zipf", 0, "--seed", 1 + s * 3 + m]))
        answers = {}
        for (server, model), process in loads.items():
            if process.wait(args.seconds + args.warmup + 60) != 0:
                sys.exit(f"bench: the generator failed:\n{bench.log(f'load-{server}-{model}')}")
            slo = load_report(bench, f"load-{server}-{model}")
            answers[server, model] = slo["sources"] | {"none": slo["unanswered"] + slo["errors"]}
        return answers


def shares(answers: dict[tuple[str, str], dict[str, int]], server: str = "", model: str = "") -> dict[str, float]:
    """Of all requests of a server, a model, or both; "other": answers of other rungs, errors, silence."""
    chosen = [sources for (s, m), sources in answers.items() if server in ("", s) and model in ("", m)]
    total = sum(sum(sources.values()) for sources in chosen)
    found = {layer: sum(sources.get(layer, 0) for sources in chosen) / total for layer in LAYERS}
    return found | {"hit": found["l1"] + found["l2"] + found["l3"], "other": 1 - sum(found.values())}


def show(answers: dict[tuple[str, str], dict[str, int]]) -> None:
    print(f"  {'':<18}" + "".join(f"{name:>11}" for name in ("hits", *LAYERS, "other")))
    rows = [("all", "", "")] + [(model, "", model) for model in MODELS] + [(f"server {s}", s, "") for s in SERVERS]
    for title, server, model in rows:
        found = shares(answers, server, model)
        print(f"  {title:<18}" + "".join(f"{100 * found[name]:>9.2f} %" for name in ("hit", *LAYERS, "other")))
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, default=questions.RECORDINGS)
    parser.add_argument("--rate", type=float, default=2000, help="requests a second, of all users together (2000)")
    parser.add_argument("--seconds", type=float, default=30, help="of each of the three runs (30)")
    parser.add_argument("--warmup", type=float, default=3, help="seconds before, not counted (3)")
    parser.add_argument("--simulated-seconds", type=float, default=300, help="of the recordings, for exact semantic answers (300)")
    args = parser.parse_args()

    build("punctual", "quantize_input", "question_stream")
    with Bench("replay") as bench:
        data = questions.books(bench, args.data, args.simulated_seconds)
        print(f"{USERS} users, {args.rate:.0f} requests a second, three servers, {args.seconds:.0f} s a run")
        runs = {}
        for kind in (PLAIN, QUANTISED, SEMANTIC):
            print(f"\nmodels: {kind}", flush=True)
            runs[kind] = run(kind, data, args)
            show(runs[kind])
        print("\nexact semantic answers, the same questions in simulated time, a model's users on one cache:", flush=True)
        gains = {model: simulated_gain(bench, model, data, args) for model in MODELS}
    write("replay", figures(runs, gains))


def simulated_gain(bench: Bench, model: str, data: list[pathlib.Path], args: argparse.Namespace) -> float:
    """What share of the questions become repeats: differences between runs are then the codes' alone."""
    hits = []
    for kind in (QUANTISED, SEMANTIC):
        make_models(bench.work / "one-model", kind, [model])
        count, kinds = questions.counts(questions.stream(bench.work / "one-model", args.rate / 3, args.simulated_seconds, data))
        hits.append(1 - kinds / count)
    print(f"  {model:<8} {count:>9,} questions, repeats {100 * hits[0]:.2f} % -> {100 * hits[1]:.2f} %", flush=True)
    return hits[1] - hits[0]


def figures(runs: dict, gains: dict[str, float]) -> list[tuple[str, float, str, str]]:
    listed = []
    for suffix, model in [("", "")] + [(f"_{model}", model) for model in MODELS]:
        found = shares(runs[PLAIN], model=model)
        listed += [(f"hit_rate{suffix}", found["hit"], "share", "higher")]
        listed += [(f"hit_rate_{layer}{suffix}", found[layer], "share", "higher") for layer in ("l1", "l2", "l3")]
        live = shares(runs[SEMANTIC], model=model)["hit"] - shares(runs[QUANTISED], model=model)["hit"]
        listed += [(f"coalesced_share{suffix}", found["coalesced"], "share", "higher"),
                   (f"computed_share{suffix}", found["model"], "share", "lower"),
                   (f"semantic_exact_gain{suffix}", gains[model] if model else sum(gains.values()) / len(gains), "share", "higher"),
                   (f"semantic_exact_gain_live{suffix}", live, "share", "higher")]
    return listed


if __name__ == "__main__":
    main()
