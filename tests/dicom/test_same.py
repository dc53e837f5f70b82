"""Two objects are the same when they say the same: encoding, padding and group lengths aside, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowgate.dicom.limits import DEFAULT
from stowgate.dicom.same import same_content
from stowgate.dicom.scanner import FIRST, Buffer, scan
from stowgate.dicom.source import FileSource, MemorySource
from stowgate.errors import Rejected
from tests.builder import EXPLICIT, IMPLICIT, JPEG_BASELINE, RLE, Element, Fragments, Item, el, item, part10, small

JPEG = Fragments((b"", b"\xff\xd8" + bytes(64)))
LARGE = bytes(range(256)) * 8000


def same(one: bytes, other: bytes) -> bool:
    answer = same_content(MemorySource(one), MemorySource(other))
    assert same_content(MemorySource(other), MemorySource(one)) is answer
    return answer


def codes(undefined: bool, **values: str) -> Element:
    inner = [el(name, value) for name, value in values.items()]
    return el("ProcedureCodeSequence", Item(tuple(inner), undefined), undefined=undefined)


def test_equal_bytes_are_the_same() -> None:
    assert same(small(), small())
    assert same(small(el("PixelData", LARGE, "OW")), small(el("PixelData", LARGE, "OW")))


@pytest.mark.parametrize("more", [(), (el("PixelData", LARGE, "OW"),), (codes(True, CodeValue="A", CodeMeaning="b"),)])
def test_implicit_and_explicit_are_the_same(more: tuple[Element, ...]) -> None:
    assert same(small(*more), small(*more, syntax=IMPLICIT))


def test_defined_and_undefined_lengths_are_the_same() -> None:
    one, other = (small(codes(undefined, CodeValue="A", CodeMeaning="b")) for undefined in (True, False))
    assert same(one, other)


def test_private_text_is_the_same_where_implicit_vr_hides_what_it_is() -> None:
    private = [el(0x00091001, "text", "LO"), el(0x00091002, 32, "US"), el(0x00091003, 0, "UL")]
    assert same(small(*private), small(*private, syntax=IMPLICIT))
    inside = el("ProcedureCodeSequence", item(*private))
    assert same(small(inside), small(inside, syntax=IMPLICIT))


def test_padding_preamble_group_lengths_and_file_meta_do_not_count() -> None:
    other = small(
        Element(0x00080000, "UL", b"\4\0\0\0"),
        Element(0x00100020, "LO", b"PID-480026  "),
        Element(0x00080018, "UI", b"1.2.3.4.5.6.7 "),
        meta_extra=[el(0x00020016, "SOMEBODY", "AE")],
        preamble=b"II*\0" + bytes(124),
    )
    assert same(small(), other)


@pytest.mark.parametrize(
    "change",
    [
        el("PatientID", "PID-480027"),
        el("PatientID", " PID-480026"),
        el("PatientComments", ""),
        el("PixelData", (*range(100, 115), 0), "OW"),
        el("PixelData", LARGE, "OW"),
        codes(False, CodeValue="A"),
        el(0x00091001, "x", "LO"),
    ],
)
def test_any_other_value_or_attribute_is_another_object(change: Element) -> None:
    assert not same(small(), small(change))


def test_numbers_are_not_trimmed_like_text() -> None:
    """Two bytes 20 00 are the number 32, not padding; so are the last zeros of an array."""
    for one, other in ((0, 32), (0, 0x2000), (0x20, 0x2020)):
        numbers = [el("SmallestImagePixelValue", number, "US") for number in (one, other)]
        assert not same(small(numbers[0]), small(numbers[1]))
        inside = [el("ProcedureCodeSequence", item(number)) for number in numbers]
        assert not same(small(inside[0]), small(inside[1]))
    assert not same(small(el("ICCProfile", b"ab\0\0")), small(el("ICCProfile", b"ab")))


def test_every_depth_and_the_number_of_items_count() -> None:
    def deep(value: str, times: int = 1) -> bytes:
        inner = el("ConceptNameCodeSequence", item(el("CodeValue", value)))
        return small(el("ProcedureCodeSequence", [item(inner)] * times))

    assert same(deep("A"), deep("A"))
    assert not same(deep("A"), deep("B"))
    assert not same(deep("A"), deep("A", 2))
    assert not same(deep("A", 0), deep("A"))


def test_large_values_are_compared_to_their_end_and_across_chunks() -> None:
    for at in (0, 1_048_576, len(LARGE) - 1):
        changed = bytearray(LARGE)
        changed[at] ^= 1
        assert not same(small(el("PixelData", LARGE, "OW")), small(el("PixelData", bytes(changed), "OW")))


def test_a_large_value_in_the_buffer_of_one_and_beyond_that_of_the_other_is_the_same() -> None:
    """A long header in one encoding pushes the same value over the edge of the read buffer."""
    filler = [el(0x00090000 | n, b"", "OB") for n in range(0x1000, 0x1040)]
    room = FIRST - len(small(*filler, drop=["PixelData"], syntax=IMPLICIT)) - 30
    filler += [el("TextValue", b"x" * (room & ~1), "UT"), el("PixelData", LARGE[:500_000], "OW")]
    one, other = small(*filler), small(*filler, syntax=IMPLICIT)
    bulk = [scan(MemorySource(data), DEFAULT, Buffer()).segments[0].bulk for data in (one, other)]
    assert bulk == [0, 0x7FE00010]
    assert same(one, other)


def test_encapsulated_pixels_are_compared_with_all_their_fragments() -> None:
    one = small(el("PixelData", JPEG, "OB"), syntax=JPEG_BASELINE)
    padded = small(el("PixelData", JPEG, "OB"), el(0xFFFCFFFC, bytes(4), "OB"), syntax=JPEG_BASELINE)
    split = Fragments((b"", b"\xff\xd8" + bytes(32), bytes(32)))
    assert same(one, one)
    assert not same(one, padded)
    assert not same(one, small(el("PixelData", split, "OB"), syntax=JPEG_BASELINE))
    assert not same(one, small())
    large = el("PixelData", Fragments((b"", LARGE)), "OB")
    assert same(small(large, syntax=RLE), small(large, el("PatientID", "PID-480026  "), syntax=RLE))


def test_files_are_compared_where_they_lie(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(small())
    (tmp_path / "b").write_bytes(small(syntax=IMPLICIT))
    with FileSource(tmp_path / "a") as one, FileSource(tmp_path / "b") as other:
        assert same_content(one, other)


def test_what_cannot_be_followed_is_refused() -> None:
    with pytest.raises(Rejected):
        same_content(MemorySource(small()[:-1]), MemorySource(small()))


TEXTS = st.text(st.sampled_from("AB 1"), max_size=5)


@given(TEXTS, TEXTS, st.binary(max_size=4), st.binary(max_size=4))
def test_same_means_equal_text_without_its_padding_and_equal_bytes(
    text: str, other: str, raw: bytes, another: bytes
) -> None:
    one = part10((el("SOPClassUID", "1.2"), el("ImageComments", text), el("ICCProfile", raw)), EXPLICIT)
    two = part10((el("SOPClassUID", "1.2"), el("ImageComments", other), el("ICCProfile", another)), IMPLICIT)
    even = [data + b"\0" * (len(data) % 2) for data in (raw, another)]
    assert same(one, two) is (text.rstrip() == other.rstrip() and even[0] == even[1])
