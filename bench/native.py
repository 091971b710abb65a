"""The native backend beside OpenVINO and ONNX Runtime: one core, one question at a time, models of all kinds.

All of them run a model in turns of a few milliseconds, in one process and on one core (bench/native_bench.cc); models are
made with random weights (bench/make_model.cc). Beside each time stands the least that this core could need
(bench/native_limits.py, from what bench/core_limits.cc finds), and the largest error against the same model in double
precision, as a share of the largest output where that is above one.

The ratio says how many times as quick as the better of the two the native backend is: both in float for models in float;
for int8 models, the best of the int8 model and the same one in float, in either. ONNX Runtime also gets its own form of
the int8 DeepLOB, which has codes behind each layer too. bf16 stands beside, where the CPU has it.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

import native_limits
from cache import measure
from machine import machine, write
from servers import BUILD, Bench, build

MODELS = list(native_limits.LIMITS_NS)
INPUTS = 64  # that are asked in turn, and compared
# What is aimed at with AVX-512, and with AVX2: this many times as quick as the better peer at least. Other models: 1.
AIM_RATIO = {
    "mlp_8k": (6, 4), "mlp_69k": (2.5, 4), "mlp_295k": (1.6, 2.2),
    "mlp_8k_int8": (6, 5), "mlp_69k_int8": (5, 5), "mlp_295k_int8": (3, 5),
    "lstm_a": (1.6, 2), "lstm_b": (1.4, 2), "tcn": (6, 6), "deeplob_16": (1.3, 1.5), "deeplob_32": (1.3, 1.5),
}
AIM_TARGETS = {"AVX3_DL": 0, "AVX3": 0, "AVX2": 1}  # others have no aims
AIM_SHARE = 0.26  # of the bytes of the file in float, of one with codes
AIM_LIMIT = 1.5  # times the core's own limit at most
NO_AIM_LIMIT = ("mlp_8k", "mlp_8k_int8")  # too small: what lies around the arithmetic counts
AIM_ERROR = 1e-5  # of models in float
# OpenVINO's oneDNN takes this, so that it uses what the native backend does; ONNX Runtime cannot be told.
ONEDNN_ISA = {"AVX3_DL": "AVX512_CORE_VNNI", "AVX3": "AVX512_CORE", "AVX2": "AVX2", "SSE4": "SSE41"}


def make(bench: Bench, model: str) -> pathlib.Path:
    file = bench.work / f"{model}.onnx"
    for command in ([BUILD / "make_model", model, file], [BUILD / "model_reference", file, INPUTS]):
        subprocess.run([str(word) for word in command], check=True)
    return file


def contenders(bench: Bench, model: str, bf16: bool) -> dict[str, str]:
    """By name, as native_bench takes them. Those of the peers begin with the peer's name."""
    file = make(bench, model)
    found = {"native": f"native:fp32:{file}", "openvino": f"openvino:fp32:{file}", "onnxruntime": f"onnxruntime:fp32:{file}"}
    if model.endswith("_int8"):
        in_float = make(bench, model.removesuffix("_int8"))
        found |= {"openvino_in_float": f"openvino:fp32:{in_float}", "onnxruntime_in_float": f"onnxruntime:fp32:{in_float}"}
        if model.startswith("deeplob"):
            found["onnxruntime_behind"] = f"onnxruntime:fp32:{make(bench, model + '_behind')}"
    elif bf16:
        found |= {"native_bf16": f"native:bf16:{file}", "openvino_bf16": f"openvino:bf16:{file}"}
    return found


def run(bench: Bench, model: str, args: argparse.Namespace, bf16: bool) -> dict[str, dict]:
    command = [BUILD / "native_bench", "--core", args.core, "--seconds", args.seconds]
    environment = dict(os.environ)
    if args.target:
        command += ["--target", args.target]
        environment["ONEDNN_MAX_CPU_ISA"] = ONEDNN_ISA[args.target]
    command += [f"{name}={what}" for name, what in contenders(bench, model, bf16).items()]
    result = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, env=environment)
    if result.returncode:
        sys.exit(f"bench: native_bench failed with {model}:\n{result.stdout}")
    return {found["name"]: found for found in map(json.loads, result.stdout.splitlines())}


def quickest_us(found: dict[str, dict], peer: str) -> float | None:
    """Of what this peer computes in float or with codes."""
    times = [one["p50_us"] for name, one in found.items() if "p50_us" in one and name.startswith(peer) and not name.endswith("bf16")]
    return min(times, default=None)


def best_peer_us(found: dict[str, dict], is_bound: bool) -> float | None:
    """`is_bound`: to older instructions than the CPU's, which ONNX Runtime takes all the same: it counts where it is alone."""
    openvino_us, onnxruntime_us = (quickest_us(found, peer) for peer in ("openvino", "onnxruntime"))
    if is_bound and openvino_us:
        return openvino_us
    return min((time for time in (openvino_us, onnxruntime_us) if time), default=None)


def aim_ratio(model: str, target: str) -> float:
    """0: none."""
    return AIM_RATIO.get(model, (1, 1))[AIM_TARGETS[target]] if target in AIM_TARGETS else 0


def file_share(bench: Bench, model: str) -> float:
    size, in_float = ((bench.work / f"{name}.onnx").stat().st_size for name in (model, model.removesuffix("_int8")))
    return size / in_float


COLUMNS = ("p50", "p99", "bf16", "openvino", "bf16", "onnxrt", "ratio", "limit", "x limit", "error")


