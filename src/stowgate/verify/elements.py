"""The gate's own reading of elements in memory: explicit or implicit VR little endian, items, fragments (PS3.5 7)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from stowgate.standard.dictionary import implicit_vr

DEPTH = 80
"""Nesting at which no further item is followed; beyond what the engine accepts."""

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xE000FFFE, 0xE00DFFFE, 0xE0DDFFFE  # as one little endian number of 32 bits
DELIMITERS = 0xFFFE0000

WIDE = dict.fromkeys(b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split(), False)
WIDE |= dict.fromkeys(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split(), True)
"""VR -> whether its length has 32 bits (PS3.5 7.1.2)."""

explicit_head = struct.Struct("<HH2sH").unpack_from
implicit_head = struct.Struct("<HHI").unpack_from
item_head = struct.Struct("<II").unpack_from
u32 = struct.Struct("<I").unpack_from


class Broken(Exception):
    """The bytes cannot be followed; `tag` is where, 0 if it is not known."""

    def __init__(self, tag: int = 0) -> None:
        super().__init__()
        self.tag = tag


class _Overrun(Exception):
    """The bytes at hand end inside an element."""


@dataclass(frozen=True, slots=True)
class Bulk:
    """A value left in the file, delimiter included. `fragments`: item lengths of encapsulated Pixel Data."""

    offset: int
    length: int
    fragments: tuple[int, ...] | None = None


Value: TypeAlias = "bytes | list[DataSet] | Bulk"
DataSet: TypeAlias = "dict[int, tuple[bytes, Value]]"
"""Tag (group << 16 | element) -> VR and value; the value of a sequence is the list of its items."""


class Elements(Protocol):
    """Where an element is looked up: a data set, or a whole file."""

    def get(self, tag: int, /) -> tuple[bytes, Value] | None:
        """VR and value, None where there is none."""


Loop = Callable[[bytes, int, int, int, bool, int, DataSet, int], int]
"""(data, from, to, tag to stop before, strict, depth, elements found, last tag) -> where it stopped."""


def implicit_items(data: bytes) -> list[DataSet]:
    """The items of a sequence that stands in a value of VR UN (PS3.5 6.2.2); raises `Broken`."""
    try:
        return _items(data, 0, len(data), len(data), implicit, False, 1, 0)[0]
    except _Overrun:
        raise Broken from None


def explicit(data: bytes, pos: int, end: int, stop: int, strict: bool, depth: int, into: DataSet, last: int) -> int:
    """Stops before `stop`, at `end`, or before an element that does not fit: the caller knows which it wants."""
    known = WIDE
    while end - pos >= 8:
        group, element, vr, length = explicit_head(data, pos)
        tag = group << 16 | element
        if tag >= stop:
            break
        if tag <= last and (strict or tag in into):
            raise Broken(tag)
        if known.get(vr, True):
            try:
                pos = _wide(data, pos, end, strict, depth, into, tag, vr, length)
            except _Overrun:
                if depth:
                    raise
                break
        else:
            start = pos + 8
            after = start + length
            if after > end:
                break
            if length & 1 and strict:
                raise Broken(tag)
            into[tag] = (vr, data[start:after])
            pos = after
        last = tag
    return pos


def _wide(
    data: bytes, pos: int, end: int, strict: bool, depth: int, into: DataSet, tag: int, vr: bytes, reserved: int
) -> int:
    """An element whose length has 32 bits; a VR of a later edition has one too (PS3.5 6.2.2 note 1)."""
    if (strict and (reserved or vr not in WIDE)) or not (vr.isalpha() and vr.isupper()):
        raise Broken(tag)
    if end - pos < 12:
        raise _Overrun
    (length,) = u32(data, pos + 8)
    start = pos + 12
    if vr == b"SQ" or (vr == b"UN" and length == UNDEFINED):
        if strict and vr == b"UN":
            raise Broken(tag)
        loop = explicit if vr == b"SQ" else implicit
        items, after = _items(data, start, end, length, loop, strict, depth + 1, tag)
        into[tag] = (b"SQ", items)
        return after
    if length == UNDEFINED:
        if vr not in (b"OB", b"OW"):
            raise Broken(tag)
        after = _fragments(data, start, end, strict, tag)
    else:
        after = start + length
        if after > end:
            raise _Overrun
        if length & 1 and strict:
            raise Broken(tag)
    into[tag] = (vr, data[start:after])
    return after


def implicit(data: bytes, pos: int, end: int, stop: int, strict: bool, depth: int, into: DataSet, last: int) -> int:
    """As `_explicit`; the VR comes from the dictionary, and an undefined length says that it is a sequence."""
    while end - pos >= 8:
        group, element, length = implicit_head(data, pos)
        tag = group << 16 | element
        if tag >= stop:
            break
        if tag <= last and (strict or tag in into):
            raise Broken(tag)
        vr = implicit_vr(tag)
        start = pos + 8
        if length == UNDEFINED or vr == b"SQ":
            try:
                items, pos = _items(data, start, end, length, implicit, strict, depth + 1, tag)
            except _Overrun:
                if depth:
                    raise
                break
            into[tag] = (b"SQ", items)
        else:
            after = start + length
            if after > end:
                break
            if length & 1 and strict:
                raise Broken(tag)
            into[tag] = (vr, data[start:after])
            pos = after
        last = tag
    return pos


def _items(
    data: bytes, pos: int, end: int, length: int, loop: Loop, strict: bool, depth: int, tag: int
) -> tuple[list[DataSet], int]:
    """The items of a sequence and where it ends (PS3.5 7.5)."""
    if depth > DEPTH:
        raise Broken(tag)
    if length == UNDEFINED:
        return _open_items(data, pos, end, loop, strict, depth, tag)
    stop = pos + length
    if stop > end:
        raise _Overrun
    items: list[DataSet] = []
    try:
        while pos < stop:
            mark, size, pos = _item_at(data, pos, stop)
            if mark != ITEM:
                raise Broken(tag)
            item, pos = _item(data, pos, stop, size, loop, strict, depth, tag)
            items.append(item)
    except _Overrun:
        raise Broken(tag) from None  # all of it is at hand: more bytes would not help
    return items, pos


def _open_items(
    data: bytes, pos: int, end: int, loop: Loop, strict: bool, depth: int, tag: int
) -> tuple[list[DataSet], int]:
    """A sequence of undefined length, up to its delimiter."""
    items: list[DataSet] = []
    while True:
        mark, size, pos = _item_at(data, pos, end)
        if mark == SEQUENCE_END and not (strict and size):
            return items, pos
        if mark != ITEM:
            raise Broken(tag)
        item, pos = _item(data, pos, end, size, loop, strict, depth, tag)
        items.append(item)


def _item_at(data: bytes, pos: int, end: int) -> tuple[int, int, int]:
    if end - pos < 8:
        raise _Overrun
    mark, size = item_head(data, pos)
    return mark, size, pos + 8


def _item(
    data: bytes, pos: int, end: int, size: int, loop: Loop, strict: bool, depth: int, tag: int
) -> tuple[DataSet, int]:
    """The elements of one item and where the next thing begins."""
    item: DataSet = {}
    if size != UNDEFINED:
        stop = pos + size
        if stop > end:
            raise _Overrun
        if loop(data, pos, stop, DELIMITERS, strict, depth, item, -1) != stop:
            raise Broken(tag)
        return item, stop
    pos = loop(data, pos, end, DELIMITERS, strict, depth, item, -1)
    mark, rest, after = _item_at(data, pos, end)
    if mark == ITEM_END and not (strict and rest):
        return item, after
    if mark & 0xFFFF == 0xFFFE:
        raise Broken(tag)
    raise _Overrun


def _fragments(data: bytes, pos: int, end: int, strict: bool, tag: int) -> int:
    """End of encapsulated pixels inside an item (PS3.5 A.4)."""
    while True:
        mark, size, pos = _item_at(data, pos, end)
        if mark == SEQUENCE_END and not (strict and size):
            return pos
        if mark != ITEM or size == UNDEFINED or (strict and size & 1):
            raise Broken(tag)
        pos += size
