"""The installed library, used by a project of its own: examples/ is configured, built and run against it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from punctual_server import MODELS, PROGRAM, ROOT

BUILD = ROOT / "build/release"
ANSWER = re.compile(r"(\w+) 1/fp32 from (\w+) +in [\d.]+ ms:((?: [01]\.\d{4}){3})")


def run(*command: str | Path) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory) -> Path:
    if not (BUILD / "libpunctual.so").exists():
        pytest.skip(f"{BUILD} has no library: run script/build")
    prefix = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", BUILD, "--prefix", prefix)
    return prefix


@pytest.fixture(scope="module")
def embed(prefix, tmp_path_factory) -> Path:
    """The example, built as its user would."""
    build = tmp_path_factory.mktemp("examples")
    run("cmake", "-G", "Ninja", "-S", ROOT / "examples", "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", build)
    return build / "embed"


def test_an_example_builds_against_the_installed_library_and_runs(embed):
    lines = run(embed, MODELS).splitlines()
    answers = [ANSWER.fullmatch(line) for line in lines[:3]]
    assert all(answers), lines
    assert [(answer[1], answer[2]) for answer in answers] == [("mlp", "model"), ("mlp", "l1"), ("deeplob", "model")]
    assert answers[0][3] == answers[1][3]
    for answer in answers:
        assert sum(map(float, answer[3].split())) == pytest.approx(1, abs=2e-4)
    assert lines[3].startswith('NOT_FOUND: user: "eve"')
    assert len(lines) == 4


def test_the_example_names_a_repository_that_is_not_there(embed, tmp_path):
    done = subprocess.run([embed, tmp_path / "none"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert str(tmp_path / "none") in done.stderr


def test_what_is_installed_is_the_program_the_library_and_the_public_headers(prefix):
    installed = {str(path.relative_to(prefix)) for path in prefix.rglob("*") if not path.is_dir()}
    headers = {path.name for path in (ROOT / "include/punctual").iterdir()}
    assert {Path(path).name for path in installed if path.startswith("include/")} == headers
    assert "bin/punctual" in installed
    assert run(prefix / "bin/punctual", "--version") == run(PROGRAM, "--version")


def test_no_library_is_looked_for_in_the_current_directory(prefix):
    files = [PROGRAM, BUILD / "libpunctual.so", prefix / "bin/punctual", *prefix.rglob("libpunctual.so")]
    assert len(files) == 4
    for file in files:
        paths = re.findall(r"\((?:RUNPATH|RPATH)\).*\[(.*)\]", run("readelf", "--dynamic", file))
        # An empty element is the current directory.
        assert paths and all(Path(element).is_absolute() for path in paths for element in path.split(":")), (file, paths)
