"""/v1/stats and /metrics: in the right form, and right."""

from __future__ import annotations

import math
import re

import pytest
from bad_input_checks import GOOD, NUMBERS
from order_books import made_up, made_up_window
from punctual_server import STYLES, TIERS, Client, user

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
HELP = re.compile(rf"# HELP ({NAME}) \S.*")
TYPE = re.compile(rf"# TYPE ({NAME}) (counter|gauge|histogram|summary|untyped)")
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)?\}})? ([-+]?(?:\d+(?:\.\d*)?(?:e[-+]?\d+)?|Inf)|NaN)")


def labels(**wanted: str) -> frozenset:
    return frozenset(wanted.items())


class Metrics:
    """The Prometheus text, every line of which has one of three forms."""

    def __init__(self, text: str):
        assert text.endswith("\n")
        self.types, helped, self.samples = {}, set(), {}
        for line in text.splitlines():
            if match := HELP.fullmatch(line):
                assert match[1] not in helped, line
                helped.add(match[1])
            elif match := TYPE.fullmatch(line):
                assert match[1] not in self.types, line
                self.types[match[1]] = match[2]
            else:
                match = SAMPLE.fullmatch(line)
                assert match, f"neither HELP, TYPE nor a sample: {line!r}"
                key = match[1], frozenset(tuple(pair[:-1].split('="', 1)) for pair in re.findall(LABEL, match[2] or ""))
                assert key not in self.samples, f"twice: {line}"
                assert self.family(match[1]) in self.types, f"before its TYPE: {line}"
                self.samples[key] = float(match[3])
        assert helped == set(self.types)

    def family(self, name: str) -> str:
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        return base if self.types.get(base) in ("histogram", "summary") else name

    def value(self, name: str, **wanted: str) -> float:
        return self.samples[name, labels(**wanted)]

    def sum(self, name: str, **wanted: str) -> float:
        return sum(v for (n, have), v in self.samples.items() if n == name and labels(**wanted) <= have)


def metrics(client: Client) -> Metrics:
    reply = client.get("/metrics")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    return Metrics(reply.body.decode())


class Asked:
    """What a fresh server was asked, and what it said."""

    def __init__(self, client: Client):
        self.sources, self.tiers, self.refused = {}, dict.fromkeys(TIERS, 0), {}
        assert client.publish("BOOKS", *made_up_window()).status == 200
        assert client.publish("BOOKS", made_up(1)).status == 400
        for tier in TIERS:
            for style in STYLES:
                for _ in range(3):
                    answer = client.answer({"user": user(tier, style), "symbol": "BOOKS"})
                    self.sources[answer["source"]] = self.sources.get(answer["source"], 0) + 1
                    self.tiers[tier] += 1
        self.unanswered = 2
        assert client.publish("SHORT", made_up(1)).status == 200
        for _ in range(self.unanswered):
            assert client.predict({"user": user("basic"), "symbol": "SHORT"}).status == 503
        # What is not JSON never reaches the engine; these do.
        self.refused = {"NOT_FOUND": 2, "INVALID_ARGUMENT": 1}
        for bad in ({**GOOD, "user": "nobody"}, {**GOOD, "model": "none"}, {**GOOD, "inputs": {"book": NUMBERS[1:]}}):
            assert client.predict(bad).status in (400, 404)


@pytest.fixture(scope="module")
def client(start_module_server):
    with start_module_server(engine={"workers": 3}).client() as client:
        yield client


@pytest.fixture(scope="module")
def asked(client) -> Asked:
    return Asked(client)


def test_the_stats_add_up(client, asked):
    stats = client.get("/v1/stats").json()
    assert {source: count for source, count in stats["sources"].items() if count} == asked.sources
    assert asked.sources == {"model": 3, "l1": 24}, "three models computed once, everything else came from memory"
    assert {tier: of["answered"] for tier, of in stats["tiers"].items()} == asked.tiers
    assert {tier: of["within_budget"] for tier, of in stats["tiers"].items()} == asked.tiers
    assert {tier: of["budget_ms"] for tier, of in stats["tiers"].items()} == TIERS
    assert sum(stats["sources"].values()) == sum(asked.tiers.values())
    assert [of["unanswered"] for of in stats["tiers"].values()] == [0, 0, asked.unanswered]
    for of in stats["tiers"].values():
        assert 0 < of["p50_ms"] <= of["p99_ms"] <= of["p999_ms"] <= of["max_ms"]
    assert stats["errors"] == asked.refused
    memory, disk = stats["cache"]["memory"], stats["cache"]["disk"]
    assert memory["hits"] == asked.sources["l1"]
    assert (memory["entries"], memory["evictions"], memory["warmed"]) == (3, 0, 0)
    assert 0 < memory["bytes"] <= memory["limit_bytes"]
    assert (disk["hits"], disk["dropped"], disk["failed"], disk["faults"]) == (0, 0, 0, {})
    assert "redis" not in stats["cache"], "there is none unless it is configured"
    assert client.get("/v1/cache").json().keys() == stats["cache"].keys()
    assert stats["market"] == {"snapshots": 102, "symbols": 2}
    assert stats["workers"] == {"threads": 3, "queued": 0}


