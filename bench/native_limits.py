"""The least time that a core could need for the models of make_model.

Each layer needs the larger of two times: that of its multiplications and additions at the core's highest rate, and that of
reading its weights once from the cache that can hold all of the model's. Only what reaches the output counts: of a
convolution of which one step is asked for, the positions before it that it sees, and nothing for padding. A recurrent layer
multiplies all inputs at once, but its states one after another: each step reads the weights of the states again, from the
cache that can hold those. Activations, additions and softmaxes are not counted, so a model cannot get all the way there.

Trees: for each node on the way to a leaf two loads (the node, the number that it looks at), for each leaf one, at the rate
of loads that hit the first cache.
"""

import dataclasses
import math
from collections.abc import Callable

STEPS, COLUMNS, CLASSES = 100, 40, 3
FLOAT, CODE = 4, 1  # bytes


class Core:
    """What bench/core_limits.cc found. `target`: of Highway's, as in its names; the best one if None."""

    def __init__(self, found: dict[str, float], target: str | None) -> None:
        targets = [name.removeprefix("fma_") for name in found if name.startswith("fma_")]
        self.target = target or targets[0]
        self.flops_per_ns = found[f"fma_{self.target}"]
        self.code_ops_per_ns = found.get(f"int8_{self.target}", self.flops_per_ns)
        self.loads_per_ns = found["loads"]
        prefix = f"read_{self.target}_"
        self._read = sorted((1024 * int(name.removeprefix(prefix).removesuffix("kB")), rate)
                            for name, rate in found.items() if name.startswith(prefix))

    def read_bytes_per_ns(self, working_set: float) -> float:
        """Between two working sets that were measured, by their logarithms."""
        sizes, rates = zip(*self._read)
        if working_set <= sizes[0]:
            return rates[0]
        for (below, rate_below), (above, rate_above) in zip(self._read, self._read[1:]):
            if working_set <= above:
                share = math.log(working_set / below) / math.log(above / below)
                return rate_below ** (1 - share) * rate_above ** share
        return rates[-1]


@dataclasses.dataclass
class Product:
    flops: float
    weights: int
    weight_bytes: int = FLOAT  # of each; CODE: it is computed with codes
    repeats: int = 1  # one after another, each of which reads the weights again

    @property
    def bytes(self) -> int:
        return self.weights * self.weight_bytes

    def ns(self, core: Core, model_bytes: int) -> float:
        peak = core.code_ops_per_ns if self.weight_bytes == CODE else core.flops_per_ns
        working_set = model_bytes if self.repeats == 1 else self.bytes
        return self.repeats * max(self.flops / peak, self.bytes / core.read_bytes_per_ns(working_set))


def dense(widths: list[int], rows: int = 1, weight_bytes: int = FLOAT) -> list[Product]:
    return [Product(2 * rows * a * b, a * b, weight_bytes) for a, b in zip(widths, widths[1:])]


def convolution(seen: int, taps: int, inputs: int, outputs: int, weight_bytes: int = FLOAT) -> list[Product]:
    """`seen`: pairs of a position and a tap that lies on numbers, not on padding."""
    return [Product(2 * seen * inputs * outputs, taps * inputs * outputs, weight_bytes)]


def lstm(steps: int, inputs: int, hidden: int) -> list[Product]:
    """The first state is zero, so that there is a product less than steps."""
    return dense([inputs, 4 * hidden], steps) + [Product(8 * hidden * hidden, 4 * hidden * hidden, repeats=steps - 1)]


def lstms(steps: int, inputs: int, layers: int, hidden: int) -> list[Product]:
    products = lstm(steps, inputs, hidden)
    for _ in range(layers - 1):
        products += lstm(steps, hidden, hidden)
    return products + dense([hidden, CLASSES])


def seen_over_time(taps: int) -> int:
    """Of a convolution that keeps the length; of an even kernel the smaller half of the padding is in front."""
    before = (taps - 1) // 2
    return sum(0 <= step - before + tap < STEPS for step in range(STEPS) for tap in range(taps))


def deeplob(filters: int, weight_bytes: int = FLOAT) -> list[Product]:
    products, channels, columns = [], 1, COLUMNS
    for width in (2, 2, COLUMNS // 4):
        columns //= width
        products += convolution(STEPS * columns * width, width, channels, filters, weight_bytes)
        products += 2 * convolution(seen_over_time(4) * columns, 4, filters, filters, weight_bytes)
        channels = filters
    wide = 2 * filters
    products += 3 * convolution(STEPS, 1, filters, wide, weight_bytes)
    for taps in (3, 5):
        products += convolution(seen_over_time(taps), taps, wide, wide, weight_bytes)
    return products + lstm(STEPS, 3 * wide, 64) + dense([64, CLASSES], 1, weight_bytes)


def tcn() -> list[Product]:
    """From the last step back: which positions of each layer are seen."""
    taps, channels = 8, 128
    products, needed = dense([channels, CLASSES]), {STEPS - 1}
    for dilation, inputs in ((4, channels), (2, channels), (1, COLUMNS)):
        pairs = [step - dilation * tap for step in needed for tap in range(taps) if step >= dilation * tap]
        products += convolution(len(pairs), taps, inputs, channels)
        needed = set(pairs)
    return products


def transformer() -> list[Product]:
    width, inner, layers = 64, 256, 2
    products = dense([COLUMNS, width], STEPS)
    for _ in range(layers):
        products += 4 * dense([width, width], STEPS)  # queries, keys, values, and what becomes of the heads
        products += 2 * [Product(2 * STEPS * STEPS * width, 0)]  # scores, and the values by them
        products += dense([width, inner, width], STEPS)
    return products + dense([width, CLASSES])


def products_ns(products: list[Product], core: Core) -> float:
    model_bytes = sum(product.bytes for product in products)
    return sum(product.ns(core, model_bytes) for product in products)


def trees_ns(trees: int, depth: int, core: Core) -> float:
    return trees * (2 * depth + 1) / core.loads_per_ns


PERCEPTRONS = {"mlp_8k": [32, 64, 64, 32], "mlp_69k": [128, 256, 128, 32], "mlp_295k": [256, 384, 384, 128]}
LIMITS_NS: dict[str, Callable[[Core], float]] = {
    **{name: lambda core, widths=widths: products_ns(dense(widths), core) for name, widths in PERCEPTRONS.items()},
    **{f"{name}_int8": lambda core, widths=widths: products_ns(dense(widths, 1, CODE), core) for name, widths in PERCEPTRONS.items()},
    "lstm_a": lambda core: products_ns(lstms(50, 100, 2, 100), core),
    "lstm_b": lambda core: products_ns(lstms(100, 250, 3, 200), core),
    "tcn": lambda core: products_ns(tcn(), core),
    "deeplob_16": lambda core: products_ns(deeplob(16), core),
    "deeplob_32": lambda core: products_ns(deeplob(32), core),
    "deeplob_32_int8": lambda core: products_ns(deeplob(32, CODE), core),
    "transformer": lambda core: products_ns(transformer(), core),
    "gbt_250x5": lambda core: trees_ns(250, 5, core),
    "gbt_1000x8": lambda core: trees_ns(1000, 8, core),
}


def limit_us(model: str, core: Core) -> float:
    return LIMITS_NS[model](core) / 1e3
