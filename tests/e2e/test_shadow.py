"""What stands in for a model compared with it while it serves: a share of the model's own answers is asked again, of its
student and, where int8 or bf16 serves, of the float file."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx_writer import linear, one_number, quantized
from punctual_server import Client, Server, run, user, write_config
from questions import WIDTH, light, write_model

MODEL = light()
OPPOSITE = linear(WIDTH, 3, sign=-1)  # what the model likes least it likes best
QUESTIONS = 20  # fewer than may wait: none is dropped
WATCHED = 'student = "%s"\nshadow_share = 1\n'
INT8 = 'variant = "int8"\nshadow_share = 1\n'
COARSE = quantized(WIDTH, 3, scale=0.7)  # MODEL, of books rounded to 0.7: it changes some classes
# Comparisons are left out while CPU is short, as it is on a machine that is busy with tests. A float file is asked one
# question at a time, and what finds it busy is left out too: one worker.
ENGINE = {"brown_out": False, "workers": 1}


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for student, file in {"agrees": MODEL, "disagrees": OPPOSITE}.items():
        write_model(folder, student, file)
        write_model(folder, f"watched_{student}", MODEL, WATCHED % student)
    write_model(folder, "unwatched", MODEL, 'student = "disagrees"\n')
    write_variant(folder, "watched_int8", MODEL, COARSE)
    write_variant(folder, "watched_both", MODEL, MODEL, INT8 + 'student = "disagrees"\n')
    # A tenth of the float file's number is another class: these are just beyond it, and just within.
    write_variant(folder, "number_off", one_number(WIDTH), one_number(WIDTH, 1.105))
    write_variant(folder, "number_near", one_number(WIDTH), one_number(WIDTH, 0.905))
    write_variant(folder, "unwatched_int8", OPPOSITE, COARSE, 'variant = "int8"\n')
    return folder


def write_variant(folder: Path, name: str, in_float: bytes, int8: bytes, manifest: str = INT8) -> Path:
    write_model(folder, name, in_float, manifest)
    return write_model(folder, name, int8, manifest, as_file="int8.onnx")


@pytest.fixture(scope="module")
def server(start_module_server, models) -> Server:
    return start_module_server(models, engine=ENGINE)


@pytest.fixture
def client(server):
    with server.client() as client:
        yield client


numbers = itertools.count()  # of questions: each is asked of a model for the first time


def inputs(number: int) -> np.ndarray:
    return np.random.default_rng(number).normal(size=WIDTH).astype(np.float32)


def ask(client: Client, model: str, number: int) -> str:
    """Gives the answer's source."""
    request = {"user": user(), "model": model, "inputs": {"book": inputs(number).tolist()}}
    return client.answer(request)["source"]


def status_of(client: Client, model: str) -> dict:
    return next(m for m in client.get("/v1/models").json()["models"] if m["name"] == model)


def compare(server: Server, client: Client, model: str, variant: str = "student") -> tuple[dict, list[int]]:
    """Asks QUESTIONS and waits until they were compared. Gives what the API says then, and the questions."""
    status = status_of(client, model)
    assert variant in status.get("shadow", {}), status
    before, asked = status["shadow"][variant]["compared"], list(itertools.islice(numbers, QUESTIONS))
    assert [ask(client, model, number) for number in asked] == ["model"] * QUESTIONS

    def compared() -> bool:
        return status_of(client, model)["shadow"][variant]["compared"] == before + QUESTIONS

    server.wait_until(compared, "compared them")
    shadow = status_of(client, model)["shadow"]
    assert shadow["share"] == 1
    assert shadow[variant]["dropped"] == 0
    return shadow[variant], asked


def check_metrics(
    client: Client, model: str, same: int, differed: int, difference: float, variant: str = "student"
) -> None:
    lines = client.get("/metrics").body.decode().splitlines()
    of = f'model="{model}",%svariant="{variant}"'
    for result, count in {"same": same, "differed": differed}.items():
        labels = of % f'result="{result}",'
        assert f"punctual_shadow_comparisons_total{{{labels}}} {count}" in lines
    assert f"punctual_shadow_dropped_total{{{of % ''}}} 0" in lines
    gauge = f"punctual_shadow_difference{{{of % ''}}} "
    [said] = [float(line.removeprefix(gauge)) for line in lines if line.startswith(gauge)]
    assert said == pytest.approx(difference)


