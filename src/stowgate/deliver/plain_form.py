"""A data set, as it comes, in the one form that does not depend on how its writer gave lengths (PS3.5 7.5) or padded.

Two data sets have the same plain form exactly if they hold the same elements with the same VRs and values, in the same
order. Not in it: whether a sequence or an item has a defined length, group lengths, padding behind text.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from stowgate.dicom.limits import DEFAULT
from stowgate.dicom.walk import ITEM, ITEM_END, LONG_VRS, PIXEL_DATA, SEQUENCE_END, SHORT_VRS, UNDEFINED
from stowgate.standard.dictionary import implicit_vr

_IMPLICIT = "1.2.840.10008.1.2"
_OTHERWISE = frozenset(
    ("1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205")
)
"""Big endian, or deflated."""
_TRAILING = 0xFFFCFFFC
"""Data Set Trailing Padding: without meaning (PS3.10 7.2)."""
_PADDED = frozenset(b"AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT".split())
"""Only here blanks and NULs at the end are padding; in numbers they are value."""
_SHORT = 1 << 16
"""Bytes of text whose padding is looked at; what is longer is compared as it is, and never whole in memory."""
_FRAMED = (b"OB", b"OW")
_DEEPEST = DEFAULT.depth

_tag = struct.Struct("<HH").unpack
_u16, _u32 = struct.Struct("<H").unpack, struct.Struct("<I").unpack
_head = struct.Struct("<cI2sQ").pack


class Unreadable(ValueError):
    """This is no data set in little endian that can be followed."""


class EndsEarly(Unreadable):
    """It ends in the middle of an element."""


def plain_form(pieces: Iterator[bytes], transfer_syntax: str) -> Iterator[bytes]:
    """In pieces of any size, a value never whole in memory. Raises Unreadable, EndsEarly for one."""
    if transfer_syntax in _OTHERWISE:
        raise Unreadable
    yield from _data_set(_Reader(pieces), transfer_syntax != _IMPLICIT, None, 0)


class _Reader:
    """Bytes in order; `at` is how many were taken."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._left, self.at = pieces, memoryview(b""), 0

    def is_over(self) -> bool:
        """Whether nothing follows."""
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return True
            self._left = memoryview(piece)
        return False

    def take(self, size: int) -> bytes:
        """Exactly so many, which fit into memory."""
        return b"".join(self.pass_on(size))

    def pass_on(self, size: int) -> Iterator[bytes]:
        """Exactly so many, as they come."""
        while size:
            if self.is_over():
                raise EndsEarly
            piece, self._left = bytes(self._left[:size]), self._left[size:]
            self.at += len(piece)
            size -= len(piece)
            yield piece


def _data_set(reader: _Reader, explicit: bool, end: int | None, depth: int) -> Iterator[bytes]:
    """The elements up to `end`; None is the end of the stream at depth 0, deeper an item's delimiter."""
    while reader.at != end if end is not None else depth or not reader.is_over():
        group, element = _tag(reader.take(4))
        tag = group << 16 | element
        if group == 0xFFFE:
            if tag == ITEM_END and depth and end is None and _u32(reader.take(4)) == (0,):
                return
            raise Unreadable
        vr, length = _vr_and_length(reader, tag, explicit)
        if end is not None and length != UNDEFINED and reader.at + length > end:
            raise Unreadable
        if vr == b"SQ":
            yield from _sequence(reader, tag, explicit, length, depth + 1)
        elif length == UNDEFINED:
            yield from _fragments(reader, tag, vr, explicit, depth)
        elif not _means_nothing(tag, vr, length, depth):
            yield from _value(reader, tag, vr, length)
        else:
            for _ in reader.pass_on(length):
                """Group lengths and trailing padding are the writer's own."""
        if end is not None and reader.at > end:
            raise Unreadable


def _vr_and_length(reader: _Reader, tag: int, explicit: bool) -> tuple[bytes, int]:
    if not explicit:
        (length,) = _u32(reader.take(4))
        vr = implicit_vr(tag)
        return b"SQ" if length == UNDEFINED and vr == b"UN" else vr, length
    head = reader.take(4)
    vr = head[:2]
    if vr in SHORT_VRS:
        return vr, _u16(head[2:])[0]
    if vr not in LONG_VRS or head[2:] != b"\0\0":
        raise Unreadable
    return vr, _u32(reader.take(4))[0]


def _means_nothing(tag: int, vr: bytes, length: int, depth: int) -> bool:
    """A group length has four bytes (PS3.5 7.2): in anything else that stands there something could be hidden."""
    is_group_length = not tag & 0xFFFF and length == 4 and vr == b"UL"
    return is_group_length or (tag == _TRAILING and not depth)


def _value(reader: _Reader, tag: int, vr: bytes, length: int) -> Iterator[bytes]:
    """The length goes first, so no value can be taken for the beginning of what follows."""
    if vr in _PADDED and length <= _SHORT:
        value = reader.take(length).rstrip(b" \0")
        yield _head(b"E", tag, vr, len(value)) + value
        return
    yield _head(b"E", tag, vr, length)
    yield from reader.pass_on(length)


def _sequence(reader: _Reader, tag: int, explicit: bool, length: int, depth: int) -> Iterator[bytes]:
    if depth > _DEEPEST:
        raise Unreadable
    yield _head(b"S", tag, b"SQ", 0)
    end = None if length == UNDEFINED else reader.at + length
    while reader.at != end:
        inner, size = _item(reader)
        if end is None and inner == SEQUENCE_END and not size:
            break
        if inner != ITEM:
            raise Unreadable
        yield b"I"
        stop = None if size == UNDEFINED else reader.at + size
        if end is not None and (stop or reader.at) > end:
            raise Unreadable
        yield from _data_set(reader, explicit, stop, depth)
        if end is not None and reader.at > end:
            raise Unreadable
        yield b"i"
    yield b"s"


def _fragments(reader: _Reader, tag: int, vr: bytes, explicit: bool, depth: int) -> Iterator[bytes]:
    """Encapsulated Pixel Data (PS3.5 A.4): where one fragment ends and the next begins is part of what was sent."""
    if tag != PIXEL_DATA or vr not in _FRAMED or not explicit or depth:
        raise Unreadable
    yield _head(b"P", tag, vr, 0)
    while True:
        inner, size = _item(reader)
        if inner == SEQUENCE_END and not size:
            break
        if inner != ITEM or size == UNDEFINED:
            raise Unreadable
        yield b"F" + size.to_bytes(8, "little")
        yield from reader.pass_on(size)
    yield b"p"


def _item(reader: _Reader) -> tuple[int, int]:
    group, element = _tag(reader.take(4))
    return group << 16 | element, _u32(reader.take(4))[0]
