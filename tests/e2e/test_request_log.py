"""The request log, and `punctual optimize --from-server`, which looks at it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnx_writer
import pytest
from order_books import HISTORY, made_up, made_up_window, simulate
from punctual_server import MODELS, PROGRAM, Server, run, user, write_config
from questions import WIDTH, light, write_model

QUESTIONS = 400
EVERYTHING = {"share": 1, "directory": "requests"}
# What is logged is left out while CPU is short, as it is on a machine that is busy with tests.
ENGINE = {"brown_out": False}
LENIENT = ("--max-accuracy-drop", "30%", "--max-student-accuracy-drop", "60%")  # few questions, wide intervals


def recheck(server: Server, *arguments):
    return run("optimize", "--from-server", server.url, *arguments)


def log_figures(client) -> dict:
    """The log's own; empty: none is kept."""
    return client.get("/v1/stats").json().get("request_log", {})


def logged(server: Server, count: int) -> dict:
    """The log's own figures, once so many questions are in it."""
    with server.client() as client:
        server.wait_until(lambda: log_figures(client)["logged"] >= count, f"logged {count} questions")
        return log_figures(client)


class Asker:
    """Asks slowly enough for a log of everything to take each: its thread comes after all others, and drops what it
    cannot keep up with, 256 at a time."""

    AHEAD = 100

    def __init__(self, server: Server, client):
        self.server, self.client, self.asked = server, client, 0
        log = log_figures(client)
        self.waits = log.get("share") == 1
        self.before = log.get("logged", 0)

    def ask(self, question: dict) -> None:
        self.client.answer({"user": user(), **question})
        self.asked += 1
        if self.waits and self.asked % self.AHEAD == 0:
            logged(self.server, self.before + self.asked)


def ask_tensors(server: Server, model: str, count: int, mean: float = 0, seed: int = 1, width: int = WIDTH) -> None:
    random = np.random.default_rng(seed)
    with server.client() as client:
        asker = Asker(server, client)
        for _ in range(count):
            book = random.normal(mean, size=width).astype(np.float32).tolist()
            asker.ask({"model": model, "inputs": {"book": book}})


def ask_of_state(server: Server, models: list[str], books: int) -> None:
    """Each book of a simulated symbol is published and asked about."""
    with server.client() as client:
        asker = Asker(server, client)
        for book in made_up_window(1, HISTORY):
            assert client.publish("ONE", book).status == 200
        for sequence in range(HISTORY + 1, HISTORY + 1 + books):
            assert client.publish("ONE", made_up(sequence)).status == 200
            for model in models:
                asker.ask({"model": model, "symbol": "ONE"})


@pytest.fixture(scope="module")
def optimized(tmp_path_factory) -> Path:
    """The mlp with an int8 file, a student and a profile."""
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(MODELS / "mlp", folder / "mlp")
    books = [simulate(folder / f"{name}.csv", 120, seed) for seed, name in enumerate(("one", "two"), 1)]
    done = run("optimize", folder / "mlp", "--data", *books, *LENIENT)
    assert done.returncode == 0, done.stderr
    manifest = folder / "mlp-optimized/mlp/model.toml"
    manifest.write_text(manifest.read_text().replace('variant = "fp32"', 'variant = "int8"'))
    if 'student = "mlp-student"' not in manifest.read_text():
        manifest.write_text('student = "mlp-student"\n' + manifest.read_text())
    return folder / "mlp-optimized"


@pytest.fixture(scope="module")
def students(tmp_path_factory) -> Path:
    """Of one model, one that says the same and one that says the opposite."""
    folder = tmp_path_factory.mktemp("models")
    for name, file in {"agrees": light(), "disagrees": onnx_writer.linear(WIDTH, 3, sign=-1)}.items():
        write_model(folder, name, file)
        write_model(folder, f"beside_{name}", light(), f'student = "{name}"\n')
    return folder


def test_the_live_variants_are_held_against_the_model(start_server, optimized, tmp_path):
    server = start_server(optimized, engine=ENGINE, request_log=EVERYTHING)
    ask_of_state(server, ["mlp"], QUESTIONS)
    figures = logged(server, QUESTIONS)
    assert (figures["dropped"], figures["failed"], figures["share"]) == (0, 0, 1)
    done = recheck(server, *LENIENT, "--report", tmp_path / "recheck.json")
    assert done.returncode in (0, 1), done.stderr
    report = json.loads((tmp_path / "recheck.json").read_text())
    assert report["passed"] == (done.returncode == 0)
    (model,) = report["models"]
    assert (model["name"], model["variant"], model["questions"], model["left_out"]) == ("mlp", "int8", QUESTIONS, 0)
    assert model["since"] == "the profile"
    variants = {each["variant"]: each for each in model["variants"]}
    assert set(variants) == {"int8", "student"}
    for variant in variants.values():
        assert variant["serves"]
        assert variant["questions"] == QUESTIONS
        for figure in (variant["when_made"], variant["other_classes"]):
            assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1
    assert variants["int8"]["other_classes"]["value"] < 0.05
    # What they were let in with, where nothing else is asked for.
    done = recheck(server)
    assert "--max-accuracy-drop 30.000 %" in done.stdout and "--max-student-accuracy-drop 60.000 %" in done.stdout
    # The made-up books are nothing like the simulator's.
    assert model["inputs"][0]["index"] > 0.25
    assert model["inputs"][0]["name"] in (MODELS / "mlp/model.toml").read_text()
    classes = model["answers"]["classes"]
    assert [each["name"] for each in classes] == ["down", "stationary", "up"]
    assert sum(each["now"] for each in classes) == pytest.approx(1)
    for said in ("mlp 1, int8 by native", "same class now", "since the profile"):
        assert said in done.stdout


