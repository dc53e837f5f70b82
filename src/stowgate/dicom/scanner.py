"""Reads the header of one object: file meta information, and the top-level elements in segments around bulk values."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from stowgate.dicom.budget import Budget, NeedMore, OddEncoding
from stowgate.dicom.limits import Limits
from stowgate.dicom.source import ByteSource
from stowgate.dicom.walk import (
    ITEM,
    LONG_VRS,
    PIXEL_DATA,
    SEQUENCE_END,
    SHORT_VRS,
    UNDEFINED,
    Elements,
    is_undefined,
    walk,
)
from stowgate.errors import Rejected
from stowgate.objects import Range
from stowgate.standard.uids import is_transfer_syntax

BUFFER = 1024 * 1024
FIRST = 64 * 1024
"""Bytes read at first: nearly every header fits, and pixels need not pass through the process."""
BULK_VRS = frozenset((b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"UN"))

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
_DEFLATED = frozenset(("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"))
_BIG_ENDIAN = "1.2.840.10008.1.2.2"

_header = struct.Struct("<HH2sH").unpack_from
_implicit = struct.Struct("<HHI").unpack_from
_u32 = struct.Struct("<I").unpack_from


class Buffer:
    """A read buffer, reused from object to object; pieces of an output point into it."""

    __slots__ = ("data",)

    def __init__(self, size: int = FIRST) -> None:
        self.data = bytearray(size)

    def view(self, size: int) -> memoryview:
        """At least `size` bytes of it; a larger buffer replaces a smaller one."""
        if len(self.data) < size:
            self.data = bytearray(size)
        return memoryview(self.data)


@dataclass(slots=True)
class Segment:
    """Consecutive top-level elements in memory, up to a bulk value that was left where it lies."""

    base: int
    view: memoryview
    elements: Elements
    bulk: int = 0
    """Tag of the last element when its value is not in `view`, else 0."""
    value: Range = Range(0, 0)
    """Where the bulk value lies in the source (delimiter included when encapsulated)."""


@dataclass
class Scan:
    """The header of one object. Satisfies `validate.values.Values`: raw values of top-level elements by tag."""

    source: ByteSource
    transfer_syntax: str
    media_sop_class: str
    media_instance: str
    explicit: bool
    budget: Budget
    meta: Elements = field(default_factory=dict)
    """File Meta Information; positions in the view of the first segment."""
    segments: list[Segment] = field(default_factory=list)
    pixel_length: int | None = None
    encapsulated: bool = False
    codecs: tuple[str, ...] = ("ascii",)

    def get(self, tag: int) -> bytes | None:
        """The raw value of a top-level element that is in memory; None if absent or bulk."""
        for segment in self.segments:
            found = segment.elements.get(tag)
            if found is not None:
                return None if segment.bulk == tag else bytes(segment.view[found[2] : found[3]])
        return None

    def text(self, tag: int) -> str:
        """A value of code characters (UI, CS, DA, ...), trimmed; empty if absent."""
        value = self.get(tag)
        return value.decode("ascii", "replace").strip(" \0") if value else ""


def _ready(result: Scan) -> None:
    """Make `get` one look-up and one slice for the usual object of one segment: it is asked a hundred times."""
    segment = result.segments[0]
    elements, bulk = segment.elements, segment.bulk
    reach = next(reversed(elements.values()))[2] if elements else 0
    if len(result.segments) != 1 or reach > 4 * FIRST:
        return
    head = bytes(segment.view[:reach])

    def get(tag: int) -> bytes | None:
        found = elements.get(tag)
        if found is None or tag == bulk:
            return None
        _, _, value, end = found
        return head[value:end] if end <= reach else bytes(segment.view[value:end])

    result.get = get  # type: ignore[method-assign]


def scan(source: ByteSource, limits: Limits, buffer: Buffer, filled: int = 0) -> Scan:
    """Read one object's header. Peak memory is the buffer: 64 KiB, more only for larger headers.

    filled -- how many of its bytes `first_bytes` has already put into the buffer
    Raises `Rejected` (not_dicom, truncated, bad_structure, limit_..., ...) or `OddEncoding`.
    """
    view, filled = first_bytes(source, buffer, FIRST, filled)
    found, start = _file_meta(source, view[:filled], Budget(limits))
    _read_segments(found, start, view, filled, limits, buffer)
    return found


def first_bytes(source: ByteSource, buffer: Buffer, most: int, filled: int = 0) -> tuple[memoryview, int]:
    """Fill the buffer with up to `most` bytes from the beginning; the room there is, and how far it is filled."""
    if source.size == 0:
        raise Rejected("empty_file")
    wanted = min(most, source.size)
    view = buffer.view(wanted)
    return view, filled + source.read_into(filled, view[filled:wanted]) if filled < wanted else filled


def _file_meta(source: ByteSource, view: memoryview, budget: Budget) -> tuple[Scan, int]:
    """File Meta Information (PS3.10 7.1); where the data set begins."""
    if bytes(view[128:132]) != b"DICM":
        raise OddEncoding
    meta: Elements = {}
    pos = 132
    end = len(view)
    while end - pos >= 8:
        group, element, vr, length = _header(view, pos)
        if group != 2:
            break
        value = pos + 8
        if vr in LONG_VRS and end - pos >= 12:
            value, (length,) = pos + 12, _u32(view, pos + 8)
        elif vr not in SHORT_VRS:
            raise OddEncoding
        if value + length > end:
            raise Rejected("truncated")
        meta[group << 16 | element] = (vr, pos, value, value + length)
        pos = value + length

    def text(tag: int) -> str:
        found = meta.get(tag)
        return bytes(view[found[2] : found[3]]).decode("ascii", "replace").strip(" \0") if found else ""

    if text(0x00020002) == "1.2.840.10008.1.3.10":
        raise Rejected("dicomdir")
    syntax = text(0x00020010)
    if not syntax or syntax == _BIG_ENDIAN or syntax in _DEFLATED:
        raise OddEncoding
    if not is_transfer_syntax(syntax):
        raise Rejected("unknown_transfer_syntax")
    if pos >= source.size:
        raise Rejected("truncated")
    return Scan(source, syntax, text(0x00020002), text(0x00020003), syntax != IMPLICIT, budget, meta), pos


def _read_segments(result: Scan, start: int, view: memoryview, filled: int, limits: Limits, buffer: Buffer) -> None:
    """Walk the data set from `start`; a bulk value that is not in memory closes a segment and is hopped over."""
    base = 0
    pos = start
    elements: Elements = {}
    while True:
        try:
            pos = walk(view, pos, filled, result.explicit, elements, result.budget)
            if base + filled < result.source.size:
                raise NeedMore
            result.segments.append(Segment(base, view, elements))
            break
        except NeedMore as need:
            pos = next(reversed(elements.values()))[3] if elements else pos
            if bulk := _bulk(result, need, base, filled):
                segment = Segment(base, view, elements, need.tag, bulk)
                elements[need.tag] = (need.vr, pos, need.value, need.value)
                result.segments.append(segment)
                base, pos, last = bulk.offset + bulk.length, 0, need.tag
                if base == result.source.size:
                    break
                view, filled = _next_view(result.source, base, limits)
                elements = {}
                _check_order(view, filled, last)
            else:
                _check_room(result, need, base, limits)
                view, filled = _larger_view(result.source, base, filled, limits, buffer)
    _note_pixels(result)
    _ready(result)


def _bulk(result: Scan, need: NeedMore, base: int, filled: int) -> Range | None:
    """Where a value lies that need not be in memory, if this is one; raises `Rejected` if it is cut off."""
    if need.vr not in BULK_VRS:
        if base + filled == result.source.size:
            raise Rejected("truncated")
        return None
    offset = base + need.value
    if need.length == UNDEFINED:
        if need.tag != PIXEL_DATA:
            return None
        return Range(offset, hop_fragments(result.source, offset, result.budget) - offset)
    if offset + need.length > result.source.size:
        raise Rejected("truncated")
    return Range(offset, need.length) if need.length > BUFFER // 16 else None


def _check_room(result: Scan, need: NeedMore, base: int, limits: Limits) -> None:
    """Refuse a value that is cut off or never fits before room is made for it."""
    end = need.value + need.length
    if need.length != UNDEFINED and base + end > result.source.size:
        raise Rejected("truncated")
    if need.length != UNDEFINED and end > limits.header:
        raise Rejected("limit_header")


def hop_fragments(source: ByteSource, offset: int, budget: Budget) -> int:
    """End of encapsulated Pixel Data, reading eight bytes per fragment (PS3.5 A.4)."""
    pos = offset
    while True:
        header = source.read(pos, 8)
        if len(header) < 8:
            raise Rejected("truncated")
        group, element, length = _implicit(header)
        tag = group << 16 | element
        pos += 8
        if tag == SEQUENCE_END:
            return pos
        if tag != ITEM or length == UNDEFINED:
            raise Rejected("bad_structure")
        pos += length
        budget.spend(1)


def _next_view(source: ByteSource, base: int, limits: Limits) -> tuple[memoryview, int]:
    """A fresh view of what follows a bulk value."""
    size = min(BUFFER, source.size - base, limits.header)
    view = memoryview(bytearray(size))
    return view, source.read_into(base, view)


def _larger_view(source: ByteSource, base: int, filled: int, limits: Limits, buffer: Buffer) -> tuple[memoryview, int]:
    """The same place with four times the room; refused at the limit or when there is nothing more to read."""
    left = source.size - base
    if filled >= left:
        raise Rejected("truncated")
    if filled >= limits.header:
        raise Rejected("limit_header")
    size = min(max(filled, BUFFER // 4) * 4, left, limits.header)
    view = buffer.view(size) if base == 0 else memoryview(bytearray(size))
    return view, source.read_into(base, view[:size])


def _check_order(view: memoryview, filled: int, last: int) -> None:
    """Order holds across segments too: a second Pixel Data must not escape."""
    if filled >= 4:
        group, element = struct.unpack_from("<HH", view)
        if group << 16 | element == last:
            raise Rejected("duplicate_element")
        if group << 16 | element < last:
            raise OddEncoding


def _note_pixels(result: Scan) -> None:
    for segment in result.segments:
        found = segment.elements.get(PIXEL_DATA)
        if found is None:
            continue
        result.encapsulated = is_undefined(segment.view, found[2])
        if not result.encapsulated:
            result.pixel_length = segment.value.length if segment.bulk == PIXEL_DATA else found[3] - found[2]
