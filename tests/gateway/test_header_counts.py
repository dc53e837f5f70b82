"""What a header says of how many objects belong together: numbers that can be true, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from stowgate.dicom.source import MemorySource
from stowgate.gateway.examine import Examiner, coming
from stowgate.gateway.header_counts import told
from stowgate.store.expected import MOST, NOTHING, Told
from tests.builder import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, Item, el, small
from tests.gateway.parts import KEY

STUDY, SERIES, OF_SERIES = 0x00201208, 0x00201206, 0x00201209


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ({}, NOTHING),
        ({STUDY: b"12"}, Told(12)),
        ({STUDY: b" 120 ", SERIES: b"3\0", OF_SERIES: b"+40"}, Told(120, 3, 40)),
        ({OF_SERIES: b"000000000007"}, Told(in_series=7)),
        ({STUDY: str(MOST).encode()}, Told(MOST)),
    ],
)
def test_the_three_numbers_are_read(header: dict[int, bytes], says: Told) -> None:
    assert told(header.get) == says


@pytest.mark.parametrize("tag", [STUDY, SERIES, OF_SERIES])
@pytest.mark.parametrize(
    "lie",
    [
        b"", b" ", b"\0", b"0", b"00", b"-1", b"-0", b"1.5", b"1e3", b"12\\12", b"Foster", b"1 2", b"0x10", b"+",
        b"\xd9\xa1", b"1\n", b"\x05\0", str(MOST + 1).encode(), b"2147483648", b"9" * 13, b"9" * 5000, b"\xff" * 64,
    ],
)  # fmt: skip
def test_what_no_study_can_have_is_not_heard(tag: int, lie: bytes) -> None:
    assert told({tag: lie}.get) == NOTHING
    assert told({STUDY: b"5", SERIES: b"2", OF_SERIES: b"3", tag: lie}.get) != NOTHING


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, DEFLATED, BIG_ENDIAN])
def test_it_comes_to_the_ledger_whatever_the_encoding(tmp_path: Path, syntax: str) -> None:
    data = small(
        el("NumberOfStudyRelatedInstances", "12"),
        el("NumberOfStudyRelatedSeries", "2"),
        el("NumberOfSeriesRelatedInstances", "7"),
        syntax=syntax,
    )
    seen = Examiner(KEY, tmp_path).examine(MemorySource(data))
    row = coming("0" * 32, "ct", 10, "f" * 32, seen)
    assert row.told == Told(12, 2, 7)
    assert len(row.series) == 32 and row.series not in (row.study, row.instance)


def test_images_in_acquisition_and_what_stands_inside_a_sequence_are_not_meant(tmp_path: Path) -> None:
    inside = Item((el("NumberOfStudyRelatedInstances", "12"),))
    data = small(el("ImagesInAcquisition", "12"), el("ReferencedStudySequence", (inside,)))
    assert Examiner(KEY, tmp_path).examine(MemorySource(data)).told == NOTHING


def test_a_series_has_an_alias_of_its_own_and_none_where_it_has_no_uid(tmp_path: Path) -> None:
    examiner = Examiner(KEY, tmp_path)
    uid = "1.2.3.4"
    same = examiner.examine(MemorySource(small(el("SeriesInstanceUID", uid), el("StudyInstanceUID", uid), uid=uid)))
    assert len({same.series, same.study, same.instance}) == 3
    assert examiner.examine(MemorySource(small(drop=("SeriesInstanceUID",)))).series == ""