def test_one_that_says_something_else_is_found(start_server, students, tmp_path):
    server = start_server(students, engine=ENGINE, request_log=EVERYTHING)
    for model in ("beside_agrees", "beside_disagrees"):
        ask_tensors(server, model, QUESTIONS)
    logged(server, 2 * QUESTIONS)
    done = recheck(server, *LENIENT)
    assert done.returncode == 1
    assert "failed" in done.stdout
    assert recheck(server, *LENIENT, students / "beside_agrees").returncode == 0
    assert recheck(server, *LENIENT, students / "beside_disagrees").returncode == 1
    # A student is judged with its model; that it is not there is said.
    done = recheck(server, students / "agrees")
    assert done.returncode == 1 and "nothing of a request log" in done.stdout
    done = recheck(server, server.folder)
    assert done.returncode == 2 and "model.toml" in done.stderr


def test_what_moves_is_said(start_server, students, tmp_path):
    server = start_server(students, engine=ENGINE, request_log=EVERYTHING)
    ask_tensors(server, "agrees", QUESTIONS, seed=1)
    ask_tensors(server, "agrees", QUESTIONS, seed=2)
    logged(server, 2 * QUESTIONS)
    steady = tmp_path / "steady.json"
    assert recheck(server, "--report", steady).returncode == 0
    (model,) = json.loads(steady.read_text())["models"]
    assert model["since"] == "the older half"
    assert model["inputs"][0]["index"] < 0.1
    ask_tensors(server, "agrees", 2 * QUESTIONS, mean=2, seed=3)
    logged(server, 4 * QUESTIONS)
    moved = tmp_path / "moved.json"
    assert recheck(server, "--report", moved).returncode == 0
    (model,) = json.loads(moved.read_text())["models"]
    assert model["inputs"][-1]["index"] > 0.25


def test_it_stays_within_its_bytes_and_survives_a_crash(start_server, students):
    server = start_server(students, engine=ENGINE, request_log={**EVERYTHING, "bytes": 1 << 20})
    wide = 2000  # 8 kB a question
    write_model(students, "wide", onnx_writer.linear(wide, 3))
    with server.client() as client:
        server.wait_until(
            lambda: any(m["name"] == "wide" for m in client.get("/v1/models").json()["models"]), "has loaded it"
        )
    ask_tensors(server, "wide", 300, width=wide)
    logged(server, 300)
    folder = server.folder / "requests/wide"
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert 0.8 * (1 << 20) < size <= 1 << 20
    assert "request log: " in server.log()
    server.kill()
    server.start()
    ask_tensors(server, "wide", 10, width=wide)
    logged(server, 10)
    done = recheck(server, students / "wide")
    assert done.returncode == 0, done.stderr
    assert "nothing stands in for it" in done.stdout
    assert "damaged" not in done.stdout


def test_nothing_is_kept_unless_it_is_asked_for(start_server, students):
    server = start_server(students)
    ask_tensors(server, "agrees", 5)
    with server.client() as client:
        assert "request_log" not in client.get("/v1/stats").json()
    assert not (server.folder / "requests").exists()
    done = recheck(server)
    assert done.returncode == 1
    assert "keeps no request log; give it a [request_log]" in done.stderr


def test_a_share_of_it_is_kept(start_server, students):
    server = start_server(students, engine=ENGINE, request_log={**EVERYTHING, "share": 0.1})
    ask_tensors(server, "agrees", 1000)
    figures = logged(server, 50)
    assert 50 <= figures["logged"] + figures["dropped"] <= 160  # five standard deviations
    with server.client() as client:
        metrics = client.get("/metrics").body.decode()
    assert 'punctual_request_log_total{result="logged"}' in metrics


def test_too_few_questions_say_nothing(start_server, students, tmp_path):
    server = start_server(students, engine=ENGINE, request_log=EVERYTHING)
    done = recheck(server)
    assert done.returncode == 1
    assert "has nothing yet" in done.stderr
    ask_tensors(server, "agrees", 20)
    ask_tensors(server, "beside_agrees", 20)
    logged(server, 40)
    report = tmp_path / "recheck.json"
    done = recheck(server, "--report", report)
    assert done.returncode == 1, "what serves was not looked at"
    assert "has 20 questions" in done.stdout and "request_log.share" in done.stdout
    said = json.loads(report.read_text())
    assert (said["passed"], said["models"]) == (False, [])
    assert [each["name"] for each in said["not_rechecked"]] == ["agrees", "beside_agrees"]
    # Enough of one: of the other, for which something stands in, nothing is known.
    ask_tensors(server, "agrees", 200)
    logged(server, 240)
    assert recheck(server).returncode == 1
    write_model(tmp_path, "none_such", light())
    done = recheck(server, tmp_path / "none_such")
    assert done.returncode == 1
    assert 'no model "none_such"; there are: agrees, beside_agrees' in done.stderr


