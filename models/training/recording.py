"""Order-book recordings (gzip CSV, 10 levels), their labels and their split by time."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

# File of the recording -> the symbol it is served under.
SYMBOLS = {
    "cm_btcusd_perp": "BTCUSD_PERP",
    "spot_btcusdt": "BTCUSDT",
    "spot_ethusdt": "ETHUSDT",
    "usdm_btcusdt": "BTCUSDT_PERP",
}
LEVELS = 10
TRAIN_SHARE, VALIDATION_SHARE = 0.60, 0.15  # the rest is the test part
MIN_THRESHOLD_BP = 1e-4


@dataclass(frozen=True)
class Recording:
    symbol: str
    time_ns: np.ndarray  # [rows] int64, when the row was received
    ask_price: np.ndarray  # [rows, 10], best first; so are the next three
    ask_size: np.ndarray
    bid_price: np.ndarray
    bid_size: np.ndarray

    @property
    def mid(self) -> np.ndarray:
        return (self.ask_price[:, 0] + self.bid_price[:, 0]) / 2


def read(folder: Path) -> list[Recording]:
    return [_read_file(folder / f"{file}.csv.gz", symbol) for file, symbol in SYMBOLS.items()]


def _read_file(path: Path, symbol: str) -> Recording:
    # The times do not fit a double, so they are read apart from the prices.
    time_ns = np.loadtxt(path, delimiter=",", skiprows=1, usecols=0, dtype=np.int64)
    levels = np.loadtxt(path, delimiter=",", skiprows=1, usecols=range(2, 2 + 4 * LEVELS), dtype=np.float64)
    levels = levels.reshape(len(time_ns), LEVELS, 4)
    return Recording(symbol, time_ns, *(np.ascontiguousarray(levels[:, :, i]) for i in range(4)))


def future_return_bp(mid: np.ndarray, horizon: int) -> np.ndarray:
    """Mean mid of the next `horizon` snapshots against the present mid, in basis points: [rows - horizon]."""
    total = np.concatenate([[0.0], np.cumsum(mid)])
    ahead = (total[1 + horizon :] - total[1:-horizon]) / horizon
    return (ahead / mid[:-horizon] - 1) * 1e4


def threshold_bp(train_returns_bp: np.ndarray) -> float:
    """What splits the training part into thirds: a third of its moves are smaller, up and down share the rest.

    Where a book stands still more often than that, the floor counts every move but the rounding of a sum.
    """
    return max(float(np.quantile(np.abs(train_returns_bp), 1 / 3)), MIN_THRESHOLD_BP)


def classes(returns_bp: np.ndarray, threshold: float) -> np.ndarray:
    """0 down, 1 stationary, 2 up."""
    return np.where(returns_bp > threshold, 2, np.where(returns_bp < -threshold, 0, 1))


@dataclass(frozen=True)
class Split:
    """Rows at which windows end. Between the parts lies a gap, so that no window and no label reaches across.

    (A column that looks back beyond its window, as a return does, may still see prices of the part before.)
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split(time_ns: np.ndarray, first: int, horizon: int, window: int) -> Split:
    rows = len(time_ns)
    span = time_ns[-1] - time_ns[0]
    train_end = int(np.searchsorted(time_ns, time_ns[0] + TRAIN_SHARE * span))
    validation_end = int(np.searchsorted(time_ns, time_ns[0] + (TRAIN_SHARE + VALIDATION_SHARE) * span))
    gap = horizon + window
    return Split(
        np.arange(first, train_end - horizon),
        np.arange(train_end + gap - horizon, validation_end - horizon),
        np.arange(validation_end + gap - horizon, rows - horizon),
    )