def line(model: str, found: dict[str, dict], peer_us: float | None, limit_us: float, target: str) -> str:
    def show(value: float | None, digits: str = ".4g") -> str:
        return f"{'-' if value is None else format(value, digits):>10}"

    native = found["native"]
    p50_us = native.get("p50_us")
    ratio = peer_us / p50_us if p50_us and peer_us else None
    error = native.get("max_error")
    cells = [show(p50_us), show(native.get("p99_us")), show(found.get("native_bf16", {}).get("p50_us")),
             show(quickest_us(found, "openvino")), show(found.get("openvino_bf16", {}).get("p50_us")),
             show(quickest_us(found, "onnxruntime")), show(ratio, ".2f"), show(limit_us),
             show(p50_us / limit_us if p50_us else None, ".2f"), show(error, ".1e")]
    missed = []
    if ratio is not None and ratio < aim_ratio(model, target):
        missed.append(f"aim {aim_ratio(model, target):g} times as quick")
    if p50_us and target in AIM_TARGETS and model not in NO_AIM_LIMIT and p50_us > AIM_LIMIT * limit_us:
        missed.append(f"aim {AIM_LIMIT:g} times the limit")
    if error is not None and error > AIM_ERROR and not model.endswith("_int8"):
        missed.append(f"aim an error of {AIM_ERROR:g}")
    return f"  {model:<16}" + "".join(cells) + "".join(f"  {what}" for what in missed)


def figures(model: str, found: dict[str, dict], peer_us: float | None, limit_us: float) -> list[tuple[str, float, str, str]]:
    listed = [(f"{model}_limit_us", limit_us, "us", "lower")]
    native = found["native"]
    if "p50_us" in native:
        listed += [(f"{model}_{quantile}_us", native[f"{quantile}_us"], "us", "lower") for quantile in ("p50", "p99", "p999")]
        listed.append((f"{model}_limit_ratio", native["p50_us"] / limit_us, "ratio", "lower"))
        listed.append((f"{model}_max_error", native["max_error"], "", "lower"))
        if peer_us:
            listed.append((f"{model}_ratio", peer_us / native["p50_us"], "ratio", "higher"))
    for name, one in found.items():
        if name != "native" and "p50_us" in one:
            listed += [(f"{model}_{name}_{quantile}_us", one[f"{quantile}_us"], "us", "lower") for quantile in ("p50", "p99", "p999")]
            listed.append((f"{model}_{name}_max_error", one["max_error"], "", "lower"))
    return listed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", choices=MODELS, metavar="NAME", help=f"this one alone; may be repeated; one of {', '.join(MODELS)}")
    parser.add_argument("--target", choices=list(ONEDNN_ISA), help="use no better instructions than these (the CPU's best)")
    parser.add_argument("--seconds", type=float, default=5, help="of each model, for all that run it (5)")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)), help="to run on (the last one)")
    args = parser.parse_args()

    build("native_bench", "core_limits", "make_model", "model_reference")
    limits = measure([BUILD / "core_limits", args.core])
    if args.target and f"fma_{args.target}" not in limits:
        sys.exit(f"bench: this CPU has no {args.target}")
    core = native_limits.Core({name: figure["value"] for name, figure in limits.items()}, args.target)
    bf16 = args.target is None and "avx512_bf16" in machine()["simd"]
    print(f"one core, instructions as of {core.target}: {core.flops_per_ns:.0f} GFLOP/s in float, {core.code_ops_per_ns:.0f} Gop/s with codes; "
          + ", ".join(f"{core.read_bytes_per_ns(1024 * kb):.0f} GB/s of {kb} kB" for kb in (32, 1024, 8192)))
    if args.target:
        print("note: OpenVINO is bound to the same instructions; ONNX Runtime cannot be, and counts in the ratio where it is the only peer")
    print(f"\nmicroseconds, for the peers the quickest form; an aim that is missed stands behind the line\n  {'':<16}" + "".join(f"{column:>10}" for column in COLUMNS), flush=True)
    listed: list[tuple[str, float, str, str]] = []
    refused: dict[tuple[str, str], list[str]] = {}  # models, by who refused them and why
    with Bench("native") as bench:
        for model in args.model or MODELS:
            found = run(bench, model, args, bf16)
            limit_us = native_limits.limit_us(model, core)
            peer_us = best_peer_us(found, args.target is not None)
            print(line(model, found, peer_us, limit_us, core.target), flush=True)
            listed += figures(model, found, peer_us, limit_us)
            if model.endswith("_int8"):
                share = file_share(bench, model)
                print(f"  {'':<16}  the file has {100 * share:.1f} % of the bytes of the one in float" + ("" if share <= AIM_SHARE else f"  aim {100 * AIM_SHARE:g} %"))
                listed.append((f"{model}_file_share", share, "share", "lower"))
            for name, one in found.items():
                if "refused" in one:
                    reason = one["refused"].removeprefix(f"{bench.work / model}.onnx: ")
                    refused.setdefault((name, reason), []).append(model)
    if refused:
        print("\ncannot run:")
        for (name, reason), models in refused.items():
            print(f"  {name}: {', '.join(models)}: {reason}")
    write("native" + (f"-{args.target}" if args.target else ""),
          listed + [(figure["name"], figure["value"], figure["unit"], figure["better"]) for figure in limits.values()
                    if not figure["name"].startswith("read_") or figure["name"].startswith(f"read_{core.target}_")])


if __name__ == "__main__":
    main()
