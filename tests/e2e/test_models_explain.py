"""`punctual models explain` says which model answers a user and why; the server answers by that one."""

from __future__ import annotations

import re

import pytest
from punctual_server import run, write_config
from questions import WIDTH, heavy, light, write_model

USERS = "user,tier,style,model\nada,gold,day,\nben,basic,day,\nown,basic,day,big\nghost,basic,night,ghost\n"
TIME = r"\d+\.(\d us|\d{3} ms)"
TABLES = {
    "styles": {"scalping": "small", "day": "big", "swing": "small", "night": "small"},
    "tiers.gold": {"budget_ms": 30_000},
    "tiers.basic": {"budget_ms": 40_000.5},
    "tiers.basic.models": {"day": "small"},
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """small, and big, for which small stands in."""
    folder = tmp_path_factory.mktemp("models")
    write_model(folder, "small", light())
    return write_model(folder, "big", heavy(), 'student = "small"\n')


def configure(folder, repository, users=USERS, **tables):
    config = write_config(folder, repository, **{**TABLES, **tables})
    (folder / "users.csv").write_text(users)
    return config


def explain(config, user):
    """The exit code, and the lines by their label."""
    done = run("models", "explain", "--config", config, "--user", user)
    assert done.stderr == ""
    lines = [re.fullmatch(r"(\w[\w ]{8}) {2}(\S.*)", line) for line in done.stdout.splitlines()]
    assert all(lines), done.stdout
    return done.returncode, {line[1].strip(): line[2] for line in lines}


def table_rows(config):
    done = run("models", "explain", "--config", config)
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in done.stdout.splitlines() if "│" in line]
    return done, {tuple(cells[:3]): cells[3:] for cells in rows[1:]}


