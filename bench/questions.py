"""The books that benchmarks replay, and the stream of questions that users put about them."""

import pathlib
import shutil
import subprocess

from machine import ROOT
from servers import BUILD, PROGRAM, Bench

RECORDINGS = ROOT.parent / "shared/data/lob10"


def books(bench: Bench, data: pathlib.Path, seconds: float) -> list[pathlib.Path]:
    """The recordings in `data`; where there are none, so many seconds of the simulator's."""
    if found := sorted(data.glob("*.csv.gz")):
        print(f"books: {len(found)} recordings in {data}")
        return found
    print(f"books: simulated ones; there are no recordings in {data}")
    folder = bench.work / "books"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    files = [folder / f"sim{i}.csv" for i in range(1, 5)]
    for seed, file in enumerate(files, 7):
        subprocess.run([PROGRAM, "simulate", "--symbols", "1", "--rate", "20", "--seed", str(seed), "--duration", str(seconds),
                        "--output", file], check=True, capture_output=True)
    return files


def stream(models: pathlib.Path, rate: float, seconds: float, files: list[pathlib.Path]) -> bytes:
    """16 bytes a question, what its answer is kept under: bench/question_stream.cc."""
    command = [str(word) for word in (BUILD / "question_stream", models, rate, seconds, *files)]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout


def counts(questions: bytes) -> tuple[int, int]:
    """How many there are, and how many differ."""
    return len(questions) // 16, len({questions[at:at + 16] for at in range(0, len(questions), 16)})
