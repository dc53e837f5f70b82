"""The name of somebody who stands nowhere else in an object does not stay in a kept number or code."""

from __future__ import annotations

import struct

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from stowgate.dicom.source import MemorySource
from stowgate.pipeline import cleaned
from stowgate.policy import Option
from stowgate.standard import safe_private
from tests import builder
from tests.builder import Element, el, item, small
from tests.oracle import engine, forms, tables
from tests.oracle.compare import flat_nodes
from tests.oracle.reader import read
from tests.oracle.rules import always_dropped, decide
from tests.planting import KEPT_SEQUENCES, place_of

pytestmark = pytest.mark.no_cover  # thousands of objects take the same lines: counting those doubles the time

EVERYWHERE = (builder.EXPLICIT, builder.IMPLICIT, builder.DEFLATED, builder.BIG_ENDIAN)
SAFE = engine.policy(Option.SAFE_PRIVATE)
thorough = settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), print_blob=False
)
NAMES = (
    "Quxenwald", "QUXENWALD^BERTHILDE", "Berthilde Quxenwald", "O'Quxen, Mary^Jane", "quxenwald b 19320714",
    "Quxen-Wald", "von Quxenwald jr.", "DR QUXENWALD", "Quxe", "QUXENWALD_BERTHILDE_MARIA",
)  # fmt: skip
TYPED = (0x00180015, 0x00400318, 0x00082208, 0x00700080)


def _kept(vrs: tuple[str, ...]) -> list[int]:
    """Attributes of these VRs that stay under the plain profile."""
    tags = [int(row[0], 16) for row in tables._table("data_dictionary")["rows"] if "x" not in row[0]]
    kept = [tag for tag in tags if tables.dictionary_vrs(tag)[:1] in [(vr,) for vr in vrs] and not always_dropped(tag)]
    return [tag for tag in kept if decide(engine.policy(), builder.CT, (), tag).letter == "K" and tag not in IMAGE]


IMAGE = (0x00080005, 0x00080060, 0x00280004, 0x00280301)
"""What the object is read by, and what decides whether it is held."""
NUMBERS = [tag for tag in _kept(tuple(forms.SIZE)) if tables.multiplicity(tag) != "1" or forms.SIZE[
    tables.dictionary_vrs(tag)[0]] >= 4]  # fmt: skip
CODES = _kept(("CS",))


def _wrapped(draw: st.DrawFn, element: Element) -> tuple[Element, list[int]]:
    """An element inside up to four kept sequences."""
    path = [draw(st.sampled_from(KEPT_SEQUENCES)) for _ in range(draw(st.integers(0, 4)))]
    for tag in reversed(path):
        element = el(tag, (item(element, undefined=draw(st.booleans())),), "SQ", undefined=draw(st.booleans()))
    return element, path


@st.composite
def named_numbers(draw: st.DrawFn) -> tuple[bytes, str]:
    """An object with a name in a binary number: of the right length, or padded, or among other numbers."""
    tag = draw(st.sampled_from(NUMBERS))
    vr = tables.dictionary_vrs(tag)[0]
    size, vm = forms.SIZE[vr], tables.multiplicity(tag)
    name = draw(st.sampled_from(NAMES)).encode()
    before = draw(st.sampled_from([b"", b"", struct.pack("<d", 1.5) * 2]))
    found = sum(chr(c).isalpha() for c in name) >= (12 if vr == "FL" else 8)
    before = before if found and vm != "1-n or 1" else b""
    value = before + name
    value += draw(st.sampled_from([b" ", b"\0"])) * (-len(value) % size)
    fewest = tables.fewest_values(tag) * size
    if draw(st.booleans()) and "n" not in vm:
        value = (name[:fewest]).ljust(fewest, draw(st.sampled_from([b" ", b"\0"])))
    assume(sum(chr(c).isalpha() for c in value) >= 4)
    if vr == "FL":  # numbers from 8 to 131071 may be letters by chance
        assume(not set(value[3::4]) <= set(b"ABCDEFG\0"))
    element, _ = _wrapped(draw, Element(tag, vr, value, False))
    syntax = draw(st.sampled_from((builder.EXPLICIT, builder.IMPLICIT, builder.DEFLATED)))
    return small(element, syntax=syntax), name[: max(4, len(value.strip(b"\0 ")) if not before else 4)].decode()[:4]


