"""Predictions are those of the same ONNX file run by ONNX Runtime, on features computed by an independent reference."""

from __future__ import annotations

import tomllib

import numpy as np
import onnxruntime
import pytest
from features_reference import Books, features
from order_books import HISTORY, REAL_FILES, REAL_FOLDER, as_json, load, part, simulate
from punctual_server import MODELS, STYLES, Client, user

TOLERANCE = 1e-5  # largest absolute difference of an output
PLACES, WINDOWS = 5, 8  # windows that follow each other, at so many places of each recording
STYLE_OF = {model: style for style, model in STYLES.items()}
SIMULATED = ("simulated_3", "simulated_11")


class Reference:
    """A model's manifest and file, as others see them."""

    def __init__(self, model: str):
        self.model = model
        self.tensors_asked = set()
        self.features = tomllib.loads((MODELS / model / "model.toml").read_text())["features"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            MODELS / model / "1/model.onnx", options, providers=["CPUExecutionProvider"]
        )

    def input(self, books: Books, index: int) -> np.ndarray:
        """As the model takes it: [1, window, columns], or [1, columns] where the window is one book."""
        x = features(books, self.features, index)
        return x.reshape([1, *self._session.get_inputs()[0].shape[1:]])

    def outputs(self, x: np.ndarray) -> np.ndarray:
        return self._session.run(["probabilities"], {"book": x})[0][0]

    def user(self) -> str:
        return user("basic", STYLE_OF[self.model])


@pytest.fixture(scope="module")
def server(start_module_server):
    return start_module_server()


@pytest.fixture
def client(server):
    with server.client() as client:
        yield client


@pytest.fixture(scope="module", params=STYLES.values())
def reference(request) -> Reference:
    return Reference(request.param)


@pytest.fixture(scope="module", params=[*SIMULATED, *REAL_FILES])
def recording(request, tmp_path_factory) -> Books:
    name = request.param
    if name in SIMULATED:
        path = tmp_path_factory.mktemp("books") / f"{name}.csv.gz"
        return load(simulate(path, seconds=100, seed=int(name.split("_")[1])))
    path = REAL_FOLDER / f"{name}.csv.gz"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return load(path)


def windows(recording: Books):
    """Pieces of the recording, spread evenly over it: each has HISTORY - 1 books and then WINDOWS more."""
    size = HISTORY - 1 + WINDOWS
    for begin in np.linspace(0, len(recording) - size, PLACES).astype(int):
        yield part(recording, begin, begin + size)


def check(answer: dict, reference: Reference, expected: np.ndarray, source: str) -> None:
    difference = np.abs(np.array(answer["outputs"]["probabilities"]) - expected).max()
    assert difference <= TOLERANCE, f"{answer}, but ONNX Runtime says {expected.tolist()}"
    assert answer["model"] == reference.model
    assert (answer["version"], answer["variant"], answer["degraded"]) == ("1", "fp32", False)
    assert answer["source"] == source


def ask_twice(
    client: Client,
    request: dict,
    reference: Reference,
    expected: np.ndarray,
    as_of: dict | None = None,
    source: str = "model",
) -> None:
    """The first answer is computed, the second is the same from memory; both say what they are about."""
    answers = [client.answer(request), client.answer(request)]
    check(answers[0], reference, expected, source)
    check(answers[1], reference, expected, "l1")
    for answer in answers:
        assert answer.get("as_of") == as_of
    assert answers[0]["outputs"] == answers[1]["outputs"]


def about(book: dict) -> dict:
    return {"seq": book["seq"], "time_ns": book["time_ns"]}


def test_published_books_are_answered_like_the_reference(client, reference, recording):
    answers = []
    for piece in windows(recording):
        # Every third sequence: gaps are allowed.
        books = [as_json(piece, i, 1000 + 3 * i) for i in range(len(piece))]
        client.forget("BOOKS")
        assert client.publish("BOOKS", *books[: HISTORY - 1]).json() == {"published": HISTORY - 1}
        for newest in range(HISTORY - 1, len(books)):
            assert client.publish("BOOKS", books[newest]).status == 200
            expected = reference.outputs(reference.input(piece, newest))
            request = {"user": reference.user(), "symbol": "BOOKS"}
            ask_twice(client, request, reference, expected, about(books[newest]))
            answers.append(expected)
    assert len(answers) == PLACES * WINDOWS
    assert np.ptp(np.array(answers), axis=0).max() > 0.01, "the windows are too alike to tell anything"


def test_books_in_the_request_are_answered_like_the_reference(client, reference, recording):
    for piece in windows(recording):
        books = [as_json(piece, i, 7 + i) for i in range(len(piece))]
        for newest in range(HISTORY - 1, len(books)):
            window = books[newest - HISTORY + 1 : newest + 1]
            expected = reference.outputs(reference.input(piece, newest))
            request = {"user": reference.user(), "market": window}
            ask_twice(client, request, reference, expected, about(books[newest]))


def test_tensors_are_answered_like_the_reference(client, reference, recording):
    for piece in windows(recording):
        for newest in range(HISTORY - 1, len(piece)):
            x = reference.input(piece, newest)
            expected = reference.outputs(x)
            tensor = {"shape": x.shape, "dtype": "FP32", "data": x.ravel().tolist()}
            request = {"user": user(), "model": reference.model, "inputs": {"book": tensor}}
            # Books that did not change make the same tensor again.
            source = "l1" if x.tobytes() in reference.tensors_asked else "model"
            reference.tensors_asked.add(x.tobytes())
            ask_twice(client, request, reference, expected, source=source)
            # The same numbers as nested lists are the same question.
            nested = {"user": user(), "model": reference.model, "inputs": {"book": x[0].tolist()}}
            check(client.answer(nested), reference, expected, "l1")


def test_a_longer_window_than_a_model_needs_changes_nothing(client, reference, recording):
    piece = next(windows(recording))
    books = [as_json(piece, i, i + 1) for i in range(len(piece))]
    expected = reference.outputs(reference.input(piece, len(piece) - 1))
    answer = client.answer({"user": user(), "model": reference.model, "market": books})
    difference = np.abs(np.array(answer["outputs"]["probabilities"]) - expected).max()
    assert difference <= TOLERANCE
