"""Recordings: written by `punctual simulate`, sent by `punctual replay`, good ones and damaged ones."""

from __future__ import annotations

import gzip
import json
import tomllib
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from features_reference import features
from order_books import load, made_up_window, simulate
from punctual_server import MODELS, Server, post, run, user

QUICKLY = ("--speed", 100_000)


@pytest.fixture
def recording(tmp_path) -> Path:
    return simulate(tmp_path / "good.csv", seconds=20, rate=10)


def count_of(recording: Path) -> int:
    return len(recording.read_text().splitlines()) - 1


@pytest.fixture
def server(start_server) -> Server:
    return start_server()


def replay(server: Server, *arguments):
    return run("replay", "--to", server.url, *QUICKLY, *arguments)


def snapshots(server: Server) -> int:
    with server.client() as client:
        return client.get("/v1/stats").json()["market"]["snapshots"]


def newest(server: Server, symbol: str) -> dict:
    with server.client() as client:
        return client.answer({"user": user("basic", "swing"), "symbol": symbol})


def damage(recording: Path, lines: dict[int, str]) -> Path:
    """A copy in which the lines of these numbers, from 1, are others."""
    text = recording.read_text().splitlines()
    for number, line in lines.items():
        text[number - 1] = line
    damaged = recording.with_name("damaged.csv")
    damaged.write_text("\n".join(text) + "\n")
    return damaged


def with_column(recording: Path, number: int, column: int, value: str) -> str:
    """The line of this number with another value in a column."""
    fields = recording.read_text().splitlines()[number - 1].split(",")
    fields[column] = value
    return ",".join(fields)


def test_what_simulate_writes_is_answered_as_replayed(server, recording):
    books = load(recording)
    assert len(books) == count_of(recording)
    assert 150 < len(books) < 250, "about 10 a second"
    assert (books.ask_price[:, 0] > books.bid_price[:, 0]).all()
    assert len(np.unique(books.ask_price[:, 0])) > 3, "the market moves"
    done = replay(server, recording)
    assert done.returncode == 0, done.stderr
    assert snapshots(server) == len(books)
    answer = newest(server, "GOOD")
    assert answer["as_of"] == {"seq": len(books), "time_ns": int(books.exchange_time_ms[-1]) * 1_000_000}
    manifest = tomllib.loads((MODELS / "deeplob/model.toml").read_text())
    session = onnxruntime.InferenceSession(MODELS / "deeplob/1/model.onnx", providers=["CPUExecutionProvider"])
    x = features(books, manifest["features"], len(books) - 1)
    expected = session.run(["probabilities"], {"book": x[None]})[0][0]
    assert np.abs(np.array(answer["outputs"]["probabilities"]) - expected).max() <= 1e-5


def test_a_pipelined_question_is_about_the_books_sent_before_it(server):
    # Bodies of more than 64 KiB are read elsewhere than small ones; the order must stay all the same.
    with server.wire() as wire:
        for first, count in ((1, 150), (151, 400), (551, 1), (552, 600)):
            lines = "\n".join(json.dumps(book) for book in made_up_window(first, count))
            ask = json.dumps({"user": user(), "symbol": "PIPED"})
            wire.send(post("/v1/market/PIPED", lines) + post("/v1/predict", ask))
            assert wire.read().json() == {"published": count}
            answer = wire.read().json()
            assert (answer["as_of"]["seq"], answer["source"]) == (first + count - 1, "model")


def test_the_same_seed_writes_the_same_books(tmp_path):
    texts = [simulate(tmp_path / f"{i}.csv", seconds=5, seed=seed).read_text() for i, seed in enumerate((4, 4, 5))]
    assert texts[0] == texts[1] != texts[2]


def test_gzip_and_plain_files_are_the_same(server, recording, tmp_path):
    zipped = simulate(tmp_path / "zipped.csv.gz", seconds=20, rate=10)
    assert gzip.decompress(zipped.read_bytes()).decode() == recording.read_text()
    done = replay(server, recording, zipped, "--symbol", "A", "B")
    assert done.returncode == 0, done.stderr
    assert snapshots(server) == 2 * count_of(recording)
    assert newest(server, "A")["outputs"] == newest(server, "B")["outputs"]


