"""A ledger whose pages are not what was written there is refused, whichever bit it is (A12)."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from stowgate.errors import Misconfigured
from stowgate.lifecycle import State
from stowgate.store import page_sums
from stowgate.store.custody import Event
from stowgate.store.custody_damage import check_line, check_shape
from stowgate.store.custody_sqlite import open_custody
from stowgate.store.page_sums import LOG_LIMIT, PageSums
from tests.store.custody_sample import KEY, cleaned, coming, hex32


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of some hundred pages."""
    path = tmp_path_factory.mktemp("closed") / "ledger.db"
    with open_custody(path, KEY) as ledger:
        ledger.receive([coming(n, study=hex32(n % 50, 4)) for n in range(700)])
        leased = ledger.lease("w", 300)
        ledger.end([cleaned(int(item.id[:8], 16)) for item in leased])
    return path


@pytest.fixture
def path(closed: Path, tmp_path: Path) -> Path:
    """A copy of it that is its own file, with sums of its own."""
    path = tmp_path / "ledger.db"
    shutil.copy(closed, path)
    open_custody(path, KEY).close()
    return path


def flip(path: Path, bit: int) -> None:
    """A disk that rots tells nobody: neither size nor time of change move."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(bit // 8)
        (byte,) = file.read(1)
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def believed(path: Path) -> bool:
    with closing(PageSums(path)) as sums:
        return sums.check(9)


def change(db: sqlite3.Connection) -> None:
    """Write some pages, and make none."""
    db.execute("UPDATE studies SET complete = 1 - complete")


OTHER = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute(sys.argv[2]).fetchall(); db.close()"


def another_program(path: Path, sql: str) -> None:
    """A person with a tool of SQLite's, while a gateway may be running."""
    subprocess.run([sys.executable, "-c", OTHER, str(path), sql], check=True)


def refused(path: Path) -> str:
    with pytest.raises(Misconfigured) as told:
        open_custody(path, KEY)
    return told.value.code


def test_whichever_bit_flips_it_is_noticed(path: Path) -> None:
    dice, bits = random.Random(3), path.stat().st_size * 8
    for bit in [8 * 16, 8 * 17 + 4, 8 * 27, *(dice.randrange(bits) for _ in range(120))]:
        flip(path, bit)
        assert refused(path) == "ledger_damaged", f"bit {bit}"
        flip(path, bit)
    with open_custody(path, KEY) as ledger:
        assert ledger.counts()["ct"][State.WAITING] == 300


def test_a_flipped_bit_is_noticed_after_a_kill_too(path: Path, tmp_path: Path) -> None:
    ledger = open_custody(path, KEY)
    ledger.receive([coming(1000)])
    flip(path, 8 * 40_000)
    killed = tmp_path / "killed"
    killed.mkdir()
    for part in ("", "-wal", "-sums"):
        os.link(f"{path}{part}", killed / f"ledger.db{part}")
    assert refused(killed / "ledger.db") == "ledger_damaged"
    flip(path, 8 * 40_000)
    ledger.close()


def test_what_was_written_before_a_kill_is_believed_and_checked(path: Path) -> None:
    ledger = open_custody(path, KEY)
    ledger.receive([coming(n) for n in range(1000, 1100)])
    assert believed(path), "the file is as the last checkpoint left it"
    ledger._writer.run(id)
    ledger.close()
    assert believed(path)
    with open_custody(path, KEY) as again:
        assert len(again.rows(most=1000)) == 800


def test_the_log_is_emptied_when_it_has_grown_and_only_then(path: Path) -> None:
    ledger, log = open_custody(path, KEY), path.with_name("ledger.db-wal")
    times, largest = {path.stat().st_mtime_ns}, 0
    for n in range(2000, 2300):
        ledger.receive([coming(10 * n + i) for i in range(10)])
        times.add(path.stat().st_mtime_ns)
        largest = max(largest, log.stat().st_size)
    ledger._writer.run(id)
    ledger._writer.run(id)
    assert 2 <= len(times) <= 40, "not at every commit"
    assert largest < 2 * LOG_LIMIT
    assert believed(path)
    ledger.close()


def test_a_reader_that_stays_costs_the_log_and_nothing_else(path: Path) -> None:
    ledger = open_custody(path, KEY)
    with closing(sqlite3.connect(path, isolation_level=None)) as stays:
        stays.execute("BEGIN")
        stays.execute("SELECT count(*) FROM items").fetchone()
        for n in range(2000, 2200):
            ledger.receive([coming(10 * n + i) for i in range(10)])
        assert stays.execute("SELECT count(*) FROM items").fetchone() == (700,)
    ledger.receive([coming(1)])
    ledger.close()
    assert believed(path)


