"""Trains XGBoost models on made-up data, and writes each as an ONNX file, with inputs and what XGBoost says of them.

src/backend/native/operators/forests_test.cc compares the native backend with what stands in the files. Neither the build
nor the tests need this script; its packages want an environment of their own:

    python -m venv /tmp/forests && /tmp/forests/bin/pip install -r tests/forests/requirements.txt
    /tmp/forests/bin/python tests/forests/make_forests.py

writes tests/forests/fixtures again: the same bytes on the same kind of machine. Many more, of random kinds, to compare
once:

    /tmp/forests/bin/python tests/forests/make_forests.py --random 50 --seed 2 --out /tmp/many
    PUNCTUAL_FORESTS=/tmp/many build/release/backend_native_test --gtest_filter='ForestsTest.*'

A forest is two files. NAME.onnx is what onnxmltools makes of the model. NAME.txt has four lines with a word and a number
(rows, features, margins, probabilities), then a line for each row: its features, as float32 (the shortest decimals that
give the same float again, or nan), XGBoost's margins, its probabilities and the class that it predicts. A regression has
margins only, one; two classes with the logistic function have one margin and two probabilities.

What the inputs are made for: half of the rows miss features, the first one all of them; a third of the numbers are just
the threshold of a branch, or the float before or after it, since XGBoost goes left where x < threshold, in float32.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import xgboost
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType

FIXTURES = Path(__file__).parent / "fixtures"
OPSET = 15  # the newest that onnxmltools 1.16 writes


@dataclass(frozen=True)
class Forest:
    """What is trained. The parameters of XGBoost that are not among the fields stand in `more`."""

    name: str
    objective: str = "reg:squarederror"
    classes: int = 0  # of a classification
    features: int = 6
    unused: int = 0  # of the features, the last ones: their values in training are all the same
    missing: float = 0.2  # share of the values in training that are missing
    training_rows: int = 400
    rounds: int = 20  # trees: as many, times the classes of a softmax, times num_parallel_tree
    depth: int = 4
    more: dict = field(default_factory=dict)


LOGISTIC, SOFTMAX = "binary:logistic", "multi:softprob"

FORESTS = [
    Forest("one_tree", rounds=1, depth=5),
    Forest("stumps", rounds=33, depth=1),
    Forest("deep", rounds=5, depth=8, training_rows=600, more={"min_child_weight": 2}),
    Forest("base_score", rounds=20, depth=3, more={"base_score": -7.25, "tree_method": "exact"}),
    Forest("nothing_missing_in_training", missing=0, rounds=12),
    Forest("features_never_used", features=9, unused=3, rounds=15),
    Forest("bagged", rounds=3, more={"num_parallel_tree": 6, "subsample": 0.6, "colsample_bynode": 0.5}),
    Forest("two_classes", LOGISTIC, classes=2, rounds=40, depth=3),
    Forest("two_classes_base_score", LOGISTIC, classes=2, rounds=17, depth=2, more={"base_score": 0.1}),
    Forest("two_classes_only_leaves", LOGISTIC, classes=2, rounds=3, more={"gamma": 1e6, "base_score": 0.6}),
    Forest("two_classes_softmax", SOFTMAX, classes=2, rounds=8, depth=3),
    Forest("three_classes", SOFTMAX, classes=3, rounds=10),
    Forest("five_classes_base_score", SOFTMAX, classes=5, rounds=4, depth=6, more={"base_score": 0.3}),
]


def random_forest(name: str, rng: np.random.Generator) -> Forest:
    """Any kind of forest, up to a few hundred trees."""
    objective = rng.choice(["reg:squarederror", LOGISTIC, SOFTMAX])
    classes = {"reg:squarederror": 0, LOGISTIC: 2, SOFTMAX: int(rng.integers(2, 7))}[objective]
    more = {
        "learning_rate": float(rng.choice([0.1, 0.3, 1.0])),
        "min_child_weight": float(rng.choice([0.1, 1, 5])),
        "gamma": float(rng.choice([0, 0, 0.5])),
        "tree_method": str(rng.choice(["hist", "exact", "approx"])),
        "max_bin": int(rng.choice([8, 256])),
    }
    if rng.random() < 0.5:
        more["base_score"] = float(rng.uniform(0.02, 0.98) if objective == LOGISTIC else rng.normal(scale=4))
    if not classes and rng.random() < 0.5:  # of classifiers, onnxmltools 1.16 gives these trees the wrong classes
        more |= {"num_parallel_tree": int(rng.integers(2, 5)), "subsample": 0.7}
    features = int(rng.integers(1, 16))
    return Forest(
        name,
        str(objective),
        classes,
        features,
        unused=int(rng.integers(0, (features + 2) // 3)),
        missing=float(rng.choice([0, 0.1, 0.4])),
        training_rows=int(rng.integers(100, 1000)),
        rounds=int(rng.integers(1, 50)),
        depth=int(rng.integers(1, 9)),
        more=more,
    )


def draw_features(forest: Forest, rows: int, rng: np.random.Generator) -> np.ndarray:
    """Columns in turn: of a bell curve, in steps of a quarter (many are equal), and of many magnitudes."""
    x = rng.normal(size=(rows, forest.features))
    x[:, 1::3] = np.round(4 * x[:, 1::3]) / 4
    x[:, 2::3] = np.exp(3 * x[:, 2::3])
    return x.astype(np.float32)


def training_data(forest: Forest, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Features and targets. That a value is missing says something too, so that branches learn where to send it."""
    x = draw_features(forest, forest.training_rows, rng)
    x[rng.random(x.shape) < forest.missing] = np.nan
    used = forest.features - forest.unused
    x[:, used:] = 1
    height = np.arcsinh(x[:, :used])
    effect = np.where(np.isnan(height), rng.normal(size=used), height * rng.normal(size=used))
    target = effect.sum(axis=1) + effect[:, 0] * effect[:, -1] + 0.1 * rng.normal(size=len(x))
    if forest.classes:
        target = np.digitize(target, np.quantile(target, np.arange(1, forest.classes) / forest.classes))
    return x, target


