"""A ledger whose pages are not what was written there is refused, whichever bit it is (A12)."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from stowgate.errors import Misconfigured
from stowgate.lifecycle import State
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
    assert PageSums(path).check(9), "the file is as the last checkpoint left it"
    ledger._writer.run(id)
    ledger.close()
    assert PageSums(path).check(9)
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
    assert PageSums(path).check(9)
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
    assert PageSums(path).check(9)


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
    assert PageSums(path).check(9)


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
    assert PageSums(path).check(9)
    assert not PageSums(path).check(0, lambda: float(next(ticks)))


@pytest.mark.parametrize("keep", [0, 10, 3000, 5000])
def test_a_ledger_that_was_cut_or_emptied_over_is_refused(path: Path, keep: int) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:keep].replace(b"SQLite", b"xxxxxx") + bytes(len(whole) - keep))
    assert refused(path) == "ledger_damaged"
