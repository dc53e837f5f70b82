"""Pixel Data is compared at both ends and where nobody can foresee it, or in full."""

from __future__ import annotations

from pathlib import Path

import pytest

from stowgate.dicom.source import FileSource, MemorySource
from stowgate.verify import pixels
from stowgate.verify.elements import Bulk

LARGE = bytes(3_000_000)


def same(
    before: bytes, after: bytes, windows: bytes = b"seed", old: Bulk | None = None, new: Bulk | None = None
) -> bool:
    return pixels.same(
        MemorySource(before), MemorySource(after), old or Bulk(0, len(before)), new or Bulk(0, len(after)), windows
    )


def changed(at: int) -> bytes:
    return LARGE[:at] + b"\1" + LARGE[at + 1 :]


def test_equal_values_are_equal() -> None:
    assert same(LARGE, LARGE)
    assert same(LARGE, LARGE, b"")
    assert same(b"", b"")


def test_every_byte_of_a_small_value_is_compared() -> None:
    small = LARGE[:190_000]
    assert all(not same(small, changed(at)[:190_000]) for at in range(0, 190_000, 997))


def test_both_ends_are_always_compared() -> None:
    for at in (0, 65_535, len(LARGE) - 65_536, len(LARGE) - 1):
        assert not same(LARGE, changed(at))


def test_windows_lie_between_the_ends_and_move_with_the_secret() -> None:
    places = {seed: list(pixels._places(len(LARGE), seed)) for seed in (b"one", b"two")}
    for found in places.values():
        assert len(found) == 18
        assert found == sorted(found)
        assert all(at >= 65_536 and at + 4096 <= len(LARGE) - 65_536 for at, _ in found[1:-1])
    assert places[b"one"][1:-1] != places[b"two"][1:-1]
    at, length = places[b"one"][9]
    assert not same(LARGE, changed(at + length - 1), b"one")


def test_windows_are_those_of_one_object_under_one_secret() -> None:
    assert pixels.windows_of(b"secret", "2.25.1") == pixels.windows_of(b"secret", "2.25.1")
    assert pixels.windows_of(b"secret", "2.25.1") != pixels.windows_of(b"secret", "2.25.2")
    assert pixels.windows_of(b"secret", "2.25.1") != pixels.windows_of(b"other", "2.25.1")


def test_the_full_comparison_finds_any_byte() -> None:
    assert all(not same(LARGE, changed(at), b"") for at in range(0, len(LARGE), 91_193))


def test_lengths_and_fragments_have_to_agree() -> None:
    assert not same(LARGE, LARGE[:-2])
    assert not same(LARGE, LARGE + b"\0")
    assert same(LARGE[:-1], LARGE)
    one, two = Bulk(0, len(LARGE), (0, 100)), Bulk(0, len(LARGE), (0, 50, 50))
    assert not same(LARGE, LARGE, b"seed", one, two)
    assert not same(LARGE, LARGE, b"seed", one, Bulk(0, len(LARGE)))


def test_a_cut_file_is_not_equal() -> None:
    assert not same(LARGE, LARGE[:-10], b"seed", None, Bulk(0, len(LARGE)))


class Counting(MemorySource):
    most = 0

    def read(self, offset: int, length: int) -> bytes:
        self.most = max(self.most, length)
        return super().read(offset, length)


def test_at_most_one_mebibyte_is_in_memory() -> None:
    one, two = Counting(LARGE), Counting(LARGE)
    assert pixels.same(one, two, Bulk(0, len(LARGE)), Bulk(0, len(LARGE)), b"")
    assert one.most + two.most <= 1024 * 1024


@pytest.mark.parametrize("windows", [b"", b"seed"])
def test_files_are_compared_as_memory_is(tmp_path: Path, windows: bytes) -> None:
    (tmp_path / "before").write_bytes(LARGE)
    within = pixels._places(len(LARGE), windows)[3][0]
    for after in (LARGE, changed(0), changed(within), changed(len(LARGE) - 1), LARGE[:-5], LARGE[:-70_000]):
        (tmp_path / "after").write_bytes(after)
        with FileSource(tmp_path / "before") as old, FileSource(tmp_path / "after") as new:
            value = Bulk(0, len(LARGE))
            assert pixels.same(old, new, value, value, windows) == (after == LARGE)


def test_files_that_both_end_too_early_are_not_equal(tmp_path: Path) -> None:
    for name in ("before", "after"):
        (tmp_path / name).write_bytes(LARGE[:-10])
    with FileSource(tmp_path / "before") as old, FileSource(tmp_path / "after") as new:
        assert not pixels.same(old, new, Bulk(0, len(LARGE)), Bulk(0, len(LARGE)), b"seed")
