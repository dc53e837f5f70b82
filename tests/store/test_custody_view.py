"""Looking at a gateway's ledger from outside: whether it runs, was stopped or was killed, and without a trace."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import stowgate
from stowgate.errors import Misconfigured
from stowgate.lifecycle import State
from stowgate.store import connection
from stowgate.store.custody import Event
from stowgate.store.custody_sqlite import open_custody
from stowgate.store.custody_view import read_custody
from tests.store.custody_sample import KEY, Hands, bring, coming, hex32

RUNNING = """
import sys, time
from pathlib import Path
from stowgate.store.custody_sqlite import open_custody
from tests.store.custody_sample import KEY, coming
ledger = open_custody(Path(sys.argv[1]), KEY)
ledger.receive([coming(n) for n in range(10)])
print("there", flush=True)
sys.stdin.readline()
ledger.receive([coming(10)])
print("there", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "spool").mkdir()
    return tmp_path / "spool" / "ledger.db"


def traces(path: Path) -> dict[str, object]:
    """Names, contents and times of change of everything beside the ledger; reading moves marks in the shared memory."""
    return {
        file.name: (file.stat().st_mtime_ns, file.stat().st_size, file.read_bytes()) for file in path.parent.iterdir()
    }


def received(path: Path) -> int:
    with read_custody(path) as view:
        return sum(of[State.RECEIVED] for of in view.counts().values())


def test_a_closed_ledger_answers_every_question_as_it_did_when_it_was_open(path: Path) -> None:
    with open_custody(path, KEY, Hands().clocks) as ledger:
        bring(ledger, 1, State.WAITING)
        bring(ledger, 2, State.HELD)
        ledger.note(Event(1.0, "told", hex32(1)))
        ledger.turned_away("ct", "AE", "10.0.0.1")

        def ask(view: object) -> list[object]:
            return [
                getattr(view, name)() for name in ("rows", "counts", "studies", "callers", "events", "oldest_waiting")
            ] + [view.row(hex32(1)[:8]), view.rows([State.HELD], "ct")]  # type: ignore[attr-defined]

        while_open = ask(ledger)
    before = traces(path)
    with read_custody(path) as view:
        assert ask(view) == while_open
    assert traces(path) == before


def test_a_running_gateway_is_seen_as_it_stands_and_left_alone(path: Path) -> None:
    with running(path) as gateway:
        assert received(path) == 10
        before = traces(path)
        for _ in range(3):
            assert received(path) == 10
        assert traces(path) == before
        with read_custody(path) as view, view._lend_one() as db:
            assert db.execute("SELECT count(*) FROM items").fetchone() == (10,)
            step(gateway)  # it commits although somebody looks
            assert db.execute("SELECT count(*) FROM items").fetchone() == (10,), "one look is of one moment"
        assert received(path) == 11


def test_a_killed_gateway_is_seen_with_all_it_committed(path: Path) -> None:
    with running(path) as gateway:
        step(gateway)
        gateway.send_signal(signal.SIGKILL)
        gateway.wait()
    assert path.with_name("ledger.db-wal").stat().st_size > 0
    before = traces(path)
    assert received(path) == 11
    assert traces(path) == before
    path.with_name("ledger.db-shm").unlink()
    before = traces(path)
    assert received(path) == 11, "after a power cut the index of the log may be gone"
    assert traces(path) == before
    with open_custody(path, KEY) as ledger:
        assert ledger.counts()["ct"][State.RECEIVED] == 11


@pytest.mark.parametrize("gone", ["while it looked", "while it copied"])
def test_a_gateway_that_stops_meanwhile_is_seen_as_it_stood(
    path: Path, gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log was there when it was looked for, and not when it was opened."""
    real, looks = connection._address, iter([gone])

    def address(path: Path, private: Path) -> str:
        for _ in looks:
            if gone == "while it copied":
                raise FileNotFoundError
            return f"{path.as_uri()}?mode=ro&readonly_shm=1"  # as of a gateway that runs
        return real(path, private)

    open_custody(path, KEY).close()
    monkeypatch.setattr(connection, "_address", address)
    assert received(path) == 0


def test_a_folder_that_cannot_be_written_is_no_hindrance(path: Path) -> None:
    with running(path) as gateway:
        gateway.send_signal(signal.SIGKILL)
        gateway.wait()
    modes = {file: file.stat().st_mode for file in (path.parent, *path.parent.iterdir())}
    for file in modes:
        file.chmod(0o500 if file.is_dir() else 0o400)
    try:
        assert received(path) == 10
    finally:
        for file, mode in modes.items():
            file.chmod(mode)


def test_looking_needs_no_key_and_cannot_write(path: Path) -> None:
    with open_custody(path, KEY) as ledger:
        ledger.receive([coming(1)])
        with read_custody(path) as view, view._lend_one() as db, pytest.raises(sqlite3.OperationalError):
            db.execute("DELETE FROM events")


@pytest.mark.parametrize("what", ["nothing", "folder", "text", "empty", "newer", "older", "other"])
def test_what_is_no_ledger_is_said(path: Path, what: str) -> None:
    codes = {"nothing": "state_unwritable", "folder": "state_unwritable"} | {
        age: f"ledger_{age}" for age in ("newer", "older")
    }
    if what == "folder":
        path.mkdir()
    elif what in ("newer", "older"):
        open_custody(path, KEY).close()
        with closing(sqlite3.connect(path)) as db:
            db.execute(f"PRAGMA user_version = {99 if what == 'newer' else 7}")
    elif what == "other":
        with closing(sqlite3.connect(path)) as db:
            db.execute("CREATE TABLE theirs (a)")
    elif what != "nothing":
        path.write_bytes(b"DOE^JOHN" * 1000 if what == "text" else b"")
    with pytest.raises(Misconfigured) as told, read_custody(path) as view:
        view.counts()
    assert told.value.code == codes.get(what, "ledger_damaged")
    assert "DOE" not in str(told.value)


class running:  # noqa: N801
    """A process that holds the ledger, until it is told to go on or killed."""

    def __init__(self, path: Path) -> None:
        root = Path(stowgate.__file__).parents[1]
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUNNING, str(path)],
            env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root.parent}"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __enter__(self) -> subprocess.Popen[str]:
        assert self.process.stdout and self.process.stdout.readline() == "there\n"
        return self.process

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def step(gateway: subprocess.Popen[str]) -> None:
    assert gateway.stdin and gateway.stdout
    gateway.stdin.write("\n")
    gateway.stdin.flush()
    assert gateway.stdout.readline() == "there\n"
