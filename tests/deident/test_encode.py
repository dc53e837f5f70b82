"""Elements, items and dummies are written as PS3.5 asks: header by VR and encoding, even length, valid values."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.valuerep import validate_value

from stowgate.deident.encode import DUMMIES, element, item, permitted_vrs
from stowgate.dicom.budget import Budget
from stowgate.dicom.limits import DEFAULT
from stowgate.dicom.walk import LONG_VRS, SHORT_VRS, Elements, walk
from stowgate.standard import dictionary
from tests.builder import Element, el, encode
from tests.builder import item as built_item

VRS = sorted(vr for vr in SHORT_VRS | LONG_VRS if vr != b"SQ")
TAG = 0x00091001


def walked(data: bytes, explicit: bool) -> Elements:
    found: Elements = {}
    walk(memoryview(data), 0, len(data), explicit, found, Budget(DEFAULT))
    return found


@given(st.sampled_from(VRS), st.binary(max_size=50), st.booleans())
def test_an_element_is_what_another_writer_makes_of_it(vr: bytes, value: bytes, explicit: bool) -> None:
    padded = value + (b"\0" if vr in (b"UI", b"OB", b"UN") else b" ") * (len(value) % 2)
    theirs = encode([Element(TAG, vr.decode(), padded)], implicit=not explicit)
    assert element(TAG, vr, value, explicit) == theirs
    ((found, _, start, stop),) = walked(theirs, explicit).values()
    assert theirs[start:stop] == padded
    assert found == (vr if explicit else b"UN")


@pytest.mark.parametrize(
    ("vr", "padding"), [(b"LO", b" "), (b"UI", b"\0"), (b"OB", b"\0"), (b"UN", b"\0"), (b"PN", b" "), (b"UT", b" ")]
)
def test_odd_values_are_padded_as_their_vr_asks(vr: bytes, padding: bytes) -> None:
    assert element(TAG, vr, b"1", True)[-2:] == b"1" + padding


def test_a_text_too_long_for_a_short_header_is_written_as_un() -> None:
    """PS3.5 6.2.2 note: what does not fit into 16 bits of length is UN in an explicit file."""
    for length, vr, header in ((0xFFFE, b"LO", 8), (0x10000, b"UN", 12)):
        made = element(TAG, b"LO", b"x" * length, True)
        ((found, _, start, stop),) = walked(made, True).values()
        assert (found, start, stop - start) == (vr, header, length)
    assert element(TAG, b"LO", b"x" * 0x10000, False)[:8] == struct.pack("<HHI", 9, 0x1001, 0x10000)


def test_the_reserved_bytes_are_zero() -> None:
    assert element(TAG, b"OB", b"", True) == b"\x09\x00\x01\x10OB\0\0\0\0\0\0"


def test_an_item_has_a_defined_length() -> None:
    body = encode([el("CodeValue", "A")])
    assert item(body) == encode([el("ProcedureCodeSequence", built_item(el("CodeValue", "A")))])[12:]
    assert item(b"") == b"\xfe\xff\x00\xe0\0\0\0\0"


def test_there_is_a_dummy_for_every_vr_but_uid_and_sequence() -> None:
    assert {*DUMMIES, b"UI", b"SQ"} == SHORT_VRS | LONG_VRS


@pytest.mark.parametrize("vr", sorted(DUMMIES))
def test_every_dummy_is_a_valid_and_conspicuous_value(vr: bytes) -> None:
    value = DUMMIES[vr]
    written = element(TAG, vr, value, True)
    data = bytes(128) + b"DICM" + encode([el(0x00020010, "1.2.840.10008.1.2.1", "UI")]) + written
    read = dcmread(io.BytesIO(data), force=True)[TAG]
    assert vr.decode() == read.VR
    if vr in (b"AE", b"AS", b"CS", b"DA", b"DS", b"DT", b"IS", b"LO", b"LT", b"PN", b"SH", b"ST", b"TM", b"UR"):
        validate_value(vr.decode(), value.decode(), 2)  # raises for what is no value of that VR
    width = {b"AT": 4, b"FD": 8, b"FL": 4, b"OD": 8, b"OF": 4, b"OL": 4, b"OV": 8, b"OW": 2, b"SL": 4, b"SS": 2,
             b"SV": 8, b"UL": 4, b"US": 2, b"UV": 8, b"OB": 2, b"UN": 2}.get(vr)  # fmt: skip
    assert width is None or value == bytes(width)
    assert len(value) <= 16


def test_a_dummy_date_is_nobodys() -> None:
    assert DUMMIES[b"DA"] == b"19000101"
    assert DUMMIES[b"DT"].startswith(DUMMIES[b"DA"])
    assert DUMMIES[b"AS"] == b"000Y"


@pytest.mark.parametrize(
    ("tag", "vrs"),
    [
        (0x00100010, (b"PN",)),
        (0x7FE00010, (b"OW", b"OB")),
        (0x00280106, (b"US", b"SS")),
        (0x60003000, (b"OW", b"OB")),
        (0x00980001, ()),
        (0x00091001, ()),
    ],
)
def test_the_vr_to_write_comes_first_and_all_the_standard_permits_follow(tag: int, vrs: tuple[bytes, ...]) -> None:
    assert permitted_vrs(tag) == vrs


def test_every_attribute_of_the_dictionary_has_a_vr_that_can_be_written() -> None:
    for tag in dictionary.tags():
        assert bool(permitted_vrs(tag)) is bool(dictionary.vr_of(tag)), f"{tag:08X}"
        assert set(permitted_vrs(tag)) <= SHORT_VRS | LONG_VRS
