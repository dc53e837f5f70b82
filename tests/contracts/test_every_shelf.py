"""What every shelf of the spool does: whole objects under their names or nothing, read again at any place."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from stowgate.dicom.source import MemorySource
from stowgate.errors import Rejected
from stowgate.objects import Range
from stowgate.store.spool import CleanShelf, Facts, RawShelf
from stowgate.store.spool_folder import open_spool
from stowgate.store.spool_memory import MemorySpool
from stowgate.vault.unit_key import UnitKey

KEY = UnitKey(bytes(range(32)))
FACTS = Facts("ct", "STORESCU")
SIZES = [0, 1, 65_535, 65_536, 65_537, 131_072, 400_000]
"""Bytes, around the borders of a chunk."""


def some(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.fixture(params=["folder", "memory"])
def shelves(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[RawShelf, CleanShelf]]:
    if request.param == "memory":
        twin = MemorySpool()
        yield twin.raw, twin.clean
    else:
        with open_spool(tmp_path / "spool", KEY) as spool:
            yield spool.raw, spool.clean


@pytest.fixture
def raw(shelves: tuple[RawShelf, CleanShelf]) -> RawShelf:
    return shelves[0]


@pytest.fixture
def clean(shelves: tuple[RawShelf, CleanShelf]) -> CleanShelf:
    return shelves[1]


def kept(shelf: RawShelf, data: bytes, step: int = 10_000) -> str:
    writing = shelf.new(FACTS)
    for start in range(0, len(data), step):
        writing.write(memoryview(data)[start : start + step])
    writing.finish()
    writing.keep()
    return writing.id


def refused(shelf: RawShelf | CleanShelf, id: str) -> str:
    with pytest.raises(Rejected) as refusal:
        shelf.open(id)
    return refusal.value.code


class TestEveryRawShelf:
    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("step", [4096, 65_536, 1_000_000])
    def test_gives_back_what_was_kept(self, raw: RawShelf, size: int, step: int) -> None:
        data = some(size)
        with raw.open(kept(raw, data, step)) as source:
            assert source.size == size
            assert source.read(0, size + 1) == data

    def test_has_nothing_under_a_name_before_it_is_kept(self, raw: RawShelf) -> None:
        writing = raw.new(FACTS)
        writing.write(some(100))
        assert list(raw.ids()) == []
        writing.finish()
        assert list(raw.ids()) == []
        assert refused(raw, writing.id) == "payload_lost"
        writing.keep()
        assert list(raw.ids()) == [writing.id]

    def test_shows_what_was_written_before_it_is_kept(self, raw: RawShelf) -> None:
        writing = raw.new(FACTS)
        writing.write(some(70_000))
        writing.finish()
        with writing.reread() as source:
            before = source.stamp()
            assert source.read(0, 70_000) == some(70_000)
            writing.keep()
            assert source.read(69_000, 1000) == some(70_000)[69_000:]
            assert source.stamp() == before
            assert source.fileno() is None

    def test_takes_nothing_after_the_end_and_keeps_nothing_before_it(self, raw: RawShelf) -> None:
        writing = raw.new(FACTS)
        writing.write(b"some")
        for early in (writing.keep, writing.reread):
            with pytest.raises(ValueError, match="finished"):
                early()
        writing.finish()
        with pytest.raises(ValueError, match="sealed"):
            writing.write(b"more")
        writing.keep()
        with pytest.raises(ValueError, match="once"):
            writing.keep()
        assert refused(raw, "0" * 32) == "payload_lost"
        with raw.open(writing.id) as source:
            assert source.read(0, 9) == b"some"

    def test_forgets_what_is_aborted_and_nothing_that_is_kept(self, raw: RawShelf) -> None:
        for finished in (False, True):
            writing = raw.new(FACTS)
            writing.write(some(200_000))
            if finished:
                writing.finish()
            writing.abort()
            writing.abort()
            assert refused(raw, writing.id) == "payload_lost"
        writing = raw.new(FACTS)
        writing.finish()
        writing.keep()
        writing.abort()
        assert list(raw.ids()) == [writing.id]

    @pytest.mark.parametrize("facts", [FACTS, Facts("ü" * 300), Facts("")])
    def test_remembers_who_brought_it(self, raw: RawShelf, facts: Facts) -> None:
        writing = raw.new(facts)
        writing.finish()
        writing.keep()
        assert raw.facts(writing.id) == facts

    def test_names_are_random_and_listed_once(self, raw: RawShelf) -> None:
        ids = [kept(raw, b"the same") for _ in range(20)]
        assert sorted(raw.ids()) == sorted(set(ids))
        assert all(len(id) == 32 and int(id, 16) >= 0 for id in ids)

    def test_deletes_what_is_there_and_does_not_mind_what_is_gone(self, raw: RawShelf) -> None:
        gone, stays = kept(raw, b"one"), kept(raw, b"two")
        raw.delete(gone)
        raw.delete(gone)
        assert list(raw.ids()) == [stays]
        assert refused(raw, gone) == "payload_lost"

    def test_can_delete_what_is_being_read(self, raw: RawShelf) -> None:
        id = kept(raw, some(300_000))
        with raw.open(id) as source:
            raw.delete(id)
            assert source.read(0, 300_000) == some(300_000)

    @pytest.mark.parametrize("id", ["", "..", "../epochs/x", "0" * 31, "0" * 33, "G" * 32, "0" * 32 + "\n"])
    def test_what_is_no_id_is_not_there(self, raw: RawShelf, id: str) -> None:
        assert refused(raw, id) == "payload_lost"


class TestEveryCleanShelf:
    @pytest.mark.parametrize("size", SIZES)
    def test_keeps_what_was_emitted_with_its_size_and_digest(self, clean: CleanShelf, size: int) -> None:
        data = some(size)
        sheet = clean.new()
        assert sheet.emit([b"head", Range(0, size)], MemorySource(data)) == size + 4
        assert sheet.reread().read(0, size + 9) == b"head" + data
        sheet.close()
        done = clean.keep(sheet.place)
        assert (done.size, done.digest) == (size + 4, hashlib.sha256(b"head" + data).hexdigest())
        assert list(clean.ids()) == [done.id]
        with clean.open(done.id) as source:
            assert source.read(0, size + 9) == b"head" + data

    def test_takes_nothing_after_it_was_read_again(self, clean: CleanShelf) -> None:
        sheet = clean.new()
        sheet.emit([b"some"], MemorySource(b""))
        sheet.reread()
        with pytest.raises(ValueError, match="sealed"):
            sheet.emit([b"more"], MemorySource(b""))
        sheet.close()
        clean.drop(sheet.place)

    def test_has_nothing_under_a_name_before_it_is_kept_nor_after_it_is_dropped(self, clean: CleanShelf) -> None:
        sheet = clean.new()
        sheet.emit([some(100_000)], MemorySource(b""))
        sheet.reread()
        sheet.close()
        assert list(clean.ids()) == []
        clean.drop(sheet.place)
        clean.drop(sheet.place)
        assert list(clean.ids()) == []
        with pytest.raises(ValueError, match="sheet of this shelf"):
            clean.keep(sheet.place)

    def test_dropping_a_place_that_was_kept_loses_nothing(self, clean: CleanShelf) -> None:
        sheet = clean.new()
        sheet.close()
        done = clean.keep(sheet.place)
        clean.drop(sheet.place)
        assert list(clean.ids()) == [done.id]
        with pytest.raises(ValueError, match="once"):
            clean.keep(sheet.place)

    def test_two_sheets_at_once_do_not_touch_each_other(self, clean: CleanShelf) -> None:
        one, two = clean.new(), clean.new()
        assert one.place != two.place
        one.emit([b"1"], MemorySource(b""))
        two.emit([b"2"], MemorySource(b""))
        one.emit([b"1"], MemorySource(b""))
        found = {}
        for sheet in (two, one):
            sheet.close()
            with clean.open(clean.keep(sheet.place).id) as source:
                found[sheet.place] = source.read(0, 9)
        assert found == {one.place: b"11", two.place: b"2"}

    def test_deletes_what_is_there_and_does_not_mind_what_is_gone(self, clean: CleanShelf) -> None:
        sheet = clean.new()
        sheet.close()
        id = clean.keep(sheet.place).id
        clean.delete(id)
        clean.delete(id)
        assert refused(clean, id) == "payload_lost"
