"""Objects that are broken, hostile or merely odd, each with the codes that may come of it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.builder import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    RLE,
    Fragments,
    el,
    encode,
    instance,
    item,
    meta,
    part10,
)
from tests.journeys.stage import scan

CLEANED = None
UNDEFINED = 0xFFFFFFFF


@dataclass(frozen=True)
class Hostile:
    """`codes`: what may be said of it; None stands for cleaned."""

    name: str
    data: bytes = field(repr=False)
    codes: tuple[str | None, ...]

    def __str__(self) -> str:
        return self.name


def hostile() -> list[Hostile]:
    """All kinds of the issue's list apart from the truncated ones."""
    return [
        Hostile(name, data, codes if isinstance(codes, tuple) else (codes,))
        for kind in (_no_dicom, _lengths, _depths, _bombs, _elements, _values, _pixels, _around)
        for name, data, codes in kind()
    ]


Kind = Iterator[tuple[str, bytes, str | tuple[str | None, ...] | None]]


def _no_dicom() -> Kind:
    yield "zero bytes", b"", "empty_file"
    yield "one byte", b"\0", "not_dicom"
    yield "zeros", bytes(5000), "not_dicom"
    yield "portable document", b"%PDF-1.7\n" + b"%\xe2\xe3\xcf\xd3\n" * 400, "not_dicom"
    yield "program", b"\x7fELF\x02\x01\x01" + bytes(3000), "not_dicom"
    yield "archive", b"PK\x03\x04\x14\0\0\0\x08\0" + bytes(range(256)) * 10, "not_dicom"
    yield "picture", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 10, "not_dicom"
    yield "preamble only", bytes(128), "not_dicom"
    yield "prefix only", bytes(128) + b"DICM", "truncated"
    yield "prefix and noise", bytes(128) + b"DICM" + bytes(range(256)) * 20, ("bad_structure", "truncated")


def _header(tag: int, vr: bytes, length: int) -> bytes:
    long = vr in (b"OB", b"OW", b"SQ", b"UN", b"UT", b"UC")
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
    return head + (struct.pack("<HI", 0, length) if long else struct.pack("<H", length & 0xFFFF))


def _with(raw: bytes, syntax: str = EXPLICIT) -> bytes:
    """A whole object with raw bytes between its patient and its pixels."""
    elements = instance()
    before = encode([e for e in elements if e.tag < 0x00180000], implicit=syntax == IMPLICIT)
    after = encode([e for e in elements if e.tag >= 0x00180000], implicit=syntax == IMPLICIT)
    return bytes(128) + b"DICM" + meta(elements, syntax) + before + raw + after


def _lengths() -> Kind:
    plain = scan(1)
    end = _with(_header(0x00104000, b"LT", 4) + b"abcd")
    yield "longer than the file", end.replace(b"LT\x04\0abcd", b"LT\xfe\xffabcd"), ("truncated", "bad_structure")
    yield (
        "text of undefined length",
        _with(_header(0x00102180, b"UT", UNDEFINED) + b"text"),
        ("bad_structure", "truncated"),
    )
    yield "length like a negative number", _with(_header(0x00102180, b"UT", 0x80000000)), "truncated"
    yield "length of 4 GiB", _with(_header(0x00102180, b"UT", 0xFFFFFFFE)), "truncated"
    yield "odd length", _with(_header(0x00104000, b"LT", 3) + b"abc"), CLEANED
    sequence = _header(0x00081140, b"SQ", 20) + struct.pack("<HHI", 0xFFFE, 0xE000, 4000) + bytes(12)
    yield "item longer than its sequence", _with(sequence), ("bad_structure", "truncated")
    yield (
        "item without an end",
        _with(_header(0x00081140, b"SQ", UNDEFINED) + struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED)),
        ("bad_structure", "truncated"),
    )
    yield "delimiter outside of a sequence", _with(struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)), ("bad_structure", CLEANED)
    yield (
        "group length that lies",
        plain.replace(b"UL\x04\0", b"UL\x04\0\xff\xff\xff\x7f", 1)[: len(plain)],
        (
            "truncated",
            "bad_structure",
        ),
    )
    yield "meta length that lies a little", _meta_length(plain, 3), ("bad_structure", "truncated", CLEANED)


def _meta_length(data: bytes, wrong: int) -> bytes:
    (length,) = struct.unpack_from("<I", data, 140)
    return data[:140] + struct.pack("<I", length + wrong) + data[144:]


