"""`punctual optimize` with what it cannot use: named, with the documented exit code, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_writer
import pytest
from optimize_runs import configuration, contents, optimize, tensors
from questions import WIDTH, write_model


def not_a_number(folder: Path) -> tuple:
    numbers = np.zeros((400, WIDTH), np.float32)
    numbers[17, 3] = np.nan
    np.save(folder / "nan.npy", numbers)
    return folder / "m", "--data", folder / "nan.npy"


def another_shape(folder: Path) -> tuple:
    np.save(folder / "wide.npy", np.zeros((400, WIDTH + 1), np.float32))
    return folder / "m", "--data", folder / "wide.npy"


def too_few(folder: Path) -> tuple:
    return folder / "m", "--data", tensors(folder, 20)


def too_few_labels(folder: Path) -> tuple:
    np.save(folder / "labels.npy", np.zeros(20, np.int64))
    return folder / "m", "--data", tensors(folder), "--labels", folder / "labels.npy"


def labels_of_the_first_part(folder: Path) -> tuple:
    """Nothing is known of what is judged but the first five."""
    labels = np.full(400, -1, np.int64)
    labels[:306] = 1
    np.save(folder / "labels.npy", labels)
    return folder / "m", "--data", tensors(folder), "--labels", folder / "labels.npy"


def a_label_of_no_class(folder: Path) -> tuple:
    """Also where it is not judged."""
    labels = np.zeros(400, np.int64)
    labels[5] = 3
    np.save(folder / "labels.npy", labels)
    return folder / "m", "--data", tensors(folder), "--labels", folder / "labels.npy"


def a_circle(folder: Path) -> tuple:
    graph = onnx_writer.Graph()
    graph.node("Relu", ["b"], "a")
    graph.node("Relu", ["a"], "b")
    graph.node("Relu", ["book"], "probabilities")
    write_model(folder, "circle", graph.model(("book", WIDTH), ("probabilities", WIDTH)))
    return folder / "circle", "--data", tensors(folder)


def books_for_tensors(folder: Path) -> tuple:
    (folder / "x.csv").write_text("local_ns,exch_ms\n")
    return folder / "m", "--data", folder / "x.csv"


def quantised(folder: Path) -> tuple:
    write_model(folder, "codes", onnx_writer.quantized(WIDTH, 3, 0.1))
    return folder / "codes", "--data", tensors(folder)


def int8_already(folder: Path) -> tuple:
    write_model(folder, "int8", onnx_writer.linear(WIDTH, 3), 'variant = "int8"\n', as_file="int8.onnx")
    return folder / "int8", "--data", tensors(folder)


def unknown_operator(folder: Path) -> tuple:
    graph = onnx_writer.Graph()
    graph.node("Frobnicate", ["book"], "probabilities")
    write_model(folder, "odd", graph.model(("book", WIDTH), ("probabilities", WIDTH)))
    return folder / "odd", "--data", tensors(folder)


def not_onnx(folder: Path) -> tuple:
    write_model(folder, "broken", b"broken")
    return folder / "broken", "--data", tensors(folder)


def called_as_a_version(folder: Path) -> tuple:
    write_model(folder, "7", onnx_writer.linear(WIDTH, 3))
    return folder / "7", "--data", tensors(folder)


BAD = {
    "no such model": (lambda f: (f / "none", "--data", tensors(f)), 1, "none: no such folder"),
    "no such data": (lambda f: (f / "m", "--data", f / "none.npy"), 1, "none.npy: no such file"),
    "not a number": (not_a_number, 2, "[17,3] is not a finite number"),
    "another shape": (another_shape, 2, "has the shape [400,23]"),
    "too few samples": (too_few, 1, "it takes 30; there are 20 in all"),
    "too few labels": (too_few_labels, 2, "has 20 labels for 400 samples"),
    "labels of another part": (labels_of_the_first_part, 2, "30 are needed: label that part too"),
    "a label of no class": (a_label_of_no_class, 2, "labels: that of sample 5, 3, is no class"),
    "nodes in a circle": (a_circle, 2, "form a circle"),
    "a repository": (lambda f: (f, "--data", tensors(f)), 1, "is a repository; name one of its models: m"),
    "a file for a folder": (lambda f: (f / "m/1/model.onnx", "--data", tensors(f)), 1, "model.onnx: is no folder"),
    "a seed below 0": (lambda f: (f / "m", "--data", tensors(f), "--seed", "-1"), 2, "--seed: -1: must be a whole number"),
    "a share that may mean a percentage": (
        *(lambda f: (f / "m", "--data", tensors(f), "--max-accuracy-drop", "0.5"), 2, "as a percentage: 0.5%, or 50%"),
    ),
    "books for a model of tensors": (books_for_tensors, 2, "without [features]"),
    "a model that is quantised": (quantised, 1, "quantised already"),
    "a manifest of int8": (int8_already, 1, 'variant: is "int8" already'),
    "an unknown operator": (unknown_operator, 2, "Frobnicate"),
    "no model file": (not_onnx, 2, "model.onnx"),
    "out inside of the model": (lambda f: (f / "m", "--data", tensors(f), "--out", f / "m/2"), 2, "the model's own folder"),
    "out where nothing can be": (lambda f: (f / "m", "--data", tensors(f), "--out", f / "no/out"), 2, "no such folder"),
    "out below a file": (lambda f: (f / "m", "--data", tensors(f), "--out", f / "data.npy/out"), 2, "no such folder"),
    "a share of text": (lambda f: (f / "m", "--data", tensors(f), "--max-accuracy-drop", "little"), 2, "little"),
    "a share above all": (lambda f: (f / "m", "--data", tensors(f), "--max-accuracy-drop", "200%"), 2, "0% to 100%"),
    "a student's share above all": (
        *(lambda f: (f / "m", "--data", tensors(f), "--max-student-accuracy-drop", "101%"), 2, "--max-student-accuracy-drop"),
    ),
    "a student slower than servers allow": (
        *(lambda f: (f / "m", "--data", tensors(f), "--student-budget-us", "1001"), 2, "--student-budget-us"),
    ),
    "no budget": (lambda f: (f / "m", "--data", tensors(f), "--budget-ms", "0"), 2, "--budget-ms: 0: must be"),
    "no budget after others": (
        *(lambda f: (f / "m", "--data", tensors(f), "--budget-ms", "15", "0"), 2, "--budget-ms: 0: must be"),
    ),
    "a budget below nothing": (
        *(lambda f: (f / "m", "--data", tensors(f), "--budget-ms", "-5"), 2, "--budget-ms: -5: must be"),
    ),
    "a budget that is no number": (
        *(lambda f: (f / "m", "--data", tensors(f), "--budget-ms", "nan"), 2, "--budget-ms: nan: must be"),
    ),
    "a budget without end": (
        *(lambda f: (f / "m", "--data", tensors(f), "--budget-ms", "inf"), 2, "--budget-ms: inf: must be"),
    ),
    "no such configuration": (
        *(lambda f: (f / "m", "--data", tensors(f), "--config", f / "none.toml"), 2, "none.toml: cannot be opened"),
    ),
    "a folder for a configuration": (lambda f: (f / "m", "--data", tensors(f), "--config", f), 2, "--config: "),
    "a configuration of no tiers": (
        *(lambda f: (f / "m", "--data", tensors(f), "--config", configuration(f, "[tiers]\n")), 2, "[tiers] declares none"),
    ),
    "a configuration with a tier of no time": (
        *(lambda f: (f / "m", "--data", tensors(f), "--config", configuration(f, "[tiers.x]\n")), 2, "tiers.x.budget_ms"),
    ),
    "a configuration with a tier of no name": (
        lambda f: (f / "m", "--data", tensors(f), "--config", configuration(f, '[tiers.""]\nbudget_ms = 15\n')),
        *(2, 'tiers."": has no name'),
    ),
    "a model called as a version is": (called_as_a_version, 2, "7-optimized: a server would take it for a model"),
    "budgets and a configuration": (
        lambda f: (f / "m", "--data", tensors(f), "--budget-ms", "15", "--config", configuration(f, "")),
        *(2, "--budget-ms, --config: both say"),
    ),
}


@pytest.mark.parametrize("arrange, code, what", BAD.values(), ids=BAD.keys())
def test_bad_input_is_named_and_leaves_nothing(arrange, code, what, tmp_path):
    write_model(tmp_path, "m", onnx_writer.linear(WIDTH, 3))
    arguments = arrange(tmp_path)
    before = contents(tmp_path)
    folders = sorted(path.name for path in tmp_path.iterdir())
    done = optimize(*arguments)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert what in done.stderr.splitlines()[-1]
    assert contents(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == folders