def test_every_line_of_the_metrics_has_the_right_form(client, asked):
    text = metrics(client)
    assert len(text.samples) > 50
    histograms = [name for name, kind in text.types.items() if kind == "histogram"]
    assert histograms
    for name in histograms:
        series = {}  # the labels without the bucket's limit: the limits with their counts
        for (sample, have), count in text.samples.items():
            if sample == f"{name}_bucket":
                limit = dict(have)["le"]
                series.setdefault(have - labels(le=limit), []).append((float(limit), count))
        for one, buckets in series.items():
            limits, counts = zip(*sorted(buckets))
            assert limits[-1] == math.inf
            assert list(counts) == sorted(counts), f"{name} is not cumulative"
            assert counts[-1] == text.samples[f"{name}_count", one]
            assert text.samples[f"{name}_sum", one] >= 0


def test_the_metrics_say_what_the_stats_say(client, asked):
    text = metrics(client)
    for source, count in asked.sources.items():
        assert text.sum("punctual_answers_total", source=source) == count
    for tier, count in asked.tiers.items():
        assert text.sum("punctual_answers_total", tier=tier) == count
        assert text.value("punctual_answer_seconds_count", tier=tier) == count
        assert text.value("punctual_answers_in_time_total", tier=tier) == count
    assert text.value("punctual_unanswered_total", tier="basic") == asked.unanswered
    for code, count in asked.refused.items():
        assert text.value("punctual_refused_total", code=code) == count
    for model in STYLES.values():
        assert text.value("punctual_inference_seconds_count", model=model) == 1
        assert text.value("punctual_inference_failures_total", model=model) == 0
    assert text.value("punctual_market_snapshots_total") == 102
    cache = client.get("/v1/cache").json()
    for layer in ("memory", "disk"):
        for what in ("entries", "bytes"):
            assert text.value(f"punctual_cache_{what}", layer=layer) == cache[layer][what]
        assert text.value("punctual_cache_evictions_total", layer=layer) == 0
        for result, counted in (("hit", "hits"), ("miss", "misses")):
            assert text.value("punctual_cache_look_ups_total", layer=layer, result=result) == cache[layer][counted]
    assert text.value("punctual_cache_entries", layer="memory") == 3
    assert text.value("punctual_cache_writes_total", layer="disk") == cache["disk"]["writes"]
    assert text.value("punctual_http_connections") == 1


def test_the_http_responses_are_counted_by_class(client, asked):
    before = metrics(client)
    assert client.predict("{").status == 400
    assert client.get("/nothing").status == 404
    assert client.get("/healthz").status == 200
    after = metrics(client)
    rise = {
        status: after.value("punctual_http_responses_total", status=status)
        - before.value("punctual_http_responses_total", status=status)
        for status in ("2xx", "4xx", "5xx")
    }
    # The answer with `before` itself was counted after it was made.
    assert rise == {"2xx": 2, "4xx": 2, "5xx": 0}


def test_the_models_are_listed_with_what_they_take_and_give(client):
    models = {model["name"]: model for model in client.get("/v1/models").json()["models"]}
    assert set(models) == set(STYLES.values())
    for name, shape in (("mlp", [1, 22]), ("tcn", [1, 50, 14]), ("deeplob", [1, 100, 40])):
        model = models[name]
        assert (model["version"], model["variant"]) == ("1", "fp32")
        # Both can run it: the quicker one does, and what each takes is said.
        took = dict(part.removesuffix(" us").split() for part in model["backend_reason"].split(", "))
        assert set(took) == {"native", "openvino"}
        native, openvino = float(took["native"]), float(took["openvino"])
        if not 0.94 < openvino / native < 0.96:  # what is said is rounded
            assert model["backend"] == ("openvino" if openvino <= 0.95 * native else "native")
        assert model["serving"] is True
        assert "error" not in model
        assert model["inputs"] == [f"book FP32 {str(shape).replace(' ', '')}"]
        assert model["outputs"] == ["probabilities FP32 [1,3]"]
        assert model["expected_us"] > 0


def test_an_answer_says_what_it_is(client, asked):
    answer = client.answer({"user": user("standard", "swing"), "symbol": "BOOKS", "deadline_ms": 20_000})
    assert set(answer) == {
        "outputs", "model", "version", "variant", "source", "degraded", "as_of", "age_ms", "deadline_ms", "elapsed_ms",
        "trace",
    }  # fmt: skip
    assert answer["deadline_ms"] == 20_000
    assert answer["age_ms"] >= 0
    assert answer["elapsed_ms"] >= 0
    assert re.fullmatch(r"[0-9a-f]{16}", answer["trace"])
    assert math.isclose(sum(answer["outputs"]["probabilities"]), 1, abs_tol=1e-5)
