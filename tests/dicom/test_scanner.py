"""The scanner finds every element of an object of any size in little memory, and takes no part for the whole."""

from __future__ import annotations

import resource
import struct
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stowgate.dicom import scanner
from stowgate.dicom.budget import OddEncoding
from stowgate.dicom.limits import DEFAULT, Limits
from stowgate.dicom.scanner import Buffer, Scan, scan
from stowgate.dicom.source import ByteSource, FileSource, MemorySource
from stowgate.errors import Rejected
from stowgate.objects import Range
from stowgate.pipeline import cleaned
from stowgate.policy import Policy
from tests.builder import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    JPEG_BASELINE,
    RLE,
    Element,
    Fragments,
    el,
    encode,
    instance,
    item,
    merged,
    meta,
    nested,
    part10,
    small,
    without,
)
from tests.shared import RealFile, real_files

PIXELS = 0x7FE00010
JPEG = Fragments((b"", b"\xff\xd8" + bytes(range(64)), b"\xff\xd9"))
JPEG_WITH_OFFSETS = Fragments((struct.pack("<2I", 0, 74), b"\xff\xd8" + bytes(64), b"\xff\xd9ab"))


def scanned(data: bytes, limits: Limits = DEFAULT, buffer: int = scanner.BUFFER) -> Scan:
    return scan(MemorySource(data), limits, Buffer(buffer))


def outcome(data: bytes, limits: Limits = DEFAULT) -> str:
    """How a scan ends: a code, "odd" or "whole"."""
    try:
        scanned(data, limits)
    except Rejected as error:
        return error.code
    except OddEncoding:
        return "odd"
    return "whole"


def values(found: Scan) -> dict[int, tuple[bytes, bytes]]:
    """VR and value of every top-level element, wherever it lies."""
    result = {}
    for segment in found.segments:
        for tag, (vr, _, value, stop) in segment.elements.items():
            bulk = segment.value if tag == segment.bulk else Range(segment.base + value, stop - value)
            result[tag] = (vr, found.source.read(bulk.offset, bulk.length))
            if tag != segment.bulk:
                assert bytes(segment.view[value:stop]) == result[tag][1]
    return result


def expected(elements: tuple[Element, ...], implicit: bool = False) -> dict[int, tuple[bytes, bytes]]:
    """The same, from what was encoded."""
    result = {}
    for element in elements:
        data = encode([element], implicit=implicit)
        start = 12 if element.vr in ("OB", "OW", "UN", "SQ", "UT", "OF") and not implicit else 8
        result[element.tag] = (element.vr.encode(), data[start:])
    return result


# ---------------------------------------------------------------- what it finds


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_every_element_is_found_in_both_encodings(syntax: str) -> None:
    elements = instance()
    found = scanned(part10(elements, syntax))
    assert found.explicit is (syntax == EXPLICIT)
    assert found.transfer_syntax == syntax
    assert {tag: value for tag, (_, value) in values(found).items()} == {e.tag: e.value for e in elements}
    assert found.get(0x00100020) == b"PID-480026"
    assert found.text(0x00080060) == "CT"
    assert found.get(0x00100030) == b"19471113"
    assert found.get(0x00104000) is None
    assert found.text(0x00104000) == ""
    assert (found.pixel_length, found.encapsulated) == (32, False)


def test_file_meta_says_what_the_media_claim() -> None:
    found = scanned(small())
    assert (found.media_sop_class, found.media_instance) == ("1.2.840.10008.5.1.4.1.1.2", "1.2.3.4.5.6.7")


@pytest.mark.parametrize("fragments", [JPEG, JPEG_WITH_OFFSETS, Fragments((b"",)), Fragments(())])
@pytest.mark.parametrize("trailing", [(), (el(0xFFFCFFFC, bytes(8), "OB"),)])
def test_encapsulated_pixels_are_one_value_with_or_without_offsets(
    fragments: Fragments, trailing: tuple[Element, ...]
) -> None:
    elements = merged(instance(), (el("PixelData", fragments, "OB"), *trailing))
    found = scanned(part10(elements, JPEG_BASELINE))
    assert (found.pixel_length, found.encapsulated) == (None, True)
    assert values(found) == expected(elements)


