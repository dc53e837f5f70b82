"""What only the gateway's ledger in SQLite can do: survive, belong to one key, wait for nobody, say what is wrong."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import stowgate
from stowgate.errors import Misconfigured, StowgateError, Temporary
from stowgate.lifecycle import State
from stowgate.store.clocks import Clocks
from stowgate.store.custody import Event, Leased
from stowgate.store.custody_sqlite import SqliteCustody, open_custody
from stowgate.store.sqlite import open_ledger
from stowgate.store.study import Completed
from tests.store.custody_sample import KEY, OTHER, Hands, bring, clean, cleaned, coming, hex32, leased

WRITER = Path(__file__).with_name("custody_writer.py")
LIVES = 200 if os.environ.get("STOWGATE_SOAK") else 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[SqliteCustody]:
    with open_custody(path, KEY) as made:
        yield made


def refusal(path: Path, key: object = KEY) -> StowgateError:
    with pytest.raises(StowgateError) as refused:
        open_custody(path, key)  # type: ignore[arg-type]
    return refused.value


def ask(ledger: SqliteCustody, sql: str) -> list[tuple[object, ...]]:
    return ledger._writer.run(lambda db: db.execute(sql).fetchall())


class TestKeeping:
    def test_it_writes_a_log_ahead_and_waits_for_the_disk(self, ledger: SqliteCustody) -> None:
        for pragma, value in {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}.items():
            assert ledger._writer._db.execute(f"PRAGMA {pragma}").fetchone() == (value,)

    def test_nobody_else_can_open_its_files(self, path: Path, ledger: SqliteCustody) -> None:
        ledger.receive([coming(1)])
        ledger.rows()
        files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        assert files == dict.fromkeys(("ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db-sums"), 0o600)

    def test_everything_is_there_after_opening_again(self, path: Path) -> None:
        with open_custody(path, KEY, Hands().clocks) as ledger:
            bring(ledger, 1, State.WAITING)
            bring(ledger, 2, State.QUARANTINED)
            ledger.note(Event(1.0, "told"))
            ledger.turned_away("ct", "AE", "10.0.0.1")
            before = (ledger.rows(), ledger.counts(), ledger.studies(), ledger.events(), ledger.callers())
        with open_custody(path, KEY, Hands().clocks) as ledger:
            assert (ledger.rows(), ledger.counts(), ledger.studies(), ledger.events(), ledger.callers()) == before
            assert ledger.clean_of_item(hex32(1)) == clean(1)
            row = ledger.row(hex32(1))
            assert row and ledger.oldest_waiting() == row.arrived

    def test_a_lease_of_another_boot_is_void(self, path: Path) -> None:
        hands = Hands()
        with open_custody(path, KEY, hands.clocks) as ledger:
            ledger.receive([coming(1)])
            ledger.lease("w", 1)
        hands.boot, hands.monotonic = "second", 101.0
        with open_custody(path, KEY, hands.clocks) as ledger:
            assert ledger.lease("w", 1) == [leased(1, 1)]

    def test_a_start_is_on_disk_before_the_lease_is_given(self, path: Path, ledger: SqliteCustody) -> None:
        ledger.receive([coming(1)])
        ledger.lease("w", 1)
        with closing(sqlite3.connect(path)) as other:
            assert other.execute("SELECT attempts, worker FROM items").fetchall() == [(1, "w")]

    def test_a_reboot_is_time_that_passed(self, path: Path) -> None:
        hands = Hands()
        with open_custody(path, KEY, hands.clocks) as ledger:
            ledger.receive([coming(1)])
        hands.boot, hands.monotonic, hands.wall = "second", 20.0, 0.0
        with open_custody(path, KEY, hands.clocks) as ledger:
            assert ledger.complete_studies({"ct": 30}) == []
            hands.monotonic = 30.0
            assert ledger.complete_studies({"ct": 30}) == [Completed(hex32(1, 4), "ct")]


class TestRestoring:
    def test_an_old_copy_adopts_what_came_since_and_gives_nothing_up(self, path: Path) -> None:
        """A ledger from before, shelves from now: what start-up does with `payloads`, `unpayloaded` and `receive`."""
        with open_custody(path, KEY) as ledger:
            ledger.receive([coming(n) for n in range(5)])
            bring_copy = path.with_name("copy.db")
            with closing(sqlite3.connect(bring_copy)) as copy, closing(sqlite3.connect(path)) as now:
                now.backup(copy)
            ledger.receive([coming(n) for n in range(5, 10)] + [coming(10, 1, 1)])
            shelf = {hex32(n) for n in range(11)}  # the copy's file was not unlinked yet
        with open_custody(bring_copy, KEY) as ledger:
            assert ledger.unpayloaded(shelf) == frozenset(), "nothing may be deleted"
            assert {raw for raw, _ in ledger.payloads()} <= shelf, "nothing is missed"
            unknown = sorted(shelf - {row.id for row in ledger.rows()})
            said = ledger.receive([coming(int(id[:8], 16), *((1, 1) if id == hex32(10) else ())) for id in unknown])
            assert dict(zip(unknown, said, strict=True)) == dict.fromkeys(unknown, "") | {hex32(10): hex32(1)}
            assert {raw for raw, _ in ledger.payloads()} == shelf - {hex32(10)}
            assert ledger.unpayloaded(shelf) == {hex32(10)}, "the copy may go, because the first is held"
            assert sum(ledger.counts()["ct"].values()) == 11

    def test_adopting_twice_is_adopting_once(self, path: Path) -> None:
        for _ in range(2):
            with open_custody(path, KEY, Hands().clocks) as ledger:
                assert ledger.receive([coming(n) for n in range(5)]) == [""] * 5
                assert [row.number for row in ledger.rows()] == [1, 2, 3, 4, 5]


class TestTogether:
    def test_many_senders_and_workers_at_once_lose_and_double_nothing(self, ledger: SqliteCustody) -> None:
        done, left = Counter[str](), threading.Semaphore(0)

        def send(sender: int) -> None:
            for n in range(25):
                assert ledger.receive([coming(1000 * sender + n, study=hex32(sender, 4))]) == [""]
            left.release()

        def work(worker: str) -> None:
            until = time.monotonic() + 30
            while sum(done.values()) < 100 and time.monotonic() < until:
                mine = [item.id for item in ledger.lease(worker, 3)]
                assert not ledger.end([cleaned(int(id[:8], 16)) for id in mine])
                done.update(mine)
                time.sleep(0 if mine else 0.001)

        threads = [threading.Thread(target=send, args=(n,)) for n in range(4)]
        threads += [threading.Thread(target=work, args=(f"w{n}",)) for n in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ledger.counts()["ct"][State.WAITING] == len(done) == 100
        assert set(done.values()) == {1}

    def test_a_worker_that_is_slow_to_ask_does_not_void_the_lease_of_another(self, path: Path) -> None:
        """Time read before the turn would be earlier than that of the lease before it, as after a change of boot."""
        given: list[Leased] = []
        now, is_first = 100.0, True

        def clock() -> float:
            nonlocal now, is_first
            now = mine = now + 1
            if threading.current_thread().name == "slow" and is_first:
                is_first = False
                given.extend(ledger.lease("fast", 1))
            return mine

        def ask_slowly() -> None:
            given.extend(ledger.lease("slow", 1))

        with open_custody(path, KEY, Clocks(monotonic=clock)) as ledger:
            ledger.receive([coming(1)])
            slow = threading.Thread(target=ask_slowly, name="slow")
            slow.start()
            slow.join()
            given.extend(ledger.lease("late", 1))
            assert given == [leased(1, 0)]

    def test_a_listing_does_not_wait_for_a_commit(self, ledger: SqliteCustody) -> None:
        ledger.receive([coming(1)])
        inside, go = threading.Event(), threading.Event()

        def hold(db: sqlite3.Connection) -> None:
            db.execute("UPDATE items SET modality = 'MR'")
            inside.set()
            assert go.wait(10)

        holding = threading.Thread(target=ledger._writer.run, args=(hold,))
        holding.start()
        try:
            assert inside.wait(10)
            assert [row.modality for row in ledger.rows()] == ["CT"]
            assert ledger.counts()["ct"][State.RECEIVED] == 1
            assert ledger.studies() and ledger.row(hex32(1)[:6])
        finally:
            go.set()
            holding.join()
        assert [row.modality for row in ledger.rows()] == ["MR"]

    def test_a_long_walk_does_not_keep_the_log_from_being_emptied(self, ledger: SqliteCustody, path: Path) -> None:
        ledger.receive([coming(n) for n in range(1500)])
        walk = ledger.payloads()
        next(walk)
        assert ask(ledger, "SELECT 1") == [(1,)]
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        assert sum(1 for _ in walk) == 1499

    def test_readers_are_few_however_many_threads_come(self, ledger: SqliteCustody) -> None:
        for _ in range(5):
            threads = [threading.Thread(target=ledger.counts) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert len(ledger._readers._free) <= 4

    def test_a_closed_ledger_takes_nothing_and_says_so(self, path: Path) -> None:
        ledger = open_custody(path, KEY)
        ledger.rows()
        ledger.close()
        ledger.close()
        for call in (ledger.rows, ledger.counts, lambda: ledger.receive([coming(1)]), lambda: ledger.lease("w", 1)):
            with pytest.raises(Temporary) as told:
                call()
            assert told.value.code == "intake_stopped"
        assert {file.name for file in path.parent.iterdir()} == {"ledger.db", "ledger.db-sums"}


class TestOwner:
    def test_another_key_is_refused(self, path: Path) -> None:
        open_custody(path, KEY).close()
        error = refusal(path, OTHER)
        assert error.code == "wrong_key"
        assert KEY.id in error.place and OTHER.id in error.place
        open_custody(path, KEY).close()

    def test_a_newer_ledger_is_refused(self, path: Path) -> None:
        open_custody(path, KEY).close()
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA user_version = 99")
        assert refusal(path).code == "ledger_newer"

    def test_the_ledger_of_batches_is_not_taken_for_one_nor_this_for_that(self, tmp_path: Path) -> None:
        state = tmp_path / "state"
        open_ledger(state, KEY).close()
        before = (state / "ledger.db").read_bytes()
        assert refusal(state / "ledger.db").code == "ledger_damaged"
        assert (state / "ledger.db").read_bytes() == before
        (state / "ledger.db").unlink()
        open_custody(state / "ledger.db", KEY).close()
        with pytest.raises(Misconfigured) as refused:
            open_ledger(state, KEY)
        assert refused.value.code == "ledger_damaged"

    def test_a_place_that_cannot_be_written_is_said(self, path: Path) -> None:
        path.mkdir()
        assert refusal(path).code == "state_unwritable"
        assert refusal(path.parent / "none" / "ledger.db").code == "state_unwritable"


class TestTrouble:
    def test_a_full_disk_is_said_and_the_ledger_works_afterwards(self, ledger: SqliteCustody) -> None:
        ledger.receive([coming(0)])
        ((pages,),) = ask(ledger, "PRAGMA page_count")
        ask(ledger, f"PRAGMA max_page_count = {pages}")
        many = [coming(n) for n in range(1, 500)]
        with pytest.raises(Temporary) as full:
            ledger.receive(many)
        assert full.value.code == "disk_full"
        assert sum(ledger.counts()["ct"].values()) == 1
        ask(ledger, "PRAGMA max_page_count = 100000")
        assert ledger.receive(many) == [""] * 499

    @pytest.mark.parametrize("room", range(0, 120_000, 9_000))
    def test_wherever_the_disk_ends_a_group_is_whole_or_not_there(self, path: Path, room: int) -> None:
        """The process may write no file beyond `room` bytes more than the log has: EFBIG at any write."""
        open_custody(path, KEY).close()
        script = (
            "import os, resource, signal, sys; from pathlib import Path;"
            "from tests.store.custody_sample import KEY, coming, hex32;"
            "from stowgate.store.custody_sqlite import open_custody; from stowgate.errors import Temporary;"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
            "path = Path(sys.argv[1]); ledger = open_custody(path, KEY); ledger.receive([coming(0)]);"
            "limit = max(os.stat(f'{path}{end}').st_size for end in ('', '-wal', '-shm')) + int(sys.argv[2]);"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY));\n"
            "try: ledger.receive([coming(n) for n in range(1, 40)]); print('taken')\n"
            "except Temporary as error: print(error.code)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)\n"
            "assert ledger.receive([coming(99)]) == ['']\n"
            "os._exit(0)\n"
        )
        ran = subprocess.run(
            [sys.executable, "-c", script, str(path), str(room)], env=environment(), capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        said = ran.stdout.strip()
        assert said in ("taken", "ledger_io", "disk_full")
        with open_custody(path, KEY) as ledger:
            assert ask(ledger, "PRAGMA integrity_check") == [("ok",)]
            assert len(ledger.rows()) == (41 if said == "taken" else 2)

    def test_the_words_of_sqlite_are_not_passed_on(self, ledger: SqliteCustody) -> None:
        ask(ledger, "DROP TABLE events")
        for call in (lambda: ledger.note(Event(1.0, "DOE^JOHN")), lambda: ledger.events("DOE^JOHN")):
            with pytest.raises(Misconfigured) as refused:
                call()
            assert "DOE" not in str(refused.value)

    def test_no_sooner_said_than_lost_nothing_after_kill(self, path: Path) -> None:
        dice, said = random.Random(11), dict[str, str]()
        for life in range(LIVES):
            for line in kill_a_writer(path, life, dice.uniform(0, 0.12)):
                verb, id = line.split()
                said[id] = verb
            look_into(path, said)
        verbs = Counter(said.values())
        assert min(verbs[verb] for verb in ("received", "copy", "cleaned", "held")) > LIVES
        sys.stdout.write(f"{LIVES} lives, {verbs}\n")


def environment() -> dict[str, str]:
    root = Path(stowgate.__file__).parents[1]
    return {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root.parent}"}


def kill_a_writer(path: Path, life: int, seconds: float) -> list[str]:
    """What a writer confirmed before it was killed, `seconds` after its first commit; a torn last line is no word."""
    command = [sys.executable, str(WRITER), str(path), str(life)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(), text=True) as writer:
        assert writer.stdout
        first = writer.stdout.readline()
        time.sleep(seconds)
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read()
    assert writer.returncode == -signal.SIGKILL, "it made a mistake before"
    return [line for line in (first + rest).splitlines(keepends=True) if line.endswith("\n")]


EXPECTED = {
    "received": {State.RECEIVED, State.WAITING, State.HELD},
    "copy": {State.DUPLICATE},
    "cleaned": {State.WAITING},
    "held": {State.HELD},
}


def look_into(path: Path, said: dict[str, str]) -> None:
    """Every word that was given holds, and the file is sound."""
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        rows = {id: (State(state), starts) for id, state, starts in db.execute("SELECT id, state, attempts FROM items")}
        made = {id for (id,) in db.execute("SELECT items.id FROM cleans JOIN items ON items.number = cleans.item")}
        counted = dict(db.execute("SELECT state, sum(n) FROM counts GROUP BY state HAVING sum(n) > 0"))
    assert counted == Counter(state for state, _ in rows.values())
    assert {id for id, (state, _) in rows.items() if state is State.WAITING} == made
    assert [id for id, verb in said.items() if id not in rows or rows[id][0] not in EXPECTED[verb]] == []
    assert all(starts == 0 or state is State.RECEIVED for state, starts in rows.values())


FAILING_DISK = """
import os, sys
from pathlib import Path
from stowgate.errors import StowgateError
from stowgate.store.custody_sqlite import open_custody
from tests.store.custody_sample import KEY, coming, hex32
try:
    ledger = open_custody(Path(sys.argv[1]), KEY)
