"""Odd encodings become explicit VR little endian with every value as it was, or end in a code; the child is bounded."""

from __future__ import annotations

import json
import os
import signal
import stat
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset

from stowgate.dicom import normalise as parent
from stowgate.dicom import odd_layout
from stowgate.dicom.budget import Budget, OddEncoding
from stowgate.dicom.limits import DEFAULT, Limits
from stowgate.dicom.normalise import Normaliser, normalise
from stowgate.dicom.normalise_child import DISK_FULL, OK, serve
from stowgate.dicom.odd_reader import Window
from stowgate.dicom.scanner import Buffer, scan
from stowgate.dicom.source import ByteSource, FileSource, MemorySource
from stowgate.errors import Rejected, StowgateError, Temporary
from tests.builder import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    JPEG_BASELINE,
    Element,
    Fragments,
    Item,
    dataset,
    el,
    encode,
    instance,
    item,
    meta,
    part10,
    without,
)
from tests.oracle.compare import Flat, flat_nodes
from tests.oracle.reader import read
from tests.shared import real_files

pytestmark = pytest.mark.no_cover  # thousands of objects take the same lines: counting those doubles the time

HERE = Path(__file__).parent
TABLE: dict[str, str] = json.loads((HERE / "odd_files.json").read_text())
REAL = {file.name: file for file in real_files()}
NORMALISED = sorted(name for name, outcome in TABLE.items() if outcome == "normalised" and name in REAL)


def normalised(data: bytes, folder: Path, limits: Limits = DEFAULT) -> bytes:
    """The bytes a source becomes; the child's code, run in this process too, has to come to the same end."""
    try:
        result = normalise(MemorySource(data), limits, folder)
    except Rejected as refusal:
        same = here(data, limits) == refusal.code
        assert same, refusal.code  # noqa: PT017  # the caller expects the refusal itself
        raise
    try:
        written = result.read(0, result.size)
    finally:
        result.close()
    assert here(data, limits) == written
    return written


def here(data: bytes, limits: Limits = DEFAULT) -> bytes | str:
    """A request served in this process without limits on it: what was written, or a code."""
    with TemporaryFile() as given_, TemporaryFile() as inflated, TemporaryFile() as written:
        given_.write(data)
        given_.flush()
        code = serve(len(data), limits, given_.fileno(), inflated.fileno(), written.fileno())
        assert os.fstat(inflated.fileno()).st_size == 0
        return os.pread(written.fileno(), 1 << 30, 0) if code == OK else code


def refused(data: bytes, folder: Path, limits: Limits = DEFAULT) -> str:
    """The code a source ends with, or "normalised"."""
    try:
        normalised(data, folder, limits)
    except StowgateError as error:
        return error.code
    return "normalised"


def flat(data: bytes) -> Flat:
    """Every element of a plain file, by a reader that is not ours."""
    return flat_nodes(read(data).body)


def only(data: bytes, place: str) -> tuple[str | None, bytes | int]:
    return flat(data)[place]


def body_of(data: bytes) -> bytes:
    """A file without preamble, prefix and file meta."""
    return data[132 + 12 + int.from_bytes(data[140:144], "little") :]


