"""The second layer, on real disks: answers that outlive the process, and a disk that is damaged, shared or full.
PUNCTUAL_KILLS=50 kills the server as many times under load; a few do otherwise."""

from __future__ import annotations

import http.client
import os
import random
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from onnx_writer import linear
from punctual_server import Client, Server
from questions import WIDTH, Questions, light, write_model

# Nothing is left out because the machine is busy.
PATIENT = {"slow_look_up_ms": 10_000, "warm_up_ms": 10_000}
COLD = {**PATIENT, "warm_up_ms": 0}  # nothing in memory at the start: what is on disk is read there
NUMBERS = range(100)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("models"), "light", light())


@pytest.fixture(scope="module")
def questions():
    return Questions("light", light())


def disk_of(client: Client) -> dict:
    return client.get("/v1/cache").json()["disk"]


def wait_until_written(server: Server, client: Client, answers: int) -> None:
    def is_written() -> bool:
        disk = disk_of(client)
        return disk["queued"] == 0 and disk["writes"] >= answers

    server.wait_until(is_written, f"wrote {answers} answers")


def is_served(server: Server, questions: Questions) -> None:
    """Each answer is checked, whatever it comes from."""
    with server.client() as client:
        questions.ask_all(client, NUMBERS)


class Asking:
    """Threads that ask until the server is gone. Every answer that comes is checked."""

    def __init__(self, server: Server, questions: Questions, first: int, count: int = 4):
        self.asked = set()
        self._failures = []
        # Each asks questions that the others ask too, and new ones.
        self._threads = [
            threading.Thread(target=self._ask, args=(server.client(), questions, first + 50 * i)) for i in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def _ask(self, client: Client, questions: Questions, number: int) -> None:
        try:
            while True:
                questions.ask(client, number)
                self.asked.add(number)
                number += 1
        except (ConnectionError, http.client.HTTPException):
            pass  # it was killed
        except Exception as failure:
            self._failures.append(failure)

    def join(self) -> None:
        for thread in self._threads:
            thread.join()
        assert not self._failures, self._failures


def test_answers_outlive_a_restart_and_are_in_memory_from_the_start(start_server, models, questions):
    server = start_server(models, **{"cache.disk": PATIENT})
    with server.client() as client:
        assert questions.ask_all(client, NUMBERS) == ["model"] * len(NUMBERS)
    server.restart()
    with server.client() as client:
        memory = client.get("/v1/cache").json()["memory"]
        assert (memory["warmed"], memory["entries"]) == (len(NUMBERS), len(NUMBERS))
        assert questions.ask_all(client, NUMBERS) == ["l1"] * len(NUMBERS)


def test_what_is_found_on_disk_rises_into_memory(start_server, models, questions):
    server = start_server(models, **{"cache.disk": COLD})
    with server.client() as client:
        questions.ask_all(client, NUMBERS)
    server.restart()
    with server.client() as client:
        assert client.get("/v1/cache").json()["memory"]["warmed"] == 0
        assert questions.ask_all(client, NUMBERS) == ["l2"] * len(NUMBERS)
        assert questions.ask_all(client, NUMBERS) == ["l1"] * len(NUMBERS)
        assert disk_of(client)["hits"] == len(NUMBERS)


def test_servers_of_one_directory_share_answers(start_server, models, questions, tmp_path):
    shared = {**COLD, "directory": str(tmp_path / "shared")}
    first, second = (start_server(models, **{"cache.disk": shared}) for _ in range(2))
    with first.client() as one, second.client() as other:
        assert questions.ask_all(one, NUMBERS) == ["model"] * len(NUMBERS)
        wait_until_written(first, one, len(NUMBERS))
        assert questions.ask_all(other, NUMBERS) == ["l2"] * len(NUMBERS)
        # And the other way, while the first one goes.
        more = range(1000, 1100)
        assert questions.ask_all(other, more) == ["model"] * len(more)
        wait_until_written(second, other, len(more))
        second.kill()
        assert questions.ask_all(one, more) == ["l2"] * len(more)


def test_a_neighbour_that_hangs_or_dies_costs_no_answer(start_server, models, questions, tmp_path):
    shared = {"cache.memory": {"bytes": 0}, "cache.disk": {**COLD, "directory": str(tmp_path / "shared")}}
    neighbour, server = (start_server(models, **shared) for _ in range(2))
    for round_number in range(3):
        asking = Asking(neighbour, questions, first=1_000_000 * round_number)
        with server.client() as client:
            questions.ask_all(client, range(100))
            neighbour.wait_until(lambda: len(asking.asked) >= 100, "answered")
            neighbour.send_signal(signal.SIGSTOP)  # wherever it is just now
            questions.ask_all(client, range(100))
            neighbour.kill()
            asking.join()
            # What it had written before is there.
            sources = questions.ask_all(client, sorted(asking.asked)[:300])
            assert "l2" in sources
            neighbour.start()
    with server.client() as client:
        server.wait_until(lambda: set(questions.ask_all(client, range(50))) == {"l2"}, "wrote again")


def test_a_server_ends_well_while_its_neighbour_hangs(start_server, models, questions, tmp_path):
    shared = {"cache.disk": {**COLD, "directory": str(tmp_path / "shared")}}
    neighbour, server = (start_server(models, **shared) for _ in range(2))
    asking = Asking(neighbour, questions, first=1_000_000)
    neighbour.wait_until(lambda: len(asking.asked) >= 100, "answered")
    with server.client() as client:
        questions.ask_all(client, NUMBERS)
        neighbour.send_signal(signal.SIGSTOP)
        questions.ask_all(client, range(1000, 1100))
    server.restart()
    is_served(server, questions)
    assert server.stop() == 0
    neighbour.kill()
    asking.join()


def test_no_directory_is_no_disk_cache(start_server, models, questions):
    server = start_server(models, **{"cache.disk": {"directory": ""}})
    with server.client() as client:
        assert questions.ask_all(client, range(3)) == ["model"] * 3
        assert "disk" not in client.get("/v1/cache").json()
    assert not (server.folder / "cache").exists()


def test_answers_of_a_time_that_is_over_are_not_served(start_server, questions, tmp_path):
    models = write_model(tmp_path, "light", light(), "[cache]\nttl_ms = 300\n")
    server = start_server(models, **{"cache.disk": COLD})
    with server.client() as client:
        questions.ask_all(client, NUMBERS)
    server.restart()
    time.sleep(0.3)
    with server.client() as client:
        assert questions.ask_all(client, NUMBERS) == ["model"] * len(NUMBERS)


def kill_loop(server: Server, questions: Questions, times: int) -> dict[str, int]:
    """Kills the server under load, again and again; gives how many answers of each source the next starts gave."""
    seed = random.randrange(1 << 32)
    print(f"kill_loop: seed {seed}")
    choose = random.Random(seed)
    sources: dict[str, int] = {}
    known: set[int] = set()
    for round_number in range(times):
        asking = Asking(server, questions, first=1_000_000 * round_number)
        server.wait_until(lambda: len(asking.asked) >= 50, "answered")
        time.sleep(choose.random() * 0.3)
        server.kill()
        asking.join()
        known |= asking.asked
        server.start()
        with server.client() as client:
            for number in choose.sample(sorted(known), 200) if len(known) > 200 else sorted(known):
                source = questions.ask(client, number)
                sources[source] = sources.get(source, 0) + 1
        assert "damaged" not in server.log(), server.log()
    return sources


def test_a_killed_server_starts_again_with_right_answers(start_server, models, questions):
    server = start_server(models, **{"cache.disk": COLD})
    sources = kill_loop(server, questions, int(os.environ.get("PUNCTUAL_KILLS", "5")))
    print(sources)
    assert sources["l2"] > sources.get("model", 0), "most of what was answered is on disk"
    assert set(sources) <= {"l1", "l2", "model"}


def truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def overwrite(file: Path) -> None:
    file.write_bytes(os.urandom(file.stat().st_size))


def empty_pages(file: Path) -> None:
    """As a disk that lost power may leave it."""
    pages = file.stat().st_size // 4096
    with file.open("r+b") as data:
        data.seek(pages // 3 * 4096)
        data.write(bytes(pages // 3 * 4096))


@pytest.mark.parametrize("damage", [truncate, overwrite, empty_pages])
def test_a_damaged_file_is_moved_aside_and_said_so(start_server, models, questions, damage):
    server = start_server(models, **{"cache.disk": COLD})
    with server.client() as client:
        questions.ask_all(client, range(1000))
    assert server.stop() == 0
    folder = server.folder / "cache"
    damage(folder / "data.mdb")
    server.start()
    is_served(server, questions)
    assert "data.mdb was damaged" in server.log()
    assert len(list(folder.glob("data.mdb.damaged-*"))) == 1
    with server.client() as client:
        wait_until_written(server, client, len(NUMBERS))
    server.restart()
    with server.client() as client:
        assert questions.ask_all(client, NUMBERS) == ["l2"] * len(NUMBERS), "and the layer works again"


def test_wrong_bits_are_never_served(start_server, models, questions):
    server = start_server(models, **{"cache.disk": COLD})
    with server.client() as client:
        questions.ask_all(client, range(500))
    for seed in range(3):
        assert server.stop() == 0
        choose = random.Random(seed)
        file = server.folder / "cache/data.mdb"
        data = bytearray(file.read_bytes())
        for _ in range(500):
            data[choose.randrange(2 * 4096, len(data))] ^= 1 << choose.randrange(8)
        file.write_bytes(data)
        server.start()
        with server.client() as client:
            questions.ask_all(client, range(500))


def in_a_mount(folder: Path, options: str) -> list[str]:
    """A command that runs another where a small disk of its own is mounted at `folder`; skips where that is not
    allowed."""
    folder.mkdir()
    script = f'mount -t tmpfs -o mode=0700,{options} tmpfs "$0" && exec "$@"'
    command = ["unshare", "-rm", "sh", "-c", script, str(folder)]
    tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"no mounts in a namespace of our own: {tried.stderr.strip()}")
    return command


def test_a_read_only_directory_leaves_the_disk_out(start_server, models, questions, tmp_path):
    within = in_a_mount(tmp_path / "disk", "ro")
    server = start_server(models, within, **{"cache.disk": {**COLD, "directory": str(tmp_path / "disk")}})
    is_served(server, questions)
    is_served(server, questions)
    assert "no disk cache: cache.disk.directory" in server.log()
    assert "Read-only" in server.log()
    with server.client() as client:
        assert "disk" not in client.get("/v1/cache").json()


def test_a_file_in_the_directorys_place_leaves_the_disk_out(start_server, models, questions, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    server = start_server(models, **{"cache.disk": {**COLD, "directory": str(tmp_path / "file")}})
    is_served(server, questions)
    assert "no disk cache: cache.disk.directory" in server.log()
    assert (tmp_path / "file").read_text() == "not a folder"


@pytest.fixture(scope="module")
def wide_models(tmp_path_factory):
    """Answers of some 2 kB, which fill a disk sooner."""
    return write_model(tmp_path_factory.mktemp("models"), "wide", linear(WIDTH, 500))


@pytest.fixture(scope="module")
def wide_questions():
    return Questions("wide", linear(WIDTH, 500))


@pytest.mark.parametrize("size", ["112k", "1m"])
def test_a_disk_that_fills_up_costs_no_answer_and_is_counted(start_server, wide_models, wide_questions, tmp_path, size):
    within = in_a_mount(tmp_path / "disk", f"size={size}")
    disk_alone = {"cache.memory": {"bytes": 0}, "cache.disk": {**COLD, "directory": str(tmp_path / "disk")}}
    server = start_server(wide_models, within, **disk_alone)
    with server.client() as client:
        assert set(wide_questions.ask_all(client, range(500))) == {"model"}
        # It drops old answers for new ones as far as it gets by that, and what cannot be written is counted.
        server.wait_until(lambda: disk_of(client)["failed"] + disk_of(client)["evictions"] > 0, "noticed")
        disk = disk_of(client)
        assert disk["failed"] == 0 or disk["last_error"], disk
        assert set(wide_questions.ask_all(client, range(500))) <= {"model", "l2"}


def test_a_disk_that_has_room_again_is_used_again(start_server, wide_models, wide_questions, tmp_path):
    filler = tmp_path / "disk/filler"
    fill = f'head -c 3984k /dev/zero >{filler}; exec "$@"'
    within = [*in_a_mount(tmp_path / "disk", "size=4m"), "sh", "-c", fill, "sh"]
    disk_alone = {"cache.memory": {"bytes": 0}, "cache.disk": {**COLD, "directory": str(tmp_path / "disk")}}
    server = start_server(wide_models, within, **disk_alone)
    with server.client() as client:
        assert set(wide_questions.ask_all(client, range(50))) == {"model"}
        server.wait_until(lambda: disk_of(client)["failed"] > 0, "counted failed writes")
        Path(f"/proc/{server.process.pid}/root{filler}").unlink()

        def is_used() -> bool:
            return "l2" in wide_questions.ask_all(client, range(50))

        server.wait_until(is_used, "used the disk again")


def test_a_disk_that_is_full_from_the_start_costs_no_answer(start_server, models, questions, tmp_path):
    within = in_a_mount(tmp_path / "disk", "size=32k")
    server = start_server(models, within, **{"cache.disk": {**COLD, "directory": str(tmp_path / "disk")}})
    is_served(server, questions)
    assert "no disk cache: cache.disk.directory" in server.log()
    assert "No space left" in server.log()


def test_the_disk_cache_keeps_its_bound(start_server, wide_models, wide_questions):
    server = start_server(wide_models, **{"cache.disk": {**COLD, "bytes": 4 << 20}})
    with server.client() as client:
        for number in range(20_000):
            wide_questions.ask(client, number)
            if number % 100 == 0 and disk_of(client)["evictions"] > 100:
                break
        disk = disk_of(client)
        assert disk["evictions"] > 100
        assert 0 < disk["bytes"] <= disk["limit_bytes"] == 4 << 20
        assert (server.folder / "cache/data.mdb").stat().st_size <= 4 << 20
        newest = range(number - 50, number + 1)
        wait_until_written(server, client, 0)
    server.restart()
    with server.client() as client:
        assert "l2" in wide_questions.ask_all(client, newest)
