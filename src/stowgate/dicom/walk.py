"""Follows the elements of a data set in little endian bytes, explicit or implicit VR (PS3.5 section 7)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from stowgate.dicom.budget import Budget, NeedMore, OddEncoding
from stowgate.errors import Rejected
from stowgate.standard.dictionary import implicit_vr

Element = tuple[bytes, int, int, int]
"""VR, start of the element, start of its value, end of its value; positions in the view it was found in."""

Elements = dict[int, Element]
"""Elements of one data set by tag (group << 16 | element), in the order of the bytes."""

UNDEFINED = 0xFFFFFFFF
_STRETCH = 256 * 1024
"""Bytes after which a walk looks up whether it has become too expensive."""
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXEL_DATA = 0x7FE00010

SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US".split())
LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())

_explicit = struct.Struct("<HH2sH").unpack_from
_implicit = struct.Struct("<HHI").unpack_from
_u32 = struct.Struct("<I").unpack_from


def walk(view: memoryview, pos: int, end: int, explicit: bool, into: Elements, budget: Budget, depth: int = 0) -> int:
    """Put the elements from `pos` into `into`; the position after the last one, or after an item's delimiter.

    At depth 0 a delimiter is an error; deeper, it ends the data set. Raises `NeedMore` when the view is too short,
    `OddEncoding` when another encoding is needed, `Rejected` when the structure is wrong.
    """
    if explicit:
        return _walk_explicit(view, pos, end, into, budget, depth)
    return _walk_implicit(view, pos, end, into, budget, depth)


def _walk_explicit(view: memoryview, pos: int, end: int, into: Elements, budget: Budget, depth: int) -> int:
    """The hot loop: 16-bit lengths inline, everything rarer in `_long_value`."""
    last = next(reversed(into)) if into else -1
    before = len(into)
    last_start = end - 8
    short = SHORT_VRS
    try:
        while pos <= last_start:
            stretch = min(last_start, pos + _STRETCH)
            while pos <= stretch:
                group, element, vr, length = _explicit(view, pos)
                tag = group << 16 | element
                if vr in short:
                    value = pos + 8
                    stop = value + length
                elif group == 0xFFFE:
                    return _item_end(view, tag, pos, depth)
                else:
                    value, stop = _long_value(view, tag, vr, pos, end, budget, depth)
                if tag <= last:
                    _disorder(tag, last)
                if stop > end:
                    raise NeedMore(tag, vr, value, stop - value)
                if stop & 1 != pos & 1:
                    raise OddEncoding
                into[tag] = (vr, pos, value, stop)
                last = tag
                pos = stop
            if pos <= last_start:
                budget.hold(len(into))
    finally:
        budget.spend(len(into) - before)
    if pos < end:
        raise NeedMore
    if last >> 16 == 0xFFFF:  # nothing may stand there (PS3.5 7.8)
        raise Rejected("bad_structure")
    return pos


def _walk_implicit(view: memoryview, pos: int, end: int, into: Elements, budget: Budget, depth: int) -> int:
    last = next(reversed(into)) if into else -1
    before = len(into)
    last_start = end - 8
    try:
        while pos <= last_start:
            stretch = min(last_start, pos + _STRETCH)
            while pos <= stretch:
                group, element, length = _implicit(view, pos)
                tag = group << 16 | element
                if group == 0xFFFE:
                    return _item_end(view, tag, pos, depth)
                vr = implicit_vr(tag)
                value = pos + 8
                if length == UNDEFINED:
                    vr = b"SQ" if vr == b"UN" else vr
                    stop = _undefined_end(view, tag, vr, value, end, False, budget, depth)
                else:
                    stop = value + length
                if tag <= last:
                    _disorder(tag, last)
                if stop > end:
                    raise NeedMore(tag, vr, value, length)
                if length & 1 and length != UNDEFINED:
                    raise OddEncoding
                into[tag] = (vr, pos, value, stop)
                last = tag
                pos = stop
            if pos <= last_start:
                budget.hold(len(into))
    finally:
        budget.spend(len(into) - before)
    if pos < end:
        raise NeedMore
    if last >> 16 == 0xFFFF:  # nothing may stand there (PS3.5 7.8)
        raise Rejected("bad_structure")
    return pos


def _long_value(
    view: memoryview, tag: int, vr: bytes, pos: int, end: int, budget: Budget, depth: int
) -> tuple[int, int]:
    """Start and end of a value with a 32-bit length; unknown VRs have one too (PS3.5 6.2.2 note 1)."""
    if vr not in LONG_VRS and not (vr.isalpha() and vr.isupper()):
        raise OddEncoding
    if end - pos < 12:
        raise NeedMore
    (length,) = _u32(view, pos + 8)
    value = pos + 12
    if length == UNDEFINED:
        return value, _undefined_end(view, tag, vr, value, end, True, budget, depth)
    return value, value + length


def _undefined_end(
    view: memoryview, tag: int, vr: bytes, value: int, end: int, explicit: bool, budget: Budget, depth: int
) -> int:
    """Where a value of undefined length ends: behind its delimiter."""
    try:
        if vr == b"SQ":
            for _ in items(view, value, end, explicit, True, budget, depth + 1, walked := Walked()):
                pass
            return walked.stop
        if vr in (b"OB", b"OW") and explicit:
            return fragments_end(view, value, end)
    except NeedMore:
        raise NeedMore(tag, vr, value, UNDEFINED) from None
    if vr == b"UN":
        raise OddEncoding
    raise Rejected("bad_structure")


def _item_end(view: memoryview, tag: int, pos: int, depth: int) -> int:
    if depth and tag == ITEM_END and _u32(view, pos + 4) == (0,):
        return pos + 8
    raise Rejected("bad_structure")


def _disorder(tag: int, last: int) -> None:
    if tag == last:
        raise Rejected("duplicate_element")
    raise OddEncoding


class Walked:
    """Where a walk over a sequence stopped."""

    __slots__ = ("stop",)

    def __init__(self) -> None:
        self.stop = 0


def items(
    view: memoryview,
    value: int,
    end: int,
    explicit: bool,
    undefined: bool,
    budget: Budget,
    depth: int,
    walked: Walked,
) -> Iterator[tuple[int, int, Elements]]:
    """The items of a sequence: start, end (delimiter included) and elements of each (PS3.5 7.5).

    For an undefined length `end` is only a bound; `walked.stop` is the end found once all items are read.
    """
    budget.descend(depth)
    pos = value
    while pos < end:
        if end - pos < 8:
            raise NeedMore if undefined else Rejected("bad_structure")
        group, element, length = _implicit(view, pos)
        tag = group << 16 | element
        if tag == SEQUENCE_END and undefined and length == 0:
            walked.stop = pos + 8
            return
        if tag != ITEM:
            raise Rejected("bad_structure")
        elements: Elements = {}
        body = pos + 8
        budget.spend(1)
        if length == UNDEFINED:
            stop = _open_item(view, body, end, explicit, elements, budget, depth, undefined)
        else:
            stop = body + length
            if stop > end:
                raise NeedMore if undefined else Rejected("bad_structure")
            _closed_item(view, body, stop, explicit, elements, budget, depth)
        yield pos, stop, elements
        pos = stop
    if undefined:
        raise NeedMore
    walked.stop = pos


def _open_item(
    view: memoryview,
    body: int,
    end: int,
    explicit: bool,
    elements: Elements,
    budget: Budget,
    depth: int,
    undefined: bool,
) -> int:
    try:
        stop = walk(view, body, end, explicit, elements, budget, depth)
    except NeedMore:
        if undefined:
            raise
        raise Rejected("bad_structure") from None
    if stop == _content_end(body, elements):
        raise NeedMore if undefined else Rejected("bad_structure")
    return stop


def _closed_item(
    view: memoryview, body: int, stop: int, explicit: bool, elements: Elements, budget: Budget, depth: int
) -> None:
    try:
        walk(view, body, stop, explicit, elements, budget, depth)
    except NeedMore:
        raise Rejected("bad_structure") from None
    if _content_end(body, elements) != stop:
        raise Rejected("bad_structure")


def _content_end(body: int, elements: Elements) -> int:
    """Where the last element of an item ends: with a delimiter behind it, the walk has gone further."""
    return next(reversed(elements.values()))[3] if elements else body


def fragments_end(view: memoryview, value: int, end: int) -> int:
    """End of encapsulated Pixel Data that lies in the view, behind its sequence delimiter (PS3.5 A.4)."""
    pos = value
    while end - pos >= 8:
        group, element, length = _implicit(view, pos)
        tag = group << 16 | element
        pos += 8
        if tag == SEQUENCE_END:
            return pos
        if tag != ITEM or length == UNDEFINED:
            raise Rejected("bad_structure")
        pos += length
    raise NeedMore


def check_structure(
    view: memoryview, value: int, end: int, explicit: bool, undefined: bool, budget: Budget, depth: int
) -> None:
    """Follow a sequence to its leaves without looking at values: what is removed must be sound too."""
    for _, _, elements in items(view, value, end, explicit, undefined, budget, depth, Walked()):
        for vr, _, inner, stop in elements.values():
            if vr == b"SQ":
                open_ended = _u32(view, inner - 4) == (UNDEFINED,)
                check_structure(view, inner, stop, explicit, open_ended, budget, depth + 1)


def is_undefined(view: memoryview, value: int) -> bool:
    """Whether the element whose value starts here was written with undefined length."""
    return bool(_u32(view, value - 4)[0] == UNDEFINED)
