"""The gate's own walker follows every sound file, and in an output no surprise at all escapes it."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from stowgate.dicom.source import MemorySource
from stowgate.verify import walk as walk_module
from stowgate.verify.elements import DEPTH, Broken, Bulk, DataSet, implicit_items
from stowgate.verify.walk import Walked, is_pixels, walk
from tests.shared import RealFile, needs_shared, real_files
from tests.verify.sample import EXPLICIT, IMPLICIT, PIXELS, File, Fragments, Sample, data_set, element, meta_of

UNDEFINED = 0xFFFFFFFF
ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED)
ITEM_END = struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
SEQUENCE_END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
NAME = element(0x00100010, b"PN", b"A")
LAST = element(0x00200013, b"IS", b"1 ")


def file_of(body: bytes, syntax: str = EXPLICIT) -> MemorySource:
    return MemorySource(File({}, meta_of(b"1.2", syntax), syntax, trailing=body).encode())


def followed(body: bytes, strict: bool, syntax: str = EXPLICIT) -> Walked:
    return walk(file_of(body, syntax), strict)


def sequence(*items: bytes, tag: int = 0x00081140) -> bytes:
    body = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item for item in items)
    return element(tag, b"SQ", body)


def open_sequence(content: bytes) -> bytes:
    return element(0x00081140, b"SQ", content, length=UNDEFINED)


@pytest.mark.parametrize("strict", [False, True])
def test_items_of_both_kinds_of_length_are_the_same(strict: bool) -> None:
    defined = followed(sequence(NAME, b"") + LAST, strict).top
    undefined = followed(open_sequence(ITEM + NAME + ITEM_END + ITEM + ITEM_END + SEQUENCE_END) + LAST, strict).top
    assert defined == undefined
    assert defined[0x00081140][1] == [{0x00100010: (b"PN", b"A ")}, {}]


SURPRISES = {
    "a value of odd length": element(0x00100010, b"PN", b"A", length=1) + LAST,
    "a long value of odd length": element(0x00189373, b"UT", b"A", length=1) + LAST,
    "elements out of order": LAST + NAME,
    "an element twice": NAME + NAME,
    "an element twice in an item": sequence(NAME + NAME),
    "reserved bytes in use": struct.pack("<HH2sHI", 0x18, 0x9373, b"UT", 1, 2) + b"A " + LAST,
    "an unknown value representation": struct.pack("<HH2sHI", 0x18, 0x9373, b"XX", 0, 2) + b"A " + LAST,
    "no value representation": struct.pack("<HHI", 0x10, 0x10, 2) + b"A " + LAST,
    "an implicit sequence inside": element(0x00081140, b"UN", ITEM + ITEM_END + SEQUENCE_END, length=UNDEFINED),
    "text of undefined length": element(0x00189373, b"UT", b"A ", length=UNDEFINED) + LAST,
    "an item that is longer than its sequence": sequence(b"")[:-4] + struct.pack("<I", 20) + NAME + LAST,
    "an element that is longer than its item": sequence(NAME[:6] + b"\x30\0" + NAME[8:]) + LAST,
    "a sequence without items' marks": element(0x00081140, b"SQ", NAME) + LAST,
    "a sequence without end": open_sequence(ITEM + NAME + ITEM_END),
    "an item without end": open_sequence(ITEM + NAME + SEQUENCE_END) + LAST,
    "an end with a length": open_sequence(ITEM + ITEM_END + SEQUENCE_END[:4] + b"\2\0\0\0ab"),
    "an item's end with a length": open_sequence(ITEM + ITEM_END[:4] + b"\2\0\0\0ab" + SEQUENCE_END),
    "a delimiter at the top": SEQUENCE_END + LAST,
    "an item at the top": ITEM + LAST,
    "a few bytes too many": LAST + b"\0\0\0",
    "zero bytes behind": LAST + bytes(64),
    "a fragment of odd length": element(0x7FE00010, b"OB", Fragments([b"", b"abc"]).encode(), length=UNDEFINED),
    "fragments without end": element(0x7FE00010, b"OB", Fragments([b"", b"ab"]).encode()[:-8], length=UNDEFINED),
    "something else among fragments": element(0x7FE00010, b"OB", ITEM_END + SEQUENCE_END, length=UNDEFINED),
    "pixels that are cut": element(0x7FE00010, b"OW", b"ab", length=4),
    "pixels twice": element(0x7FE00010, b"OW", b"ab") + element(0x7FE00010, b"OW", b"ab"),
    "something small behind pixels": element(0x7FE00010, b"OW", b"ab") + NAME,
}


@pytest.mark.parametrize("body", SURPRISES.values(), ids=SURPRISES)
def test_an_output_must_not_have(body: bytes) -> None:
    with pytest.raises(Broken):
        followed(body, True)


HARMLESS = ("a value of odd length", "a long value of odd length", "elements out of order", "a fragment of odd length")
HARMLESS += ("an unknown value representation", "an implicit sequence inside", "something small behind pixels")
HARMLESS += ("reserved bytes in use", "an end with a length", "an item's end with a length")


@pytest.mark.parametrize("what", SURPRISES)
def test_a_source_may_only_have_what_hides_nothing(what: str) -> None:
    if what in HARMLESS and not what.startswith(("an end", "an item's end")):
        assert followed(SURPRISES[what], False).top
    elif what not in HARMLESS:
        with pytest.raises(Broken):
            followed(SURPRISES[what], False)


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
@pytest.mark.parametrize("strict", [False, True])
def test_a_file_cut_anywhere_is_broken(syntax: str, strict: bool) -> None:
    sample = Sample(syntax=syntax)
    sample.clean.top[0x7FE00010] = (b"OW", PIXELS[:200])
    whole = sample.clean.encode()
    ends = []
    for length in range(len(whole)):
        try:
            ends.append(walk(MemorySource(whole[:length]), strict).size)
        except Broken:
            continue
    starts = {len(File({}, sample.clean.meta, syntax).encode())}
    for one in sorted(sample.clean.top):
        starts.add(max(starts) + len(data_set({one: sample.clean.top[one]}, syntax != IMPLICIT)))
    assert set(ends) <= starts  # between two elements a cut cannot be seen by structure alone


def test_nesting_is_followed_to_a_limit() -> None:
    body = b""
    for _ in range(DEPTH - 1):
        body = sequence(body)
    assert followed(body, True).top
    for _ in range(50):
        body = sequence(body)
    with pytest.raises(Broken):
        followed(body, True)


def test_hostile_nesting_of_ten_thousand_levels_ends_at_the_limit() -> None:
    with pytest.raises(Broken):
        followed((open_sequence(b"") + ITEM) * 10_000, False)


def test_big_endian_and_deflated_are_not_taken_for_little_endian() -> None:
    for syntax in ("1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", ""):
        with pytest.raises(Broken):
            followed(LAST, False, syntax)


class Counting(MemorySource):
    """Remembers the largest piece that was read."""

    largest = 0
    reads = 0

    def read(self, offset: int, length: int) -> bytes:
        found = super().read(offset, length)
        self.largest, self.reads = max(self.largest, len(found)), self.reads + 1
        return found


@pytest.mark.parametrize("encapsulated", [False, True])
def test_pixels_and_bulk_stay_in_the_file(encapsulated: bool) -> None:
    sample = Sample()
    pixels = bytes(5_000_000)
    value = Fragments([b"", *(pixels[:50_000] for _ in range(100))]) if encapsulated else pixels
    sample.both(0x7FE00010, b"OB", value)  # type: ignore[arg-type]
    sample.both(0x00281201, b"OW", pixels)
    sample.clean.top[0xFFFAFFFA] = (b"SQ", [{0x04000115: (b"OB", b"ab")}])
    source = Counting(sample.clean.encode())
    walked = walk(source, True)
    assert source.largest <= walk_module.FIRST
    assert isinstance(walked.top[0x00281201][1], Bulk)
    assert walked.top[0xFFFAFFFA][1] == [{0x04000115: (b"OB", b"ab")}]


def test_many_small_fragments_take_few_reads() -> None:
    sample = Sample()
    sample.both(0x7FE00010, b"OB", Fragments([b"", *(b"ab" for _ in range(20_000))]))  # type: ignore[arg-type]
    source = Counting(sample.clean.encode())
    found = walk(source, True).top[0x7FE00010][1]
    assert isinstance(found, Bulk)
    assert found.fragments == (0, *(2 for _ in range(20_000)))
    assert source.reads < 30


def test_a_header_larger_than_the_first_read() -> None:
    sample = Sample()
    many: list[object] = [{0x00080104: (b"LO", b"word %d" % n)} for n in range(5000)]
    sample.both(0x00081032, b"SQ", many)  # type: ignore[arg-type]
    open_one = open_sequence(b"".join(ITEM + NAME + ITEM_END for _ in range(5000)) + SEQUENCE_END)
    found = walk(MemorySource(sample.clean.encode()), True).top[0x00081032][1]
    assert isinstance(found, list)
    assert len(found) == 5000
    assert len(followed(open_one + LAST, True).top) == 2


def test_a_sequence_that_was_written_as_un() -> None:
    items = struct.pack("<HHI", 0xFFFE, 0xE000, 10) + element(0x00100010, b"PN", b"A", explicit=False)
    assert implicit_items(items) == [{0x00100010: (b"PN", b"A ")}]
    with pytest.raises(Broken):
        implicit_items(items[:-1])


def _paths(elements: DataSet, path: str = "") -> Iterator[tuple[str, bytes | None]]:
    for tag, (_, value) in elements.items():
        here = f"{path}{tag:08X}"
        yield here, value if isinstance(value, bytes) else None
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from _paths(item, f"{here}/{index}/")


def _little_endian_files() -> list[RealFile]:
    from pydicom.filebase import DicomBytesIO
    from pydicom.filereader import read_preamble

    found = []
    for file in real_files():
        head = file.path.open("rb").read(132)
        if head[128:] == b"DICM" and file.size < 20_000_000 and "malformed" not in file.name:
            assert read_preamble(DicomBytesIO(head), False) is not None
            found.append(file)
    return found


@needs_shared
def test_real_files_are_followed_as_pydicom_follows_them() -> None:
    import warnings

    import pydicom

    compared = 0
    for file in _little_endian_files():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                walked = walk(MemorySource(file.read()), False)
            except Broken:
                assert file.name in NOT_FOLLOWED or _is_odd(file), file.name
                continue
            try:
                oracle = pydicom.dcmread(file.path)
                expected = list(_pydicom_paths(oracle, walked.explicit))
            except Exception:  # noqa: BLE001, S112 -- pydicom raises anything on files it cannot read
                continue
        mine = [path for path, _ in _paths(walked.top)]
        assert sorted(mine) == sorted(expected), file.name
        compared += 1
    assert compared > 300


NOT_FOLLOWED: frozenset[str] = frozenset()
"""Sound little endian files that the walker may refuse; none so far."""


def _is_odd(file: RealFile) -> bool:
    """Big endian, deflated, cut off, or otherwise a file that is brought to explicit little endian first."""
    import pydicom

    try:
        syntax = pydicom.dcmread(file.path, stop_before_pixels=True).file_meta.TransferSyntaxUID
    except Exception:  # noqa: BLE001 -- as above
        return True
    return syntax in ("1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99") or _is_cut(file)


def _is_cut(file: RealFile) -> bool:
    from stowgate.dicom.budget import OddEncoding
    from stowgate.dicom.limits import DEFAULT
    from stowgate.dicom.scanner import Buffer, scan
    from stowgate.errors import Rejected

    try:
        scan(MemorySource(file.read()), DEFAULT, Buffer())
    except (Rejected, OddEncoding):
        return True
    return False


def _pydicom_paths(elements: object, explicit: bool, path: str = "") -> Iterator[str]:
    from pydicom import Dataset
    from pydicom.sequence import Sequence

    assert isinstance(elements, Dataset)
    for tag in elements._dict:
        here = f"{path}{int(tag):08X}"
        yield here
        found = elements.get_item(tag)
        if found.VR in ("UN", None) and explicit and getattr(found, "length", 0) != UNDEFINED:
            continue  # stays bytes here until somebody asks what is in it
        value = elements[tag].value
        if isinstance(value, Sequence) and not (elements[tag].is_private and not explicit and found.VR is None):
            for index, item in enumerate(value):
                yield from _pydicom_paths(item, explicit, f"{here}/{index}/")


def test_which_elements_are_pixels() -> None:
    assert [tag for tag in (0x7FE00008, 0x7FE00009, 0x7FE00010, 0x7F020010) if not is_pixels(tag)] == []
    assert not any(is_pixels(tag) for tag in (0x7FE00001, 0x7FE10010, 0x7F010010, 0x00280010))
