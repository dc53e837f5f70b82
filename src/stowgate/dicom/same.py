"""Whether two objects say the same, however they are encoded: for telling a duplicate from a reused UID."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from stowgate.dicom.limits import DEFAULT, Limits
from stowgate.dicom.scanner import Buffer, Scan, scan
from stowgate.dicom.source import ByteSource
from stowgate.dicom.walk import Element, Elements, Walked, is_undefined, items
from stowgate.objects import Range

_CHUNK = 1024 * 1024
_PADDED = frozenset(b"AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT".split())
"""Only here blanks and NULs at the end are padding; in numbers they are value."""
Where = tuple[memoryview, Element] | Range
"""A value in memory or in the source."""


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
        for tag, element in segment.elements.items():
            if tag & 0xFFFF:
                values[tag] = segment.value if tag == segment.bulk else (segment.view, element)
    return values


def _equal(first: Scan, ours: Where, second: Scan, theirs: Where) -> bool:
    if isinstance(ours, Range) or isinstance(theirs, Range):
        return _equal_ranges(first.source, _range(first, ours), second.source, _range(second, theirs))
    return _equal_elements(first, *ours, second, *theirs, 1)


def _range(found: Scan, where: Where) -> Range:
    if isinstance(where, Range):
        return where
    view, (_, _, start, end) = where
    segment = next(segment for segment in found.segments if segment.view is view)
    return Range(segment.base + start, end - start)


def _equal_elements(
    first: Scan, view: memoryview, ours: Element, second: Scan, other: memoryview, theirs: Element, depth: int
) -> bool:
    if ours[0] == theirs[0] == b"SQ":
        return _equal_sequences(first, view, ours, second, other, theirs, depth)
    one, two = bytes(view[ours[2] : ours[3]]), bytes(other[theirs[2] : theirs[3]])
    padded = ours[0] in _PADDED or theirs[0] in _PADDED
    return one == two or (padded and one.rstrip(b" \0") == two.rstrip(b" \0"))


def _equal_sequences(
    first: Scan, view: memoryview, ours: Element, second: Scan, other: memoryview, theirs: Element, depth: int
) -> bool:
    pairs = zip_longest(_items(first, view, ours, depth), _items(second, other, theirs, depth))
    return all(
        one is not None
        and two is not None
        and one.keys() == two.keys()
        and all(_equal_elements(first, view, one[tag], second, other, two[tag], depth + 1) for tag in one)
        for one, two in pairs
    )


def _items(found: Scan, view: memoryview, element: Element, depth: int) -> Iterator[Elements]:
    _, _, start, end = element
    undefined = is_undefined(view, start)
    for _, _, elements in items(view, start, end, found.explicit, undefined, found.budget, depth, Walked()):
        yield {tag: inner for tag, inner in elements.items() if tag & 0xFFFF}


def _equal_ranges(one: ByteSource, ours: Range, other: ByteSource, theirs: Range) -> bool:
    if ours.length != theirs.length:
        return False
    for done in range(0, ours.length, _CHUNK):
        size = min(_CHUNK, ours.length - done)
        if one.read(ours.offset + done, size) != other.read(theirs.offset + done, size):
            return False
    return True
