"""What each model is: its style, what it sees, what it predicts, and how it is trained."""

from dataclasses import dataclass

LEVELS = 10
CLIP = 10.0
CLASS_NAMES = ["down", "stationary", "up"]


@dataclass(frozen=True)
class Spec:
    description: str
    window: int  # snapshots
    horizon: int  # snapshots; the target is their mean mid against the present one
    columns: list[str]
    max_age_ms: int
    rate: float  # the learning rate at its highest
    batch: int
    draws: int  # windows drawn in an epoch
    epochs: int
    patience: int  # epochs without a better validation loss until training stops


SPECS = {
    "mlp": Spec(
        description="Scalping: direction of the mid over the next 20 snapshots, from the derived features of one",
        window=1,
        horizon=20,
        columns=["spread_bp", "microprice_bp"]
        + [f"imbalance_{k}" for k in (1, 2, 3, 5, 10)]
        + [f"ofi_{k}" for k in (1, 5, 10)]
        + [f"return_{k}_bp" for k in (1, 5, 10, 20, 50, 100)]
        + [f"{side}_share_{i}" for side in ("ask", "bid") for i in (1, 2, 3)],
        max_age_ms=2000,
        rate=1e-3,
        batch=256,
        draws=30000,
        epochs=60,
        patience=10,
    ),
    "tcn": Spec(
        description="Day trading: direction of the mid over the next 30 snapshots, from 50 snapshots' derived features",
        window=50,
        horizon=30,
        columns=["mid_bp", "spread_bp", "microprice_bp"]
        + [f"imbalance_{k}" for k in (1, 2, 3, 5, 10)]
        + [f"ofi_{k}" for k in (1, 5, 10)]
        + ["return_1_bp", "ask_share_1", "bid_share_1"],
        max_age_ms=5000,
        rate=1e-3,
        batch=128,
        draws=4000,
        epochs=40,
        patience=12,
    ),
    "deeplob": Spec(
        description="Swing trading: direction of the mid over the next 50 snapshots, from 100 snapshots of 10 levels",
        window=100,
        horizon=50,
        columns=[f"{c}_{i}" for i in range(1, LEVELS + 1) for c in ("ask_bp", "ask_share", "bid_bp", "bid_share")],
        max_age_ms=10000,
        rate=1e-3,
        batch=64,
        draws=4000,
        epochs=14,
        patience=4,
    ),
}
