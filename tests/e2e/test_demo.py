"""script/demo, the main job from end to end, as a newcomer runs it: short, and with few requests."""

from __future__ import annotations

import json
import subprocess

import pytest
from order_books import REAL_FOLDER
from punctual_server import ROOT

TIERS = {"premium": 15, "standard": 25, "basic": 50}
LATENCIES = ["p50", "p90", "p99", "p999", "max"]


def demo(report, *more: str) -> str:
    done = subprocess.run(
        ["script/demo", "--seconds", "3", "--rate", "300", "--json", str(report), *more],
        cwd=ROOT, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check(report: dict) -> None:
    """All fields of the report are there and agree with each other; nobody is left without an answer."""
    assert report["offered_rps"] == 300
    assert report["sent"] > 100
    assert report["unanswered"] == 0
    # A machine that is too busy for a budget makes a 503 of it; everything else is a fault.
    assert set(report["error_counts"]) <= {"503 UNAVAILABLE"}
    assert report["answered"] + report["errors"] == report["sent"]
    assert report["answered"] > 0
    latency = [report["latency_ms"][name] for name in LATENCIES]
    assert latency == sorted(latency)
    assert latency[0] > 0
    shares = [report["within"][limit] for limit in ("15", "25", "50")]
    assert shares == sorted(shares)
    assert all(0 <= share <= 1 for share in shares)
    assert set(report["tiers"]) == set(TIERS)
    for name, budget_ms in TIERS.items():
        tier = report["tiers"][name]
        assert tier["budget_ms"] == budget_ms
        assert tier["sent"] > 0
        assert 0 <= tier["within_budget"] <= 1
        assert 0 < tier["p50"] <= tier["p99"] <= tier["p999"] <= tier["max"] <= report["latency_ms"]["max"]
    assert sum(tier["sent"] for tier in report["tiers"].values()) == report["sent"]
    assert sum(report["sources"].values()) == report["answered"]
    assert 0 <= report["cache_hit_rate"] <= 1
    hits = sum(report["sources"].get(layer, 0) for layer in ("l1", "l2", "l3"))
    assert report["cache_hit_rate"] == pytest.approx(hits / report["answered"], abs=1e-5)


def test_the_demo_answers_everybody_and_reports(tmp_path):
    shown = demo(tmp_path / "report.json")
    check(json.loads((tmp_path / "report.json").read_text()))
    for expected in ("premium", "standard", "basic", "model", "l1", "SIM1", "curl ", '"outputs"'):
        assert expected in shown


def test_the_demo_takes_recorded_books(tmp_path):
    recording = REAL_FOLDER / "spot_btcusdt.csv.gz"
    if not recording.exists():
        pytest.skip(f"{recording} is not there")
    shown = demo(tmp_path / "report.json", "--input", str(recording))
    check(json.loads((tmp_path / "report.json").read_text()))
    assert "SPOT_BTCUSDT" in shown