def test_sequences_of_undefined_length_are_one_value_of_the_top_level() -> None:
    codes = item(el("CodeValue", "A"), el("CodeMeaning", "b"), undefined=True)
    within = item(el("ConceptNameCodeSequence", codes, undefined=True))
    deep = el("ProcedureCodeSequence", (codes, within), undefined=True)
    for syntax in (EXPLICIT, IMPLICIT):
        elements = merged(instance(), [deep])
        found = scanned(part10(elements, syntax))
        assert found.get(0x00081032) == expected((deep,), syntax == IMPLICIT)[0x00081032][1]
        assert found.get(0x00280010) == b"\4\0"


@pytest.mark.parametrize("source", [MemorySource, None], ids=["memory", "file"])
def test_a_bulk_value_beyond_the_buffer_is_hopped_over_and_what_follows_is_found(
    source: Callable[[bytes], ByteSource] | None, tmp_path: Path
) -> None:
    waves = bytes(range(256)) * 6000  # 1.5 MiB
    elements = merged(
        instance(),
        [
            el(0x00091001, waves, "UN"),
            el("PixelData", waves + b"ab", "OW"),
            el(0x7FE11001, waves, "OB"),
            el(0xFFFCFFFC, bytes(8), "OB"),
        ],
    )
    data = part10(elements)
    (tmp_path / "file").write_bytes(data)
    with source(data) if source else FileSource(tmp_path / "file") as opened:
        found = scan(opened, DEFAULT, Buffer())
        assert values(found) == expected(elements)
        assert [segment.bulk for segment in found.segments] == [0x00091001, PIXELS, 0x7FE11001, 0]
        assert found.pixel_length == len(waves) + 2
        assert found.get(PIXELS) is None
        assert found.get(0x00100020) == b"PID-480026"


def test_fragments_beyond_the_buffer_are_hopped_over_one_by_one() -> None:
    pieces = (bytes(12), *(bytes([n]) * 400_000 for n in range(5)))
    elements = merged(instance(), [el("PixelData", Fragments(pieces), "OB"), el(0xFFFCFFFC, b"ab", "OB")])
    found = scanned(part10(elements, RLE))
    assert values(found) == expected(elements)
    assert found.encapsulated


def test_a_header_larger_than_the_buffer_grows_it() -> None:
    text = el("TextValue", b"x" * 3_000_000, "UT")
    elements = merged(instance(), [el("ImageComments", b"c" * 10_000, "LT"), text])
    found = scanned(part10(elements))
    assert values(found) == expected(elements)
    assert len(found.segments) == 1


def test_a_sequence_larger_than_the_buffer_is_walked_as_one() -> None:
    meaning = el("CodeMeaning", "x" * 60)
    many = tuple(item(el("CodeValue", str(n)), meaning, undefined=n % 2 == 0) for n in range(15_000))
    for undefined in (True, False):
        elements = merged(instance(), [el("PerFrameFunctionalGroupsSequence", many, undefined=undefined)])
        assert values(scanned(part10(elements))) == expected(elements)


VALUES = st.sampled_from([0, 2, 30, 36, 38, 40, 290, 300, 600, 1300])


@st.composite
def odd_sized(draw: st.DrawFn) -> tuple[tuple[Element, ...], str]:
    """Objects whose values end at all places relative to the buffer's, bulk or not, in both encodings."""
    elements = list(instance())
    for tag, vr in ((0x00091001, "UN"), (0x00282000, "OB"), (0x00104000, "LT"), (0x7FE11002, "OW"), (0x00420011, "OB")):
        if draw(st.booleans()):
            elements.append(el(tag, bytes(draw(VALUES)), vr))
    if draw(st.booleans()):
        inner = item(el("ImageComments", bytes(draw(VALUES)), "LT"), undefined=draw(st.booleans()))
        elements.append(el("ProcedureCodeSequence", (inner,) * draw(st.integers(0, 3)), undefined=draw(st.booleans())))
    syntax = draw(st.sampled_from([EXPLICIT, IMPLICIT, JPEG_BASELINE]))
    if syntax == JPEG_BASELINE:
        pieces = draw(st.lists(VALUES.map(bytes), max_size=4))
        elements = [e for e in elements if e.tag != PIXELS] + [el("PixelData", Fragments((b"", *pieces)), "OB")]
    else:
        elements.append(el("PixelData", bytes(draw(VALUES)), "OW"))
    return merged((), elements), syntax