def test_a_log_that_others_wrote_into_is_no_harm(start_server, students):
    server = start_server(students, engine=ENGINE, request_log=EVERYTHING)
    ask_tensors(server, "agrees", 150)
    logged(server, 150)
    folder = server.folder / "requests/agrees"
    (folder / "00000000000000000001.requests").write_bytes(b"something else altogether")
    (segment,) = [path for path in folder.iterdir() if not path.name.startswith("00000000000000000001")]
    whole = segment.read_bytes()
    segment.write_bytes(whole[: len(whole) * 9 // 10] + b"\xff" * 500)
    done = recheck(server)
    assert done.returncode == 0, done.stderr
    assert "2 files of the log are damaged or cut off" in done.stdout


def test_a_student_that_is_gone_is_said(start_server, students, tmp_path):
    shutil.copytree(students / "beside_agrees", tmp_path / "models/beside_agrees")
    server = start_server(tmp_path / "models", engine=ENGINE, request_log=EVERYTHING)
    ask_tensors(server, "beside_agrees", 150)
    logged(server, 150)
    done = recheck(server)
    assert done.returncode == 1
    assert "is not in the repository" in done.stdout


def test_two_servers_do_not_share_a_folder(start_server, students, tmp_path):
    server = start_server(students, request_log={"directory": str(tmp_path / "log")})
    second = tmp_path / "second"
    second.mkdir()
    config = write_config(second, students, request_log={"directory": str(tmp_path / "log")})
    done = run("serve", "--config", config)
    assert done.returncode == 1
    assert "another server writes to it" in done.stderr
    # A check takes nothing from a server that runs. (The styles' models are not in this repository.)
    assert "request_log" not in run("serve", "--check", "--config", config).stderr
    assert server.process.poll() is None


def test_a_check_makes_nothing(tmp_path):
    done = run("serve", "--check", "--config", write_config(tmp_path, request_log=EVERYTHING))
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "requests").exists()
    (tmp_path / "requests").write_text("a file")
    done = run("serve", "--check", "--config", tmp_path / "punctual.toml")
    assert done.returncode != 0
    assert "request_log.directory" in done.stderr


def test_a_folder_within_the_repository_is_refused(students, tmp_path):
    config = write_config(tmp_path, students, request_log={"directory": str(students / "log")})
    done = run("serve", "--config", config)
    assert done.returncode != 0
    assert "lies in models.repository" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give the log to another user")
def test_a_log_of_another_user_is_said(start_server, students, tmp_path):
    server = start_server(students, engine=ENGINE, request_log=EVERYTHING)
    ask_tensors(server, "agrees", 5)
    os.chown(logged(server, 5)["directory"], 65534, 65534)
    # Still root, who may get at the program wherever it lies, but without its right to read what is another's.
    as_anyone = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
    done = subprocess.run(
        [*as_anyone, PROGRAM, "optimize", "--from-server", server.url], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "run this as that user" in done.stderr


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, "request_log.directory: is missing"),
        ({"directory": "r", "share": 2}, "request_log.share"),
        ({"directory": "r", "bytes": 5}, "request_log.bytes"),
        ({"directory": "~/r"}, "~ means nothing here"),
        ({"directory": "r", "size": 5}, "request_log.size"),
    ],
)
def test_a_table_that_is_not_sound_is_refused(tmp_path, students, table, said):
    done = run("serve", "--config", write_config(tmp_path, students, request_log=table))
    assert done.returncode != 0
    assert said in done.stderr


def test_wrong_usage_is_said(tmp_path):
    for arguments, said in (
        ((), "MODEL_DIR"),
        ((tmp_path,), "--data"),
        (("--from-server", "http://127.0.0.1:1", "--data", "x.npy"), "--data"),
        ((tmp_path, "--data", "x.npy", "--report", "x.json"), "--from-server"),
        (("--from-server", "nonsense"), "--from-server"),
        (("--from-server", ""), "--from-server"),
        (("--from-server", "http://127.0.0.1:1", "--budget-ms", "15"), "--budget-ms"),
        (("--from-server", "http://127.0.0.1:1", "--max-accuracy-drop", "200%"), "0% to 100%"),
        (("--from-server", "http://127.0.0.1:1", "--report", tmp_path / "none/x.json"), "--report"),
    ):
        done = run("optimize", *arguments)
        assert done.returncode == 2, (arguments, done)
        assert said in done.stderr
    report = tmp_path / "kept.json"
    report.write_text("kept")
    done = run("optimize", "--from-server", "http://127.0.0.1:1", "--report", report)
    assert (done.returncode, report.read_text()) == (1, "kept")
    assert "http://127.0.0.1:1" in done.stderr
