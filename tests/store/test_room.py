"""How much room there is: three answers from two numbers, and the disk itself asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowgate.errors import Temporary
from stowgate.store.room import HARD_BYTES, HARD_FILES, SOFT_FILES, Free, Room, free_of, room_of

GIB = 1 << 30
MANY = 1_000_000


@pytest.mark.parametrize(
    ("free", "coming", "room"),
    [
        (Free(GIB, MANY), 0, Room.OPEN),
        (Free(GIB - 1, MANY), 0, Room.SOFT),
        (Free(GIB, MANY), 1, Room.SOFT),
        (Free(HARD_BYTES, MANY), 0, Room.SOFT),
        (Free(HARD_BYTES - 1, MANY), 0, Room.HARD),
        (Free(10 * GIB, MANY), 10 * GIB, Room.HARD),
        (Free(10 * GIB, SOFT_FILES), 0, Room.OPEN),
        (Free(10 * GIB, SOFT_FILES - 1), 0, Room.SOFT),
        (Free(10 * GIB, HARD_FILES - 1), 0, Room.HARD),
        (Free(10 * GIB, None), 0, Room.OPEN),
    ],
)
def test_bytes_and_files_both_count(free: Free, coming: int, room: Room) -> None:
    assert room_of(free, GIB, coming) is room


@given(st.integers(0, 4 * GIB), st.integers(0, 10_000), st.integers(0, 2 * GIB), st.integers(0, GIB))
def test_less_room_never_opens_more(free: int, files: int, reserve: int, coming: int) -> None:
    order = [Room.HARD, Room.SOFT, Room.OPEN]
    now = order.index(room_of(Free(free, files), reserve, coming))
    assert order.index(room_of(Free(free // 2, files), reserve, coming)) <= now
    assert order.index(room_of(Free(free, files // 2), reserve, coming)) <= now
    assert order.index(room_of(Free(free, files), reserve, coming + 1)) <= now


def test_even_without_a_reserve_the_ledger_keeps_its_room() -> None:
    assert room_of(Free(HARD_BYTES - 1, MANY), 0) is Room.HARD


def test_the_disk_is_asked(tmp_path: Path) -> None:
    free = free_of(tmp_path)
    assert free.bytes > 0
    assert free.files is None or free.files > 0
    with pytest.raises(Temporary) as gone:
        free_of(tmp_path / "unplugged")
    assert gone.value.code == "spool_failed"
