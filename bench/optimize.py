"""What punctual optimize makes of the three models that come with the project, on real order books.

Labels are those that the models were trained on (models/training): where the mid goes over the model's horizon. All
figures are of the held-out part, the last quarter of the time, by the report that the program writes itself; latencies
are its medians, one question at a time, in turns with the others. The int8 files are also run by ONNX Runtime, beside
OpenVINO, on windows that NumPy made of the same books.

The books are ../shared/data/lob10 or --data; the labels' rules need four recordings of these names.
"""

import argparse
import contextlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import tomllib

import numpy as np
import onnxruntime
import openvino

from machine import ROOT, write
from servers import MODELS, PROGRAM, build

sys.path.insert(0, str(ROOT / "models" / "training"))
import dataset  # noqa: E402
import recording  # noqa: E402
from features import Features, normalise  # noqa: E402
from spec import SPECS  # noqa: E402

ENGINE_ROWS = 2000  # of the test part, that both engines answer


def write_labels(path: pathlib.Path, instruments: list[dataset.Instrument], files: dict[str, pathlib.Path]) -> None:
    """One row for each book that has a whole horizon after it; of books of one time that differ, none."""
    with path.open("w") as file:
        file.write("symbol,time_ns,label\n")
        for one in instruments:
            symbol = files[one.book.symbol].name.split(".")[0].upper()
            times, first = np.unique(one.book.time_ns[: len(one.labels)], return_index=True)
            last = np.append(first[1:], len(one.labels)) - 1
            for time_ns, begin, end in zip(times, first, last):
                if (one.labels[begin : end + 1] == one.labels[begin]).all():
                    file.write(f"{symbol},{time_ns},{one.labels[begin]}\n")


def optimize(name: str, files: list[pathlib.Path], labels: pathlib.Path, options: argparse.Namespace, out: pathlib.Path) -> dict:
    command = [PROGRAM, "optimize", ROOT / "models" / name, "--data", *files, "--labels", labels, "--out", out]
    command += ["--max-accuracy-drop", options.max_accuracy_drop]
    command += ["--max-student-accuracy-drop", options.max_student_accuracy_drop]
    print(f"\n== {name}", flush=True)
    subprocess.run(list(map(str, command)), check=True)
    return json.loads((out / "report.json").read_text())


def classes_by_engine(onnx: pathlib.Path, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of ONNX Runtime and OpenVINO, a class a window."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    compiled = openvino.Core().compile_model(str(onnx), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    name = session.get_inputs()[0].name
    by_onnxruntime = [session.run(None, {name: window[None]})[0].argmax() for window in windows]
    by_openvino = [compiled([window[None]])[0].argmax() for window in windows]
    return np.array(by_onnxruntime), np.array(by_openvino)


def test_windows(name: str, instruments: list[dataset.Instrument]) -> np.ndarray:
    manifest = tomllib.loads((ROOT / "models" / name / "model.toml").read_text())["features"]
    mean, std = np.array(manifest["mean"]), np.array(manifest["std"])
    windows = []
    for one in instruments:
        features = Features(one.book, manifest["columns"], manifest["window"], manifest["levels"])
        rows = one.rows.test[:: max(1, len(instruments) * len(one.rows.test) // ENGINE_ROWS)]
        windows.append(normalise(features.windows(rows), mean, std, manifest["clip"]))
    together = np.concatenate(windows).astype(np.float32)
    return together if manifest["window"] > 1 else together[:, 0]


def figures_of(name: str, report: dict) -> list[tuple[str, float, str, str]]:
    runs = [run for run in report["runs"] if "refused" not in run]

    def quickest(variant: str) -> dict | None:
        return min((run for run in runs if run["variant"] == variant), key=lambda run: run["latency_us"]["warm"]["p50"], default=None)

    def accuracy(run: dict, whose: str) -> float:
        return run["fidelity"]["accuracy"][whose]["value"]

    figures = []
    for variant in ("fp32", "int8"):
        for run in runs:
            if run["variant"] == variant:
                figures.append((f"{name}_{variant}_{run['backend']}_p50_us", run["latency_us"]["warm"]["p50"], "us", "lower"))
    figures.append((f"{name}_accuracy", accuracy(quickest("fp32"), "variant"), "", "higher"))
    openvino_us = next(run["latency_us"]["warm"]["p50"] for run in runs if (run["variant"], run["backend"]) == ("fp32", "openvino"))
    if int8 := quickest("int8"):
        figures += [
            (f"{name}_int8_size_ratio", report["files"]["int8"]["share"], "", "lower"),
            (f"{name}_int8_latency_cut_vs_openvino_fp32", 1 - int8["latency_us"]["warm"]["p50"] / openvino_us, "", "higher"),
            (f"{name}_int8_agreement", int8["fidelity"]["agreement"]["value"], "", "higher"),
            (f"{name}_int8_agreement_low", int8["fidelity"]["agreement"]["low"], "", "higher"),
            (f"{name}_int8_accuracy", accuracy(int8, "variant"), "", "higher"),
            (f"{name}_int8_passed", float(report["int8"]["passed"]), "", "higher"),
        ]
        figures += [(f"{name}_int8_native_like_openvino", run["like_first_backend"], "", "higher")
                    for run in runs if run["variant"] == "int8" and "like_first_backend" in run]
    if student := quickest("student"):
        figures += [
            (f"{name}_student_us", report["distillation"]["with_features_us"]["typical"], "us", "lower"),
            (f"{name}_student_p99_us", report["distillation"]["with_features_us"]["p99"], "us", "lower"),
            (f"{name}_student_agreement", student["fidelity"]["agreement"]["value"], "", "higher"),
            (f"{name}_student_agreement_low", student["fidelity"]["agreement"]["low"], "", "higher"),
            (f"{name}_student_accuracy", accuracy(student, "variant"), "", "higher"),
            (f"{name}_student_passed", float(report["student"]["passed"]), "", "higher"),
        ]
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, default=ROOT.parent / "shared" / "data" / "lob10")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    parser.add_argument("--max-accuracy-drop", default="0.5%")
    parser.add_argument("--max-student-accuracy-drop", default="10%")
    parser.add_argument("--out", type=pathlib.Path, help="keeps the folders that were made here")
    options = parser.parse_args()
    files = {symbol: options.data / f"{file}.csv.gz" for file, symbol in recording.SYMBOLS.items()}
    if missing := [str(path) for path in files.values() if not path.exists()]:
        sys.exit(f"bench: there is no {missing[0]}: give --data a folder with {', '.join(recording.SYMBOLS)}.csv.gz")
    build("punctual")
    books = recording.read(options.data)
    figures = []
    with contextlib.ExitStack() as stack:
        folder = options.out or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        for name in options.models:
            instruments = dataset.build(books, SPECS[name])
            labels = folder / f"{name}-labels.csv"
            write_labels(labels, instruments, files)
            out = folder / f"{name}-optimized"
            shutil.rmtree(out, ignore_errors=True)
            figures += figures_of(name, optimize(name, list(files.values()), labels, options, out))
            if (int8 := out / name / "1" / "int8.onnx").exists():
                by_onnxruntime, by_openvino = classes_by_engine(int8, test_windows(name, instruments))
                figures.append((f"{name}_int8_onnxruntime_like_openvino", float((by_onnxruntime == by_openvino).mean()), "", "higher"))
    write("optimize", figures)


if __name__ == "__main__":
    main()
