"""Judges the model files of the repository on the test part, beside two rules that any model should be held against.

    python models/training/evaluate.py --data DIR --models models

Each model's file is run with ONNX Runtime on windows that are normalised with its manifest's constants. The rules:
`majority` always answers the class that was most frequent in the instrument's training part; `imbalance` answers the
sign of imbalance_1 or imbalance_5, stationary within a dead zone; which of the two, and how wide the zone is, is fitted
to the macro-F1 of the instrument's training part.
"""

import argparse
import tomllib
from pathlib import Path

import numpy as np
import onnxruntime

import dataset
import recording
from dataset import Instrument
from features import Features, normalise
from onnx_graph import INPUT, OUTPUT
from spec import CLASS_NAMES, SPECS


def run_model(folder: Path, instrument: Instrument) -> np.ndarray:
    """Class probabilities on the instrument's test part: [rows, 3]."""
    manifest = tomllib.loads((folder / "model.toml").read_text())["features"]
    mean, std = np.array(manifest["mean"]), np.array(manifest["std"])
    features = Features(instrument.book, manifest["columns"], manifest["window"], manifest["levels"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder / "1" / "model.onnx", options, providers=["CPUExecutionProvider"])
    out = []
    for rows in np.array_split(instrument.rows.test, max(1, len(instrument.rows.test) // 256)):
        x = normalise(features.windows(rows), mean, std, manifest["clip"])
        out.append(session.run([OUTPUT], {INPUT: x if manifest["window"] > 1 else x[:, 0]})[0])
    return np.concatenate(out)


def imbalance_rule(instrument: Instrument) -> np.ndarray:
    train, test = instrument.rows.train, instrument.rows.test
    candidates = []
    for k in (1, 5):
        values = Features(instrument.book, [f"imbalance_{k}"], 1).windows(np.arange(len(instrument.labels)))[:, 0, 0]
        for zone in np.linspace(0, 0.98, 50):
            answer = recording.classes(values, zone)
            candidates.append((macro_f1(instrument.labels[train], answer[train]), answer[test]))
    return max(candidates, key=lambda c: c[0])[1]


def confusion(truth: np.ndarray, answer: np.ndarray) -> np.ndarray:
    """[true class, answered class]"""
    return np.bincount(3 * truth + answer, minlength=9).reshape(3, 3)


def macro_f1(truth: np.ndarray, answer: np.ndarray) -> float:
    table = confusion(truth, answer)
    return float(np.mean(2 * np.diag(table) / np.maximum(table.sum(0) + table.sum(1), 1)))


def figures(truth: np.ndarray, answer: np.ndarray) -> str:
    return f"{np.mean(truth == answer):.3f} / {macro_f1(truth, answer):.3f}"


def report(name: str, folder: Path, instruments: list[Instrument]) -> None:
    print(f"\n### {name}\n")
    print("| test part | windows | down, stationary, up | threshold bp | model | imbalance rule | majority class |")
    print("|---|---|---|---|---|---|---|")
    parts = []
    for one in instruments:
        truth = one.labels[one.rows.test]
        probabilities = run_model(folder, one)
        majority = np.full_like(truth, one.train_frequencies.argmax())
        parts.append((truth, probabilities, imbalance_rule(one), majority))
        _row(one.book.symbol, f"{one.threshold_bp:.4f}", *parts[-1])
    pooled = [np.concatenate(column) for column in zip(*parts)]
    _row("all", "", *pooled)
    truth, probabilities = pooled[:2]
    table = confusion(truth, probabilities.argmax(1))
    loss = -np.log(np.maximum(probabilities[np.arange(len(truth)), truth], 1e-12)).mean()
    print(f"\nAll instruments, cross-entropy {loss:.3f} (even odds: {np.log(3):.3f}). Rows: what happened.\n")
    print("| | " + " | ".join(f"answered {c}" for c in CLASS_NAMES) + " |\n|---|---|---|---|")
    for label, counts in zip(CLASS_NAMES, table):
        print(f"| {label} | " + " | ".join(str(c) for c in counts) + " |")


def _row(label: str, threshold: str, truth, probabilities, rule, majority) -> None:
    counts = ", ".join(str(c) for c in np.bincount(truth, minlength=3))
    cells = [figures(truth, answer) for answer in (probabilities.argmax(1), rule, majority)]
    print(f"| {label} | {len(truth)} | {counts} | {threshold} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the recordings (*.csv.gz)")
    parser.add_argument("--models", type=Path, required=True, help="the model repository")
    options = parser.parse_args()
    books = recording.read(options.data)
    print("Each cell: accuracy / macro-F1.")
    for name, spec in SPECS.items():
        folder = options.models / name
        if folder.exists():
            report(name, folder, dataset.build(books, spec))


if __name__ == "__main__":
    main()
