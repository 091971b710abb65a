"""The three networks, each as three functions of the same parameters: create, apply (JAX), and to_onnx.

Every convolution is written as a sum over taps of matrix products, which is quick in training on a CPU; the ONNX graph
has the same weights in Conv nodes, which is quick in service. Activations in training are [batch, time, channels].
"""

from dataclasses import dataclass
from typing import Callable

import jax
import jax.numpy as jnp
import numpy as np

import onnx_graph

CLASSES = 3


@dataclass(frozen=True)
class Network:
    create: Callable  # (rng, window, columns) -> parameters
    apply: Callable  # (parameters, x [batch, window, columns], dropout key or None) -> logits [batch, 3]
    to_onnx: Callable  # (parameters, window, columns) -> ONNX model


def _weights(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return (rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:-1]))).astype(np.float32)


def _head(rng: np.random.Generator, inputs: int) -> dict:
    """The last layer. It starts small, so that the first answers are near a third each."""
    return {"w": 0.1 * _weights(rng, inputs, CLASSES), "b": _zeros(CLASSES)}


def _zeros(n: int) -> np.ndarray:
    return np.zeros(n, np.float32)


def _dropout(x, key, rate):
    return x if key is None else x * jax.random.bernoulli(key, 1 - rate, x.shape) / (1 - rate)


def _conv_time(x, w, b, dilation=1, causal=True):
    """A convolution over time that keeps its length. x [batch, time, ..., in], w [taps, in, out]."""
    taps, time = w.shape[0], x.shape[1]
    reach = (taps - 1) * dilation
    before = reach if causal else reach // 2
    x = jnp.pad(x, [(0, 0), (before, reach - before)] + [(0, 0)] * (x.ndim - 2))
    # One product over all taps at once: the taps stand side by side as channels.
    stacked = jnp.concatenate([x[:, t * dilation : t * dilation + time] for t in range(taps)], axis=-1)
    return stacked @ w.reshape(-1, w.shape[2]) + b


# --- mlp: two hidden layers on one snapshot -------------------------------------------------------------------------
MLP_HIDDEN = 64


def _mlp_create(rng, window, columns):
    sizes = [columns, MLP_HIDDEN, MLP_HIDDEN]
    hidden = [{"w": _weights(rng, a, b), "b": _zeros(b)} for a, b in zip(sizes, sizes[1:])]
    return hidden + [_head(rng, MLP_HIDDEN)]


def _mlp_apply(p, x, key=None):
    x = x[:, 0]
    for i, layer in enumerate(p[:-1]):
        x = jax.nn.relu(x @ layer["w"] + layer["b"])
        x = _dropout(x, None if key is None else jax.random.fold_in(key, i), 0.2)
    return x @ p[-1]["w"] + p[-1]["b"]


def _mlp_to_onnx(p, window, columns):
    g = onnx_graph.Graph([columns])
    x = g.input
    for layer in p[:-1]:
        x = g.add("Relu", g.dense(x, layer["w"], layer["b"]))
    return g.finish(g.dense(x, p[-1]["w"], p[-1]["b"]))


# --- tcn: causal dilated convolutions with residuals; the last step answers ------------------------------------------
TCN_CHANNELS, TCN_TAPS, TCN_DILATIONS = 32, 3, (1, 2, 4, 8, 16)  # sees 63 steps back, more than its window


def _tcn_create(rng, window, columns):
    c = TCN_CHANNELS
    return {
        "in": {"w": _weights(rng, 1, columns, c), "b": _zeros(c)},
        "blocks": [{"w": _weights(rng, TCN_TAPS, c, c), "b": _zeros(c)} for _ in TCN_DILATIONS],
        "out": _head(rng, c),
    }


def _tcn_apply(p, x, key=None):
    x = _conv_time(x, p["in"]["w"], p["in"]["b"])
    for i, (block, dilation) in enumerate(zip(p["blocks"], TCN_DILATIONS)):
        y = jax.nn.relu(_conv_time(x, block["w"], block["b"], dilation))
        x = x + _dropout(y, None if key is None else jax.random.fold_in(key, i), 0.2)
    return x[:, -1] @ p["out"]["w"] + p["out"]["b"]


def _tcn_to_onnx(p, window, columns):
    g = onnx_graph.Graph([window, columns])
    x = g.add("Transpose", g.input, perm=[0, 2, 1])  # [N, columns, window]
    x = g.conv1d(x, p["in"]["w"], p["in"]["b"], pads=[0, 0])
    for block, dilation in zip(p["blocks"], TCN_DILATIONS):
        pads = [(TCN_TAPS - 1) * dilation, 0]
        x = g.add("Add", x, g.add("Relu", g.conv1d(x, block["w"], block["b"], pads=pads, dilation=dilation)))
    last = g.add("Gather", x, g.integers(window - 1, scalar=True), axis=2)
    return g.finish(g.dense(last, p["out"]["w"], p["out"]["b"]))


# --- deeplob: convolutions over levels, an inception block, an LSTM ---------------------------------------------------
# Zhang, Zohren, Roberts: "DeepLOB: Deep convolutional neural networks for limit order books" (2019). Lighter than the
# original: half the filters. Two differences: the time axis keeps its length in every convolution, and the last layer
# sees the newest step beside the LSTM's state, without which so short a recording does not teach it to look there.
LOB_FILTERS, LOB_INCEPTION, LOB_LSTM, LOB_SLOPE = 16, 32, 64, 0.01


