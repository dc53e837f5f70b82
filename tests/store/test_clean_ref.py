"""A reference made again from the ledger's row: only where every byte on the shelf is what the gate passed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from stowgate.dicom.source import MemorySource
from stowgate.errors import Rejected
from stowgate.objects import Names
from stowgate.store.clean_object import CleanObject
from stowgate.store.clean_ref import ref_of
from stowgate.store.spool import CleanShelf
from stowgate.store.spool_folder import open_spool
from stowgate.store.spool_memory import MemoryCleanShelf
from stowgate.vault.unit_key import UnitKey

NAMES = {"patient": "P", "study": "2.25.2", "series": "2.25.3", "instance": "2.25.1", "modality": "CT"}


def put(shelf: CleanShelf, data: bytes) -> CleanObject:
    sheet = shelf.new()
    sheet.emit([data], MemorySource(b""))
    sheet.close()
    kept = shelf.keep(sheet.place)
    return CleanObject(
        kept.id, "2.25.1", "2.25.2", "2.25.3", kept.size, kept.digest, "p" * 64, "k" * 8, "1.2.3", "1.2.4", NAMES
    )


def refused(row: CleanObject, shelf: CleanShelf) -> str:
    with pytest.raises(Rejected) as refusal:
        ref_of(row, shelf)
    return refusal.value.code


def test_it_says_what_the_row_says() -> None:
    shelf = MemoryCleanShelf()
    row = put(shelf, b"clean" * 100_000)
    ref = ref_of(row, shelf)
    assert (ref.path, ref.size, ref.names) == (shelf.place_of(row.id), 500_000, Names(**NAMES))
    assert (ref.sop_class, ref.policy) == ("1.2.3", "p" * 64)


def test_another_object_in_its_place_is_refused() -> None:
    shelf = MemoryCleanShelf()
    row, other = put(shelf, b"clean"), put(shelf, b"other")
    assert refused(replace(row, id=other.id), shelf) == "spool_damaged"
    assert refused(replace(row, size=6), shelf) == "spool_damaged"
    assert refused(replace(row, digest=row.digest[::-1]), shelf) == "spool_damaged"
    assert refused(replace(row, id="0" * 32), shelf) == "payload_lost"


def test_a_flipped_bit_on_the_disk_is_refused(tmp_path: Path) -> None:
    with open_spool(tmp_path / "s", UnitKey(bytes(32))) as spool:
        row = put(spool.clean, bytes(1_000_000))
        path = Path(spool.clean.place_of(row.id))
        assert ref_of(row, spool.clean).path == str(path)
        data = bytearray(path.read_bytes())
        data[500_000] ^= 4
        path.write_bytes(data)
        assert refused(row, spool.clean) == "spool_damaged"
