"""What an answer says about itself when the model could not give it: which rung answered, and why."""

from __future__ import annotations

import csv

import pytest
from bad_input_checks import check_error
from order_books import HISTORY, made_up, made_up_window
from punctual_server import MODELS, STYLES, user

STYLE_OF = {model: style for style, model in STYLES.items()}


@pytest.fixture(scope="module")
def client(start_module_server):
    with start_module_server().client() as client:
        yield client


def signals(model: str) -> dict[str, dict]:
    with (MODELS / model / "1/signals.csv").open() as file:
        return {row["symbol"]: row for row in csv.DictReader(file)}


@pytest.mark.parametrize("model", STYLES.values())
def test_a_symbol_without_books_is_answered_by_its_signal(client, model):
    for symbol, signal in signals(model).items():
        answer = client.answer({"user": user(style=STYLE_OF[model]), "symbol": symbol})
        assert (answer["source"], answer["degraded"], answer["model"]) == ("signal", True, model)
        assert answer["reason"]
        assert "as_of" not in answer, "a signal is about no book of ours"
        assert answer["age_ms"] > 0
        written = [float(signal[f"probabilities_{i}"]) for i in range(3)]
        assert answer["outputs"]["probabilities"] == pytest.approx(written, abs=1e-6)


def test_a_window_that_is_not_full_is_unavailable_and_says_so(client):
    request = {"user": user(style="swing"), "symbol": "FILLING"}
    check_error(client.predict(request), 404, "NOT_FOUND", "symbol")
    for sequence in range(1, 100):
        assert client.publish("FILLING", made_up(sequence)).status == 200
    check_error(client.predict(request), 503, "UNAVAILABLE", "not full yet: 99 of 100")
    assert client.publish("FILLING", made_up(100)).status == 200
    answer = client.answer(request)
    assert (answer["source"], answer["as_of"]["seq"]) == ("model", 100)


def test_a_forgotten_symbol_is_unknown_until_it_is_fed_again(client):
    request = {"user": user(), "symbol": "FORGOTTEN"}
    assert client.publish("FORGOTTEN", *made_up_window(first=1000)).status == 200
    assert client.answer(request)["as_of"]["seq"] == 1000 + HISTORY - 1
    client.forget("FORGOTTEN")
    check_error(client.predict(request), 404, "NOT_FOUND", "symbol", "FORGOTTEN")
    assert client.publish("FORGOTTEN", *made_up_window(first=1)).status == 200, "sequences may begin again"
    assert client.answer(request)["as_of"]["seq"] == HISTORY


def test_users_share_answers_but_not_models(client):
    assert client.publish("SHARED", *made_up_window(first=5000)).status == 200
    for style, model in STYLES.items():
        answers = [client.answer({"user": user(tier, style), "symbol": "SHARED"}) for tier in ("premium", "basic")]
        assert [answer["source"] for answer in answers] == ["model", "l1"]
        assert {answer["model"] for answer in answers} == {model}
        assert [answer["deadline_ms"] for answer in answers] == [30_000, 50_000]


def test_the_same_books_are_the_same_question_under_another_name_and_numbers(client):
    books = made_up_window(first=7000)
    renumbered = [{**book, "seq": book["seq"] + 500} for book in books]
    answers = []
    for symbol, window in (("ONE", books), ("OTHER", renumbered)):
        assert client.publish(symbol, *window).status == 200
        answers.append(client.answer({"user": user(), "symbol": symbol}))
    assert [answer["source"] for answer in answers] == ["model", "l1"]
    assert answers[0]["outputs"] == answers[1]["outputs"]
    assert [answer["as_of"]["seq"] for answer in answers] == [books[-1]["seq"], renumbered[-1]["seq"]]


def test_a_request_may_name_another_model_than_the_styles(client):
    answer = client.answer({"user": user(style="scalping"), "model": "deeplob", "market": made_up_window(first=9000)})
    assert answer["model"] == "deeplob"