def test_a_ledger_put_back_from_a_copy_is_not_called_damaged(path: Path, closed: Path) -> None:
    with open_custody(path, KEY) as ledger:
        ledger.receive([coming(n) for n in range(1000, 1100)])
    path.write_bytes(closed.read_bytes())
    with open_custody(path, KEY) as ledger:
        assert len(ledger.rows(most=1000)) == 700


def test_what_another_program_wrote_is_not_called_damaged(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE studies SET complete = 1")
        db.commit()
    open_custody(path, KEY).close()


@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "flipped", "other"])
def test_without_believable_sums_the_ledger_opens_and_has_them_again(path: Path, damage: str) -> None:
    sums = path.with_name("ledger.db-sums")
    kept = sums.read_bytes()
    if damage == "gone":
        sums.unlink()
    else:
        sums.write_bytes(
            {"empty": b"", "cut": kept[:-3], "flipped": kept[:-1] + bytes([kept[-1] ^ 1]), "other": b"x" * 500}[damage]
        )
    with open_custody(path, KEY) as ledger:
        ledger.receive([coming(5000)])
    assert believed(path)


def test_without_sums_the_shape_of_the_pages_is_looked_at(path: Path) -> None:
    path.with_name("ledger.db-sums").unlink()
    with path.open("r+b") as file:
        for page in range(3, 20):
            file.seek(4096 * page)
            file.write(b"\xff" * 16)
    assert refused(path) == "ledger_damaged"


def test_a_ledger_that_does_not_add_up_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE counts SET n = n + 1 WHERE state = 'waiting'")
        db.commit()
        with pytest.raises(Misconfigured):
            check_line(db, path)
    assert refused(path) == "ledger_damaged"


def test_looking_ends_when_its_time_is_up(path: Path) -> None:
    ticks = iter(range(10_000))
    with closing(sqlite3.connect(path)) as db:
        assert check_shape(db, path, 1e9)
        assert not check_shape(db, path, -1)
    assert believed(path)
    with closing(PageSums(path)) as sums:
        assert not sums.check(0, lambda: float(next(ticks)))


@pytest.mark.parametrize("keep", [0, 10, 3000, 5000])
def test_a_ledger_that_was_cut_or_emptied_over_is_refused(path: Path, keep: int) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:keep].replace(b"SQLite", b"xxxxxx") + bytes(len(whole) - keep))
    assert refused(path) == "ledger_damaged"


def test_another_program_that_looks_and_goes_takes_nothing_with_it(path: Path, tmp_path: Path) -> None:
    """The last to close a ledger deletes its log; a running gateway's locks say that somebody else is not the last."""
    path.with_name("ledger.db-sums").unlink()  # so that opening it takes sums beside SQLite
    with open_custody(path, KEY) as ledger:
        ledger.receive([coming(9001)])
        another_program(path, "SELECT count(*) FROM items")
        ledger.receive([coming(9002)])
        killed = tmp_path / "killed"
        killed.mkdir()
        for part in ("ledger.db", "ledger.db-wal"):
            shutil.copy(path.with_name(part), killed)
        with closing(sqlite3.connect(killed / "ledger.db")) as db:
            assert db.execute("SELECT count(*) FROM items").fetchone() == (702,)


def test_a_log_that_another_program_emptied_is_not_called_damage(path: Path) -> None:
    with open_custody(path, KEY) as ledger:
        ledger.receive([coming(9001)])
        another_program(path, "PRAGMA wal_checkpoint(TRUNCATE)")
        ledger.note(Event(1.0, "later"))
    for _ in range(2):
        open_custody(path, KEY).close()
    assert believed(path)


def test_a_copy_without_a_log_opens_again_and_again(path: Path) -> None:
    """As VACUUM INTO makes one: SQLite changes its first page when it gets a log, and does so without one."""
    another_program(path, "PRAGMA journal_mode = DELETE")
    for n in range(3):
        with open_custody(path, KEY) as ledger:
            ledger.receive([coming(9000 + n)])
    assert believed(path)


