"""Models made for the caches' tests, and questions to them whose answers are known beforehand: another program computes
them from the same file. So each answer is checked, whichever cache it came from."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import onnx_writer
import onnxruntime
from punctual_server import MODELS, PATIENCE_S, Client, Server, user

WIDTH = 22  # as the mlp of the repository has it, whose features these models take
HEAVY_LAYERS = 16
TOLERANCE = 1e-5


def heavy(seed: int = 1) -> bytes:
    """Takes some milliseconds to compute: much longer than asking a Redis on this machine."""
    return onnx_writer.heavy(WIDTH, 3, HEAVY_LAYERS, seed)


def light(seed: int = 1) -> bytes:
    """Computed in microseconds: Redis is never asked."""
    return onnx_writer.linear(WIDTH, 3, seed)


def features() -> str:
    """The mlp's [features], as text."""
    return re.search(r"^\[features\]\n.*?^(?=\[)", (MODELS / "mlp/model.toml").read_text(), re.M | re.S)[0]


def write_model(repository: Path, name: str, file: bytes, manifest: str = "", version: int = 1, as_file: str = "model.onnx") -> Path:
    """Adds a model, or a version of one, to a repository. Without a manifest it has all defaults and takes tensors."""
    folder = repository / name / str(version)
    folder.mkdir(parents=True, exist_ok=True)
    (repository / name / "model.toml").write_text(manifest or "# tensors only\n")
    # Renamed, for whoever is reading what was there before.
    (folder / "new").write_bytes(file)
    (folder / "new").rename(folder / as_file)
    return repository


class Questions:
    """Questions by number to one model. Thread-safe."""

    def __init__(self, model: str, file: bytes, tier: str = "premium"):
        self.model, self._user = model, user(tier)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(file, options)
        self._right: dict[int, np.ndarray] = {}

    def inputs(self, number: int) -> list[float]:
        return np.random.default_rng(number).normal(size=WIDTH).astype(np.float32).tolist()

    def request(self, number: int) -> dict:
        return {"user": self._user, "model": self.model, "inputs": {"book": self.inputs(number)}}

    def right(self, number: int) -> np.ndarray:
        if number not in self._right:
            book = np.array([self.inputs(number)], np.float32)
            self._right[number] = self._session.run(None, {"book": book})[0][0]
        return self._right[number]

    def check(self, number: int, answer: dict) -> str:
        """That it is the answer, in time and undegraded. Gives its source."""
        given = answer["outputs"]["probabilities"]
        assert np.allclose(given, self.right(number), rtol=0, atol=TOLERANCE), f"wrong: {answer}"
        assert answer["elapsed_ms"] <= answer["deadline_ms"], answer
        assert not answer["degraded"], answer
        assert "approximate" not in answer, answer
        return answer["source"]

    def ask(self, client: Client, number: int) -> str:
        return self.check(number, client.answer(self.request(number)))

    def ask_all(self, client: Client, numbers) -> list[str]:
        return [self.ask(client, number) for number in numbers]


class Load:
    """Clients that ask the questions `numbers` again and again and check each answer, on threads of their own."""

    def __init__(self, server: Server, questions: Questions, numbers: range, clients: int = 2):
        self._server, self._questions = server, questions
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._answers: list[tuple[int, str]] = []  # number and source, in the order they came
        self._failures: list[Exception] = []
        parts = [numbers[first::clients] for first in range(clients)]
        self._threads = [threading.Thread(target=self._ask, args=(part,)) for part in parts]
        self._size = len(numbers)

    def _ask(self, numbers: range) -> None:
        try:
            with self._server.client() as client:
                while True:
                    for number in numbers:
                        if self._stop.is_set():
                            return
                        source = self._questions.ask(client, number)
                        with self._lock:
                            self._answers.append((number, source))
        except Exception as failure:
            self._failures.append(failure)

    def now(self) -> int:
        """A point in the order of the answers."""
        self.check()
        return len(self._answers)

    def sources(self, since: int) -> Counter:
        return Counter(source for _, source in self._answers[since:])

    def hits(self, since: int, source: str = "l3") -> set[int]:
        """The questions that were answered from `source`."""
        return {number for number, of in self._answers[since:] if of == source}

    def check(self) -> None:
        assert not self._failures, self._failures

    def wait_until(self, condition, what: str) -> None:
        give_up_at = time.monotonic() + PATIENCE_S
        while not condition():
            self.check()
            assert time.monotonic() < give_up_at, f"under load, never {what}: {self.sources(0)}; {self._server.log()}"
            time.sleep(0.02)

    def go_on(self, answers: int) -> None:
        """Returns after so many answers more."""
        since = self.now()
        self.wait_until(lambda: self.now() >= since + answers, f"{answers} answers more")

    def wait_for_hits(self, count: int = 0) -> None:
        """Returns when each question, or `count` of them, has come from Redis since now."""
        since = self.now()
        self.wait_until(lambda: len(self.hits(since)) >= (count or self._size), "as many hits in Redis")

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self.check()
