"""What a model is trained and judged on: every instrument's windows, classes and parts."""

from dataclasses import dataclass

import numpy as np

import recording
from features import Features, mirror
from recording import Recording, Split
from spec import LEVELS, Spec


@dataclass(frozen=True)
class Instrument:
    book: Recording
    features: Features
    rows: Split
    labels: np.ndarray  # class of each row that has a whole horizon after it
    threshold_bp: float
    train_frequencies: np.ndarray  # of the three classes, in the training part
    train_end_ns: int  # when the newest book that training saw, in a label, was received


def build(books: list[Recording], spec: Spec) -> list[Instrument]:
    return [_instrument(book, spec) for book in books]


def _instrument(book: Recording, spec: Spec) -> Instrument:
    features = Features(book, spec.columns, spec.window, LEVELS)
    rows = recording.split(book.time_ns, features.first, spec.horizon, spec.window)
    returns = recording.future_return_bp(book.mid, spec.horizon)
    threshold = recording.threshold_bp(returns[rows.train])
    labels = recording.classes(returns, threshold)
    frequencies = np.bincount(labels[rows.train], minlength=3) / len(rows.train)
    train_end_ns = int(book.time_ns[rows.train[-1] + spec.horizon])
    return Instrument(book, features, rows, labels, threshold, frequencies, train_end_ns)


def draw_weights(instrument: Instrument) -> np.ndarray:
    """How often each row of the training part is drawn; sums to 1.

    A class is drawn by the root of its frequency: how often a book stands still changes within minutes, so a model that
    took the training part's frequencies for granted would be wrong when the market wakes up.
    """
    weights = instrument.train_frequencies[instrument.labels[instrument.rows.train]] ** -0.5
    return weights / weights.sum()


def normalisation(instruments: list[Instrument], columns: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column over the training parts and their mirror images.

    Each instrument counts the same, however busy it is.
    """
    order, sign = mirror(columns)
    first, second = np.zeros(len(columns)), np.zeros(len(columns))
    for one in instruments:
        x = one.features.windows(one.rows.train[::10]).reshape(-1, len(columns))
        first += x.mean(0) / len(instruments)
        second += (x**2).mean(0) / len(instruments)
    first = (first + first[order] * sign) / 2
    second = (second + second[order]) / 2
    return first, np.sqrt(second - first**2)