def killed_with_a_log(path: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A ledger as a kill left it, and a copy of it that was made some items before."""
    copy, killed = tmp_path / "copy", tmp_path / "killed"
    killed.mkdir()
    shutil.copy(path, copy)
    with open_custody(path, KEY) as ledger:
        ledger.receive([coming(n) for n in range(1000, 1005)])
    with open_custody(path, KEY) as ledger:
        ledger.receive([coming(90_000)])
        for part in ("ledger.db", "ledger.db-wal", "ledger.db-sums"):
            shutil.copy2(path.with_name(part), killed)
    return killed / "ledger.db", copy


def test_a_copy_put_back_beside_the_log_of_another_ledger_is_refused_and_left_alone(path: Path, tmp_path: Path) -> None:
    """SQLite would mix the two; rows were then missing from an index, and copies no copies."""
    ledger, copy = killed_with_a_log(path, tmp_path)
    shutil.copy(copy, ledger)
    assert refused(ledger) == "ledger_damaged"
    assert ledger.read_bytes() == copy.read_bytes()
    ledger.with_name("ledger.db-wal").unlink()
    with open_custody(ledger, KEY) as opened:
        assert len(opened.rows(most=1000)) == 700


def test_a_log_that_belongs_to_its_ledger_is_believed_without_sums(path: Path, tmp_path: Path) -> None:
    ledger, _ = killed_with_a_log(path, tmp_path)
    ledger.with_name("ledger.db-sums").unlink()
    with open_custody(ledger, KEY) as opened:
        assert len(opened.rows(most=1000)) == 706


def test_where_the_ledger_was_moved_away_its_log_is_nobodys(path: Path, tmp_path: Path) -> None:
    ledger, _ = killed_with_a_log(path, tmp_path)
    ledger.unlink()
    with open_custody(ledger, KEY) as opened:
        assert opened.rows() == []


class Told(sqlite3.Connection):
    """A connection that says when it empties the log."""

    before: Callable[[], None]

    def execute(self, sql: str, *values: object) -> sqlite3.Cursor:  # type: ignore[override]
        if "wal_checkpoint" in sql:
            self.before()
        return super().execute(sql, *values)  # type: ignore[arg-type]


@pytest.fixture
def told(path: Path) -> Iterator[Told]:
    """The ledger with something in its log."""
    with closing(sqlite3.connect(path, isolation_level=None, factory=Told)) as db:
        db.before = lambda: None
        db.execute("PRAGMA wal_autocheckpoint = 0")
        change(db)
        yield db


def test_sums_are_durably_gone_before_a_page_changes(path: Path, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a power cut could leave new pages, the old time of change and the old sums, and the ledger was refused."""
    kept, fsync = path.with_name("ledger.db-sums"), os.fsync
    said: list[tuple[str, bool]] = []

    def synced(handle: int) -> None:
        said.append((Path(f"/proc/self/fd/{handle}").readlink().name, kept.exists()))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", synced)
    told.before = lambda: said.append(("checkpoint", kept.exists()))
    with closing(PageSums(path)) as sums:
        assert sums.check(9)
        sums.checkpoint(told, limit=0)
    assert said == [(path.parent.name, False), ("checkpoint", False)]


def test_sums_that_could_not_be_taken_are_not_kept_as_they_were(
    path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(handle: int, size: int, at: int) -> bytes:
        if at:
            raise OSError(5, "")
        return pread(handle, size, at)

    pread = os.pread
    with closing(PageSums(path)) as sums:
        assert sums.check(9)
        with monkeypatch.context() as patch, suppress(OSError):
            patch.setattr(os, "pread", failing)
            sums.checkpoint(told, limit=0)
        told.execute("UPDATE callers SET count = 1")
        told.execute("INSERT INTO events (at, kind, item, source, code) VALUES (1, '', '', '', '')")
        sums.checkpoint(told, limit=0)
    with closing(PageSums(path)) as sums:
        assert not sums.check(9), "what is not known is no damage"


def test_what_there_was_no_time_to_look_at_keeps_its_sums(
    path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_sums, "_CHUNK", 1 << 14)
    ticks = iter([0.0, 0.0, *[9.0] * 9])
    with closing(PageSums(path)) as sums:
        assert not sums.check(1, lambda: next(ticks))
        sums.checkpoint(told, limit=0)
    flip(path, 8 * (path.stat().st_size - 5_000))
    with closing(PageSums(path)) as sums, pytest.raises(Misconfigured):
        sums.check(9)


def test_a_reader_that_outlasts_the_last_sums_leaves_none(path: Path) -> None:
    """SQLite moves the rest when it closes: perhaps so soon that the time of change does not tell."""
    ledger = open_custody(path, KEY)
    with ledger._readers.lend() as reader:
        reader.execute("SELECT count(*) FROM items").fetchall()
        ledger._writer.run(change)
        ledger._writer._tidy(ledger._writer._db, limit=0)
        assert not path.with_name("ledger.db-sums").exists()
    ledger.close()
    open_custody(path, KEY).close()
    assert believed(path)


def test_a_ledger_that_was_closed_or_refused_holds_no_descriptor(path: Path) -> None:
    def held() -> list[str]:
        links = Path("/proc/self/fd").iterdir()
        return [name for name in (str(link.readlink()) for link in links if link.is_symlink()) if str(path) in name]

    ledger = open_custody(path, KEY)
    ledger.close()
    ledger.close()
    assert held() == []
    flip(path, 8 * 40_000)
    assert refused(path) == "ledger_damaged"
    assert held() == []