def train(forest: Forest, rng: np.random.Generator) -> xgboost.XGBModel:
    kind = xgboost.XGBClassifier if forest.classes else xgboost.XGBRegressor
    classes = {"num_class": forest.classes} if forest.objective == SOFTMAX else {}
    model = kind(
        objective=forest.objective,
        n_estimators=forest.rounds,
        max_depth=forest.depth,
        random_state=int(rng.integers(1 << 31)),
        n_jobs=1,
        **classes,
        **forest.more,
    )
    return model.fit(*training_data(forest, rng))


def trees_of(model: xgboost.XGBModel) -> list[dict]:
    return json.loads(model.get_booster().save_raw("json"))["learner"]["gradient_booster"]["model"]["trees"]


def draw_inputs(forest: Forest, trees: list[dict], rows: int, rng: np.random.Generator) -> np.ndarray:
    x = draw_features(forest, rows, rng)
    for feature in range(forest.features):
        thresholds = [
            np.float32(value)
            for tree in trees
            for value, index, child in zip(tree["split_conditions"], tree["split_indices"], tree["left_children"])
            if child >= 0 and index == feature
        ]
        if not thresholds:
            continue
        close = rng.choice(np.array(thresholds, np.float32), rows)
        toward = rng.choice(np.array([-np.inf, 0, np.inf], np.float32), rows)
        close = np.where(toward == 0, close, np.nextafter(close, toward))
        x[:, feature] = np.where(rng.random(rows) < 1 / 3, close, x[:, feature])
    x[(rng.random(x.shape) < 0.3) & (np.arange(rows) % 2 == 0)[:, None]] = np.nan
    x[0] = np.nan
    return x


def write(path: Path, model: xgboost.XGBModel, x: np.ndarray, is_classifier: bool) -> None:
    """`path` without its ending."""
    inputs = [("x", FloatTensorType([None, x.shape[1]]))]
    onnx_model = convert_xgboost(model, name=path.name, initial_types=inputs, target_opset=OPSET)
    onnx.checker.check_model(onnx_model)
    path.with_suffix(".onnx").write_bytes(onnx_model.SerializeToString())
    margins = model.predict(x, output_margin=True).reshape(len(x), -1)
    probabilities = model.predict_proba(x) if is_classifier else np.empty((len(x), 0), np.float32)
    columns = [x, margins, probabilities]
    assert all(column.dtype == np.float32 for column in columns)
    counts = {
        "rows": len(x),
        "features": x.shape[1],
        "margins": margins.shape[1],
        "probabilities": probabilities.shape[1],
    }
    lines = [f"{word} {count}" for word, count in counts.items()]
    rows = [[str(value) for value in row] for row in np.concatenate(columns, axis=1)]
    if is_classifier:
        labels = model.predict(x)
        if labels.ndim == 2:  # a softmax of two classes: XGBoost gives a row of 0 and 1
            labels = labels.argmax(axis=1)
        rows = [[*row, str(label)] for row, label in zip(rows, labels)]
    lines += [" ".join(row) for row in rows]
    path.with_suffix(".txt").write_text("\n".join(lines) + "\n")


def make(forest: Forest, folder: Path, rows: int, seed: int) -> None:
    rng = np.random.default_rng([seed, *forest.name.encode()])
    model = train(forest, rng)
    trees = trees_of(model)
    x = draw_inputs(forest, trees, rows, rng)
    write(folder / forest.name, model, x, forest.classes > 0)

    branches = [left for tree in trees for child, left in zip(tree["left_children"], tree["default_left"]) if child >= 0]
    used = {int(name[1:]) for name in model.get_booster().get_score()}
    assert used.isdisjoint(range(forest.features - forest.unused, forest.features)), used
    print(
        f"{forest.name}: {len(trees)} trees, {len(branches)} branches ({sum(branches)} send missing values left), "
        f"{len(used)} of {forest.features} features used"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=FIXTURES, help="the folder (tests/forests/fixtures)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=80, help="inputs for each forest (80)")
    parser.add_argument("--random", type=int, metavar="N", help="N forests of random kinds instead of the chosen ones")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    forests = FORESTS
    if options.random is not None:
        rng = np.random.default_rng(options.seed)
        forests = [random_forest(f"random_{options.seed}_{i}", rng) for i in range(options.random)]
    for forest in forests:
        make(forest, options.out, options.rows, options.seed)


if __name__ == "__main__":
    main()