def is_odd(source: ByteSource) -> bool:
    try:
        scan(source, DEFAULT, Buffer())
    except OddEncoding:
        return True
    except Rejected:
        pass
    return False


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for most tests."""
    return tmp_path_factory.mktemp("scratch")


# ---------------------------------------------------------------- real files


@pytest.mark.parametrize("name", sorted(REAL))
def test_every_real_file_that_is_odd_stands_in_the_table_and_ends_as_it_says(name: str, folder: Path) -> None:
    with FileSource(REAL[name].path) as source:
        if not is_odd(source):
            assert name not in TABLE
            return
        assert refused(REAL[name].read(), folder) == TABLE[name]


@pytest.mark.parametrize("name", NORMALISED)
def test_a_normalised_file_is_plain_for_the_scanner_and_normalising_again_changes_nothing(
    name: str, folder: Path
) -> None:
    once = normalised(REAL[name].read(), folder)
    assert not is_odd(MemorySource(once))
    assert normalised(once, folder) == once


@pytest.mark.parametrize("name", NORMALISED)
def test_pydicom_reads_the_same_values_before_and_after(name: str, folder: Path) -> None:
    """The oracle: pydicom decodes the original in its own encoding and the result in explicit little endian."""
    data = REAL[name].read()
    before, after = dataset(data), dataset(normalised(data, folder))
    assert_same_values(before, after, big=not before.original_encoding[1])


def assert_same_values(before: Dataset, after: Dataset, big: bool) -> None:
    unknown = {tag for tag in before.keys() if before.get_item(tag).VR == "UN"}  # noqa: SIM118  # a Dataset iterates elements
    expected = {e.tag: e for e in before if e.tag.element and e.tag.group != 2}
    assert [e.tag for e in after] == sorted(expected)
    for element in after:
        known = expected[element.tag]
        if known.VR == "SQ":
            assert len(known.value) == len(element.value)
            for ours, theirs in zip(element.value, known.value, strict=True):
                assert_same_values(theirs, ours, big)
        elif not big or not (element.VR.startswith("O") or element.tag in unknown):
            # from big endian pydicom leaves words as they lie (pictures are compared below) and swaps UN (PS3.5 6.2.2)
            assert unpadded(element.value) == unpadded(known.value), element.tag


def unpadded(value: object) -> object:
    return value.rstrip(b"\0") if isinstance(value, bytes) else value


@pytest.mark.parametrize(
    ("big", "little"),
    [
        ("MR_small_bigendian.dcm", "MR_small.dcm"),
        ("SC_rgb_small_odd_big_endian.dcm", "SC_rgb_small_odd.dcm"),
        ("liver_expb_1frame.dcm", "liver_1frame.dcm"),
        ("rtdose_expb.dcm", "rtdose.dcm"),  # 32 bits allocated in OW: swapped as one number, as pydicom reads them
        ("rtdose_expb_1frame.dcm", "rtdose_1frame.dcm"),
    ],
)
def test_big_endian_pictures_are_those_of_the_little_endian_twin(big: str, little: str, folder: Path) -> None:
    swapped = normalised(REAL[f"pydicom/test_files/{big}"].read(), folder)
    assert dataset(swapped).PixelData == dataset(REAL[f"pydicom/test_files/{little}"].read()).PixelData


# ---------------------------------------------------------------- encodings


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED])
def test_every_native_syntax_becomes_the_same_explicit_file(syntax: str, folder: Path) -> None:
    elements = instance()
    result = normalised(part10(elements, syntax), folder)
    assert read(result).syntax == EXPLICIT
    assert flat(result) == flat(part10(elements))


@pytest.mark.parametrize("syntax", [EXPLICIT, JPEG_BASELINE])
def test_file_meta_without_a_preamble_is_enough(syntax: str, folder: Path) -> None:
    data = part10(instance(), EXPLICIT)[132:]
    assert flat(normalised(data, folder)) == flat(part10(instance()))


@pytest.mark.parametrize(("implicit", "big"), [(False, False), (True, False), (False, True)])
def test_a_bare_data_set_is_recognised_in_each_encoding(implicit: bool, big: bool, folder: Path) -> None:
    data = encode(instance(), implicit=implicit, big=big)
    assert flat(normalised(data, folder)) == flat(part10(instance()))


def test_file_meta_that_names_no_syntax_is_guessed_from_the_data_set(folder: Path) -> None:
    for implicit, big in ((False, False), (True, False), (False, True)):
        body = encode(instance(), implicit=implicit, big=big)
        data = bytes(128) + b"DICM" + encode([el(0x00020001, b"\0\1", "OB")]) + body
        assert flat(normalised(data, folder)) == flat(part10(instance()))


def test_a_wrong_transfer_syntax_gives_way_to_what_the_bytes_say(folder: Path) -> None:
    elements = instance()
    for named, implicit, big in ((EXPLICIT, True, False), (IMPLICIT, False, False), (BIG_ENDIAN, False, False)):
        data = bytes(128) + b"DICM" + meta(elements, named) + encode(elements, implicit=implicit, big=big)
        assert flat(normalised(data, folder)) == flat(part10(elements))


def test_a_private_transfer_syntax_is_refused_by_name(folder: Path) -> None:
    data = part10(instance(), EXPLICIT).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.9.9.9\0")
    assert refused(data, folder) == "unknown_transfer_syntax"


def test_encapsulated_pixel_data_keeps_its_syntax_and_every_byte(folder: Path) -> None:
    fragments = Fragments((b"", b"\xff\xd8" + bytes(range(256)), b"\xfe\xff\xdd\xe0" * 2))
    elements = instance("1.2.840.10008.5.1.4.1.1.2", "CT", el("PixelData", fragments, "OB"))
    file = read(normalised(part10(elements, JPEG_BASELINE)[132:], folder))
    assert file.syntax == JPEG_BASELINE
    assert flat_nodes(file.body) == flat(part10(elements, JPEG_BASELINE))


def test_fragments_without_a_named_syntax_cannot_be_told_apart(folder: Path) -> None:
    fragments = el("PixelData", Fragments((b"", b"\xff\xd8")), "OB")
    assert refused(encode(instance("1.2.3", "CT", fragments)), folder) == "cannot_normalise"


def test_deflated_jpip_objects_become_their_inflated_twins(folder: Path) -> None:
    elements = without(instance(), "PixelData")
    deflate = zlib.compressobj(wbits=-15)
    body = deflate.compress(encode(elements)) + deflate.flush()
    for deflated, plain in (("1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.94"),
                            ("1.2.840.10008.1.2.4.205", "1.2.840.10008.1.2.4.204")):  # fmt: skip
        file = read(normalised(bytes(128) + b"DICM" + meta(elements, deflated) + body, folder))
        assert file.syntax == plain
        assert flat_nodes(file.body) == flat(part10(elements))


# ---------------------------------------------------------------- elements


def with_raw(*raw: bytes, drop: tuple[str, ...] = (), syntax: str = EXPLICIT) -> bytes:
    """A file whose data set ends in hand-made bytes."""
    return part10(without(instance(), "PixelData", *drop), syntax) + b"".join(raw)


@pytest.mark.parametrize(
    ("raw", "place", "vr", "value"),
    [
        (b"\x10\x00\x00\x40LT\x03\x00abc", "(0010,4000)", "LT", b"abc "),
        (b"\x20\x00\x52\x00UI\x03\x001.2", "(0020,0052)", "UI", b"1.2\0"),
        (b"\x42\x00\x11\x00OB\0\0\x01\0\0\0\xff", "(0042,0011)", "OB", b"\xff\0"),
        (b"\x28\x00\x06\x01US\x03\x00\x01\x02\x03", "(0028,0106)", "UN", b"\1\2\3\0"),
    ],
)
def test_odd_lengths_are_padded_as_their_vr_asks(raw: bytes, place: str, vr: str, value: bytes, folder: Path) -> None:
    tag = int(place[1:5] + place[6:10], 16)
    elements = [e for e in instance() if e.tag < tag]
    data = part10(elements) + raw
    assert only(normalised(data, folder), place) == (vr, value)


def test_disorder_is_put_in_order(folder: Path) -> None:
    elements = instance()
    assert flat(normalised(part10(elements[::-1]), folder)) == flat(part10(elements))


def test_a_tag_that_stands_twice_is_refused_wherever_it_stands(folder: Path) -> None:
    elements = instance()
    twice = (*elements, el("PatientID", "OTHER"))
    assert refused(part10(twice), folder) == "duplicate_element"
    inner = Item((el("CodeValue", "A"), el("CodeMeaning", "b"), el("CodeValue", "C")))
    nested = (*elements, el("ProcedureCodeSequence", inner))
    assert refused(part10(nested), folder) == "duplicate_element"


def test_un_of_undefined_length_is_a_sequence_of_implicit_items(folder: Path) -> None:
    inside = item(el("CodeValue", "113100"), el("CodeMeaning", "Basic"), undefined=True)
    data = part10((*instance(), el(0x00091101, inside, "UN", undefined=True)))
    found = flat(normalised(data, folder))
    assert found["(0009,1101)"] == ("SQ", 1)
    assert found["(0009,1101)[0].(0008,0100)"] == ("SH", b"113100")
    assert found["(0009,1101)[0].(0008,0104)"] == ("LO", b"Basic ")


def test_un_of_undefined_length_is_little_endian_even_in_a_big_endian_file(folder: Path) -> None:
    inside = encode([item_element := el("Rows", 0x0102)], implicit=True)
    raw = b"\x00\x09\x11\x01UN\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0" + len(inside).to_bytes(4, "little") + inside
    raw += b"\xfe\xff\xdd\xe0\0\0\0\0"
    found = flat(normalised(part10(without(instance(), "PixelData"), BIG_ENDIAN) + raw, folder))
    assert found["(0009,1101)[0].(0028,0010)"] == ("US", item_element.value)


def test_un_of_a_known_attribute_takes_the_dictionarys_vr(folder: Path) -> None:
    codes = b"\xfe\xff\x00\xe0\x0e\0\0\0" + encode([el("CodeValue", "113100")], implicit=True)
    known = [el("PatientID", "P1", "UN"), el("Rows", b"\2\1", "UN"), el("ProcedureCodeSequence", codes, "UN")]
    for syntax in (EXPLICIT, BIG_ENDIAN):
        found = flat(normalised(part10(instance("1.2", "CT", *known)[::-1], syntax), folder))
        assert found["(0010,0020)"] == ("LO", b"P1")
        assert found["(0028,0010)"] == ("US", b"\2\1")
        assert found["(0008,1032)[0].(0008,0100)"] == ("SH", b"113100")


def test_un_that_should_be_a_sequence_and_is_none_stays_untouched(folder: Path) -> None:
    data = part10(instance("1.2", "CT", el("ProcedureCodeSequence", b"no items here!!!", "UN"))[::-1])
    assert only(normalised(data, folder), "(0008,1032)") == ("UN", b"no items here!!!")


def test_unknown_private_elements_stay_un_and_known_ones_take_the_private_dictionarys_vr(folder: Path) -> None:
    private = [
        el(0x00090010, "NOBODY KNOWS", "LO"),
        el(0x00091001, b"\1\2\3\4", "LO"),
        el(0x00190010, "SIEMENS MR HEADER", "LO"),
        el(0x0019100C, "1000", "IS"),
        el(0x00291008, b"orphan", "LO"),
    ]
    found = flat(normalised(part10(instance("1.2", "CT", *private), IMPLICIT), folder))
    assert found["(0009,0010)"] == ("LO", b"NOBODY KNOWS")
    assert found["(0009,1001)"] == ("UN", b"\1\2\3\4")
    assert found["(0019,100C)"] == ("IS", b"1000")
    assert found["(0029,1008)"] == ("UN", b"orphan")


def test_items_that_begin_with_un_or_private_elements_are_not_mistaken_for_another_encoding(folder: Path) -> None:
    for first in (el(0x00080010, b"BBBBBBB ", "UN"), el(0x00090010, "MAKER", "LO"), el(0x08001000, b"\1\2", "UN")):
        nested = el(0x00400260, item(first), "SQ")
        for syntax in (EXPLICIT, DEFLATED, BIG_ENDIAN):
            found = flat(normalised(part10(instance("1.2", "CT", nested), syntax), folder))
            place = f"(0040,0260)[0].({first.tag >> 16:04X},{first.tag & 0xFFFF:04X})"
            assert found[place][1] == first.value


def test_a_tag_that_is_known_in_both_byte_orders_does_not_speak_against_the_one_that_is_declared(folder: Path) -> None:
    for first in (el(0x00201000, "BBBBBBB ", "IS"), el(0x20000010, "17", "IS")):  # each is the other, swapped
        nested = el(0x00400260, item(first), "SQ")
        for syntax in (DEFLATED, BIG_ENDIAN):
            found = flat(normalised(part10(instance("1.2", "CT", nested), syntax), folder))
            assert found[f"(0040,0260)[0].({first.tag >> 16:04X},{first.tag & 0xFFFF:04X})"][1] == first.value


def test_an_unknown_vr_becomes_un_with_its_bytes(folder: Path) -> None:
    raw = b"\x09\x10\x10\x10QQ\0\0\x04\0\0\0\1\2\3\4" + b"\x09\x10\x11\x10QR\x02\x00\5\6"
    found = flat(normalised(with_raw(raw), folder))
    assert found["(1009,1010)"] == ("UN", b"\1\2\3\4")
    assert found["(1009,1011)"] == ("UN", b"\5\6")


def test_implicit_elements_inside_an_explicit_data_set_are_understood(folder: Path) -> None:
    raw = encode([el("ImageComments", "mixed!", "LT")], implicit=True)
    assert only(normalised(with_raw(raw), folder), "(0020,4000)") == ("LT", b"mixed!")


def test_explicit_items_inside_an_implicit_data_set_are_understood(folder: Path) -> None:
    inside = encode([el("CodeValue", "113100"), el("CodeMeaning", "Basic!")])
    items = b"\xfe\xff\x00\xe0" + len(inside).to_bytes(4, "little") + inside
    raw = b"\x40\x00\x60\x02" + len(items).to_bytes(4, "little") + items
    assert only(normalised(with_raw(raw, syntax=IMPLICIT), folder), "(0040,0260)[0].(0008,0104)") == ("LO", b"Basic!")


@pytest.mark.parametrize(("representation", "vr"), [(0, "US"), (1, "SS")])
def test_pixel_representation_decides_between_us_and_ss_at_every_depth(
    representation: int, vr: str, folder: Path
) -> None:
    table = item(el("LUTDescriptor", (2, 0, 16), "US"), el("LUTData", (1, 2), "OW"))
    more = (
        el("PixelRepresentation", representation),
        el("SmallestImagePixelValue", 7, "US"),
        el(0x00189810, 7, "US"),
        el("ModalityLUTSequence", table),
    )
    found = flat(normalised(part10(instance("1.2", "CT", *more), IMPLICIT), folder))
    assert found["(0028,0106)"] == (vr, b"\7\0")
    assert found["(0018,9810)"] == (vr, b"\7\0")
    assert found["(0028,3000)[0].(0028,3002)"][0] == vr
    assert found["(0028,3000)[0].(0028,3006)"] == ("OW", b"\1\0\2\0")


def test_a_text_too_long_for_its_vr_becomes_un_and_stays_whole(folder: Path) -> None:
    text = b"x" * 70_000
    found = flat(normalised(part10(instance("1.2", "CT", el("ImageComments", text, "LT")), IMPLICIT), folder))
    assert found["(0020,4000)"] == ("UN", text)


def test_group_lengths_commands_and_stray_file_meta_are_dropped(folder: Path) -> None:
    stray = [el(0x00000002, "1.2", "UI"), el(0x00020010, "1.2.840.10008.1.2.5", "UI"), el(0x00080000, 5, "UL")]
    result = normalised(part10((*instance(), *stray)), folder)
    assert read(result).syntax == EXPLICIT
    assert flat(result) == flat(part10(instance()))


def test_padding_to_a_block_size_is_dropped_and_text_behind_the_object_is_not_dicom_structure(folder: Path) -> None:
    data = part10(instance(), BIG_ENDIAN)
    assert flat(normalised(data + bytes(3001), folder)) == flat(part10(instance()))
    assert refused(data + b"Vandermeer^Liselotte was here", folder) in ("truncated", "bad_structure")


LEAVES = st.sampled_from(
    [
        ("PatientName", "PN"), ("ImageComments", "LT"), ("SeriesInstanceUID", "UI"), ("StudyDate", "DA"),
        ("PatientWeight", "DS"), ("SliceVector", "US"), ("TimeRange", "FD"), ("FrameIncrementPointer", "AT"),
        ("VectorGridData", "OF"), ("EncapsulatedDocument", "OB"), ("RedPaletteColorLookupTableData", "OW"),
        ("ReferencePixelX0", "SL"), ("SimpleFrameList", "UL"), ("LongCodeValue", "UC"), ("TextValue", "UT"),
        (0x00091001, "UN"), (0x00090010, "LO"), (0x00191001, "UN"),
        ("ExtendedOffsetTable", "OV"), ("DoubleFloatPixelData", "OD"), ("TrackPointIndexList", "OL"),
    ]
)  # fmt: skip
WIDTH = {"US": 2, "FD": 8, "AT": 4, "OF": 4, "OW": 2, "SL": 4, "UL": 4, "OV": 8, "OD": 8, "OL": 4}


@st.composite
def leaves(draw: st.DrawFn) -> Element:
    keyword, vr = draw(LEAVES)
    width = WIDTH.get(vr, 2)
    data = draw(st.binary(max_size=48))
    return el(keyword, data[: len(data) // width * width], vr)


@st.composite
def data_sets(draw: st.DrawFn, depth: int = 2) -> tuple[Element, ...]:
    found = draw(st.lists(leaves(), max_size=4))
    if depth:
        for keyword in ("ContentSequence", "ReferencedStudySequence"):
            if draw(st.booleans()):
                inner = draw(st.lists(data_sets(depth - 1), max_size=2))
                items = tuple(Item(elements, draw(st.booleans())) for elements in inner)
                found.append(el(keyword, items, "SQ", undefined=draw(st.booleans())))
    return tuple(sorted({e.tag: e for e in found}.values(), key=lambda e: e.tag))


@settings(max_examples=150)
@given(data_sets(), st.sampled_from([IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED]), st.randoms())
def test_any_data_set_in_any_encoding_and_order_keeps_every_value(
    folder: Path, elements: tuple[Element, ...], syntax: str, dice: object
) -> None:
    whole = without(instance(), "PixelData")
    whole = tuple({e.tag: e for e in (*whole, *elements)}.values())
    shuffled = sorted(whole, key=lambda _: dice.random())  # type: ignore[attr-defined]
    ordered = tuple(sorted(whole, key=lambda e: e.tag))
    assert flat(normalised(part10(shuffled, syntax), folder)) == flat(part10(ordered))


# ---------------------------------------------------------------- damage


def test_a_big_endian_file_cut_anywhere_but_between_elements_is_truncated(folder: Path) -> None:
    elements = instance()
    whole = part10(elements, BIG_ENDIAN)
    head = len(whole) - len(encode(elements, big=True))
    between = {head + len(encode(elements[:n], big=True)) for n in range(len(elements) + 1)}
    for cut in range(132, len(whole)):
        if cut not in between and cut > head:
            assert refused(whole[:cut], folder) == "truncated", cut


@pytest.mark.parametrize("percent", range(1, 100))
def test_a_deflated_file_cut_at_any_percent_is_truncated(percent: int, folder: Path) -> None:
    whole = REAL["pydicom/test_files/image_dfl.dcm"].read()
    cut = refused(whole[: len(whole) * percent // 100], folder)
    assert cut == ("not_dicom" if len(whole) * percent // 100 < 132 else "truncated")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_encapsulated_pixel_data_without_its_end_is_truncated(share: float, folder: Path) -> None:
    elements = instance("1.2", "CT", el("PixelData", Fragments((b"", bytes(4000), bytes(4000))), "OB"))
    whole = part10(elements, JPEG_BASELINE)
    start = len(whole) - 8040
    assert refused(whole[132 : start + int(8040 * share)], folder) == "truncated"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"\xfe\xff\x0d\xe0\0\0\0\0", "bad_structure"),  # a delimiter that ends nothing
        (b"\x40\x00\x60\x02SQ\0\0\x08\0\0\0" + b"\x08\x00\x00\x01SH\0\0", "bad_structure"),  # no item in a sequence
        (b"\x40\x00\x60\x02SQ\0\0\x08\0\0\0" + b"\xfe\xff\x00\xe0\x40\0\0\0", "bad_structure"),  # item > sequence
        (b"\x40\x00\x60\x02SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff", "truncated"),
        (b"\x40\x00\x60\x02LO\xff\xff" + b"short", "truncated"),
        (b"\x40\x00\x60\x02LT\0\0", "normalised"),
        (b"\xe0\x7f\x10\x00OW\0\0\xff\xff\xff\xff" + b"\x01\x02\x03\x04\0\0\0\0", "bad_structure"),  # no fragments
        (b"\x42\x00\x11\x00UT\0\0\xff\xff\xff\xff" + b"\xfe\xff\xdd\xe0\0\0\0\0", "bad_structure"),  # text, no length
        (b"\xff\xff\xff\xff", "truncated"),
    ],
)
def test_a_broken_structure_ends_in_its_code(raw: bytes, code: str, folder: Path) -> None:
    assert refused(with_raw(raw, drop=("ImageType",)), folder) == code


NO_DICOM = [
    b"DICM",
    b"\x02\x00\x10\x00UI\xff\xffshort",
    b"\x02\x00\x99\x00UI\x02\x001\0" + bytes(40),
    b"\0" * 5000,
    b"%PDF-1.7\n" + b"1 0 obj\n" * 50,
    b"\x7fELF" + bytes(300),
    b'{"00080005": {"vr": "CS", "Value": ["ISO_IR 100"]}}',
    b"\x1f\x8b\x08\x08" + bytes(range(256)),
    b"\x08\x00",
    b"\x08\x00\x05\x00",
    b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100\x08\x00\x08\x00XX\x02\x00AB",  # a wrong VR
    b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100\x08\x00\x08\x00CS\x02\x00AB",  # no UID at all
    b"\x08\x00\x05\x00\xff\x00\x00\x00short",
    b"\x08\x00\x60\x00CS\x02\x00CT\x08\x00\x05\x00CS\x0a\x00ISO_IR 100" * 3,  # not ascending
]


@pytest.mark.parametrize("data", NO_DICOM)
def test_what_does_not_begin_like_a_data_set_is_no_dicom(data: bytes, folder: Path) -> None:
    assert refused(data, folder) == "not_dicom"


@settings(max_examples=200)
@given(st.binary(min_size=1, max_size=600))
def test_random_bytes_are_no_dicom(folder: Path, data: bytes) -> None:
    assert refused(data, folder) == "not_dicom"


@settings(max_examples=150)
@given(st.data())
def test_a_mutated_file_is_normalised_or_refused_with_a_code_and_the_child_goes_on(
    folder: Path, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from([n for n in NORMALISED if REAL[n].size < 20_000]))
    bytes_ = bytearray(REAL[name].read())
    for _ in range(data.draw(st.integers(1, 8))):
        bytes_[data.draw(st.integers(0, len(bytes_) - 1))] = data.draw(st.integers(0, 255))
    code = refused(bytes(bytes_), folder)
    assert code == "normalised" or code in ALLOWED
    assert refused(part10(instance(), BIG_ENDIAN), folder) == "normalised"


ALLOWED = {"not_dicom", "truncated", "bad_structure", "duplicate_element", "unknown_transfer_syntax"}
ALLOWED |= {"cannot_normalise", "limit_depth", "limit_elements", "limit_inflate", "limit_time"}


# ---------------------------------------------------------------- limits


def nested(depth: int) -> bytes:
    opened = b"\x40\x00\x30\xa7SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * depth
    return with_raw(opened + b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0" * depth)


def test_depth_is_bounded_before_anything_recurses_far(folder: Path) -> None:
    assert refused(nested(64), folder) == "normalised"
    assert refused(nested(65), folder) == "limit_depth"
    start = time.monotonic()
    assert refused(nested(10_000), folder) == "limit_depth"
    assert time.monotonic() - start < 1


def test_elements_are_counted_at_all_depths(folder: Path) -> None:
    small = Limits(elements=len(instance()) + 2)
    codes = item(el("CodeValue", "A"), el("CodeMeaning", "B"))
    assert refused(part10(instance(), BIG_ENDIAN), folder, small) == "normalised"
    assert refused(part10((*instance(), el("ProcedureCodeSequence", codes)), EXPLICIT), folder, small) == (
        "limit_elements"
    )


def test_one_data_set_of_a_hundred_thousand_elements_is_refused_in_a_second(folder: Path) -> None:
    many = b"".join(struct.pack(">HH2sHH", 0x29 + 2 * (n >> 16), n & 0xFFFF, b"US", 2, 1) for n in range(1, 500_000))
    start = time.monotonic()
    with pytest.raises(Rejected) as caught:
        normalise(MemorySource(part10(without(instance(), "PixelData"), BIG_ENDIAN) + many), DEFAULT, folder)
    assert caught.value.code == "limit_elements"
    assert time.monotonic() - start < 2


def bomb(megabytes: int) -> bytes:
    engine = zlib.compressobj(9, wbits=-15)
    deflated = engine.compress(encode(without(instance(), "PixelData")) + b"\xe0\x7f\x10\x00OB\0\0\0\0\0\x40")
    deflated += b"".join(engine.compress(bytes(1024 * 1024)) for _ in range(megabytes)) + engine.flush()
    return bytes(128) + b"DICM" + meta(instance(), DEFLATED) + deflated


def test_a_deflate_bomb_is_refused_at_the_ratio_long_before_it_is_inflated(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bomb(400)
    assert len(data) < 450_000
    inflate, reached = odd_layout.inflate, []

    def watched(window: Window, start: int, out: BinaryIO, limits: Limits, budget: Budget) -> int:
        try:
            return inflate(window, start, out, limits, budget)
        finally:
            reached.append(out.tell())

    monkeypatch.setattr(odd_layout, "inflate", watched)
    start = time.monotonic()
    assert refused(data, folder) == "limit_inflate"
    assert time.monotonic() - start < 2
    assert len(reached) == 1 and 0 < reached[0] <= 200 * len(data)


def test_bytes_inflated_are_bounded_whatever_the_ratio(folder: Path) -> None:
    assert refused(bomb(16), folder, Limits(inflate_bytes=4 * 1024 * 1024)) == "limit_inflate"


def test_an_empty_picture_that_compresses_a_thousandfold_is_no_bomb(folder: Path) -> None:
    black = el("PixelData", bytes(4 * 1024 * 1024), "OW")
    elements = instance("1.2", "CT", el("Rows", 2048), el("Columns", 1024), black)
    assert flat(normalised(part10(elements, DEFLATED), folder)) == flat(part10(elements))


def test_what_is_no_deflate_stream_cannot_be_normalised(folder: Path) -> None:
    data = bytes(128) + b"DICM" + meta(instance(), DEFLATED) + b"\xff" * 300
    assert refused(data, folder) == "cannot_normalise"


def test_time_that_is_up_is_noticed_by_the_child_itself(folder: Path) -> None:
    assert refused(part10(instance(), BIG_ENDIAN), folder, Limits(seconds=0.0)) == "limit_time"
    assert refused(part10(instance(), BIG_ENDIAN), folder) == "normalised"


# ---------------------------------------------------------------- the child


@pytest.fixture
def normaliser() -> Iterator[Normaliser]:
    made = Normaliser()
    yield made
    made.close()


def one_child(normaliser: Normaliser, folder: Path) -> int:
    """Process id of the only idle child."""
    normaliser.normalise(MemorySource(part10(instance(), BIG_ENDIAN)), DEFAULT, folder).close()
    (child,) = normaliser._idle
    return child._process.pid


def again(normaliser: Normaliser, folder: Path, limits: Limits = DEFAULT) -> str:
    try:
        normaliser.normalise(MemorySource(part10(instance(), BIG_ENDIAN)), limits, folder).close()
    except StowgateError as error:
        return error.code
    return "normalised"


def test_one_child_serves_one_object_after_the_other(normaliser: Normaliser, tmp_path: Path) -> None:
    assert one_child(normaliser, tmp_path) == one_child(normaliser, tmp_path)


def test_a_child_serves_every_folder_of_its_file_system(normaliser: Normaliser, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    assert one_child(normaliser, tmp_path) == one_child(normaliser, tmp_path / "other")


def test_only_a_few_idle_children_are_kept(
    normaliser: Normaliser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for device in range(6):
        monkeypatch.setattr(parent, "_device", lambda _, device=device: device)
        assert again(normaliser, tmp_path) == "normalised"
    assert [child.device for child in normaliser._idle] == [2, 3, 4, 5]


def test_threads_work_side_by_side_and_each_gets_its_own_object(normaliser: Normaliser, tmp_path: Path) -> None:
    def work(number: int) -> str:
        data = part10(instance(uid=f"1.2.{number}"), BIG_ENDIAN)
        result = normaliser.normalise(MemorySource(data), DEFAULT, tmp_path)
        try:
            return str(dataset(result.read(0, result.size)).SOPInstanceUID)
        finally:
            result.close()

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(work, range(60))) == [f"1.2.{number}" for number in range(60)]
    assert len(normaliser._idle) <= 3


def test_a_child_that_died_between_two_objects_is_replaced_unseen(normaliser: Normaliser, tmp_path: Path) -> None:
    first = one_child(normaliser, tmp_path)
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    assert again(normaliser, tmp_path) == "normalised"


def test_a_child_that_hangs_is_stopped_and_the_next_object_gets_another(
    normaliser: Normaliser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parent, "_GRACE", 0.2)
    first = one_child(normaliser, tmp_path)
    os.kill(first, signal.SIGSTOP)
    assert again(normaliser, tmp_path, Limits(seconds=0.1)) == "limit_time"
    assert one_child(normaliser, tmp_path) != first


@pytest.mark.parametrize(
    ("stroke", "code"),
    [(signal.SIGXCPU, "limit_time"), (signal.SIGKILL, "cannot_normalise"), (signal.SIGSEGV, "cannot_normalise")],
)
def test_a_child_that_dies_at_work_costs_this_object_only(
    stroke: signal.Signals, code: str, normaliser: Normaliser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = one_child(normaliser, tmp_path)
    os.kill(first, signal.SIGSTOP)
    write = parent._Child._ask

    def struck(child: parent._Child, request: bytes, seconds: float) -> str:
        os.kill(first, stroke)
        os.kill(first, signal.SIGCONT)
        return write(child, request, seconds)

    monkeypatch.setattr(parent._Child, "_ask", struck)
    assert again(normaliser, tmp_path) == code
    monkeypatch.undo()
    assert again(normaliser, tmp_path) == "normalised"


@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process are shown by Linux only")
def test_the_child_has_limits_no_environment_and_no_numpy(normaliser: Normaliser, tmp_path: Path) -> None:
    pid = one_child(normaliser, tmp_path)
    process = Path(f"/proc/{pid}")
    limits = {line[:26].strip(): line[26:].split()[0] for line in (process / "limits").read_text().splitlines()[1:]}
    assert limits["Max address space"] == str(1024**3)
    assert limits["Max core file size"] == "0"
    assert limits["Max open files"] == "32"
    assert int(limits["Max cpu time"]) < 60
    assert int(limits["Max file size"]) < 3 * 1024**3
    assert (process / "environ").read_bytes() == b""
    assert "numpy" not in (process / "maps").read_text()
    assert (process / "fd/2").readlink() == Path(os.devnull)


def test_a_child_that_cannot_start_is_a_fault_of_the_machine_not_of_the_object(
    normaliser: Normaliser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parent, "_COMMAND", "raise SystemExit(1)")
    assert again(normaliser, tmp_path) == "no_child_process"
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    assert again(normaliser, tmp_path) == "no_child_process"


def test_a_folder_that_takes_no_files_is_said_so(normaliser: Normaliser, tmp_path: Path) -> None:
    assert again(normaliser, tmp_path / "missing") == "cannot_write"


def test_a_disk_that_is_full_is_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stowgate.dicom import odd

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(odd, "rewrite", full)
    assert here(b"") == DISK_FULL
    monkeypatch.setattr(parent._Child, "_ask", lambda *_: DISK_FULL)
    with pytest.raises(Temporary) as caught:
        normalise(MemorySource(b"\x08\0x"), DEFAULT, tmp_path)
    assert caught.value.code == "disk_full"


@pytest.mark.parametrize("error", [MemoryError(), ValueError("Doe^Jane"), RecursionError(), OSError(5, "Doe^Jane")])
def test_whatever_goes_wrong_in_the_child_is_a_code_without_a_message(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from stowgate.dicom import odd

    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(odd, "rewrite", fails)
    assert here(b"") == "cannot_normalise"
    assert capfd.readouterr() == ("", "")


def test_an_answer_that_is_no_code_of_ours_counts_as_not_normalised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parent._Child, "_ask", lambda *_: "Doe^Jane")
    with pytest.raises(Rejected) as caught:
        normalise(MemorySource(b"\x08\0x"), DEFAULT, tmp_path)
    assert caught.value.code == "cannot_normalise"
    assert "Doe" not in f"{caught.value!r} {caught.value}"


# ---------------------------------------------------------------- what is left lying about


def test_the_result_has_no_name_is_for_the_owner_only_and_is_gone_when_closed(tmp_path: Path) -> None:
    result = normalise(MemorySource(part10(instance(), BIG_ENDIAN)), DEFAULT, tmp_path)
    fd = result.fileno()
    assert fd is not None
    assert list(tmp_path.iterdir()) == []
    assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o600
    result.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_two_results_do_not_share_their_bytes(tmp_path: Path) -> None:
    first = normalise(MemorySource(part10(instance(uid="1.2.3"), BIG_ENDIAN)), DEFAULT, tmp_path)
    before = first.read(0, first.size)
    normalise(MemorySource(part10(instance(uid="9.8.7"), BIG_ENDIAN)), DEFAULT, tmp_path).close()
    assert first.read(0, first.size) == before
    first.close()


def test_nothing_of_an_object_is_left_in_the_folder_or_in_a_message(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = part10(instance(), BIG_ENDIAN)[:-5]
    with pytest.raises(Rejected) as caught:
        normalised(broken, tmp_path)
    assert "Vandermeer" not in f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_importing_it_imports_neither_pydicom_nor_numpy() -> None:
    code = "import sys, stowgate.dicom.normalise; sys.exit('pydicom' in sys.modules or 'numpy' in sys.modules)"
    environment = {"PYTHONPATH": str(Path(parent.__file__).parents[2])}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
