"""What the commands print and how they exit: 0 done, 1 the job failed, 2 usage."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from bad_input_checks import GOOD
from punctual_server import MODELS, STYLES, run, running, user, write_config

NOBODY = "http://127.0.0.1:1"  # nothing listens there
COMMANDS = [
    *(["serve"], ["load"], ["simulate"], ["replay"], ["optimize"], ["models"], ["models", "list"], ["models", "explain"]),
]
USAGE_ERRORS = {
    "no command": ([], "subcommand"),
    "an unknown command": (["nonsense"], "subcommand"),
    "an unknown option": (["serve", "--config", "x.toml", "--nonsense"], "--nonsense"),
    "no configuration": (["serve"], "--config"),
    "a configuration that is not there": (["serve", "--config", "none.toml"], "none.toml"),
    "models without a command": (["models"], "subcommand"),
    "a listing without a configuration": (["models", "list"], "--config"),
    "an explanation without a configuration": (["models", "explain"], "--config"),
    "nothing to optimise": (["optimize"], "MODEL_DIR"),
    "nothing to optimise on": (["optimize", "models/mlp"], "--data"),
    "a rate of text": (["load", "--rate", "quick"], "--rate"),
    "a port beyond the last": (["load", "--to", "http://127.0.0.1:99999"], "the port must be a number from 1 to 65535"),
    "a negative rate": (["load", "--rate", "-5"], "--rate"),
    "no users": (["load", "--users", "0"], "--users"),
    "a tier without a budget": (["load", "--tier", "gold"], "gold"),
    "an address of another protocol": (["load", "--to", "ftp://x"], "ftp://x"),
    "no file to replay": (["replay"], "FILE"),
    "more symbols than files": (["replay", "--symbol", "A", "B", "--", "x.csv"], "--symbol"),
    "an unknown way with bad lines": (["replay", "x.csv", "--bad-lines", "perhaps"], "--bad-lines"),
    "no speed": (["replay", "x.csv", "--speed", "0"], "--speed"),
    "several symbols in one file": (["simulate", "--output", "x.csv", "--duration", "1"], "--symbols 1"),
    "a file without an end": (["simulate", "--output", "x.csv", "--symbols", "1"], "--duration"),
    "a file and books at once": (["simulate", "--output", "x.csv", "--prefill", "9"], "--output"),
    "a file and a server": (["simulate", "--output", "x.csv", "--to", NOBODY], "--output"),
    "21 levels": (["simulate", "--output", "x.csv", "--symbols", "1", "--duration", "1", "--levels", "21"], "levels"),
}
FAILURES = {
    "a server that is not there, to load": (["load", "--to", NOBODY, "--users", "2"], NOBODY),
    "a server that is not there, to feed": (["simulate", "--to", NOBODY], NOBODY),
    "a recording that is not there": (["replay", "none.csv", "--to", NOBODY], "none.csv"),
    "a folder that is not there": (
        ["simulate", "--output", "/none/x.csv", "--symbols", "1", "--duration", "1"],
        "/none/x.csv",
    ),
    "a users file that is not there": (["load", "--to", NOBODY, "--users-file", "none.csv"], "none.csv"),
}
REPOSITORY = f'[models]\nrepository = "{MODELS}"\n'
# The text, and where the error is: the line, the key.
CONFIG_ERRORS = {
    "not TOML": ("[models\n", 1, "TOML"),
    "a key twice": (REPOSITORY + f'repository = "{MODELS}"\n', 3, "repository"),
    "an unknown table": (REPOSITORY + "[modelz]\n", 3, "modelz"),
    "an unknown key": (REPOSITORY + "[server]\nprot = 3\n", 4, "server.prot"),
    "a number for a text": ("[models]\nrepository = 3\n", 2, "models.repository"),
    "a text for a number": (REPOSITORY + '[engine]\nworkers = "two"\n', 4, "engine.workers"),
    "a fraction for a whole number": (REPOSITORY + "[engine]\nworkers = 1.5\n", 4, "engine.workers"),
    "a number below its range": (REPOSITORY + "[server]\nmax_body_bytes = 3\n", 4, "server.max_body_bytes"),
    "a number above its range": (REPOSITORY + "[market]\nhistory = 1000000\n", 4, "market.history"),
    "a negative time": (REPOSITORY + "reload_poll_ms = -1\n", 3, "models.reload_poll_ms"),
    "a tier without a budget": (REPOSITORY + "[tiers.gold]\nbudget_ms = 0\n", 4, "tiers.gold.budget_ms"),
    "a memory cache that keeps nothing": (REPOSITORY + "[cache.memory]\nbytes = 1000\n", 4, "cache.memory.bytes"),
    "a home folder": (REPOSITORY + '[cache.disk]\ndirectory = "~/x"\n', 4, "cache.disk.directory"),
    "a user without a style": (
        REPOSITORY + '[styles]\nday = "mlp"\n[[users.user]]\nname = "u"\ntier = "basic"\n',
        5,
        "user u: style: is missing",
    ),
    "a tier's model for no style": (
        REPOSITORY + '[tiers.x]\nbudget_ms = 5\n[tiers.x.models]\nzen = "mlp"\n',
        6,
        "tiers.x.models.zen",
    ),
    "nowhere to listen": (REPOSITORY + '[server]\nlisten = ""\n', 4, "server.listen"),
}


@pytest.mark.parametrize("command", [[], *COMMANDS], ids=" ".join)
def test_help_is_help(command):
    done = run(*command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"Examples?:?", done.stdout), "each help has an example"
    assert "punctual " + " ".join(command) in done.stdout


def test_the_version_is_one():
    done = run("--version")
    assert done.returncode == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", done.stdout)


@pytest.mark.parametrize("arguments, what", USAGE_ERRORS.values(), ids=USAGE_ERRORS.keys())
def test_a_usage_error_exits_with_2_and_names_what_is_wrong(arguments, what, tmp_path):
    done = run(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("punctual")
    assert what in done.stderr.split("\n")[0]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments, what", FAILURES.values(), ids=FAILURES.keys())
def test_a_job_that_fails_exits_with_1_and_names_what_is_wrong(arguments, what, tmp_path):
    done = run(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert what in done.stderr


@pytest.mark.parametrize("text, line, key", CONFIG_ERRORS.values(), ids=CONFIG_ERRORS.keys())
@pytest.mark.parametrize("command", [["serve"], ["serve", "--check"]], ids=" ".join)
def test_an_error_in_the_configuration_names_file_line_and_key(tmp_path, command, text, line, key):
    config = tmp_path / "wrong.toml"
    config.write_text(text)
    done = run(*command, "--config", config)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{config}:{line}: " in done.stderr
    assert key in done.stderr


def config_with_users(folder: Path, users: str) -> Path:
    config = write_config(folder)
    (folder / "users.csv").write_text(users)
    return config


@pytest.mark.parametrize(
    "users, what",
    [
        ("name,tier\n", "users.csv:1: "),
        ("user,tier,style\nada,premium,day\nben,premium\n", "users.csv:3: "),
        ("user,tier,style\nada,gold,day\n", "gold"),
        ("user,tier,style\nada,premium,gambling\n", "gambling"),
        ("user,tier,style\nada,premium,day\nada,basic,day\n", "ada"),
    ],
    ids=["header", "columns", "tier", "style", "twice"],
)
def test_an_error_in_the_users_file_is_named(tmp_path, users, what):
    done = run("serve", "--config", config_with_users(tmp_path, users))
    assert (done.returncode, done.stdout) == (2, "")
    assert what in done.stderr


def test_a_repository_that_is_not_there_is_named(tmp_path):
    done = run("serve", "--config", write_config(tmp_path, tmp_path / "none"))
    assert (done.returncode, done.stdout) == (2, "")
    assert str(tmp_path / "none") in done.stderr
    assert "models.repository" in done.stderr


def row(table: str, first: str) -> list[str]:
    """The cells of the row that begins with `first`."""
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in table.splitlines()]
    return next(cells for cells in rows if cells[0] == first)


def test_a_check_loads_everything_and_serves_nothing(tmp_path):
    config = write_config(tmp_path)
    done = run("serve", "--check", "--config", config)
    assert done.returncode == 0
    assert done.stdout.startswith(str(config))
    assert "listening" not in done.stdout
    for model in STYLES.values():
        assert f"model {model} version 1" in done.stderr


def test_a_check_makes_no_folder(tmp_path):
    config = write_config(tmp_path, **{"cache.disk": {"directory": "deep/cache"}})
    done = run("serve", "--check", "--config", config)
    assert done.returncode == 0, done.stderr
    assert f"{tmp_path}/deep/cache: is not there, and will be made by the start" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["punctual.toml", "users.csv"]


@pytest.mark.parametrize("directory", ["users.csv", "users.csv/below"], ids=["is_a_file", "below_a_file"])
def test_a_check_fails_on_a_disk_cache_that_cannot_be_used(tmp_path, directory):
    done = run("serve", "--check", "--config", write_config(tmp_path, **{"cache.disk": {"directory": directory}}))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"cache.disk.directory: {tmp_path}/{directory}: " in done.stderr
    assert "is right, but not every layer of the cache can be used" in done.stderr


def test_the_start_says_what_the_cache_begins_with_and_who_leaves_some_of_it_out(start_server, tmp_path):
    shutil.copytree(MODELS / "mlp", tmp_path / "mlp")
    shutil.copytree(MODELS / "mlp", tmp_path / "brief")
    manifest = tmp_path / "brief/model.toml"
    manifest.write_text('ladder = ["coalesced", "model"]\n' + manifest.read_text())
    patient = {"slow_look_up_ms": 10_000, "warm_up_ms": 10_000}
    server = start_server(tmp_path, **{"cache.memory": {"bytes": 2_000_000}, "cache.disk": patient})
    with server.client() as client:
        for model in ("mlp", "brief"):
            assert client.predict({**GOOD, "model": model}).status == 200
        server.wait_until(lambda: client.get("/v1/cache").json()["disk"]["writes"] == 1, "wrote what is kept on disk")
    assert "cache.memory: 2000000 bytes" in server.log()
    assert f"cache.disk: {server.folder}/cache: 0 answers, 0 of them in memory now" in server.log()
    assert "model brief: its ladder leaves out l1, l2; without the key ladder" in server.log()
    assert "model mlp: its ladder" not in server.log()
    server.restart()
    assert f"cache.disk: {server.folder}/cache: 1 answer, 1 of them in memory now" in server.log()


def test_a_check_and_a_listing_fail_on_a_broken_model(tmp_path):
    repository = tmp_path / "models"
    shutil.copytree(MODELS / "mlp", repository / "mlp")
    shutil.copytree(MODELS / "tcn", repository / "tcn")
    (repository / "tcn/1/model.onnx").write_bytes(b"broken")
    config = write_config(tmp_path, repository)
    checked = run("serve", "--check", "--config", config)
    assert checked.returncode == 1
    assert str(repository / "tcn") in checked.stderr
    listed = run("models", "list", "--config", config)
    assert listed.returncode == 1
    assert row(listed.stdout, "mlp")[2] == "serving"
    assert row(listed.stdout, "tcn")[2] == "refused"
    assert str(repository / "tcn") in listed.stdout


def test_the_models_are_listed(tmp_path):
    done = run("models", "list", "--config", write_config(tmp_path))
    assert done.returncode == 0
    for model in STYLES.values():
        cells = row(done.stdout, model)
        assert cells[1:4] == ["1", "serving", "fp32"]
        assert cells[-2].startswith("book FP32 [1,")
        assert cells[-1] == "probabilities FP32 [1,3]"


def test_load_reports_what_a_server_did(start_server, tmp_path):
    server = start_server()
    users = [f"{tier}-{style},{tier},{style}" for tier in ("premium", "basic") for style in STYLES]
    (tmp_path / "users.csv").write_text("user,tier,style\n" + "\n".join(users) + "\n")
    # A feed that goes on: books that are too old are not answered.
    feed = running("simulate", "--symbols", 3, "--to", server.url, "--prefill", 150, "--rate", 50)
    with feed, server.client() as client:
        ask = {"user": user(), "symbol": "SIM3"}
        server.wait_until(lambda: client.predict(ask).status == 200, "had full windows")
        before = client.get("/v1/stats").json()
        done = run(
            *("load", "--to", server.url, "--users-file", tmp_path / "users.csv", "--symbols", 3),
            *("--rate", 200, "--duration", 1, "--timeout-ms", 30_000, "--report", tmp_path / "report.json"),
        )
        assert done.returncode == 0, done.stderr
        after = client.get("/v1/stats").json()
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["sent"] == report["answered"] > 0
    assert (report["unanswered"], report["errors"]) == (0, 0)
    assert sum(report["sources"].values()) == report["answered"]
    counted = {source: after["sources"][source] - before["sources"][source] for source in after["sources"]}
    assert {source: count for source, count in counted.items() if count} == report["sources"]
    for tier in ("premium", "basic"):
        assert tier in done.stdout
        answered = after["tiers"][tier]["answered"] - before["tiers"][tier]["answered"]
        assert answered == report["tiers"][tier]["sent"]