def _lob_create(rng, window, columns):
    f, n, h = LOB_FILTERS, LOB_INCEPTION, LOB_LSTM
    conv = lambda taps, a, b: {"w": _weights(rng, taps, a, b), "b": _zeros(b)}
    # Each of the three stages first joins neighbours in the row (price and size, the sides, the levels).
    widths = (2, 2, columns // 4)
    stages, channels = [], 1
    for width in widths:
        stages.append({"join": conv(width, channels, f), "time": [conv(4, f, f), conv(4, f, f)]})
        channels = f
    lstm_in = 3 * n
    bound = np.sqrt(1 / h)
    uniform = lambda *shape: rng.uniform(-bound, bound, shape).astype(np.float32)
    forget_open = np.repeat(np.array([0, 0, 1, 0], np.float32), h)  # an LSTM that starts by remembering
    return {
        "stages": stages,
        "inception": [conv(1, f, n), conv(3, n, n), conv(1, f, n), conv(5, n, n), conv(1, f, n)],
        "lstm": {"x": uniform(lstm_in, 4 * h), "h": uniform(h, 4 * h), "b": forget_open},
        "out": _head(rng, h + lstm_in),
    }


def _leaky(x):
    return jnp.where(x > 0, x, LOB_SLOPE * x)


def _lob_apply(p, x, key=None):
    batch, time, columns = x.shape
    x = x[..., None]  # [batch, time, row, filters]
    for stage in p["stages"]:
        width, inside, _ = stage["join"]["w"].shape
        x = x.reshape(batch, time, -1, width * inside)
        x = _leaky(x @ stage["join"]["w"].reshape(width * inside, -1) + stage["join"]["b"])
        for layer in stage["time"]:
            x = _leaky(_conv_time(x, layer["w"], layer["b"]))
    x = x[:, :, 0]
    a1, a2, b1, b2, c = p["inception"]
    run = lambda y, layer: _leaky(_conv_time(y, layer["w"], layer["b"], causal=False))
    pooled = jnp.maximum(jnp.maximum(_shift(x, 1), x), _shift(x, -1))
    x = jnp.concatenate([run(run(x, a1), a2), run(run(x, b1), b2), run(pooled, c)], axis=-1)

    gates = x @ p["lstm"]["x"] + p["lstm"]["b"]

    def step(state, gate):
        h, cell = state
        i, o, f, g = jnp.split(gate + h @ p["lstm"]["h"], 4, axis=-1)  # ONNX's order: input, output, forget, cell
        cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(cell), cell), None

    zero = jnp.zeros((batch, LOB_LSTM))
    (h, _), _ = jax.lax.scan(step, (zero, zero), gates.transpose(1, 0, 2))
    seen = _dropout(jnp.concatenate([h, x[:, -1]], axis=-1), key, 0.3)
    return seen @ p["out"]["w"] + p["out"]["b"]


def _shift(x, by):
    """x moved by one step in time, as max pooling sees its neighbours: nothing stands beyond the ends."""
    end = jnp.full_like(x[:, :1], -jnp.inf)
    return jnp.concatenate([end, x[:, :-1]] if by > 0 else [x[:, 1:], end], axis=1)


def _lob_to_onnx(p, window, columns):
    g = onnx_graph.Graph([window, columns])
    leaky = lambda x: g.add("LeakyRelu", x, alpha=LOB_SLOPE)
    x = g.add("Unsqueeze", g.input, g.integers(1))  # [N, 1, window, columns]
    for stage in p["stages"]:
        width = stage["join"]["w"].shape[0]
        join = stage["join"]["w"].transpose(2, 1, 0)[:, :, None, :]
        x = leaky(g.conv(x, join, stage["join"]["b"], strides=[1, width]))
        for layer in stage["time"]:
            x = leaky(g.conv(x, layer["w"].transpose(2, 1, 0)[..., None], layer["b"], pads=[3, 0, 0, 0]))
    x = g.add("Squeeze", x, g.integers(3))  # [N, filters, window]
    a1, a2, b1, b2, c = p["inception"]
    run = lambda y, layer, pad=0: leaky(g.conv1d(y, layer["w"], layer["b"], pads=[pad, pad]))
    pooled = g.add("MaxPool", x, kernel_shape=[3], strides=[1], pads=[1, 1])
    x = g.add("Concat", run(run(x, a1), a2, 1), run(run(x, b1), b2, 2), run(pooled, c), axis=1)
    newest = g.add("Gather", x, g.integers(window - 1, scalar=True), axis=2)
    steps = g.add("Transpose", x, perm=[2, 0, 1])  # [window, N, channels]
    state = g.lstm_last(steps, p["lstm"]["x"], p["lstm"]["h"], p["lstm"]["b"])
    return g.finish(g.dense(g.add("Concat", state, newest, axis=1), p["out"]["w"], p["out"]["b"]))


NETWORKS = {
    "mlp": Network(_mlp_create, _mlp_apply, _mlp_to_onnx),
    "tcn": Network(_tcn_create, _tcn_apply, _tcn_to_onnx),
    "deeplob": Network(_lob_create, _lob_apply, _lob_to_onnx),
}
