"""Which backend computes a model, and that the choice is said, kept, and part of what answers are kept under."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_writer import Graph
from punctual_server import ROOT, run, user, write_config
from questions import heavy, light, write_model
from test_lifecycle import status_of

FORESTS = ROOT / "tests/forests/fixtures"


def rows_of(forest: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, probabilities and labels of a classification, as XGBoost gave them; the format is tests/forests/make_forests.py's."""
    lines = (FORESTS / f"{forest}.txt").read_text().splitlines()
    sizes = {name: int(count) for name, count in (line.split() for line in lines[:4])}
    numbers = np.array([[float(word) for word in line.split()] for line in lines[4:]])
    inputs, margins, probabilities, label = np.split(
        numbers, np.cumsum([sizes["features"], sizes["margins"], sizes["probabilities"]]), axis=1)
    return inputs, probabilities, label


def test_trees_are_computed_as_xgboost_does_and_openvino_says_why_it_cannot(start_server, tmp_path):
    repository = write_model(tmp_path, "forest", (FORESTS / "three_classes.onnx").read_bytes())
    inputs, probabilities, labels = rows_of("three_classes")
    whole = np.isfinite(inputs).all(axis=1)  # JSON has no NaN
    assert whole.sum() > 10
    with start_server(repository).client() as client:
        status = status_of(client, "forest")
        assert status["backend"] == "native"
        assert status["backend_reason"].startswith("openvino: ")
        assert "ai.onnx.ml.TreeEnsembleClassifier" in status["backend_reason"]
        name = status["inputs"][0].split(" ")[0]
        for row, right, label in zip(inputs[whole], probabilities[whole], labels[whole]):
            outputs = client.answer({"user": user(), "model": "forest", "inputs": {name: row.tolist()}})["outputs"]
            assert np.allclose(outputs["probabilities"], right, rtol=0, atol=1e-5)
            assert outputs["label"] == label.tolist()


def test_the_choice_is_kept_for_the_next_start(start_server, tmp_path):
    repository = write_model(tmp_path / "models", "light", light())
    choices = tmp_path / "kept/backends.txt"
    server = start_server(repository, models={"backend_choices": str(choices)})
    with server.client() as client:
        first = status_of(client, "light")
    assert {"native", "openvino"} == {part.split(" ")[0] for part in first["backend_reason"].split(", ")}
    kept = choices.read_text()
    assert len(kept.splitlines()) == 1
    # Turned round, as if the other had been the quicker.
    key, *_ = kept.split(" ")
    other = {"native": "openvino", "openvino": "native"}[first["backend"]]
    choices.write_text(f"{key} {first['backend']} 20 {other} 10\n")
    server.restart()
    with server.client() as client:
        second = status_of(client, "light")
    assert second["backend"] == other
    assert f"{other} 10.0 us" in second["backend_reason"]


@pytest.mark.parametrize("backend", ["native", "openvino"])
def test_a_backend_that_is_named_is_taken(start_server, tmp_path, backend):
    repository = write_model(tmp_path, "light", light(), f'backend = "{backend}"\n')
    with start_server(repository).client() as client:
        status = status_of(client, "light")
    assert status["backend"] == backend
    assert "backend_reason" not in status


def test_what_native_cannot_do_is_refused_with_what_to_do(tmp_path):
    repository = write_model(tmp_path / "models", "light", light(), 'backend = "native"\ndevice = "AUTO"\n')
    write_model(repository, "other", light(), 'backend = "native"\nvariant = "bf16"\n')
    write_model(repository, "misspelt", light(), 'backend = "Native"\n')
    write_model(repository, "forest", (FORESTS / "three_classes.onnx").read_bytes(), 'backend = "openvino"\n')
    listed = run("models", "list", "--config", write_config(tmp_path, repository)).stdout
    can = ', which can run it'
    assert f'{repository}/light/model.toml: device: native computes on "CPU" alone, not on "AUTO"; take backend = "openvino"{can}' in listed
    assert f"{repository}/other/model.toml: variant: " in listed
    assert '"fp32", not "bf16"' in listed
    assert f'{repository}/misspelt/model.toml: backend: "Native" is not one of: auto, native, openvino' in listed
    assert f"{repository}/forest/1/model.onnx: openvino: " in listed
    assert f'ai.onnx.ml.TreeEnsembleClassifier; take backend = "native"{can}' in listed