except StowgateError as error:
    print("open", error.code)
    os._exit(0)
for n in range(8):
    try:
        ledger.receive([coming(n)])
        print("taken", hex32(n), flush=True)
    except StowgateError as error:
        print("refused", error.code, flush=True)
os._exit(0)
"""


needs_strace = pytest.mark.skipif(
    not shutil.which("strace"), reason="strace makes the disk fail: apt-get install strace"
)


def with_failing_syncs(path: Path, when: str, *only: str) -> list[list[str]]:
    """What the script above says while strace answers syncs with EIO."""
    trace = path.with_name("trace")
    inject = f"inject=fsync,fdatasync:error=EIO:when={when}"
    strace = ["strace", "-f", "-qq", "-o", str(trace), "-e", "trace=fsync,fdatasync", "-e", inject, *only]
    ran = subprocess.run(
        [*strace, sys.executable, "-c", FAILING_DISK, str(path)],
        env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "ptrace" in ran.stderr.lower() and not ran.stdout:
        pytest.skip("this machine lets nobody trace")
    assert "INJECTED" in trace.read_text()
    return [line.split() for line in ran.stdout.splitlines()]


@needs_strace
@pytest.mark.parametrize("nth", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("lasting", [True, False])
def test_a_disk_that_fails_to_sync_is_never_called_a_success(path: Path, nth: int, lasting: bool) -> None:
    """EIO from the n-th sync on, or once (A7): what was taken is there, what was refused is said to be the disk's."""
    with open_custody(path, KEY) as ledger:
        ledger.receive([coming(1000 + n) for n in range(10)])
    said = with_failing_syncs(path, f"{nth}{'+' if lasting else ''}")
    told = {line[1] for line in said if line[0] != "taken"}
    assert said and told <= {"ledger_io"}
    assert not lasting or told, "all syncs fail, so somebody is told"
    with open_custody(path, KEY) as ledger:
        assert {line[1] for line in said if line[0] == "taken"} <= {row.id for row in ledger.rows()}
        assert ask(ledger, "PRAGMA integrity_check") == [("ok",)]


@needs_strace
def test_a_ledger_whose_name_is_not_durable_does_not_open(path: Path) -> None:
    """SQLite makes its log and ignores that the folder could not be synced."""
    open_custody(path, KEY).close()
    assert with_failing_syncs(path, "1+", "-P", str(path.parent)) == [["open", "ledger_io"]]