@settings(max_examples=150, deadline=None)
@given(made=odd_sized(), size=st.sampled_from([132, 300, 333, 600, 4096]))
def test_the_size_of_the_buffer_changes_nothing(made: tuple[tuple[Element, ...], str], size: int) -> None:
    elements, syntax = made
    data = part10(elements, syntax)
    whole = scanned(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanner, "BUFFER", max(size, 300))
        patch.setattr(scanner, "FIRST", max(size, 300))  # file meta has to fit the first view
        pieces = scanned(data, buffer=1)
    assert values(pieces) == values(whole)
    assert (pieces.pixel_length, pieces.encapsulated) == (whole.pixel_length, whole.encapsulated)
    for tag in values(whole):
        assert pieces.get(tag) in (None, whole.get(tag))


@pytest.mark.parametrize("file", [file for file in real_files() if file.size < 4_000_000], ids=lambda file: file.name)
def test_a_tiny_buffer_finds_in_real_files_what_a_large_one_finds(
    file: RealFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = file.read()
    if outcome(data) != "whole":
        assert outcome(data[: len(data) // 2]) != "whole"
        return
    whole = values(scanned(data))
    monkeypatch.setattr(scanner, "BUFFER", 2000)
    monkeypatch.setattr(scanner, "FIRST", 2000)
    assert values(scanned(data, buffer=1)) == whole


# ---------------------------------------------------------------- what it refuses


def boundaries(elements: tuple[Element, ...], syntax: str) -> set[int]:
    """Lengths at which a cut leaves whole elements: such a file is one that has fewer of them."""
    end = len(part10(elements, syntax))
    body = [len(encode([e], implicit=syntax == IMPLICIT)) for e in elements]
    return {end - sum(body[number:]) for number in range(1, len(body))}


def kinds() -> dict[str, tuple[tuple[Element, ...], str]]:
    """Small objects of every make."""
    codes = item(el("CodeValue", "A"), el("ConceptNameCodeSequence", item(el("CodeMeaning", "b"), undefined=True)))
    nested = [
        el("ProcedureCodeSequence", (codes, codes), undefined=True),
        el("AnatomicRegionSequence", (codes, codes)),
        el(0x00091001, b"0123456789", "UN"),
    ]
    encapsulated = el("PixelData", JPEG_WITH_OFFSETS, "OB")
    return {
        "explicit": (instance(), EXPLICIT),
        "implicit": (instance(), IMPLICIT),
        "explicit with sequences": (merged(instance(), nested), EXPLICIT),
        "implicit with sequences": (merged(instance(), nested), IMPLICIT),
        "encapsulated": (merged(instance(), [encapsulated]), JPEG_BASELINE),
    }


@pytest.mark.parametrize("buffer", [scanner.BUFFER, 600], ids=["in memory", "beyond the buffer"])
@pytest.mark.parametrize("name", sorted(kinds()))
def test_cut_at_any_length_inside_an_element_is_never_taken_for_whole(
    name: str, buffer: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    elements, syntax = kinds()[name]
    data = part10(elements, syntax)
    monkeypatch.setattr(scanner, "BUFFER", buffer)
    monkeypatch.setattr(scanner, "FIRST", buffer)
    whole = {length for length in range(len(data)) if outcome(data[:length]) == "whole"}
    assert whole == boundaries(elements, syntax)
    assert outcome(data) == "whole"
    for length in whole:  # these are sound objects with fewer attributes; the checks see that the picture is missing
        fewer = scanned(data[:length])
        assert (fewer.pixel_length, fewer.encapsulated) == (None, False)


def test_cut_before_its_first_element_or_inside_file_meta_it_is_truncated_or_odd() -> None:
    data = small()
    start = 144 + struct.unpack_from("<I", data, 140)[0]
    assert {outcome(data[:length]) for length in range(1, 132)} == {"odd"}
    assert {outcome(data[:length]) for length in range(132, start)} <= {"odd", "truncated"}
    assert outcome(data[:start]) == "truncated"
    assert outcome(b"") == "empty_file"


@pytest.mark.parametrize("cut", [1, 8, 400_000, 1_999_999])
def test_a_large_value_cut_short_is_truncated(cut: int) -> None:
    pixels = el("PixelData", bytes(2_000_000), "OW")
    assert outcome(small(pixels)[:-cut]) == "truncated"
    fragments = el("PixelData", Fragments((b"", bytes(1_000_000), bytes(1_000_000))), "OB")
    assert outcome(small(fragments, syntax=RLE)[:-cut]) == "truncated"


@pytest.mark.parametrize(
    "raw",
    [
        b"\xfe\xff\x00\xe0\xff\xff\xff\xff",  # a fragment of undefined length
        b"\xfe\xff\x0d\xe0\0\0\0\0",  # an item's end among fragments
        b"\x10\x00\x20\x00\0\0\0\0",  # something else
    ],
)
def test_what_is_no_fragment_is_refused_within_and_beyond_the_buffer(raw: bytes) -> None:
    for size in (10, 2_000_000):
        data = part10(without(instance(), "PixelData"), RLE) + b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff"
        data += b"\xfe\xff\x00\xe0" + struct.pack("<I", size) + bytes(size) + raw + bytes(2_000_000)
        assert outcome(data) == "bad_structure"


def test_a_second_pixel_data_does_not_escape_within_one_buffer_or_across_segments() -> None:
    for size in (32, 2_000_000):
        again = encode([el("PixelData", bytes(size), "OW")])
        assert outcome(small(el("PixelData", bytes(size), "OW")) + again) == "duplicate_element"
        fragments = el("PixelData", Fragments((b"", bytes(size))), "OB")
        assert outcome(small(fragments, syntax=RLE) + again) == "duplicate_element"


def test_disorder_across_a_large_value_is_as_odd_as_any_other() -> None:
    data = small(el("PixelData", bytes(2_000_000), "OW"))
    assert outcome(data + encode([el("PatientID", "TWO")])) == "odd"
    assert outcome(data + encode([el(0x7FE00008, bytes(8), "OF")])) == "odd"
    # between two large values as well
    large = el(0x7FE11001, bytes(2_000_000), "OB")
    assert outcome(data + encode([large, el("PatientID", "TWO")])) == "odd"


def test_disorder_within_one_buffer_is_odd() -> None:
    assert outcome(small() + encode([el("PatientID", "TWO")])) == "odd"
    assert outcome(part10(instance()[::-1])) == "odd"


def test_half_an_element_behind_a_large_value_is_truncated() -> None:
    data = small(el("PixelData", bytes(2_000_000), "OW"))
    tail = encode([el(0xFFFCFFFC, b"abcdef", "OB")])
    for length in range(1, len(tail)):
        assert outcome(data + tail[:length]) == "truncated"
    assert outcome(data + tail) == "whole"


@pytest.mark.parametrize("syntax", [DEFLATED, BIG_ENDIAN, "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205", ""])
def test_other_encodings_and_an_unnamed_one_are_odd(syntax: str) -> None:
    data = bytes(128) + b"DICM" + meta(instance(), syntax) + encode(instance())
    assert outcome(data) == "odd"


@pytest.mark.parametrize("syntax", ["1.2.840.113619.5.2", "1.2.3", "no uid", "1.2.840.10008.5.1.4.1.1.2"])
def test_a_transfer_syntax_that_is_none_of_the_standards_is_refused(syntax: str) -> None:
    data = bytes(128) + b"DICM" + meta(instance(), syntax) + encode(instance())
    assert outcome(data) == "unknown_transfer_syntax"


def test_without_preamble_or_prefix_it_is_odd() -> None:
    data = small()
    assert outcome(data[132:]) == "odd"
    assert outcome(data[:128] + b"DICX" + data[132:]) == "odd"
    assert outcome(b"no DICOM at all" * 50) == "odd"


def test_a_dicomdir_is_known_by_its_sop_class() -> None:
    listed = (el("SOPClassUID", "1.2.840.10008.1.3.10"), el("SOPInstanceUID", "1.2.3"), el("PatientID", "P"))
    assert outcome(part10(listed)) == "dicomdir"


# ---------------------------------------------------------------- group 0002


def with_meta(*elements: Element | bytes, syntax: str = EXPLICIT) -> bytes:
    """A file whose file meta is made of hand-made elements."""
    body = b"".join(e if isinstance(e, bytes) else encode([e]) for e in elements)
    return bytes(128) + b"DICM" + body + encode(instance(), implicit=syntax == IMPLICIT)


def test_the_group_length_of_file_meta_is_not_believed() -> None:
    syntax = el(0x00020010, EXPLICIT, "UI")
    for length in (0, 4, 10_000, 2**32 - 1):
        found = scanned(with_meta(el(0x00020000, length, "UL"), syntax))
        assert found.get(0x00080016) == b"1.2.840.10008.5.1.4.1.1.2\0"
    assert outcome(with_meta(syntax)) == "whole"


def test_private_and_unknown_elements_of_file_meta_are_passed_over() -> None:
    data = with_meta(
        el(0x00020001, b"\0\1", "OB"),
        el(0x00020010, IMPLICIT, "UI"),
        el(0x00020100, "1.2.3", "UI"),
        el(0x00020102, bytes(5000), "OB"),
        el(0x00027FFF, b"ab", "UN"),
        syntax=IMPLICIT,
    )
    assert scanned(data).get(0x00100020) == b"PID-480026"


def test_implicit_file_meta_is_odd() -> None:
    body = encode([el(0x00020010, IMPLICIT, "UI")], implicit=True)
    assert outcome(with_meta(body, syntax=IMPLICIT)) == "odd"


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x7FFFFFFF, 100_000])
def test_an_element_of_file_meta_that_reaches_past_the_end_is_truncated(length: int) -> None:
    endless = b"\x02\x00\x02\x01OB\0\0" + struct.pack("<I", length)
    assert outcome(with_meta(el(0x00020010, EXPLICIT, "UI"), endless)) == "truncated"


def test_file_meta_alone_is_no_object() -> None:
    assert outcome(bytes(128) + b"DICM" + meta(instance(), EXPLICIT)) == "truncated"
    assert outcome(bytes(128) + b"DICM") == "odd"


def test_group_0002_in_the_data_set_is_an_element_like_any_other_and_in_the_wrong_order() -> None:
    late = encode([el(0x00020010, IMPLICIT, "UI")])
    assert outcome(small() + late) == "odd"
    assert outcome(small(el("PixelData", bytes(2_000_000), "OW")) + late) == "odd"


# ---------------------------------------------------------------- limits


def test_the_limit_of_the_header_is_kept(tmp_path: Path) -> None:
    text = el("TextValue", b"x" * 3_000_000, "UT")
    data = small(text)
    assert outcome(data, Limits(header=len(data))) == "whole"
    assert outcome(data, Limits(header=2_000_000)) == "limit_header"
    # what follows a large value counts from there
    twice = small(el("PixelData", bytes(2_000_000), "OW"), el(0x7FE11001, b"y" * 3_000_000, "UT"))
    assert outcome(twice, Limits(header=2_000_000)) == "limit_header"
    assert outcome(twice) == "whole"


def test_bulk_values_do_not_count_as_header() -> None:
    data = small(el("PixelData", bytes(3_000_000), "OW"), el(0x00091001, bytes(2_000_000), "OB"))
    assert outcome(data, Limits(header=scanner.BUFFER)) == "whole"


def test_an_open_sequence_without_end_stops_at_the_limit_of_the_header_or_of_elements() -> None:
    head = part10([e for e in instance() if e.tag < 0x00081032]) + b"\x08\x00\x32\x10SQ\0\0\xff\xff\xff\xff"
    endless = head + b"\xfe\xff\x00\xe0\0\0\0\0" * 400_000
    assert outcome(endless, Limits(header=1_500_000)) == "limit_header"
    assert outcome(endless, Limits(elements=100_000)) == "limit_elements"
    assert outcome(endless) in ("truncated", "limit_elements")


def test_fragments_without_end_stop_at_the_limit_of_elements() -> None:
    data = part10(without(instance(), "PixelData"), RLE) + b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff"
    data += b"\xfe\xff\x00\xe0\0\0\0\0" * 300_000
    assert outcome(data, Limits(elements=100_000)) == "limit_elements"
    assert outcome(data) == "truncated"


@pytest.mark.parametrize("undefined", [True, False])
def test_ten_thousand_levels_are_refused_or_left_to_the_pass_at_once(undefined: bool) -> None:
    inner = nested(0x0040A730, 10_000, undefined=undefined)
    began = time.process_time()
    assert outcome(part10(without(instance(), "PixelData")) + inner) == ("limit_depth" if undefined else "whole")
    assert time.process_time() - began < 1


def test_a_buffer_is_used_again_and_what_an_object_before_left_in_it_is_never_seen() -> None:
    buffer = Buffer()
    large, little = part10(merged(instance(), [el("ImageComments", b"x" * 900, "LT")])), small(drop=["PixelData"])
    scan(MemorySource(large), DEFAULT, buffer)
    for length in range(len(little)):
        try:
            found = scan(MemorySource(little[:length]), DEFAULT, buffer)
        except (Rejected, OddEncoding):
            continue
        assert all(stop <= length for *_, stop in found.segments[0].elements.values())


# ---------------------------------------------------------------- memory

MEASURED = """
import resource, sys
from stowgate.dicom.limits import DEFAULT
from stowgate.dicom.scanner import Buffer, scan
from stowgate.dicom.source import FileSource
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with FileSource(sys.argv[1]) as source:
    found = scan(source, DEFAULT, Buffer())
print(found.pixel_length, found.encapsulated, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def sparse(path: Path, encapsulated: bool) -> None:
    """An object of 1 GB that takes no room on the disk."""
    size = 1_000_000_000
    head = part10(without(instance(), "PixelData"), RLE if encapsulated else EXPLICIT)
    with path.open("wb") as file:
        if encapsulated:
            file.write(head + b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\0\0\0\0")
            for _ in range(100):
                file.write(b"\xfe\xff\x00\xe0" + struct.pack("<I", size // 100))
                file.seek(size // 100, 1)
            file.write(b"\xfe\xff\xdd\xe0\0\0\0\0")
        else:
            file.write(head + b"\xe0\x7f\x10\x00OW\0\0" + struct.pack("<I", size))
            file.seek(size, 1)
        file.write(encode([el(0xFFFCFFFC, b"ab", "OB")]))


@pytest.mark.parametrize("encapsulated", [False, True], ids=["native", "encapsulated"])
def test_an_object_of_a_gigabyte_needs_a_buffer_and_no_more(encapsulated: bool, tmp_path: Path) -> None:
    path = tmp_path / "large.dcm"
    sparse(path, encapsulated)
    began = time.process_time()
    tracemalloc.start()
    with FileSource(path) as source:
        found = scan(source, DEFAULT, Buffer())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.process_time() - began < 1
    assert found.segments[-1].elements.keys() == {0xFFFCFFFC}
    assert peak < 3 * scanner.BUFFER
    said = subprocess.run(
        [sys.executable, "-c", MEASURED, str(path)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert said[:2] == (["None", "True"] if encapsulated else ["1000000000", "False"])
    assert int(said[2]) * (1 if sys.platform == "darwin" else 1024) < 8 * 1024 * 1024


def test_a_flat_header_of_a_million_elements_costs_little() -> None:
    group = b"".join(struct.pack("<HH2sH", 0x0009, n, b"LO", 0) for n in range(0x1000, 0x10000))
    many = b"".join(group.replace(b"\x09\x00", struct.pack("<H", odd)) for odd in range(0x4011, 0x4031, 2))
    data = part10(without(instance(), "PixelData")) + many
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    assert outcome(data) == "limit_elements"
    assert time.process_time() - began < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 120 * 1024


# ---------------------------------------------------------------- the scanner and the checks together


@pytest.mark.parametrize("name", ["explicit", "implicit", "encapsulated"])
def test_an_image_cut_at_any_length_is_never_cleaned(name: str) -> None:
    """Between two elements a cut leaves a sound object; that its Pixel Data is missing stops it all the same."""
    elements, syntax = kinds()[name]
    data = part10(elements, syntax)
    for length in range(len(data)):
        with pytest.raises((Rejected, OddEncoding)):
            cleaned(MemorySource(data[:length]), Policy(), bytes(32))
    assert cleaned(MemorySource(data), Policy(), bytes(32)).names.modality == "CT"
