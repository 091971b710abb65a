"""Order books as the API's JSON has them: made up, or out of a recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from features_reference import Books, load_books
from punctual_server import ROOT, run

REAL_FOLDER = ROOT.parent / "shared/data/lob10"
REAL_FILES = ("cm_btcusd_perp", "spot_btcusdt", "spot_ethusdt", "usdm_btcusdt")
HISTORY = 101  # books that fill the windows of all three models, and the returns over 100 books


def made_up(sequence: int, levels: int = 10, mid: float = 100.0) -> dict:
    """A valid book that differs from that of every other sequence."""
    size = [1.0 + (sequence * 7 + level) % 5 for level in range(levels)]
    return {
        "seq": sequence,
        "asks": [[mid + 0.01 * (level + 1), size[level]] for level in range(levels)],
        "bids": [[mid - 0.01 * (level + 1), 6.5 - size[level] + sequence / 1000] for level in range(levels)],
    }


def made_up_window(first: int = 1, count: int = HISTORY) -> list[dict]:
    return [made_up(sequence) for sequence in range(first, first + count)]


def simulate(path: Path, seconds: int, seed: int = 7, rate: int = 10) -> Path:
    """Writes about rate * seconds books of the built-in simulator; there is always the same number for a seed."""
    done = run("simulate", "--symbols", 1, "--rate", rate, "--duration", seconds, "--seed", seed, "--output", path)
    assert done.returncode == 0, done.stderr
    return path


def as_json(books: Books, index: int, sequence: int) -> dict:
    def side(price: np.ndarray, size: np.ndarray) -> list:
        return np.stack([price[index], size[index]], axis=1).tolist()

    return {
        "seq": sequence,
        "time_ns": int(books.exchange_time_ms[index]) * 1_000_000,
        "receive_time_ns": int(books.receive_time_ns[index]),
        "asks": side(books.ask_price, books.ask_size),
        "bids": side(books.bid_price, books.bid_size),
    }


def part(books: Books, begin: int, end: int) -> Books:
    return Books(**{name: values[begin:end] for name, values in vars(books).items()})


def load(path: Path) -> Books:
    return load_books(path)
