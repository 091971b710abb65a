"""What overload costs in accuracy: of all that users asked about recorded books, how much was answered right and in time?

Under twice the capacity of the model (asked about the simulated symbols), further users ask about recorded books that are
replayed beside. An answer counts if it came within the user's budget and names the class that the market then took
(models/training, the part that no model was trained on); a late one, or none, is wrong. Three ways to answer are compared:
the whole ladder, the primary model alone, and the student alone, which is asked by everybody.
"""

import asyncio
import collections
import dataclasses
import gzip
import json
import pathlib
import sys
import time

import numpy
import workload
from machine import ROOT
from servers import PROGRAM, Bench, Server, load, load_command

sys.path.append(str(ROOT / "models" / "training"))

RATE = 200          # questions a second about recorded books
CONNECTIONS = 64
SPEED = 4           # of the replay: a day's market moves, in the time there is
TIMEOUT_S = 2
WAYS = {"punctual": ("models", workload.LADDER, workload.MODEL), "primary_only": ("models-primary", ["model"], workload.MODEL),
        "student_only": ("models", workload.LADDER, workload.STUDENT)}


@dataclasses.dataclass
class Book:
    """A recording from `first` on, as its file for the replay has it: book n of the server is row first + n - 1."""

    symbol: str
    file: pathlib.Path
    first: int
    time_s: numpy.ndarray
    labels: numpy.ndarray
    judged: tuple[int, int]  # the rows of the test part


@dataclasses.dataclass
class Asked:
    symbol: str
    at: float  # Unix time
    in_time: bool = False
    answer: dict | None = None


def books(bench: Bench, data: pathlib.Path) -> list[Book]:
    import dataset
    import recording
    from spec import SPECS

    found = []
    for name, one in zip(recording.SYMBOLS, dataset.build(recording.read(data), SPECS[workload.MODEL])):
        test = one.rows.test
        first = int(test[0]) - workload.PREFILL
        with gzip.open(data / f"{name}.csv.gz", "rt") as lines:
            rows = lines.readlines()
        file = bench.work / f"{name}.csv"
        file.write_text(rows[0] + "".join(rows[1 + first:]))
        found.append(Book(one.book.symbol, file, first, one.book.time_ns / 1e9, one.labels, (int(test[0]), int(test[-1]))))
    return found