@pytest.mark.parametrize("backend", ["auto", "native", "openvino"])
@pytest.mark.parametrize("contents, said", [
    (b"", "is empty"),
    (b"this is no model" * 10, "is no ONNX file, or a broken one"),
    (light()[:200], "is no ONNX file, or a broken one"),
], ids=["empty", "text", "cut"])  # fmt: skip
def test_what_is_no_model_is_said_in_one_sentence(tmp_path, backend, contents, said):
    repository = write_model(tmp_path / "models", "light", contents, f'backend = "{backend}"\n')
    listed = run("models", "list", "--config", write_config(tmp_path, repository)).stdout
    assert listed.splitlines()[-1] == f"light: {repository}/light/1/model.onnx: {said}"


def test_what_no_backend_can_run_is_refused_with_what_each_says(tmp_path):
    graph = Graph()
    graph.node("Foo", ["book"], "probabilities")
    repository = write_model(tmp_path / "models", "light", graph.model(("book", 22), ("probabilities", 22)))
    listed = run("models", "list", "--config", write_config(tmp_path, repository)).stdout.splitlines()[-1]
    assert listed.startswith(f"light: {repository}/light/1/model.onnx: native: ")
    assert listed.count("model.onnx") == 1
    assert 'has no operator Foo of domain "ai.onnx"' in listed
    assert "; openvino: cannot be read: No conversion rule found for operations: Foo" in listed
    assert "take" not in listed, "nobody else is left"


def test_a_listing_says_who_computes_and_reads_what_the_server_kept(tmp_path):
    repository = write_model(tmp_path / "models", "light", light())
    kept = tmp_path / "kept.txt"
    config = write_config(tmp_path, repository, models={"backend_choices": str(kept)})
    measured = run("models", "list", "--config", config).stdout
    assert not kept.exists(), "a listing makes no file"
    assert "light runs on " in measured
    kept.write_text("")
    run("models", "list", "--config", config)
    key, *_ = kept.read_text().split(" ")
    for backend, other in (("native", "openvino"), ("openvino", "native")):
        kept.write_text(f"{key} {backend} 10 {other} 20\n")
        listed = run("models", "list", "--config", config).stdout
        assert f"light runs on {backend}: native " in listed
        cells = [cell.strip() for line in listed.splitlines() if " light " in line for cell in line.split("│")]
        assert backend in cells


def test_what_cannot_be_kept_is_said_once(start_server, tmp_path):
    repository = write_model(tmp_path / "models", "light", light())
    write_model(repository, "heavy", heavy())
    (tmp_path / "file").write_text("")
    path = tmp_path / "file/backends.txt"
    server = start_server(repository, models={"backend_choices": str(path)})
    said = f"models.backend_choices: {path}: cannot be written: Not a directory; backends are measured again at each start"
    assert server.log().count(said) == 1
    with server.client() as client:
        assert "kept" not in status_of(client, "light")["backend_reason"]


def test_answers_of_another_backend_are_not_found_in_the_disk_cache(start_server, tmp_path):
    repository = tmp_path / "models"
    write_model(repository, "heavy", heavy(), 'backend = "native"\n')
    server = start_server(repository)
    request = {"user": user(), "model": "heavy", "inputs": {"book": np.linspace(-1, 1, 22).tolist()}}
    sources = []
    for backend in ("native", "openvino", "native"):
        write_model(repository, "heavy", heavy(), f'backend = "{backend}"\n')
        server.restart()
        with server.client() as client:
            assert status_of(client, "heavy")["backend"] == backend
            sources.append(client.answer(request)["source"])
    assert sources[:2] == ["model", "model"]
    assert sources[2] in ("l1", "l2")
