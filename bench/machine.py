"""What a benchmark says about where it ran, and how it writes its figures."""

import json
import pathlib
import platform
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent


def machine() -> dict:
    cpu, flags = "unknown", set()
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            cpu = value.strip()
        if key.strip() == "flags":
            flags = set(value.split())
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    return {
        "cpu": cpu,
        "cores": len(__import__("os").sched_getaffinity(0)),
        "simd": [flag for flag in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile") if flag in flags],
        "kernel": platform.release(),
        "commit": commit,
    }


def write(name: str, figures: list[tuple[str, float, str, str]]) -> None:
    """figures: (name, value, unit, better), better being "lower" or "higher"."""
    path = ROOT / "build" / "bench" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    where = machine()
    path.write_text(json.dumps({
        "name": name,
        "machine": where,
        "figures": [{"name": n, "value": v, "unit": u, "better": b} for n, v, u, b in figures],
    }, indent=2) + "\n")
    print(f"\n{name} on {where['cpu']}, {where['cores']} cores ({', '.join(where['simd'])}), commit {where['commit']}")
    width = max(len(n) for n, *_ in figures)
    for n, value, unit, better in figures:
        print(f"  {n:<{width}}  {value:>12,.4g} {unit:<8} {better} is better")
    print(f"written to {path.relative_to(ROOT)}")