def test_a_recording_may_be_replayed_again(server, recording):
    for _ in range(2):
        assert replay(server, recording).returncode == 0
    assert snapshots(server) == 2 * count_of(recording)


def test_a_prefill_fills_the_windows_at_once(server, recording):
    done = run("replay", "--to", server.url, recording, "--prefill", 150, "--duration", 0.1)
    assert done.returncode == 0, done.stderr
    assert newest(server, "GOOD")["source"] == "model"


BAD_LINES = {
    "crossed": (lambda r: with_column(r, 151, 4, "999999"), "bids[0][0]"),
    "a text for a price": (lambda r: with_column(r, 151, 2, "cheap"), "ask1_px"),
    "a price that is NaN": (lambda r: with_column(r, 151, 2, "nan"), "asks[0][0]"),
    "an infinite size": (lambda r: with_column(r, 151, 5, "inf"), "bids[0][1]"),
    "a price beyond a double": (lambda r: with_column(r, 151, 2, "1e999"), "ask1_px"),
    "a size of zero": (lambda r: with_column(r, 151, 3, "0"), "asks[0][1]"),
    "a missing column": (lambda r: r.read_text().splitlines()[150].rsplit(",", 1)[0], "columns"),
    "an empty line": (lambda r: "", "column"),
    "bytes of another kind": (lambda r: "\x00\x01\x02", "column"),
    "a time before the line before": (lambda r: with_column(r, 151, 0, "1"), "local_ns"),
    "a very long line": (lambda r: "1" * 1_000_000, "longer"),
}


@pytest.mark.parametrize("make, what", BAD_LINES.values(), ids=BAD_LINES.keys())
def test_a_bad_line_ends_the_replay_or_is_skipped_as_asked(server, recording, make, what):
    damaged = damage(recording, {151: make(recording)})
    place = f"{damaged}:151: "

    done = replay(server, damaged)
    assert done.returncode == 1
    assert place in done.stderr
    assert what in done.stderr.split(place)[1].split("\n")[0]
    assert snapshots(server) <= 149, "nothing behind the bad line was published"

    before = snapshots(server)
    done = replay(server, damaged, "--bad-lines", "skip")
    assert done.returncode == 0, done.stderr
    assert "skipped: " + place in done.stderr
    assert "1 bad line skipped" in done.stderr
    assert snapshots(server) - before == count_of(recording) - 1
    # A book's sequence is its line, so what is skipped leaves a gap.
    assert newest(server, "DAMAGED")["as_of"]["seq"] == count_of(recording)


def test_every_bad_line_is_reported(server, recording):
    bad = {number: "bad" for number in (2, 3, 50, count_of(recording) + 1)}
    done = replay(server, damage(recording, bad), "--bad-lines", "skip")
    assert done.returncode == 0, done.stderr
    for number in bad:
        assert f"damaged.csv:{number}: " in done.stderr
    assert snapshots(server) == count_of(recording) - len(bad)


@pytest.mark.parametrize(
    "text, what",
    [
        ("", "empty"),
        ("a,b,c\n1,2,3\n", ":1: "),
        ("local_ns,exch_ms\n", ":1: "),
        ("local_ns,exch_ms,ask1_px,ask1_qty,bid1_px,bid1_qty\n", "no books"),
    ],
    ids=["empty", "another header", "no levels", "no books"],
)
def test_what_is_no_recording_is_refused(server, tmp_path, text, what):
    path = tmp_path / "wrong.csv"
    path.write_text(text)
    done = replay(server, path, "--bad-lines", "skip")
    assert done.returncode == 1
    assert str(path) in done.stderr
    assert what in done.stderr


def test_a_damaged_gzip_file_fails_whatever_is_asked(server, tmp_path):
    path = simulate(tmp_path / "cut.csv.gz", seconds=20)
    path.write_bytes(path.read_bytes()[:-2000])
    for bad_lines in ("fail", "skip"):
        done = replay(server, path, "--bad-lines", bad_lines)
        assert done.returncode == 1
        assert str(path) in done.stderr