def _nested(depth: int, undefined: bool) -> bytes:
    """A sequence in a sequence in a sequence, built from the inside without recursion."""
    if undefined:
        opening = _header(0x00400440, b"SQ", UNDEFINED) + struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED)
        closing = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
        return opening * depth + closing * depth
    inner = 0
    parts = []
    for _ in range(depth):
        parts.append(_header(0x00400440, b"SQ", inner + 8) + struct.pack("<HHI", 0xFFFE, 0xE000, inner))
        inner += 20
    return b"".join(reversed(parts))


def _depths() -> Kind:
    for undefined in (False, True):
        for syntax in (EXPLICIT, BIG_ENDIAN):
            name = f"{'undefined' if undefined else 'defined'} {'swapped' if syntax == BIG_ENDIAN else 'plain'}"
            if syntax == EXPLICIT:
                yield f"depth 10,000 {name}", _with(_nested(10_000, undefined)), "limit_depth"
            else:
                deep = part10(instance(), syntax) + _nested(10_000, undefined)
                yield f"depth 10,000 {name}", deep, ("limit_depth", "bad_structure", "truncated")
    yield "depth 10,000 in private bytes", _with(
        _header(0x00110010, b"LO", 4) + b"ACME" + _header(0x00111000, b"UN", UNDEFINED)
        + (struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED) + struct.pack("<HHI", 0x0040, 0x0440, UNDEFINED)) * 10_000
    ), ("limit_depth", "bad_structure", "truncated")  # fmt: skip
    yield "depth 60", _with(_nested(60, True)), CLEANED


def _deflated(body: bytes) -> bytes:
    deflate = zlib.compressobj(9, wbits=-15)
    packed = deflate.compress(body) + deflate.flush()
    return bytes(128) + b"DICM" + meta(instance(), DEFLATED) + packed + bytes(len(packed) % 2)


