"""What only the SQLite ledger can do: survive, be alone, keep secrets, and say plainly what is wrong."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import stowgate
from stowgate.errors import Misconfigured, StowgateError, Temporary
from stowgate.item import Item
from stowgate.lifecycle import State
from stowgate.store.plain import plain
from stowgate.store.sqlite import SqliteLedger, open_ledger, rehearse
from stowgate.store.store import Made, Outcome, Start
from stowgate.vault.key import Key

KEY, OTHER = Key(bytes(range(32))), Key(bytes(32))
WRITER = Path(__file__).with_name("writer.py")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def ledger(folder: Path) -> Iterator[SqliteLedger]:
    with open_ledger(folder, KEY) as made:
        yield made


def starts(ledger: SqliteLedger, *names: str) -> list[Start]:
    return [Start(ledger.fingerprint(f"/in/{name}", 1, 1), f"/in/{name}", 1) for name in names]


def refusal(folder: Path, key: Key = KEY) -> StowgateError:
    with pytest.raises(StowgateError) as refused:
        open_ledger(folder, key)
    return refused.value


class TestCustody:
    def test_it_writes_a_log_ahead_and_waits_for_the_disk(self, ledger: SqliteLedger) -> None:
        for pragma, value in {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}.items():
            assert ledger._db.execute(f"PRAGMA {pragma}").fetchone() == (value,)

    def test_nobody_else_can_open_its_files(self, folder: Path, ledger: SqliteLedger) -> None:
        ledger.begin(starts(ledger, "one"))
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
        assert files == dict.fromkeys(("ledger.db", "ledger.db-wal", "ledger.db-shm", "lock"), 0o600)

    def test_what_was_committed_is_there_after_opening_again(self, folder: Path) -> None:
        with open_ledger(folder, KEY) as ledger:
            (one,) = starts(ledger, "one")
            target = ledger.target("a" * 64, "/out", "")
            ledger.begin([one])
            ledger.settle([Outcome(Item(one.id, State.CLEANED), Made("2.25.1", "1.dcm", 5))], target)
        with open_ledger(folder, KEY) as ledger:
            assert ledger.lookup([one.id], target)[one.id].relative == "1.dcm"
            assert ledger.path_of(one.id) == "/in/one"

    def test_no_path_no_folder_and_no_key_stand_in_its_files(self, folder: Path) -> None:
        with open_ledger(folder, KEY) as ledger:
            ledger.begin(starts(ledger, "DOE^JOHN"))
            ledger.start_run(ledger.target("a" * 64, "/out/DOE", "{instance}.dcm"))
            stored = b"".join(file.read_bytes() for file in folder.iterdir())
        stored += b"".join(file.read_bytes() for file in folder.iterdir())
        assert b"DOE" not in stored
        assert b"/in/" not in stored
        assert KEY.secret not in stored

    def test_a_path_moved_to_another_row_is_not_believed(self, ledger: SqliteLedger) -> None:
        one, two = starts(ledger, "one", "two")
        ledger.begin([one, two])
        ledger._db.execute("UPDATE items SET path = (SELECT path FROM items WHERE id = ?)", (one.id,))
        assert ledger.path_of(one.id) == "/in/one"
        with pytest.raises(Misconfigured) as refused:
            ledger.path_of(two.id)
        assert refused.value.code == "ledger_damaged"

    def test_killed_at_any_moment_it_loses_nothing_it_confirmed(self, folder: Path) -> None:
        dice, settled, begun = random.Random(7), set[str](), set[str]()
        for life in range(8):
            for line in kill_a_writer(folder, str(life), dice.uniform(0, 0.08)):
                verb, *ids = line.split()
                (settled if verb == "settled" else begun).update(ids)
            look_into(folder, settled, begun)
        assert settled

    def test_many_threads_each_take_whole_steps(self, ledger: SqliteLedger) -> None:
        def work(name: str) -> None:
            for n in range(20):
                group = starts(ledger, *(f"{name}-{n}-{i}" for i in range(5)))
                assert not ledger.begin(group)
                held = [Outcome(Item(start.id, State.HELD, code="graphics")) for start in group]
                assert not ledger.settle(held, ledger.target("a" * 64, "/out", ""))

        threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ledger.counts()[State.HELD] == 400


class TestOwner:
    def test_a_second_process_is_told_who_holds_the_folder(self, folder: Path) -> None:
        with open_ledger(folder, KEY):
            error = refusal(folder)
        assert (error.code, error.place) == ("state_in_use", f"{folder}, held by process {os.getpid()}")

    def test_a_closed_ledger_lets_the_next_one_in(self, folder: Path) -> None:
        for _ in range(2):
            open_ledger(folder, KEY).close()

    def test_another_key_is_refused_and_the_folder_is_free_again(self, folder: Path) -> None:
        open_ledger(folder, KEY).close()
        error = refusal(folder, OTHER)
        assert error.code == "wrong_key"
        assert KEY.id in error.place
        assert OTHER.id in error.place
        open_ledger(folder, KEY).close()

    def test_a_folder_others_can_look_into_is_refused(self, folder: Path) -> None:
        folder.mkdir(mode=0o755)
        (folder / "something").write_bytes(b"")
        assert refusal(folder).code == "state_permissions"
        assert [path.name for path in folder.iterdir()] == ["something"]

    def test_a_newer_ledger_is_refused(self, folder: Path) -> None:
        open_ledger(folder, KEY).close()
        with closing(sqlite3.connect(folder / "ledger.db")) as db:
            db.execute("PRAGMA user_version = 99")
        assert refusal(folder).code == "ledger_newer"

    @pytest.mark.parametrize("keep", [10, 3000, 5000])
    def test_a_damaged_ledger_is_refused(self, folder: Path, keep: int) -> None:
        open_ledger(folder, KEY).close()
        whole = (folder / "ledger.db").read_bytes()
        (folder / "ledger.db").write_bytes(whole[:keep].replace(b"SQLite", b"xxxxxx") + bytes(len(whole) - keep))
        assert refusal(folder).code == "ledger_damaged"

    def test_a_ledger_that_is_a_folder_is_refused(self, folder: Path) -> None:
        (folder / "ledger.db").mkdir(parents=True)
        folder.chmod(0o700)
        assert refusal(folder).code == "state_unwritable"

    def test_a_file_where_the_folder_should_be_is_refused(self, folder: Path) -> None:
        folder.write_bytes(b"")
        assert refusal(folder).code == "state_unwritable"


class TestTrouble:
    def test_a_full_disk_is_said_and_the_ledger_still_works_afterwards(self, ledger: SqliteLedger) -> None:
        ledger.begin(starts(ledger, "one"))
        ((pages,),) = ledger._db.execute("PRAGMA page_count").fetchall()
        ledger._db.execute(f"PRAGMA max_page_count = {pages}")
        many = starts(ledger, *(f"{n}" for n in range(500)))
        with pytest.raises(Temporary) as full:
            ledger.begin(many)
        assert full.value.code == "disk_full"
        assert sum(ledger.counts().values()) == 1
        ledger._db.execute("PRAGMA max_page_count = 100000")
        assert ledger.begin(many) == frozenset()

    @pytest.mark.parametrize(
        ("number", "code"),
        [
            (sqlite3.SQLITE_IOERR_FSYNC, "ledger_io"),
            (sqlite3.SQLITE_BUSY, "state_in_use"),
            (sqlite3.SQLITE_READONLY, "state_unwritable"),
            (sqlite3.SQLITE_CORRUPT, "ledger_damaged"),
        ],
    )
    def test_every_trouble_has_a_code(self, number: int, code: str) -> None:
        error = sqlite3.OperationalError("a row with DOE^JOHN")
        error.sqlite_errorcode = number
        assert plain(error, "/state").code == code

    def test_the_words_of_sqlite_are_not_passed_on(self, ledger: SqliteLedger) -> None:
        ledger._db.execute("DROP TABLE cleans")
        with pytest.raises(Misconfigured) as refused:
            ledger.by_instance(["2.25.4711"], ledger.target("a" * 64, "/out", ""))
        assert refused.value.__suppress_context__
        assert "4711" not in str(refused.value)

    def test_a_mistake_of_ours_is_not_called_damage(self, ledger: SqliteLedger) -> None:
        with pytest.raises(sqlite3.IntegrityError):
            ledger.begin([Start("short", "/in/one", 1)])
        assert not ledger._db.in_transaction


class TestRehearsal:
    def test_it_knows_what_the_ledger_knows_and_writes_nothing(self, folder: Path) -> None:
        with open_ledger(folder, KEY) as ledger:
            one, two = starts(ledger, "one", "two")
            ledger.begin([one])
        before = {file.name: file.read_bytes() for file in folder.iterdir()}
        with rehearse(folder, KEY) as copy:
            target = copy.target("a" * 64, "/out", "")
            assert copy.lookup([one.id], target)[one.id].attempts == 1
            copy.begin([one, two])
        assert {file.name: file.read_bytes() for file in folder.iterdir()} == before

    def test_it_does_not_wait_for_a_run_in_progress(self, folder: Path, ledger: SqliteLedger) -> None:
        ledger.begin(starts(ledger, "one"))
        with rehearse(folder, KEY) as copy:
            assert sum(copy.counts().values()) == 1

    def test_it_needs_no_folder(self, folder: Path) -> None:
        with rehearse(folder, KEY) as copy:
            assert sum(copy.counts().values()) == 0
        assert not folder.exists()

    def test_it_wants_the_right_key_too(self, folder: Path) -> None:
        open_ledger(folder, KEY).close()
        with pytest.raises(Misconfigured) as refused:
            rehearse(folder, OTHER)
        assert refused.value.code == "wrong_key"


def test_sealing_waits_until_a_path_is_stored(folder: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from stowgate.store.sqlite import open_ledger;"
        "from stowgate.store.store import Start; from stowgate.vault.key import Key;"
        f"ledger = open_ledger(Path({str(folder)!r}), Key(bytes(32)));"
        "ledger.lookup(['0' * 32], ledger.target('a', '/out', ''));"
        "early = 'cryptography' in sys.modules;"
        "ledger.begin([Start('0' * 32, '/in/one', 1)]);"
        "print(early, 'cryptography' in sys.modules, 'pydantic' in sys.modules, 'pydicom' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "False", "False"]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(stowgate.__file__).parents[1])}


def kill_a_writer(folder: Path, life: str, seconds: float) -> list[str]:
    """What a writer confirmed before it was killed, `seconds` after its first commit; a torn last line is no word."""
    command = [sys.executable, str(WRITER), str(folder), life]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(), text=True) as writer:
        assert writer.stdout
        first = writer.stdout.readline()
        time.sleep(seconds)
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read()
    return [line for line in (first + rest).splitlines(keepends=True) if line.endswith("\n")]


def look_into(folder: Path, settled: set[str], begun: set[str]) -> None:
    with open_ledger(folder, KEY) as ledger:
        db = ledger._db
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        rows = {
            id: (State(state), attempts) for id, state, attempts in db.execute("SELECT id, state, attempts FROM items")
        }
        made = {id for (id,) in db.execute("SELECT items.id FROM cleans JOIN items ON items.number = cleans.item")}
    assert {id for id, (state, _) in rows.items() if state is State.CLEANED} == made
    for id in settled:
        assert rows[id] in ((State.CLEANED, 0), (State.HELD, 0))
    for id in begun - settled:
        assert rows[id] in ((State.RECEIVED, 1), (State.CLEANED, 0), (State.HELD, 0))
    assert all((state is State.RECEIVED) is (attempts == 1) for state, attempts in rows.values())
