"""A variant of a model that has a file of its own."""

from __future__ import annotations

from punctual_server import run, write_config
from questions import Questions, heavy, light, write_model
from test_lifecycle import status_of

INT8 = 'variant = "int8"\n'


def test_int8_is_answered_from_its_own_file_and_said(start_server, tmp_path):
    repository = write_model(tmp_path, "m", heavy(), INT8)
    write_model(repository, "m", light(), INT8, as_file="int8.onnx")
    questions = Questions("m", light())
    with start_server(repository).client() as client:
        assert status_of(client, "m")["variant"] == "int8"
        answer = client.answer(questions.request(0))
        assert answer["variant"] == "int8"
        assert questions.ask(client, 1) == "model"  # which holds the answer against the file's


def test_int8_without_its_file_is_refused_by_the_file_s_name(tmp_path):
    repository = write_model(tmp_path / "models", "m", light(), INT8)
    listed = run("models", "list", "--config", write_config(tmp_path, repository)).stdout
    assert "m/1/int8.onnx: cannot be read" in listed