def _bombs() -> Kind:
    body = encode([e for e in instance() if e.tag != 0x7FE00010])
    many = 48 * 1024 * 1024
    yield (
        "bomb of zeros in the pixels",
        _deflated(body + _header(0x7FE00010, b"OW", many) + bytes(many)),
        "limit_inflate",
    )
    yield "bomb of a text", _deflated(body + _header(0x7FE00010, b"UT", many) + b" " * many), "limit_inflate"
    yield "bomb of small elements", _deflated(
        body + _header(0x00280106, b"US", 0) * (many // 8)
    ), ("limit_inflate", "limit_elements", "duplicate_element")  # fmt: skip
    yield (
        "deflated noise",
        bytes(128) + b"DICM" + meta(instance(), DEFLATED) + bytes(range(256)) * 8,
        (
            "bad_structure",
            "truncated",
            "cannot_normalise",
        ),
    )
    yield "deflated twice", _deflated(zlib.compress(body)), ("bad_structure", "truncated", "not_dicom", "limit_inflate")


def _elements() -> Kind:
    twice = el("PatientName", "Another^One")
    yield "an element twice", part10((*instance(), el("PixelData", b"", "OW"))), "duplicate_element"
    yield "a name twice", _with(encode([twice])), ("duplicate_element", CLEANED)
    yield "twice in an item", _with(
        _header(0x00400275, b"SQ", 8 + 28) + struct.pack("<HHI", 0xFFFE, 0xE000, 28) + encode([el("StudyID", "AB")] * 2)
        + encode([el("StudyID", "")])
    ), ("duplicate_element", "bad_structure")  # fmt: skip
    yield "disorder", part10(tuple(reversed(instance()))), CLEANED
    yield (
        "a million elements",
        _with(_header(0x00280106, b"US", 0) * 1_000_001),
        (
            "limit_elements",
            "duplicate_element",
            "limit_time",
        ),
    )
    yield "a hundred thousand private elements", _with(
        _header(0x00110010, b"LO", 4) + b"ACME"
        + b"".join(_header(0x00111000 + low, b"SH", 0) for low in range(256))
        + b"".join(_header(g << 16 | low, b"SH", 0) for g in (0x13, 0x15, 0x17) for low in range(4096, 36864))
    ), (CLEANED, "limit_elements")  # fmt: skip
    items = struct.pack("<HHI", 0xFFFE, 0xE000, 0) * 50_000
    yield (
        "a sequence of 50,000 empty items",
        _with(_header(0x00400275, b"SQ", len(items)) + items),
        (
            CLEANED,
            "limit_elements",
        ),
    )


def _values() -> Kind:
    yield "dates as text", scan(1, more=(el("StudyDate", "tomorrow", "LO"),)), CLEANED
    yield "rows as text", scan(1, more=(el("Rows", "four", "LO"),)), ("bad_structure", "pixel_length_mismatch", CLEANED)
    yield "name as a sequence", scan(1, more=(el("PatientName", item(el("PatientID", "1")), "SQ"),)), CLEANED
    yield "sequence as text", scan(1, more=(el("RequestAttributesSequence", b"text", "LO"),)), CLEANED
    yield (
        "unknown representation",
        scan(1, more=(el("StudyID", b"ab"),)).replace(b"SH\x02\0ab", b"ZZ\x02\0ab"),
        (
            "bad_structure",
            "truncated",
            CLEANED,
        ),
    )
    for wrong in ("ISO_IR 999", "klingon", "ISO 2022 IR 6\\nonsense", "\\\\\\"):
        said: tuple[str | None, ...] = (
            ("unknown_character_set",) if "\\\\" not in wrong else ("unknown_character_set", None)
        )
        yield f"character set {wrong[:9]!r}", scan(1, more=(el("SpecificCharacterSet", wrong),)), said
    yield (
        "character set of a megabyte",
        scan(1, more=(el("SpecificCharacterSet", b"\\ISO 2022 IR 87" * 4095),)),
        (
            CLEANED,
            "unknown_character_set",
        ),
    )
    yield (
        "escapes without end",
        scan(1, more=(el("SpecificCharacterSet", "\\ISO 2022 IR 87"), el("PatientName", b"\x1b$B\x1b(B" * 8000))),
        CLEANED,
    )
    yield "a name of 60 KB", scan(1, more=(el("PatientName", b"A^B=" * 15_000),)), CLEANED
    yield "a comment of 3 MB", scan(1, more=(el("PatientComments", b"ab " * 1_000_000, "UT"),)), CLEANED
    yield "nothing but NUL and escape", scan(1, more=(el("PatientName", b"\0\x1b\r\n\x7f\xff" * 9),)), CLEANED
    yield "private SOP class", scan(1, sop_class="1.2.840.113619.4.26"), "unknown_sop_class"
    yield "no SOP class", scan(1, drop=["SOPClassUID"]), "missing_sop_class"
    yield "no instance", scan(1, drop=["SOPInstanceUID"]), "missing_instance_uid"
    yield "uid of 60 KB", scan(1, more=(el("SOPInstanceUID", "1." * 30_000),)), (CLEANED, "missing_instance_uid")
    yield "uid of nothing but dots", scan(1, more=(el("SOPInstanceUID", "...."),)), (CLEANED, "missing_instance_uid")
    yield "private syntax", scan(1, syntax="1.2.840.113619.5.2"), "unknown_transfer_syntax"
    yield "syntax that lies", part10(instance(), EXPLICIT).replace(
        EXPLICIT.encode() + b"\0", IMPLICIT.encode() + b"\0\0\0"
    ), (CLEANED, "bad_structure", "truncated")  # fmt: skip


def _pixels() -> Kind:
    huge = (el("Rows", 65535), el("Columns", 65535), el("NumberOfFrames", "1000000"))
    yield "65535 x 65535 x 1,000,000", scan(1, more=huge), "pixel_length_mismatch"
    yield "frames as a word", scan(1, more=(el("NumberOfFrames", "all"),)), (CLEANED, "pixel_length_mismatch")
    yield "more bits than allocated", scan(1, more=(el("BitsStored", 99),)), "bits_stored_exceed_allocated"
    yield "half of the pixels", scan(1, more=(el("PixelData", bytes(16), "OW"),)), "pixel_length_mismatch"
    noise = Fragments((b"", b"\xff\xd8" + bytes(64)))
    yield "compressed noise", scan(1, more=(el("PixelData", noise, "OB"),), syntax=RLE), (CLEANED, "bad_structure")
    broken = scan(1, more=(el("PixelData", noise, "OB"),), syntax=RLE)
    at = broken.rindex(struct.pack("<HH", 0xFFFE, 0xE000)) + 4
    yield (
        "fragment longer than the file",
        broken[:at] + struct.pack("<I", 0x7FFFFFFE) + broken[at + 4 :],
        (
            "truncated",
            "bad_structure",
        ),
    )
    yield "fragments without an end", broken[:-8], ("truncated", "bad_structure")


def _around() -> Kind:
    for name, magic in (("a program", b"MZ\x90\0"), ("a script", b"#!/bin/sh\nrm -rf ~\n"), ("a picture", b"II*\0")):
        yield f"preamble of {name}", scan(1, preamble=magic.ljust(128, b"\0")), CLEANED
    yield "trailing zeros", scan(1, trailing=bytes(64)), (CLEANED, "bad_structure", "truncated")
    yield "trailing words", scan(1, trailing=b"Vandermeer, Liselotte 1947 " * 4), ("bad_structure", "truncated")
    yield "trailing padding", scan(1, trailing=encode([el(0xFFFCFFFC, bytes(64), "OB")])), CLEANED
    yield "two objects in one", scan(1) + scan(2), ("bad_structure", "truncated", "duplicate_element")