def test_a_student_that_always_agrees(server, client):
    shadow, _ = compare(server, client, "watched_agrees")
    assert (shadow["compared"], shadow["differed"], shadow["mean_difference"]) == (QUESTIONS, 0, 0)
    check_metrics(client, "watched_agrees", QUESTIONS, 0, 0)


def test_a_student_that_always_disagrees(server, client):
    shadow, asked = compare(server, client, "watched_disagrees")
    assert (shadow["compared"], shadow["differed"]) == (QUESTIONS, QUESTIONS)
    model, student = (onnxruntime.InferenceSession(file) for file in (MODEL, OPPOSITE))
    books = [{"book": inputs(number)[None]} for number in asked]
    apart = [np.abs(model.run(None, book)[0] - student.run(None, book)[0]).max() for book in books]
    assert shadow["mean_difference"] == pytest.approx(np.mean(apart), abs=1e-5)
    check_metrics(client, "watched_disagrees", 0, QUESTIONS, shadow["mean_difference"])


def test_int8_is_compared_with_the_float_file_beside_it(server, client):
    shadow, asked = compare(server, client, "watched_int8", "int8")
    in_float, int8 = (
        np.array([onnxruntime.InferenceSession(file).run(None, {"book": inputs(number)[None]})[0][0] for number in asked])
        for file in (MODEL, COARSE)
    )
    differed = int((in_float.argmax(1) != int8.argmax(1)).sum())
    assert shadow["differed"] == differed
    apart = np.abs(in_float - int8).max(1).mean()
    assert apart > 0.01, "an int8 file that is the same would show nothing"
    assert shadow["mean_difference"] == pytest.approx(apart, abs=1e-5)
    check_metrics(client, "watched_int8", QUESTIONS - differed, differed, shadow["mean_difference"], "int8")
    status = status_of(client, "watched_int8")
    assert (status["variant"], set(status["shadow"])) == ("int8", {"share", "int8"})


def test_of_one_number_the_float_file_s_says_how_far_is_far(server, client):
    assert compare(server, client, "number_off", "int8")[0]["differed"] == QUESTIONS
    assert compare(server, client, "number_near", "int8")[0]["differed"] == 0


def test_a_student_and_a_variant_are_compared_each_by_itself(server, client):
    shadow, _ = compare(server, client, "watched_both", "int8")
    assert (shadow["differed"], shadow["mean_difference"]) == (0, 0)
    server.wait_until(
        lambda: status_of(client, "watched_both")["shadow"]["student"]["compared"] == QUESTIONS, "compared the student"
    )
    shadow = status_of(client, "watched_both")["shadow"]
    assert set(shadow) == {"share", "student", "int8"}
    assert shadow["student"]["differed"] == QUESTIONS
    check_metrics(client, "watched_both", QUESTIONS, 0, 0, "int8")
    check_metrics(client, "watched_both", 0, QUESTIONS, shadow["student"]["mean_difference"])


def test_bf16_is_compared_with_the_same_file_in_float(start_server, tmp_path):
    repository = write_model(tmp_path / "models", "m", MODEL, INT8.replace("int8", "bf16"))
    server = start_server(repository, engine=ENGINE)
    with server.client() as client:
        if not status_of(client, "m")["serving"]:
            assert "bf16" in status_of(client, "m")["error"]
            pytest.skip("this CPU does not compute in bf16")
        shadow, _ = compare(server, client, "m", "bf16")
        assert shadow["mean_difference"] < 0.05
        assert status_of(client, "m")["shadow"].keys() == {"share", "bf16"}
        check_metrics(client, "m", QUESTIONS - shadow["differed"], shadow["differed"], shadow["mean_difference"], "bf16")


def test_an_answer_from_the_cache_is_not_compared_again(server, client):
    _, asked = compare(server, client, "watched_agrees")
    before = status_of(client, "watched_agrees")["shadow"]
    assert [ask(client, "watched_agrees", number) for number in asked] == ["l1"] * QUESTIONS
    compare(server, client, "watched_agrees")  # what was asked before would have been compared before these
    assert status_of(client, "watched_agrees")["shadow"]["student"]["compared"] == (
        before["student"]["compared"] + QUESTIONS
    )