@thorough
@given(named_numbers())
def test_a_stranger_does_not_stay_in_a_binary_number(planted: tuple[bytes, str]) -> None:
    data, start = planted
    out = engine.gated(data)
    assert out.short == "cleaned"
    assert start.encode() not in out.data


@st.composite
def named_codes(draw: st.DrawFn) -> bytes:
    """An object with a name in a code: one that is not written as a code, or a plain word where people type."""
    tag = draw(st.sampled_from(CODES))
    names = [name for name in NAMES if not forms.is_code(tag, name)]
    name = draw(st.sampled_from([*names, "QUXENWALD", "QUXEN WALD"] if tag in TYPED else names))
    more = draw(st.sampled_from(["", "HEAD\\", "HEAD\\CT\\"]))
    element, _ = _wrapped(draw, el(tag, more + name, draw(st.sampled_from(["CS", "CS", "UN"]))))
    return small(element, syntax=draw(st.sampled_from(EVERYWHERE)))


@thorough
@given(named_codes())
def test_a_stranger_does_not_stay_in_a_code(data: bytes) -> None:
    out = engine.gated(data)
    assert out.short == "cleaned"
    assert b"QUXEN" not in out.data.upper()


@pytest.mark.parametrize("syntax", EVERYWHERE)
@pytest.mark.parametrize("tag", TYPED)
def test_a_word_that_is_no_term_goes_where_people_type(tag: int, syntax: str) -> None:
    for name in ("SMITH", "JOHN DOE", "HEAD SMITH", "SMITHHEAD", "CHEST 19320714", "J O H N"):
        assert name.encode() not in engine.gated(small(el(tag, name), syntax=syntax)).data


@pytest.mark.parametrize(
    "term", ["CHEST", "HEADNECK", "HEAD NECK", "CHESTABDPELVIS", "LSPINE", "L5", "L-SPINE", "KNIE", "TH12",
             "ABD/PELVIS", "WHOLE BODY", "LEFT FOOT", "HEAD2", "XY"]
)  # fmt: skip
def test_a_body_part_stays(term: str) -> None:
    place = place_of([], 0x00180015)
    out = engine.gated(small(el("BodyPartExamined", term))).data
    assert flat_nodes(read(out).body)[place][1].strip() == term.encode()  # type: ignore[union-attr]


def _codes_of(out: bytes, tag: int) -> list[bytes]:
    value = next(node.value for node in read(out).body if node.tag == tag)
    return value.strip(b" ").split(b"\\")


def test_of_several_codes_that_are_required_only_the_bad_ones_go() -> None:
    out = engine.gated(small(el("ImageType", "ORIGINAL\\PRIMARY\\Mrs Smith\\AXIAL"))).data
    assert _codes_of(out, 0x00080008) == [b"ORIGINAL", b"PRIMARY", b"REMOVED", b"AXIAL"]


def test_what_scanners_write_in_codes_stays() -> None:
    for value in ("DERIVED\\SECONDARY\\ABDOM/RAD\\2D-MIP\\CT_SOM5 SPI", "ORIGINAL\\PRIMARY\\\\00000A03", "DERIVED"):
        assert _codes_of(engine.gated(small(el("ImageType", value))).data, 0x00080008) == value.encode().split(b"\\")


@pytest.mark.parametrize("digits", ["19320714", "0791234567", "1932-07-14"])
def test_a_date_or_telephone_number_does_not_stay_in_a_code(digits: str) -> None:
    assert digits.encode() not in engine.gated(small(el("ScanOptions", digits))).data


