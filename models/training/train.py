"""Trains the models of the repository and writes their folders. Reproducible from the seed on one machine and setup.

    python models/training/train.py --data DIR --out models --seed 7 [--only NAME]
"""

import argparse
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

import dataset
import recording
from dataset import Instrument
from features import mirror, normalise
from networks import NETWORKS, Network
from repository import write_model
from spec import CLIP, SPECS, Spec


class Batches:
    """Normalised windows of the training part, as many of each instrument, half of them in the mirror."""

    def __init__(self, instruments: list[Instrument], spec: Spec, mean: np.ndarray, std: np.ndarray, rng):
        self._instruments, self._spec, self._mean, self._std, self._rng = instruments, spec, mean, std, rng
        self._order, self._sign = mirror(spec.columns)
        self._weights = [dataset.draw_weights(one) for one in instruments]

    def epoch(self):
        """Batches of (windows, classes), drawn anew each time."""
        count = self._spec.draws // len(self._instruments)
        picks = []
        for i, (one, weights) in enumerate(zip(self._instruments, self._weights)):
            picks.append(np.stack([np.full(count, i), self._rng.choice(one.rows.train, count, p=weights)], 1))
        picks = self._rng.permutation(np.concatenate(picks))
        for start in range(0, len(picks) - self._spec.batch + 1, self._spec.batch):
            yield self._batch(picks[start : start + self._spec.batch])

    def _batch(self, picks: np.ndarray):
        x = np.empty((len(picks), self._spec.window, len(self._spec.columns)))
        y = np.empty(len(picks), np.int64)
        for i, one in enumerate(self._instruments):
            here = picks[:, 0] == i
            x[here] = one.features.windows(picks[here, 1])
            y[here] = one.labels[picks[here, 1]]
        flip = self._rng.random(len(picks)) < 0.5
        x[flip] = x[flip][..., self._order] * self._sign
        y[flip] = 2 - y[flip]
        return normalise(x, self._mean, self._std, CLIP), y


def validation_loss(apply, parameters, instruments: list[Instrument], mean, std) -> float:
    """Cross-entropy in the validation part, each instrument counting the same."""
    losses = []
    for one in instruments:
        rows = one.rows.validation[:: max(1, len(one.rows.validation) // 1500)]
        total = 0.0
        for part in np.array_split(rows, max(1, len(rows) // 250)):
            logits = apply(parameters, normalise(one.features.windows(part), mean, std, CLIP))
            logp = np.asarray(jax.nn.log_softmax(logits))
            total -= logp[np.arange(len(part)), one.labels[part]].sum()
        losses.append(total / len(rows))
    return float(np.mean(losses))


def train(name: str, network: Network, spec: Spec, instruments: list[Instrument], seed: int):
    rng, key = np.random.default_rng(seed), jax.random.key(seed)
    mean, std = dataset.normalisation(instruments, spec.columns)
    batches = Batches(instruments, spec, mean, std, rng)
    parameters = network.create(rng, spec.window, len(spec.columns))
    steps = spec.epochs * (spec.draws // spec.batch)
    schedule = optax.warmup_cosine_decay_schedule(0.0, spec.rate, min(100, steps // 10), steps)
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule, weight_decay=1e-2))

    def loss(parameters, x, y, key):
        logits = network.apply(parameters, x, key)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    @jax.jit
    def step(parameters, state, x, y, key):
        value, gradient = jax.value_and_grad(loss)(parameters, x, y, key)
        updates, state = optimiser.update(gradient, state, parameters)
        return optax.apply_updates(parameters, updates), state, value

    apply = jax.jit(network.apply)
    state = optimiser.init(parameters)
    best, best_loss, best_epoch = parameters, float("inf"), 0
    started = time.monotonic()
    for epoch in range(1, spec.epochs + 1):
        values = []
        for x, y in batches.epoch():
            key, dropout = jax.random.split(key)
            parameters, state, value = step(parameters, state, jnp.asarray(x), jnp.asarray(y), dropout)
            values.append(value)
        score = validation_loss(apply, parameters, instruments, mean, std)
        seconds = time.monotonic() - started
        print(f"{name} epoch {epoch}: train {np.mean(values):.4f} validation {score:.4f} ({seconds:.0f} s)", flush=True)
        if score < best_loss:
            best, best_loss, best_epoch = parameters, score, epoch
        elif epoch - best_epoch >= spec.patience:
            break
    print(f"{name}: epoch {best_epoch} is kept, validation {best_loss:.4f}")
    return jax.tree.map(np.asarray, best), mean, std


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the recordings (*.csv.gz)")
    parser.add_argument("--out", type=Path, required=True, help="the model repository to write to")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", choices=sorted(SPECS), help="train this model alone")
    options = parser.parse_args()
    books = recording.read(options.data)
    for name in [options.only] if options.only else SPECS:
        spec, network = SPECS[name], NETWORKS[name]
        instruments = dataset.build(books, spec)
        parameters, mean, std = train(name, network, spec, instruments, options.seed)
        model = network.to_onnx(parameters, spec.window, len(spec.columns))
        write_model(options.out / name, spec, mean, std, model, instruments)


if __name__ == "__main__":
    main()
