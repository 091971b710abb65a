"""Bad bodies: each gets its status, its code and a message that names the field, and nothing else suffers."""

from __future__ import annotations

import json

import pytest
from bad_input_checks import GOOD, NUMBERS, Healthy, check_error
from order_books import made_up, made_up_window
from punctual_server import post, user

INVALID = (400, "INVALID_ARGUMENT")
NAN_TOKENS = ["NaN", "Infinity", "-Infinity", "nan", "inf"]


@pytest.fixture(scope="module")
def healthy(start_module_server) -> Healthy:
    return Healthy(start_module_server())


def predict(**fields) -> str:
    """A prediction's JSON from fields that are JSON themselves; without a user it is the good one."""
    fields = {"user": json.dumps(user()), **fields}
    return "{" + ",".join(f'"{name}":{value}' for name, value in fields.items() if value is not None) + "}"


def tensor(book: str) -> str:
    return predict(model='"mlp"', inputs=f'{{"book":{book}}}')


def book(**fields) -> str:
    """A book's JSON, the other way round: what is not given is good."""
    fields = {"seq": "1000000", "asks": "[[101,1],[102,1]]", "bids": "[[100,1],[99,1]]", **fields}
    return "{" + ",".join(f'"{name}":{value}' for name, value in fields.items() if value is not None) + "}"


PREDICTIONS = {
    "an empty body": ("", *INVALID, "body"),
    "a brace": ("{", *INVALID, "body: not JSON"),
    "text after the object": (predict(symbol='"A"') + "{}", *INVALID, "body"),
    "no quotes": ("{user:1}", *INVALID, "body: not JSON"),
    "a trailing comma": (predict(symbol='"A"')[:-1] + ",}", *INVALID, "not JSON"),
    "single quotes": ("{'user':'x'}", *INVALID, "not JSON"),
    "an array": ("[1,2]", *INVALID, "body: must be a JSON object"),
    "a number": ("3", *INVALID, "body: must be a JSON object"),
    "a text": ('"x"', *INVALID, "body: must be a JSON object"),
    "null": ("null", *INVALID, "body: must be a JSON object"),
    "an unknown user": (predict(user='"nobody"', symbol='"A"'), 404, "NOT_FOUND", "user", "nobody"),
    "an unknown symbol": (predict(symbol='"NOSUCH"'), 404, "NOT_FOUND", "symbol", "NOSUCH"),
    "an unknown model": (predict(symbol='"A"', model='"none"'), 404, "NOT_FOUND", "model", "none", "mlp"),
    "no user": (predict(user=None, symbol='"A"'), *INVALID, "user: is missing"),
    "no question": (predict(), *INVALID, "symbol", "market", "inputs"),
    "two questions": (predict(inputs='{"book":[1]}', market=book()), *INVALID, "market, inputs"),
    "an unknown field": (predict(symbol='"A"', size="1"), *INVALID, "size: no such field"),
    "a field twice": (predict(symbol='"A"')[:-1] + ',"symbol":"B"}', *INVALID, "symbol: is there twice"),
    "a user that is a number": (predict(user="3", symbol='"A"'), *INVALID, "user: must be text"),
    "a user that is null": (predict(user="null", symbol='"A"'), *INVALID, "user: must be text"),
    "an empty user": (predict(user='""', symbol='"A"'), *INVALID, "user"),
    "a very long user": (predict(user=f'"{"u" * 5000}"', symbol='"A"'), *INVALID, "user"),
    "a zero byte in a user": (predict(user='"a\\u0000b"', symbol='"A"'), *INVALID, "user"),
    "half a surrogate pair": (predict(user='"\\ud800"', symbol='"A"'), *INVALID, "user"),
    "invalid UTF-8": (b'{"user":"\xff\xfe","symbol":"A"}', *INVALID, "body", "UTF-8"),
    "a symbol that is a list": (predict(symbol='["A"]'), *INVALID, "symbol: must be text"),
    "a symbol with a space": (predict(symbol='"A B"'), *INVALID, "symbol"),
    "a symbol of 65 bytes": (predict(symbol=json.dumps("S" * 65)), *INVALID, "symbol"),
    "inputs that are a list": (predict(model='"mlp"', inputs="[1]"), *INVALID, "inputs: must be an object"),
    "no inputs": (predict(model='"mlp"', inputs="{}"), *INVALID, "inputs"),
    "an unknown input": (predict(model='"mlp"', inputs='{"x":[1]}'), *INVALID, "inputs.x", "book"),
    "an input twice": (predict(model='"mlp"', inputs='{"book":[1],"book":[1]}'), *INVALID, "inputs.book"),
    "a tensor too short": (tensor("[1,2]"), *INVALID, "inputs.book", "[2]", "[1,22]"),
    "a batch of two": (tensor(json.dumps([NUMBERS] * 2)), *INVALID, "inputs.book", "[2,22]"),
    "a ragged tensor": (tensor("[[1,2],[3]]"), *INVALID, "inputs.book[1]"),
    "an empty tensor": (tensor("[]"), *INVALID, "inputs.book"),
    "a tensor that is text": (tensor('"x"'), *INVALID, "inputs.book"),
    "a text in a tensor": (tensor('[1,"x"]'), *INVALID, "inputs.book[1]"),
    "null in a tensor": (tensor("[1,2,null]"), *INVALID, "inputs.book[2]"),
    "beyond a double": (tensor("[1e999]"), *INVALID, "inputs.book[0]", "range"),
    "beyond float32": (tensor("[1,-1e39]"), *INVALID, "inputs.book[1]", "float32"),
    "a number with a leading zero": (tensor("[01]"), *INVALID, "inputs.book[0]"),
    "a tensor without data": (tensor('{"shape":[1,22]}'), *INVALID, "inputs.book.data: is missing"),
    "more shape than data": (tensor('{"shape":[1,22],"data":[1]}'), *INVALID, "inputs.book.data", "[1,22]"),
    "a negative dimension": (tensor('{"shape":[-1,22],"data":[1]}'), *INVALID, "inputs.book.shape[0]"),
    "a huge shape": (tensor('{"shape":[4294967296,4294967296],"data":[1]}'), *INVALID, "inputs.book.shape"),
    "the wrong dtype": (
        tensor(json.dumps({"dtype": "INT64", "data": [1] * 22})),
        *INVALID,
        "inputs.book",
        "INT64",
        "FP32",
    ),
    "an unknown dtype": (tensor('{"dtype":"FP7","data":[1]}'), *INVALID, "inputs.book.dtype"),
    "a fraction as INT32": (tensor('{"dtype":"INT32","data":[1.5]}'), *INVALID, "inputs.book.data[0]"),
    "12 nested lists": (tensor("[" * 12 + "1" + "]" * 12), *INVALID, "inputs.book", "nest"),
    "20,000 nested lists": (tensor("[" * 20000 + "]" * 20000), *INVALID, "inputs.book"),
    "20,000 open lists": ('{"user":' + "[" * 20000, *INVALID, "body"),
    "2,000 nested objects": (tensor('{"data":' * 2000 + "1" + "}" * 2000), *INVALID, "inputs.book"),
    "no books": (predict(market="[]"), *INVALID, "market"),
    "books that are a number": (predict(market="3"), *INVALID, "market"),
    "2,000 books": (predict(market=json.dumps([json.loads(book(seq=None))] * 2000)), *INVALID, "market"),
    "too few books": (predict(market=json.dumps(made_up_window(count=100))), *INVALID, "market", "100 of 101"),
    "a crossed book": (predict(market=f"[{book(bids='[[103,1]]')}]"), *INVALID, "market[0].bids[0][0]", "crossed"),
    "NaN in a book": (predict(market=f"[{book(bids='[[NaN,1]]')}]"), *INVALID, "market[0].bids[0][0]"),
    "a deadline of text": (tensor(json.dumps(NUMBERS))[:-1] + ',"deadline_ms":"15"}', *INVALID, "deadline_ms"),
}
for value in ["-1", "0", "-0.0", "1e999", "null", "true", "[]", "{}", *NAN_TOKENS]:
    PREDICTIONS[f"a deadline of {value}"] = (tensor("[1]")[:-1] + f',"deadline_ms":{value}}}', *INVALID, "deadline_ms")