@pytest.mark.parametrize("values", [(0, 256, 256, 0), (512, 0, 0, 512), (0, 0, 0, 0), (16705, 0, 0, 300)])
def test_measurements_stay(values: tuple[int, ...]) -> None:
    out = engine.gated(small(el("AcquisitionMatrix", values))).data
    assert struct.pack("<4H", *values) in out


@thorough
@given(st.floats(min_value=-131071, max_value=131071, width=32), st.floats(allow_nan=False, allow_infinity=False))
def test_usual_fractions_stay(single: float, double: float) -> None:
    assume(double == 0 or 1e-20 < abs(double) < 1e12)
    assume(single == 0 or abs(single) > 1e-3)
    assert forms.fits(0, "FL", "1", struct.pack("<f", single))
    assert forms.fits(0, "FD", "1", struct.pack("<d", double))


@pytest.mark.parametrize(
    ("keyword", "value", "stays"),
    [
        ("AcquisitionMatrix", bytes(6), False),
        ("AcquisitionMatrix", bytes(8), True),
        ("AcquisitionMatrix", b"", True),
        ("TablePosition", bytes(4), False),
        ("ImagePositionPatient", b"1\\2\\3\\4 ", False),
        ("ImagePositionPatient", b"1\\2 ", True),
        ("PatientOrientation", b"L\\P\\H ", False),
        ("SliceThickness", b"2.50000000000000044 ", True),
        ("SliceThickness", b"41791234567890123456", False),
        ("SeriesNumber", b"20230112103045", False),
    ],
)
def test_numbers_and_codes_are_held_to_how_many_and_how_long_they_may_be(
    keyword: str, value: bytes, stays: bool
) -> None:
    element = el(keyword, value)
    out = read(engine.gated(small(element)).data).body
    found = [node.value for node in out if node.tag == element.tag]
    assert (element.value in found) is stays


def test_a_table_of_samples_stays_whatever_its_bytes_are() -> None:
    ramp = bytes(range(64, 128)) * 8
    lut = el(
        "ModalityLUTSequence", (item(el("LUTDescriptor", (256, 0, 16), "US"), Element(0x00283006, "US", ramp, False)),)
    )
    assert ramp in engine.gated(small(lut)).data


@pytest.mark.parametrize(
    ("vr", "value"),
    [("US", b"Quxenwal"), ("CS", b"Mrs Quxenwald"), ("FD", b"Quxenwald Berthi"), ("DS", b"1\\2\\3\\4\\5\\6\\7 ")],
)
def test_private_values_are_held_to_the_form_of_their_own_vr(vr: str, value: bytes) -> None:
    row = next(row for row in safe_private.rows() if (row.vr, row.vm) == (vr, "1"))
    creator = el(row.group << 16 | 0x10, row.creator, "LO")
    tag = row.group << 16 | 0x1000 | row.low
    for written in (vr, "UN"):
        out = engine.gated(small(creator, el(tag, value, written)), SAFE)
        assert out.short == "cleaned"
        assert value not in out.data


def test_what_went_is_said_as_a_finding() -> None:
    for element, finding in (
        (el("BodyPartExamined", "SMITH"), "nonconforming_value"),
        (el("AcquisitionMatrix", b"JOHN DOE"), "nonconforming_number"),
    ):
        assert finding in cleaned(MemorySource(small(element)), engine.policy(), engine.KEY, "").findings


@pytest.mark.parametrize("name", ["Iso^Latin", "192^Ir"])
def test_the_character_set_stays_whoever_the_patient_is(name: str) -> None:
    out = engine.gated(small(el("SpecificCharacterSet", "ISO_IR 192"), el("PatientName", name)))
    assert out.short == "cleaned"
    assert b"ISO_IR 192" in out.data


def test_a_patient_called_like_a_character_set_does_not_take_it_away() -> None:
    out = engine.gated(small(el("SpecificCharacterSet", "GB18030"), el("PatientName", "GB18030")))
    assert out.short == "cleaned"
    assert _codes_of(out.data, 0x00080005) == [b"GB18030"]
