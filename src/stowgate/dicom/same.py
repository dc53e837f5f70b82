"""Whether two objects say the same, however they are encoded: for telling a duplicate from a reused UID."""

from __future__ import annotations

from stowgate.dicom.limits import DEFAULT, Limits
from stowgate.dicom.scanner import Buffer, Scan, scan
from stowgate.dicom.source import ByteSource
from stowgate.dicom.walk import Elements, Walked, is_undefined, items
from stowgate.objects import Range

_CHUNK = 1024 * 1024
Where = tuple[memoryview, int, int, bool] | Range
"""A value in memory (view, start, end, whether it is a sequence) or in the source."""


def same_content(one: ByteSource, other: ByteSource, limits: Limits = DEFAULT) -> bool:
    """Whether both data sets hold the same elements with the same values, padding and encoding aside.

    Both must be little endian Part 10 objects. File meta information is not compared.
    """
    if one.size == other.size and _equal_ranges(one, Range(0, one.size), other, Range(0, other.size)):
        return True
    first, second = scan(one, limits, Buffer()), scan(other, limits, Buffer())
    if first.encapsulated != second.encapsulated:
        return False
    ours, theirs = _values(first), _values(second)
    return ours.keys() == theirs.keys() and all(_equal(first, ours[tag], second, theirs[tag]) for tag in ours)


def _values(found: Scan) -> dict[int, Where]:
    values: dict[int, Where] = {}
    for segment in found.segments:
        for tag, (vr, _, start, end) in segment.elements.items():
            if tag & 0xFFFF:
                values[tag] = segment.value if tag == segment.bulk else (segment.view, start, end, vr == b"SQ")
    return values


def _equal(first: Scan, ours: Where, second: Scan, theirs: Where) -> bool:
    if isinstance(ours, Range) or isinstance(theirs, Range):
        return _equal_ranges(first.source, _range(first, ours), second.source, _range(second, theirs))
    if ours[3] and theirs[3]:
        return _content(first, *ours[:3], 1) == _content(second, *theirs[:3], 1)
    return _trimmed(*ours[:3]) == _trimmed(*theirs[:3])


def _range(found: Scan, where: Where) -> Range:
    if isinstance(where, Range):
        return where
    segment = next(segment for segment in found.segments if segment.view is where[0])
    return Range(segment.base + where[1], where[2] - where[1])


def _trimmed(view: memoryview, start: int, end: int) -> bytes:
    return bytes(view[start:end]).rstrip(b" \0")


def _content(found: Scan, view: memoryview, start: int, end: int, depth: int) -> list[dict[int, object]]:
    """A sequence as plain values: one dictionary an item, nested alike."""
    undefined = is_undefined(view, start)
    walked = items(view, start, end, found.explicit, undefined, found.budget, depth, Walked())
    return [_plain(found, view, elements, depth) for _, _, elements in walked]


def _plain(found: Scan, view: memoryview, elements: Elements, depth: int) -> dict[int, object]:
    return {
        tag: _content(found, view, start, end, depth + 1) if vr == b"SQ" else _trimmed(view, start, end)
        for tag, (vr, _, start, end) in elements.items()
        if tag & 0xFFFF
    }


def _equal_ranges(one: ByteSource, ours: Range, other: ByteSource, theirs: Range) -> bool:
    if ours.length != theirs.length:
        return False
    for done in range(0, ours.length, _CHUNK):
        size = min(_CHUNK, ours.length - done)
        if one.read(ours.offset + done, size) != other.read(theirs.offset + done, size):
            return False
    return True