for value in NAN_TOKENS:
    PREDICTIONS[f"{value} in a tensor"] = (tensor(f"[1,{value}]"), *INVALID, "inputs.book[1]", "finite")

BOOKS = {
    "an empty body": ("", *INVALID, "body"),
    "a truncated book": (book()[:-9], *INVALID, "not JSON"),
    "a list": ("[]", *INVALID, "body: must be a JSON object"),
    "no sequence": (book(seq=None), *INVALID, "seq: is missing"),
    "a negative sequence": (book(seq="-1"), *INVALID, "seq"),
    "a sequence beyond 64 bits": (book(seq="18446744073709551616"), *INVALID, "seq"),
    "a time of text": (book(time_ns='"now"'), *INVALID, "time_ns"),
    "a time beyond 64 bits": (book(time_ns="9223372036854775808"), *INVALID, "time_ns"),
    "no bids": (book(bids=None), *INVALID, "bids: is missing"),
    "an unknown field": (book(depth="1"), *INVALID, "depth: no such field"),
    "an empty side": (book(asks="[]"), *INVALID, "asks"),
    "a side that is an object": (book(asks="{}"), *INVALID, "asks: must be a list"),
    "a level that is a number": (book(asks="[101]"), *INVALID, "asks[0]"),
    "a level of three numbers": (book(asks="[[101,1,1]]"), *INVALID, "asks[0]"),
    "a level without a size": (book(bids="[[100,1],[99]]"), *INVALID, "bids[1]"),
    "a price of text": (book(bids='[["x",1]]'), *INVALID, "bids[0][0]"),
    "a price of 1e999": (book(asks="[[1e999,1]]"), *INVALID, "asks[0][0]"),
    "a price of zero": (book(bids="[[0,1]]"), *INVALID, "bids[0][0]"),
    "a negative size": (book(asks="[[101,-1]]"), *INVALID, "asks[0][1]"),
    "21 levels": (json.dumps(made_up(1_000_000, levels=21)), *INVALID, "asks", "20"),
    "a crossed book": (book(bids="[[103,1]]"), *INVALID, "bids[0][0]", "crossed"),
    "a locked book": (book(bids="[[101,1]]"), *INVALID, "bids[0][0]", "locked"),
    "asks that fall": (book(asks="[[101,1],[100.5,1]]"), *INVALID, "asks[1][0]"),
    "bids that rise": (book(bids="[[100,1],[100.5,1]]"), *INVALID, "bids[1][0]"),
    "a level twice": (book(bids="[[100,1],[100,1]]"), *INVALID, "bids[1][0]"),
    "a duplicate sequence": (book(seq="500"), 409, "ALREADY_EXISTS", "seq", "500"),
    "an out-of-order sequence": (book(seq="499"), 400, "OUT_OF_RANGE", "seq", "499", "500"),
    "invalid UTF-8": (b'{"seq":1000000,"\xff":1}', *INVALID, "UTF-8"),
    "deep nesting": (book(asks="[" * 5000 + "]" * 5000), *INVALID, "asks"),
}
for value in NAN_TOKENS:
    BOOKS[f"{value} in a book"] = (book(asks=f"[[101,1],[{value},1]]"), *INVALID, "asks[1][0]", "finite")

