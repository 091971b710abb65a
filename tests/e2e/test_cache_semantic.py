"""Inputs that share an answer without being equal: those that a model cannot tell apart, and, where its manifest allows
it, those that are nearly equal, whose answers say so."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx_writer import quantized
from order_books import HISTORY, made_up, made_up_window
from punctual_server import Client, Server, user
from questions import TOLERANCE, WIDTH, features, light, write_model

STEP = 0.1  # between the codes of the quantised model
CELL = 0.5  # of the grids
LADDER = 'ladder = ["l1", "l2", "semantic", "coalesced", "l3", "model", "stale", "signal"]\n'
AGED = "max_age_ms = 3600000\n"


def approximate(**more) -> str:
    settings = {"grid": [CELL], "max_age_ms": 3600000, "tolerance": 1.0, "max_error_share": 0.0, "audit_share": 0.0}
    lines = [f"{key} = {value}" for key, value in (settings | more).items()]
    return "\n".join(["[semantic]", 'kind = "approximate"', *lines, ""])


FILES = {
    "exact": (quantized(WIDTH, 3, STEP), '[semantic]\nkind = "exact"\n'),
    "unknown": (light(), '[semantic]\nkind = "exact"\n'),
    "plain": (light(), ""),
    "near": (light(), AGED + LADDER + approximate()),
    "brief": (light(), AGED + LADDER + approximate(max_age_ms=100)),
    "wrong": (light(), AGED + LADDER + approximate(tolerance=0.0, audit_share=1.0)),
    "good_enough": (light(), AGED + LADDER + approximate(audit_share=1.0)),
    "state": (light(), AGED + LADDER + features() + approximate(grid=[1000.0])),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for name, (file, manifest) in FILES.items():
        write_model(folder, name, file, manifest)
    return folder


@pytest.fixture(scope="module")
def server(start_module_server, models) -> Server:
    patient = {"slow_look_up_ms": 10_000, "warm_up_ms": 10_000}
    return start_module_server(models, **{"cache.disk": patient})


@pytest.fixture
def client(server):
    with server.client() as client:
        yield client


def status_of(client: Client, model: str) -> dict:
    return next(m for m in client.get("/v1/models").json()["models"] if m["name"] == model)


class Asker:
    """Asks one model and checks what it says is exact."""

    def __init__(self, client: Client, model: str):
        self._client, self._model = client, model
        self._session = onnxruntime.InferenceSession(FILES[model][0])

    def __call__(self, inputs: np.ndarray) -> dict:
        request = {"user": user(), "model": self._model, "inputs": {"book": inputs.astype(np.float32).tolist()}}
        answer = self._client.answer(request)
        if answer["source"] != "semantic":
            right = self._session.run(None, {"book": inputs.astype(np.float32)[None]})[0][0]
            assert np.allclose(answer["outputs"]["probabilities"], right, rtol=0, atol=TOLERANCE), answer
            assert "approximate" not in answer
            assert answer["degraded"] is False
        return answer


def codes(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-60, 60, size=WIDTH)


def within(width: float, seed: int) -> np.ndarray:
    """Off the middle, but not by half."""
    return width * np.random.default_rng(seed).uniform(-0.4, 0.4, size=WIDTH)


def test_inputs_of_the_same_codes_share_an_answer_bit_for_bit(client):
    ask, middle = Asker(client, "exact"), STEP * codes(1)
    first = ask(middle + within(STEP, 1))
    assert first["source"] == "model"
    for seed in range(2, 30):
        answer = ask(middle + within(STEP, seed))
        assert answer["source"] == "l1"
        assert answer["outputs"] == first["outputs"]
    assert status_of(client, "exact")["semantic"] == {"kind": "exact", "on": True}


def test_the_log_says_what_nobody_audits(server):
    assert "model near: nobody watches what its approximate answers are worth" in server.log()
    assert "model good_enough: nobody watches" not in server.log()


def test_inputs_of_other_codes_do_not(client):
    ask = Asker(client, "exact")
    first = ask(STEP * codes(2))
    for place in range(WIDTH):
        other = codes(2)
        other[place] += 1
        answer = ask(STEP * other)
        assert answer["source"] == "model"
        assert answer["outputs"] != first["outputs"]


def test_inputs_beyond_the_last_code_share_it(client):
    ask, inputs = Asker(client, "exact"), STEP * codes(3)
    inputs[0], sources = 13.0, []
    for beyond in (13.0, 50.0, 1e6):
        inputs[0] = beyond
        sources.append(ask(inputs)["source"])
    assert sources == ["model", "l1", "l1"]


def test_shared_answers_outlive_a_restart(start_server, tmp_path):
    models = write_model(tmp_path, "exact", *FILES["exact"])
    server = start_server(models, **{"cache.disk": {"slow_look_up_ms": 10_000, "warm_up_ms": 0}})
    with server.client() as client:
        first = Asker(client, "exact")(STEP * codes(4) + within(STEP, 1))
    server.restart()
    with server.client() as client:
        ask = Asker(client, "exact")
        found, again = (ask(STEP * codes(4) + within(STEP, seed)) for seed in (2, 3))
    assert (found["source"], again["source"]) == ("l2", "l1")
    assert found["outputs"] == again["outputs"] == first["outputs"]


def test_a_model_that_reads_its_inputs_whole_has_no_codes_and_says_so(client):
    status = status_of(client, "unknown")
    assert status["serving"] is False
    assert "semantic.kind" in status["error"]
    assert "book" in status["error"]
    assert "Quantise the model" in status["error"], "what to do"


def test_nothing_is_approximate_where_the_manifest_does_not_say_so(client):
    ask = Asker(client, "plain")
    for seed in range(20):
        assert ask(CELL * codes(5) + within(0.001, seed))["source"] == "model"
    assert "semantic" not in status_of(client, "plain")


def test_an_input_of_the_same_cell_is_answered_approximately_and_says_so(client):
    ask, middle = Asker(client, "near"), CELL * codes(6)
    first = ask(middle)
    assert first["source"] == "model"
    time.sleep(0.01)
    for seed in range(20):
        answer = ask(middle + within(CELL, seed))
        assert answer["source"] == "semantic"
        assert (answer["approximate"], answer["degraded"]) == (True, True)
        assert answer["outputs"] == first["outputs"], "of the input that was computed"
        assert answer["age_ms"] >= 10
        assert answer["reason"]
    assert ask(middle + within(CELL, 1))["source"] == "semantic", "an approximate answer does not become an exact one"
    assert ask(middle)["source"] == "l1"
    semantic = status_of(client, "near")["semantic"]
    assert (semantic["kind"], semantic["on"], semantic["audit_share"], semantic["audited"]) == ("approximate", True, 0, 0)
    assert client.get("/v1/stats").json()["sources"]["semantic"] >= 21


def test_an_input_of_another_cell_is_computed(client):
    ask = Asker(client, "near")
    ask(CELL * codes(7))
    for place in range(WIDTH):
        other = codes(7)
        other[place] += 1
        assert ask(CELL * other)["source"] == "model"


def test_an_approximate_answer_that_is_too_old_is_not_given(client):
    ask, middle = Asker(client, "brief"), CELL * codes(8)
    ask(middle)
    time.sleep(0.15)
    assert ask(middle + within(CELL, 1))["source"] == "model"


def test_the_audit_turns_off_what_is_worth_nothing(server, client):
    ask, middle = Asker(client, "wrong"), CELL * codes(9)
    ask(middle)

    def is_off() -> bool:
        ask(middle + within(CELL, time.monotonic_ns()))
        return not status_of(client, "wrong")["semantic"]["on"]

    assert ask(middle + within(CELL, 0))["source"] == "semantic"
    server.wait_until(is_off, "turned approximate answers off")
    semantic = status_of(client, "wrong")["semantic"]
    assert 0 < semantic["differed"] <= semantic["audited"]
    assert f"{semantic['differed']} of {semantic['audited']} differed" in semantic["summary"]
    metrics = client.get("/metrics").body.decode()
    assert 'punctual_semantic_on{model="wrong"} 0' in metrics
    assert 'punctual_semantic_on{model="near"} 1' in metrics
    assert f'punctual_semantic_audits_total{{model="wrong",result="differed"}} {semantic["differed"]}' in metrics
    assert 'model="exact",result' not in metrics, "there is nothing to audit"
    assert "model wrong: approximate answers are off" in server.log()
    for seed in range(10, 20):
        assert ask(middle + within(CELL, seed))["source"] == "model"


def test_the_audit_leaves_on_what_is_good_enough(server, client):
    ask, middle = Asker(client, "good_enough"), CELL * codes(10)
    ask(middle)
    for seed in range(100):
        assert ask(middle + within(1e-3, seed))["source"] == "semantic"

    def audited() -> bool:
        semantic = status_of(client, "good_enough")["semantic"]
        return semantic["on"] and semantic["differed"] == 0 and semantic["audited"] >= 50

    server.wait_until(audited, "audited them")
    assert ask(middle + within(1e-3, 1000))["source"] == "semantic"


def test_an_approximate_answer_is_about_the_books_it_was_computed_from(client):
    request = {"user": user(), "model": "state", "symbol": "BOOKS"}
    assert client.publish("BOOKS", *made_up_window()).status == 200
    first = client.answer(request)
    assert (first["source"], first["as_of"]["seq"]) == ("model", HISTORY)
    time.sleep(0.01)
    assert client.publish("BOOKS", made_up(HISTORY + 1)).status == 200
    second = client.answer(request)
    assert (second["source"], second["approximate"]) == ("semantic", True)
    assert second["as_of"] == first["as_of"]
    assert second["age_ms"] >= 10
    assert second["outputs"] == first["outputs"]