class Users:
    """They ask at equal gaps, whatever became of what they asked before."""

    def __init__(self, server: Server, symbols: list[str], model: str, seconds: float) -> None:
        self.host, self.port = server.url.removeprefix("http://").split(":")
        self.symbols, self.model, self.count = symbols, model, round(RATE * seconds)
        self.asked: list[Asked] = []
        self.free: collections.deque = collections.deque()

    async def run(self) -> list[Asked]:
        self.free.extend([await asyncio.open_connection(self.host, self.port) for _ in range(CONNECTIONS)])
        begin, tasks = time.time(), set()
        for i in range(self.count):
            await asyncio.sleep(max(0.0, begin + i / RATE - time.time()))
            task = asyncio.create_task(self.ask(i))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)
        while self.free:
            self.free.popleft()[1].close()
        return self.asked

    async def ask(self, number: int) -> None:
        asked = Asked(self.symbols[number % len(self.symbols)], time.time())
        self.asked.append(asked)
        # Every user asks about every symbol.
        user = number // len(self.symbols) % len(workload.TIERS)
        body = json.dumps({"user": f"u{user + 1}", "symbol": asked.symbol, "model": self.model})
        reader, writer = self.free.popleft() if self.free else await asyncio.open_connection(self.host, self.port)
        try:
            writer.write(f"POST /v1/predict HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            head, answer = await asyncio.wait_for(self.read(reader), TIMEOUT_S)
        except (asyncio.TimeoutError, asyncio.IncompleteReadError, OSError):
            writer.close()
            return
        asked.in_time = time.time() - asked.at <= workload.BUDGETS_MS[workload.TIERS[user]] / 1e3
        self.free.append((reader, writer))
        if b" 200 " in head.split(b"\r\n", 1)[0]:
            asked.answer = json.loads(answer)

    @staticmethod
    async def read(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
        head = await reader.readuntil(b"\r\n\r\n")
        size = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        return head, await reader.readexactly(size)


def newest_rows(book: Book, asked: list[Asked]) -> list[int]:
    """The row that was the newest when each was asked. The answers say when their books arrived: the median of what that
    is ahead of the recording's clock places all the others, answered or not."""
    import numpy

    ahead = []
    for one in asked:
        if one.answer and "as_of" in one.answer:
            arrived = one.at + (one.answer["elapsed_ms"] - one.answer["age_ms"]) / 1e3
            ahead.append(arrived - book.time_s[book.first + one.answer["as_of"]["seq"] - 1] / SPEED)
    if not ahead:
        sys.exit(f"bench: no answer about {book.symbol} says what it is about")
    at = numpy.array([one.at for one in asked]) - numpy.median(ahead)
    return list(numpy.searchsorted(book.time_s / SPEED, at, side="right") - 1)


def judge(book: Book, asked: list[Asked]) -> tuple[int, int, int]:
    """How many were right and in time, how many in time, of how many that can be judged."""
    right = in_time = judged = 0
    for one, row in zip(asked, newest_rows(book, asked)):
        if not book.judged[0] <= row <= book.judged[1]:
            continue
        judged += 1
        if not one.in_time or one.answer is None:
            continue
        in_time += 1
        probabilities = one.answer["outputs"]["probabilities"]
        right += probabilities.index(max(probabilities)) == book.labels[row]
    return right, in_time, judged


def run(bench: Bench, server: Server, recorded: list[Book], model: str, rate: float, seconds: float) -> list[Asked]:
    with workload.feeding(bench, server):
        replay = bench.spawn("replay", [PROGRAM, "replay", *(book.file for book in recorded), "--to", server.url, "--prefill",
                                        workload.PREFILL, "--speed", SPEED,
                                        *(word for book in recorded for word in ("--symbol", book.symbol))])
        workload.wait_for_windows(bench, server, [book.symbol for book in recorded], "replay")
        (bench.work / "overload.json").unlink(missing_ok=True)
        overload = bench.spawn("overload", load_command(bench, server, rate, seconds + 3, 1, "overload",
                                                        [*workload.load_options(bench, 7), "--model", model]))
        time.sleep(2)
        asked = asyncio.run(Users(server, [book.symbol for book in recorded], model, seconds).run())
        bench.stop(overload, replay)
    return asked


def capacity_of(bench: Bench, models: str) -> float:
    """Of the trained model, as bench/overload.py has it, but quickly."""
    server = workload.serve(bench, "capacity", models)
    with workload.feeding(bench, server):
        found = workload.capacity(lambda rate: load(bench, server, rate, 2, options=workload.load_options(bench, round(rate))), 1.6)
    bench.stop(server.process)
    return found


def measure(bench: Bench, data: pathlib.Path, seconds: float) -> list[tuple[str, float, str, str]]:
    if not data.exists():
        print(f"\neffective accuracy: left out, there are no recordings in {data}")
        return []
    recorded = books(bench, data)
    for models, ladder, _ in WAYS.values():
        workload.make_models(bench.work / models, ladder, trained=True)
    print("\nthe capacity of the trained model, roughly:", flush=True)
    capacity = capacity_of(bench, WAYS["punctual"][0])
    print("\nof all asked about recorded books, under twice the capacity:", flush=True)
    listed = []
    for way, (models, _, model) in WAYS.items():
        server = workload.serve(bench, f"accuracy-{way}", models)
        asked = run(bench, server, recorded, model, 2 * capacity, seconds)
        bench.stop(server.process)
        counts = [judge(book, [one for one in asked if one.symbol == book.symbol]) for book in recorded]
        right, in_time, judged = (sum(column) for column in zip(*counts))
        sources = collections.Counter(one.answer["source"] if one.answer else "none" for one in asked)
        print(f"  {way:<13} {judged:>6} asked, {100 * in_time / judged:6.2f} % in time, {100 * right / judged:6.2f} % right and in time  "
              + ", ".join(f"{source} {100 * count / len(asked):.1f} %" for source, count in sources.most_common()), flush=True)
        listed.append((f"effective_accuracy_{way}", right / judged, "share", "higher"))
    return listed
