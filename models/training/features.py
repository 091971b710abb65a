"""Feature columns for training, vectorised over a whole recording.

The formulas are those of the server's feature code (`src/features/features.h`); a model sees in training exactly what
it is given in service. All arithmetic is in double precision, and a value becomes float32 only after normalisation.
"""

import re

import numpy as np

from recording import Recording

# Columns that are measured against the mid of the window's newest snapshot, so they have no value outside a window.
_WINDOWED = re.compile(r"(mid|ask|bid)_bp(?:_(\d+))?$")


def _static_column(book: Recording, levels: int, name: str) -> np.ndarray:
    """One column that depends on the row (and rows before it) alone: shape [rows]. NaN where the past is missing."""
    ask, bid = book.ask_size, book.bid_size
    mid = book.mid
    if match := re.fullmatch(r"(ask|bid)_share_(\d+)", name):
        side = ask if match[1] == "ask" else bid
        total = ask[:, :levels].sum(1) + bid[:, :levels].sum(1)
        return side[:, int(match[2]) - 1] / total
    if name == "spread_bp":
        return (book.ask_price[:, 0] - book.bid_price[:, 0]) / mid * 1e4
    if name == "microprice_bp":
        micro = (book.ask_price[:, 0] * bid[:, 0] + book.bid_price[:, 0] * ask[:, 0]) / (ask[:, 0] + bid[:, 0])
        return (micro / mid - 1) * 1e4
    if match := re.fullmatch(r"imbalance_(\d+)", name):
        k = int(match[1])
        a, b = ask[:, :k].sum(1), bid[:, :k].sum(1)
        return (b - a) / (b + a)
    if match := re.fullmatch(r"ofi_(\d+)", name):
        return _order_flow_imbalance(book, int(match[1]))
    if match := re.fullmatch(r"return_(\d+)_bp", name):
        k = int(match[1])
        out = np.full(len(mid), np.nan)
        out[k:] = (mid[k:] / mid[:-k] - 1) * 1e4
        return out
    raise ValueError(f"unknown feature column {name!r}")


def _order_flow_imbalance(book: Recording, k: int) -> np.ndarray:
    pa, qa = book.ask_price[:, :k], book.ask_size[:, :k]
    pb, qb = book.bid_price[:, :k], book.bid_size[:, :k]
    flow = (
        qb[1:] * (pb[1:] >= pb[:-1])
        - qb[:-1] * (pb[1:] <= pb[:-1])
        - qa[1:] * (pa[1:] <= pa[:-1])
        + qa[:-1] * (pa[1:] >= pa[:-1])
    ).sum(1)
    depth = qa.sum(1) + qb.sum(1)
    out = np.full(len(depth), np.nan)
    out[1:] = flow / ((depth[1:] + depth[:-1]) / 2)
    return out


class Features:
    """The columns of one recording, cut into windows on demand."""

    def __init__(self, book: Recording, columns: list[str], window: int, levels: int = 10):
        self.window = window
        self._mid = book.mid
        self._values = np.empty((len(book.mid), len(columns)))
        self._windowed = []
        for i, name in enumerate(columns):
            if match := _WINDOWED.fullmatch(name):
                self._windowed.append(i)
                self._values[:, i] = _price(book, match[1], match[2])
            else:
                self._values[:, i] = _static_column(book, levels, name)
        # The first row at which a whole window, with all that its columns look back at, exists.
        known = ~np.isnan(self._values).any(1)
        self.first = int(np.argmax(known)) + window - 1

    def windows(self, rows: np.ndarray) -> np.ndarray:
        """The windows that end at `rows`, before normalisation: float64 [len(rows), window, columns]."""
        out = self._values[rows[:, None] + np.arange(1 - self.window, 1)]
        if self._windowed:
            out[:, :, self._windowed] = (out[:, :, self._windowed] / self._mid[rows, None, None] - 1) * 1e4
        return out


def _price(book: Recording, kind: str, level: str | None) -> np.ndarray:
    if kind == "mid":
        return book.mid
    return (book.ask_price if kind == "ask" else book.bid_price)[:, int(level) - 1]


def mirror(columns: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The market seen in a mirror: bids as asks, a rise as a fall. A mirrored window is `x[..., order] * sign`."""
    order, sign = [], []
    for name in columns:
        swapped = name
        if name.startswith(("ask_", "bid_")):
            swapped = ("bid_" if name.startswith("ask_") else "ask_") + name[4:]
        order.append(columns.index(swapped))
        odd = re.match(r"(ask|bid|mid)_bp|microprice|imbalance|ofi|return", name)
        sign.append(-1.0 if odd else 1.0)
    return np.array(order), np.array(sign)


def normalise(x: np.ndarray, mean: np.ndarray, std: np.ndarray, clip: float) -> np.ndarray:
    return np.clip((x - mean) / std, -clip, clip).astype(np.float32)
