"""A model's folder: manifest, ONNX file and pre-computed signals."""

from pathlib import Path

import numpy as np
import onnx

from dataset import Instrument
from onnx_graph import INPUT, OUTPUT
from spec import CLASS_NAMES, CLIP, LEVELS, Spec

SIMULATED_SYMBOLS = [f"SIM{i}" for i in range(1, 9)]


def write_model(
    folder: Path, spec: Spec, mean: np.ndarray, std: np.ndarray, model: onnx.ModelProto, instruments: list[Instrument]
) -> None:
    version = folder / "1"
    version.mkdir(parents=True, exist_ok=True)
    onnx.save(model, version / "model.onnx")
    (folder / "model.toml").write_text(_manifest(spec, mean, std))
    (version / "signals.csv").write_text(_signals(instruments))


def _numbers(values: np.ndarray) -> str:
    """repr of a double is the shortest text that reads back as the same double."""
    return _lines([repr(float(v)) for v in values])


def _lines(items: list[str]) -> str:
    rows = [", ".join(items[i : i + 4]) for i in range(0, len(items), 4)]
    return "[\n  " + ",\n  ".join(rows) + ",\n]"


def _manifest(spec: Spec, mean: np.ndarray, std: np.ndarray) -> str:
    columns = _lines([f'"{c}"' for c in spec.columns])
    classes = ", ".join(f'"{c}"' for c in CLASS_NAMES)
    return f"""# Written by models/training/train.py.
description = "{spec.description}"
device = "CPU"
variant = "fp32"
max_age_ms = {spec.max_age_ms}

[features]
input = "{INPUT}"
window = {spec.window}
levels = {LEVELS}
columns = {columns}
mean = {_numbers(mean)}
std = {_numbers(std)}
clip = {CLIP}

[[outputs]]
name = "{OUTPUT}"
meaning = "class probabilities of the mid's move over the next {spec.horizon} snapshots"
classes = [{classes}]

[cache]
ttl_ms = 300000
"""


def _signals(instruments: list[Instrument]) -> str:
    """The training part's class frequencies: what is known of an instrument when nothing is known of its book."""
    lines = ["symbol,computed_at_ns," + ",".join(f"{OUTPUT}_{i}" for i in range(3))]
    row = lambda symbol, time_ns, f: ",".join([symbol, str(time_ns)] + [f"{v:.9g}" for v in f])
    lines += [row(i.book.symbol, i.train_end_ns, i.train_frequencies) for i in instruments]
    weights = np.array([len(i.rows.train) for i in instruments], float)
    pooled = weights @ np.array([i.train_frequencies for i in instruments]) / weights.sum()
    lines += [row(symbol, max(i.train_end_ns for i in instruments), pooled) for symbol in SIMULATED_SYMBOLS]
    return "\n".join(lines) + "\n"