def test_it_says_what_answers_a_user_and_why(tmp_path, repository):
    config = configure(tmp_path, repository)
    code, says = explain(config, "ada")
    assert code == 0
    labels = "user tier style model version variant backend inference budget student ladder no time"
    assert " ".join(says) == labels
    assert (says["user"], says["tier"], says["style"]) == ("ada", "gold, a budget of 30000 ms", "day")
    assert says["model"] == "big: the style's (styles.day)"
    assert (says["version"], says["variant"]) == ("1", "fp32")
    assert re.match(r"(native|openvino) on CPU: .*native", says["backend"])
    assert re.match(rf"{TIME} typical \(p50\), {TIME} expected \(p95\), ", says["inference"])
    kept = f"200.0 us are kept for replying, {TIME} for the student"
    assert re.fullmatch(f"fits, {TIME} to spare: {TIME} of {TIME}; {kept}", says["budget"])
    assert re.fullmatch(rf"small, {TIME} expected \(p95\)", says["student"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["punctual.toml", "users.csv"], "it makes nothing"


def test_the_users_own_model_beats_the_tiers_and_that_the_styles(tmp_path, repository):
    config = configure(tmp_path, repository)
    assert explain(config, "ben")[1]["model"] == "small: the tier's for this style (tiers.basic.models.day)"
    assert explain(config, "own")[1]["model"] == f"big: the user's own ({tmp_path}/users.csv:4)"


def test_the_server_answers_by_the_model_that_is_explained(start_server, tmp_path, repository):
    (tmp_path / "own.csv").write_text(USERS)
    # The file of write_config keeps its own users beside these.
    server = start_server(repository, **{**TABLES, "users": {"file": str(tmp_path / "own.csv")}})
    config = server.folder / "punctual.toml"
    with server.client() as client:
        for user in ("ada", "ben", "own"):
            answer = client.answer({"user": user, "inputs": {"book": [0.1] * WIDTH}})
            assert explain(config, user)[1]["model"].startswith(answer["model"] + ": ")
        assert client.predict({"user": "ghost", "inputs": {"book": [0.1] * WIDTH}}).status == 404


def test_a_model_that_takes_longer_than_the_budget_does_not_fit(tmp_path, repository):
    config = configure(tmp_path, repository, **{"tiers.gold": {"budget_ms": 0.1}})
    code, says = explain(config, "ada")
    assert code == 1
    assert re.match(f"does not fit, {TIME} too long: {TIME} of 75.0 us; 25.0 us are kept for replying$", says["budget"])
    assert says["student"].endswith("not begun: that is too much of this budget")
    assert "student" not in says["ladder"] + says["no time"]


def test_the_ladder_has_what_there_is_with_this_configuration(tmp_path, repository):
    says = explain(configure(tmp_path, repository), "ada")[1]
    ladder = "l1 (memory), l2 (disk), coalesced (joins one under way), model (big), student (small), "
    rest = "stale (last known good), signal (pre-computed)"
    assert says["ladder"] == ladder + rest
    assert says["no time"] == "l1 (memory), l2 (disk), student (small), " + rest
    bare = {"cache.disk": {"directory": ""}, "cache.memory": {"bytes": 0}}
    assert explain(configure(tmp_path, repository, **bare), "ben")[1]["no time"] == rest


def test_what_is_wrong_with_the_model_is_said(tmp_path):
    repository = write_model(tmp_path / "models", "small", light(), 'student = "none"\n')
    write_model(repository, "big", b"broken")
    config = configure(tmp_path, repository)
    code, says = explain(config, "ben")
    assert (code, says["student"]) == (0, "none"), "the model itself is served in time"
    assert says["error"] == 'student: model "none" is not in the repository'
    code, says = explain(config, "ada")
    assert code == 1
    assert f"{repository}/big/1/model.onnx" in says["error"]
    assert "version" not in says
    code, says = explain(config, "ghost")
    assert code == 1
    assert says["error"] == "not in the repository; there are: big, small"


def test_a_version_that_serves_in_place_of_a_broken_one_is_said(tmp_path):
    repository = write_model(tmp_path / "models", "small", light())
    write_model(repository, "small", b"broken", version=2)
    code, says = explain(configure(tmp_path, repository), "ben")
    assert (code, says["version"]) == (0, "1")
    assert says["error"].startswith("a newer version was refused: ")


def test_without_a_user_there_is_a_line_for_each_tier_and_style(tmp_path, repository):
    users = USERS.replace("ghost,basic,night,ghost", "new,basic,day,big")
    done, rows = table_rows(configure(tmp_path, repository, users))
    assert (done.returncode, done.stderr) == (0, "")
    tiers = ("premium", "standard", "basic", "gold")
    styles = {(tier, style) for tier in tiers for style in TABLES["styles"]}
    assert {key[:2] for key in rows} == styles | {("basic", "2 users")}
    assert rows["gold", "day", "big"][0] == "style"
    assert rows["basic", "day", "small"][0] == "tier"
    assert rows["basic", "2 users", "big"][0] == "user"
    assert rows["basic", "day", "small"][2] == "40000.5"
    assert all(cells[-1].startswith("fits, ") for cells in rows.values())


def test_one_that_does_not_fit_or_is_missing_fails_the_table(tmp_path, repository):
    done, rows = table_rows(configure(tmp_path, repository, **{"tiers.gold": {"budget_ms": 0.1}}))
    assert done.returncode == 1
    assert rows["gold", "day", "big"][-1].startswith("does not fit, ")
    assert rows["basic", "1 user", "ghost"][-1] == "not in the repository"
    assert rows["basic", "1 user", "big"][-1].startswith("fits, ")
    assert "ghost: not in the repository; there are: big, small\n" in done.stdout


def test_an_unknown_user_and_a_wrong_configuration_exit_with_2(tmp_path, repository):
    config = configure(tmp_path, repository)
    done = run("models", "explain", "--config", config, "--user", "nobody")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == 'punctual models explain: user: "nobody" is not known; add it under [users]\n'
    config = configure(tmp_path, repository, **{"tiers.basic.models": {"zen": "small"}})
    done = run("models", "explain", "--config", config, "--user", "ben")
    assert (done.returncode, done.stdout) == (2, "")
    assert 'tiers.basic.models.zen: style "zen" is not declared under [styles]' in done.stderr


def test_a_check_names_who_picks_a_model_that_is_not_there(tmp_path, repository):
    tables = {"styles": {**TABLES["styles"], "night": "gone"}, "tiers.basic.models": {"day": "away"}}
    config = configure(tmp_path, repository, USERS + "new,gold,day,ghost\n", **tables)
    done = run("serve", "--check", "--config", config)
    assert (done.returncode, done.stdout) == (1, "")
    for who in (
        "styles.night: model gone",
        "tiers.basic.models.day: model away",
        f"{tmp_path}/users.csv:5: user ghost and 1 more: model ghost",
    ):
        assert who + " is not in the repository; requests for it are NOT_FOUND until it is" in done.stderr
    assert "a style, a tier or a user picks a model that is not in the repository" in done.stderr