BAD_SYMBOLS = {
    "none": "",
    "a lone percent sign": "%",
    "half an escape": "A%2",
    "an escape that is not hex": "%zz",
    "an escaped zero byte": "A%00B",
    "an escaped line end": "A%0D%0AB",
    "escaped bytes that are not UTF-8": "%ff",
    "a space": "A%20B",
    "an emoji": "%F0%9F%92%A9",
    "a quote": "x'--",
    "a semicolon": "a;b",
    "65 bytes": "S" * 65,
    "300 bytes": "S" * 300,
}


@pytest.mark.parametrize("case", PREDICTIONS.values(), ids=PREDICTIONS.keys())
def test_a_bad_prediction_request_is_refused(healthy, case):
    body, status, code, *parts = case
    healthy.refuses(post("/v1/predict", body), status, code, *parts)


def test_every_truncation_of_a_request_is_refused(healthy):
    whole = json.dumps({**GOOD, "deadline_ms": 5000})
    with healthy.server.wire() as wire:
        for size in range(len(whole)):
            check_error(wire.send(post("/v1/predict", whole[:size])).read(), *INVALID)
        healthy.check_wire(wire)


@pytest.mark.parametrize("deadline_ms", ["1e18", "99999999999999999999", "1.7976931348623157e308"])
def test_a_huge_deadline_is_cut_to_the_tiers_budget(healthy, deadline_ms):
    body = tensor(json.dumps(NUMBERS))[:-1] + f',"deadline_ms":{deadline_ms}}}'
    with healthy.server.client() as client:
        reply = client.predict(body)
        assert reply.status == 200, reply
        assert reply.json()["deadline_ms"] == 30_000


@pytest.mark.parametrize("case", BOOKS.values(), ids=BOOKS.keys())
def test_a_bad_book_is_refused_and_not_published(healthy, case):
    body, status, code, *parts = case
    with healthy.server.client() as client:
        client.forget("BAD")
        assert client.publish("BAD", made_up(500)).status == 200
        healthy.refuses(post("/v1/market/BAD", body), status, code, *parts)
        assert client.publish("BAD", made_up(501)).json() == {"published": 1}


@pytest.mark.parametrize("symbol", BAD_SYMBOLS.values(), ids=BAD_SYMBOLS.keys())
def test_a_bad_symbol_in_the_path_is_refused(healthy, symbol):
    healthy.refuses(post(f"/v1/market/{symbol}", json.dumps(made_up(1))), *INVALID, "symbol")


@pytest.mark.parametrize("path, symbol", [("BTC%2FUSD", "BTC/USD"), ("ETH/USD", "ETH/USD"), ("%42:X_-.%31", "B:X_-.1")])
def test_an_escaped_symbol_is_the_symbol(healthy, path, symbol):
    with healthy.server.client() as client:
        client.forget(path)
        assert client.publish(path, *made_up_window()).status == 200
        assert client.answer({"user": user(), "symbol": symbol})["as_of"]["seq"] == 101


def test_the_lines_before_a_bad_one_stay(healthy):
    books = made_up_window(count=105)
    lines = [json.dumps(each) for each in books]
    lines[102] = book(seq="103", bids="[[103,1]]")
    with healthy.server.client() as client:
        reply = client.ask("POST", "/v1/market/LINES", "\n".join(lines), {"Content-Type": "application/x-ndjson"})
        check_error(reply, *INVALID, "line 103: bids[0][0]", "crossed")
        assert reply.json()["published"] == 102
        answer = client.answer({"user": user(), "symbol": "LINES"})
        assert (answer["as_of"]["seq"], answer["source"]) == (102, "model")
        # The feed goes on where it was.
        assert client.publish("LINES", *books[102:]).json() == {"published": 3}
        assert client.answer({"user": user(), "symbol": "LINES"})["as_of"]["seq"] == 105
    healthy.check_anew()
