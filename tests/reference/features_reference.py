"""A model's input from order books, once more and independently: what the server computes is compared with this.

Plain numpy in double precision, straight from the formulas in src/features/features.h, one column at a time and with no
thought of speed. It shares no code with the server or with the training of the models.

    books = load_books("books.csv.gz")
    x = features(books, {"window": 100, "levels": 10, "columns": ["ask_bp_1", "imbalance_5"]}, index=250)
"""

from __future__ import annotations

import csv
import gzip
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass
class Books:
    """Order books in the order of the file: times of shape [n], the rest of shape [n, levels], the best level first."""

    receive_time_ns: np.ndarray
    exchange_time_ms: np.ndarray
    ask_price: np.ndarray
    ask_size: np.ndarray
    bid_price: np.ndarray
    bid_size: np.ndarray

    def __len__(self) -> int:
        return len(self.receive_time_ns)


def load_books(path: str | Path) -> Books:
    """Reads the order-book CSV, plain or gzip: local_ns, exch_ms, then ask_px, ask_qty, bid_px, bid_qty of each level."""
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(path, "rt", newline="") as file:
        rows = csv.reader(file)
        header = next(rows)
        levels = (len(header) - 2) // 4
        names = ["local_ns", "exch_ms"]
        for level in range(1, levels + 1):
            names += [f"ask{level}_px", f"ask{level}_qty", f"bid{level}_px", f"bid{level}_qty"]
        if header != names:
            raise ValueError(f"{path}: not the header of an order-book file: {header}")
        table = list(rows)
    numbers = np.array([row[2:] for row in table], dtype=np.float64).reshape(len(table), levels, 4)
    return Books(
        receive_time_ns=np.array([int(row[0]) for row in table], dtype=np.int64),
        exchange_time_ms=np.array([int(row[1]) for row in table], dtype=np.int64),
        ask_price=numbers[:, :, 0],
        ask_size=numbers[:, :, 1],
        bid_price=numbers[:, :, 2],
        bid_size=numbers[:, :, 3],
    )


def _column(books: Books, name: str, levels: int, rows: np.ndarray, newest: int) -> np.ndarray:
    """The values of one column at `rows`, not normalised."""
    mid = (books.ask_price[:, 0] + books.bid_price[:, 0]) / 2
    spread = books.ask_price[:, 0] - books.bid_price[:, 0]
    plain = {"ask_price": books.ask_price, "ask_size": books.ask_size, "bid_price": books.bid_price, "bid_size": books.bid_size}

    if name == "mid":
        return mid[rows]
    if name == "spread":
        return spread[rows]
    if name == "mid_bp":
        return (mid[rows] / mid[newest] - 1) * 1e4
    if name == "spread_bp":
        return (spread / mid)[rows] * 1e4
    if name == "microprice_bp":
        ask, bid = books.ask_price[:, 0], books.bid_price[:, 0]
        ask_size, bid_size = books.ask_size[:, 0], books.bid_size[:, 0]
        microprice = (ask * bid_size + bid * ask_size) / (ask_size + bid_size)
        return (microprice / mid - 1)[rows] * 1e4

    if match := re.fullmatch(r"return_([1-9]\d*)_bp", name):
        return (mid[rows] / mid[rows - int(match[1])] - 1) * 1e4

    match = re.fullmatch(r"([a-z_]+)_([1-9]\d*)", name)
    if not match or int(match[2]) > levels:
        raise ValueError(f"unknown column {name!r}")
    kind, number = match[1], int(match[2])
    if kind in plain:
        return plain[kind][rows, number - 1]
    if kind in ("ask_bp", "bid_bp"):
        price = books.ask_price if kind == "ask_bp" else books.bid_price
        return (price[rows, number - 1] / mid[newest] - 1) * 1e4
    if kind in ("ask_share", "bid_share"):
        size = books.ask_size if kind == "ask_share" else books.bid_size
        total = books.ask_size[rows, :levels].sum(axis=1) + books.bid_size[rows, :levels].sum(axis=1)
        return size[rows, number - 1] / total
    if kind == "imbalance":
        ask, bid = books.ask_size[rows, :number].sum(axis=1), books.bid_size[rows, :number].sum(axis=1)
        return (bid - ask) / (bid + ask)
    if kind == "ofi":
        return np.array([_order_flow_imbalance(books, row, number) for row in rows])
    raise ValueError(f"unknown column {name!r}")


def _order_flow_imbalance(books: Books, row: int, levels: int) -> float:
    flow, depth_now, depth_before = 0.0, 0.0, 0.0
    for i in range(levels):
        pa, qa, pb, qb = books.ask_price[row, i], books.ask_size[row, i], books.bid_price[row, i], books.bid_size[row, i]
        pa0, qa0 = books.ask_price[row - 1, i], books.ask_size[row - 1, i]
        pb0, qb0 = books.bid_price[row - 1, i], books.bid_size[row - 1, i]
        flow += qb * (pb >= pb0) - qb0 * (pb <= pb0) - qa * (pa <= pa0) + qa0 * (pa >= pa0)
        depth_now += qa + qb
        depth_before += qa0 + qb0
    return flow / ((depth_now + depth_before) / 2)


def features(books: Books, manifest_features: dict, index: int) -> np.ndarray:
    """The input of a model for the window whose newest book is `index` (from 0): float32 of shape [window, columns].

    `manifest_features` is the manifest's table of features: window, levels, columns, and mean, std, clip where they are
    there. ValueError: too few books before `index`, too few levels, an unknown column.
    """
    window = manifest_features.get("window", 1)
    levels = manifest_features.get("levels", 10)
    columns = manifest_features["columns"]
    mean = manifest_features.get("mean") or [0.0] * len(columns)
    std = manifest_features.get("std") or [1.0] * len(columns)
    clip = manifest_features.get("clip", 0)

    look_back = 0
    for name in columns:
        if name.startswith("ofi_"):
            look_back = max(look_back, 1)
        elif match := re.fullmatch(r"return_(\d+)_bp", name):
            look_back = max(look_back, int(match[1]))
    first = index - window + 1
    if first - look_back < 0:
        raise ValueError(f"book {index} has {index} before it, the columns need {window - 1 + look_back}")
    if books.ask_price.shape[1] < levels:
        raise ValueError(f"the file has {books.ask_price.shape[1]} levels, the columns need {levels}")

    rows = np.arange(first, index + 1)
    result = np.empty((window, len(columns)), dtype=np.float64)
    for at, name in enumerate(columns):
        result[:, at] = (_column(books, name, levels, rows, index) - mean[at]) / std[at]
    if clip > 0:
        result = np.clip(result, -clip, clip)
    return result.astype(np.float32)