def test_nothing_is_compared_where_the_manifest_does_not_say_so(client):
    for number in itertools.islice(numbers, QUESTIONS):
        assert ask(client, "unwatched", number) == "model"
    assert status_of(client, "unwatched")["student"] == "disagrees"
    assert "shadow" not in status_of(client, "unwatched")
    assert "shadow" not in status_of(client, "unwatched_int8")
    assert 'punctual_shadow_comparisons_total{model="unwatched' not in client.get("/metrics").body.decode()


def test_a_share_of_nothing_is_refused_and_says_what_to_do(tmp_path):
    models = write_model(tmp_path / "models", "alone", MODEL, "shadow_share = 0.5\n")
    listed = run("models", "list", "--config", write_config(tmp_path, models))
    assert listed.returncode == 1
    assert "alone/model.toml:1: shadow_share: there is nothing to compare; name a student" in listed.stdout
    assert 'student = "MODEL"' in listed.stdout


@pytest.mark.parametrize("in_float, why", [(None, "cannot be read"), (b"no ONNX file", "")], ids=["missing", "broken"])
def test_int8_without_a_float_file_to_compare_with_is_refused_and_says_what_to_do(tmp_path, in_float, why):
    models = write_model(tmp_path / "models", "m", COARSE, INT8, as_file="int8.onnx")
    if in_float:
        write_model(models, "m", in_float, INT8)
    listed = run("models", "list", "--config", write_config(tmp_path, models))
    assert listed.returncode == 1
    assert f"m/1/model.onnx: {why}" in listed.stdout
    assert "shadow_share compares int8 with it: put the model's float file there, or set shadow_share = 0" in listed.stdout
    write_model(models, "m", COARSE, INT8.replace("shadow_share = 1", "shadow_share = 0"), as_file="int8.onnx")
    assert run("models", "list", "--config", write_config(tmp_path, models)).returncode == 0


def test_a_new_float_file_is_what_int8_is_compared_with_and_its_answers_stay_cached(start_server, tmp_path):
    repository = write_variant(tmp_path / "models", "m", MODEL, MODEL)
    server = start_server(repository, engine=ENGINE)
    with server.client() as client:
        shadow, asked = compare(server, client, "m", "int8")
        assert shadow["differed"] == 0
        check_metrics(client, "m", QUESTIONS, 0, 0, "int8")
        write_model(repository, "m", OPPOSITE, INT8)
        server.wait_until(lambda: status_of(client, "m")["shadow"]["int8"]["compared"] == 0, "loaded it")
        assert [ask(client, "m", number) for number in asked] == ["l1"] * QUESTIONS
        shadow, _ = compare(server, client, "m", "int8")
        assert shadow["differed"] == QUESTIONS
        check_metrics(client, "m", QUESTIONS, QUESTIONS, shadow["mean_difference"], "int8")


def test_a_model_that_goes_back_to_float_is_compared_no_more(start_server, tmp_path):
    repository = write_variant(tmp_path / "models", "m", MODEL, MODEL)
    server = start_server(repository, engine=ENGINE)
    with server.client() as client:
        compare(server, client, "m", "int8")
        check_metrics(client, "m", QUESTIONS, 0, 0, "int8")
        write_model(repository, "m", MODEL, 'variant = "fp32"\n')
        server.wait_until(lambda: status_of(client, "m")["variant"] == "fp32", "loaded it")
        assert "shadow" not in status_of(client, "m")
        check_metrics(client, "m", QUESTIONS, 0, 0, "int8")


def test_metrics_count_on_when_the_model_is_loaded_again(start_server, models, tmp_path):
    repository = shutil.copytree(models, tmp_path / "models")
    server = start_server(repository, engine=ENGINE)
    with server.client() as client:
        shadow, _ = compare(server, client, "watched_disagrees")
        check_metrics(client, "watched_disagrees", 0, QUESTIONS, shadow["mean_difference"])
        write_model(repository, "watched_disagrees", MODEL, WATCHED % "disagrees", version=2)
        server.wait_until(lambda: status_of(client, "watched_disagrees")["version"] == "2", "loaded it")
        assert status_of(client, "watched_disagrees")["shadow"]["student"]["compared"] == 0
        check_metrics(client, "watched_disagrees", 0, QUESTIONS, 0)
        shadow, _ = compare(server, client, "watched_disagrees")
        check_metrics(client, "watched_disagrees", 0, 2 * QUESTIONS, shadow["mean_difference"])
