"""ONNX files made on the spot: as much of protobuf and of ONNX as the tests' own models need, and no package for it."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import numpy as np

_DTYPES = {np.dtype(np.float32): 1, np.dtype(np.uint8): 2, np.dtype(np.int8): 3, np.dtype(np.int64): 7}
_FLOAT_ATTRIBUTE, _INT_ATTRIBUTE = 1, 2
_IR_VERSION, _OPSET = 8, 13


def _varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _field(number: int, value: int | float | bytes | str) -> bytes:
    """A field of a message: numbers as varints or as 4 bytes, texts and messages with their size before them."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    if isinstance(value, float):
        return _varint(number << 3 | 5) + struct.pack("<f", value)
    value = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _tensor(name: str, values: np.ndarray) -> bytes:
    dims = b"".join(_field(1, size) for size in values.shape)
    return dims + _field(2, _DTYPES[values.dtype]) + _field(8, name) + _field(9, values.tobytes())


def _rows(name: str, width: int) -> bytes:
    """The declaration of a tensor FP32 [N, width]."""
    shape = _field(1, _field(2, "N")) + _field(1, _field(1, width))
    return _field(1, name) + _field(2, _field(1, _field(1, 1) + _field(2, shape)))


def _attribute(name: str, value: int | float) -> bytes:
    if isinstance(value, float):
        return _field(1, name) + _field(2, value) + _field(20, _FLOAT_ATTRIBUTE)
    return _field(1, name) + _field(3, value) + _field(20, _INT_ATTRIBUTE)


class Graph:
    """A graph, node after node."""

    def __init__(self):
        self._nodes, self._weights = [], []

    def weights(self, name: str, values: np.ndarray) -> str:
        self._weights.append(_field(5, _tensor(name, values)))
        return name

    def node(self, kind: str, inputs: Iterable[str], output: str, **attributes: int | float) -> str:
        parts = [_field(1, name) for name in inputs] + [_field(2, output), _field(3, output), _field(4, kind)]
        parts += [_field(5, _attribute(name, value)) for name, value in attributes.items()]
        self._nodes.append(_field(1, b"".join(parts)))
        return output

    def model(self, source: tuple[str, int], result: tuple[str, int]) -> bytes:
        """The file. `source`, `result`: name and width."""
        ends = [_field(11, _rows(*source)), _field(12, _rows(*result))]
        parts = [*self._nodes, _field(2, "test"), *self._weights, *ends]
        opset = _field(1, "") + _field(2, _OPSET)
        return _field(1, _IR_VERSION) + _field(2, "punctual-tests") + _field(7, b"".join(parts)) + _field(8, opset)


def _classify(
    graph: Graph, source: str, width: int, classes: int, random: np.random.Generator, sign: int = 1
) -> None:
    weights = (sign * random.normal(size=(width, classes)) / np.sqrt(width)).astype(np.float32)
    product = graph.node("MatMul", [source, graph.weights("out", weights)], "product")
    graph.node("Softmax", [product], "probabilities", axis=-1)


def linear(width: int, classes: int, seed: int = 1, sign: int = 1) -> bytes:
    """probabilities = Softmax(sign book W)."""
    graph = Graph()
    _classify(graph, "book", width, classes, np.random.default_rng(seed), sign)
    return graph.model(("book", width), ("probabilities", classes))


def quantized(width: int, classes: int, scale: float, seed: int = 1) -> bytes:
    """The same of the codes of `book` alone: int8, round(x / scale)."""
    graph = Graph()
    step = graph.weights("scale", np.array(scale, np.float32)), graph.weights("zero_point", np.array(0, np.int8))
    codes = graph.node("QuantizeLinear", ["book", *step], "codes")
    known = graph.node("DequantizeLinear", [codes, *step], "known")
    _classify(graph, known, width, classes, np.random.default_rng(seed))
    return graph.model(("book", width), ("probabilities", classes))


def slow(width: int, classes: int, repeats: int) -> bytes:
    """Takes long and has one small layer with weights: `book` ten thousand times over, through Tanh again and again."""
    graph = Graph()
    state = "book"
    for power in range(1, 5):
        state = graph.node("Concat", [state] * 10, f"times_10_{power}", axis=-1)
    for repeat in range(repeats):
        state = graph.node("Tanh", [state], f"state_{repeat}")
    _classify(graph, state, 10_000 * width, classes, np.random.default_rng(1))
    return graph.model(("book", width), ("probabilities", classes))


def one_number(width: int, factor: float = 1.0, seed: int = 1) -> bytes:
    """One number about `book` [N, width]: `factor` times the sum of its numbers, each with a weight of its own."""
    graph = Graph()
    weights = factor * np.random.default_rng(seed).normal(size=(width, 1)) / np.sqrt(width)
    graph.node("MatMul", ["book", graph.weights("weights", weights.astype(np.float32))], "number")
    return graph.model(("book", width), ("number", 1))


def heavy(width: int, classes: int, layers: int, seed: int = 1) -> bytes:
    """Much to compute and little to load: 64 rows made of `book` go through the same 512 x 512 weights again and again.
    The weights shrink what they are given, so that rounding dies away instead of growing."""
    rows, units = 64, 512
    random = np.random.default_rng(seed)
    graph = Graph()
    spread = (random.normal(size=(width, rows * units)) / np.sqrt(width)).astype(np.float32)
    again = (0.8 * random.normal(size=(units, units)) / np.sqrt(units)).astype(np.float32)
    graph.weights("spread", spread)
    graph.weights("again", again)
    graph.weights("as_rows", np.array([rows, units], np.int64))
    graph.weights("as_one", np.array([1, rows * units], np.int64))
    flat = graph.node("MatMul", ["book", "spread"], "flat")
    state = graph.node("Reshape", [flat, "as_rows"], "rows")
    for layer in range(layers):
        product = graph.node("MatMul", [state, "again"], f"product_{layer}")
        state = graph.node("Tanh", [graph.node("Add", [product, "rows"], f"sum_{layer}")], f"state_{layer}")
    _classify(graph, graph.node("Reshape", [state, "as_one"], "features"), rows * units, classes, random)
    return graph.model(("book", width), ("probabilities", classes))
