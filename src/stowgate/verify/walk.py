"""The gate's own walk: one file from its first to its last byte, pixels and bulk left where they lie."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import NamedTuple

from stowgate.dicom.source import ByteSource
from stowgate.standard.dictionary import implicit_vr
from stowgate.verify import memo
from stowgate.verify.elements import (
    DELIMITERS,
    ITEM,
    SEQUENCE_END,
    UNDEFINED,
    WIDE,
    Broken,
    Bulk,
    DataSet,
    Loop,
    Value,
    explicit,
    explicit_head,
    implicit,
    implicit_head,
    item_head,
    u32,
)

FIRST = 32 * 1024
"""Bytes of the first read; most headers need no second one."""
BULK = 256 * 1024
"""A top-level value longer than this stays in the file."""
LIMIT = 256 * 1024 * 1024
"""Most bytes of one top-level element that are held in memory."""

_MARGIN = 0x17FF
"""How much longer than the last one a header may be to be read at once."""

_AFTER_META, _PIXELS = 0x00030000, 0x7F000000

_PREFIX_END = 132

IMPLICIT = b"1.2.840.10008.1.2"
_NOT_LITTLE_ENDIAN = frozenset(
    (b"1.2.840.10008.1.2.2", b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.4.95", b"1.2.840.10008.1.2.4.205")
)
"""Big endian and deflated transfer syntaxes: such an object has to be brought to little endian first."""


@dataclass(slots=True)
class Walked:
    """One file as the walk found it."""

    size: int
    preamble: bytes
    meta: DataSet
    start: int
    """Where the data set begins."""
    syntax: bytes
    explicit: bool
    varying: DataSet
    """The elements of the data set that the template does not hold: without one, all of them."""
    template: memo.Template | None = None
    """What this header has in common with the one before, if it was followed that way."""
    pixels: DataSet = field(default_factory=dict)
    """Those of the elements that are pixel values."""
    _top: DataSet | None = None

    @property
    def top(self) -> DataSet:
        """All elements of the data set; of a header like the last one they are put together when first asked for."""
        if self.template is None:
            return self.varying
        if self._top is None:
            self._top = {**self.template.base, **self.varying}
        return self._top

    def get(self, tag: int) -> tuple[bytes, Value] | None:
        """One element of the data set."""
        found = self.varying.get(tag)
        return found if found is not None or self.template is None else self.template.base.get(tag)


class _End(NamedTuple):
    """Pixels that end a file: the bytes before the value, and the length they give it."""

    head: bytes
    tag: int
    vr: bytes
    length: int


def is_pixels(tag: int) -> bool:
    """Float, Double Float and Pixel Data, and the retired Variable Pixel Data (7Fxx,0010)."""
    return tag in (0x7FE00008, 0x7FE00009) or tag & 0xFF01FFFF == 0x7F000010


def walk(source: ByteSource, strict: bool) -> Walked:
    """Follow one file of little endian encoding to its last byte; raises `Broken`.

    strict -- everything PS3.5 asks for: ascending tags, even lengths, zero reserved bytes, known VRs. Otherwise
    only what has to hold for the elements to be found: no tag twice, lengths that fit.
    """
    return _Reader(source, strict).run()


class _Reader:
    """Walks the top level with a window of bytes that moves on over pixels and bulk."""

    def __init__(self, source: ByteSource, strict: bool) -> None:
        self.source, self.strict = source, strict
        self.size = source.size
        self.base = 0
        self.memo = memo.of_thread(strict)
        self.data = source.read(0, min(FIRST, self.memo.reach))
        self.loop: Loop = explicit
        self.last = -1
        self.after = 0
        """Where the header ends in `data`."""

    def run(self) -> Walked:
        hit = self.memo.follow(self.data, _PREFIX_END, self.strict) if self.data[128:132] == b"DICM" else None
        walked = self._whole_walk() if hit is None else self._recalled(hit)
        self._rest(walked)
        return walked

    def _recalled(self, hit: memo.Hit) -> Walked:
        """A header that is as the one before but for some elements."""
        template, meta, varying, start, after = hit
        self.loop, self.last, self.after = template.body.loop, template.last, after
        meta.update(template.meta)
        is_explicit = self.loop is explicit
        return Walked(self.size, self.data[:128], meta, start, template.syntax, is_explicit, varying, template)

    def _whole_walk(self) -> Walked:
        """A header that is followed element by element."""
        meta, start = self._meta()
        syntax = _plain(meta.get(0x00020010))
        if not syntax or syntax in _NOT_LITTLE_ENDIAN:
            raise Broken(0x00020010)
        is_explicit = syntax != IMPLICIT
        self.loop = explicit if is_explicit else implicit
        walked = Walked(self.size, self.data[:128], meta, start, syntax, is_explicit, {})
        self.after = self._run(self.data, start, _PIXELS, walked.varying)
        header = memo.Header(self.data[_PREFIX_END : self.after], self.loop, syntax, meta, walked.varying.copy())
        self.memo.learn(header, self.strict)
        return walked

    def _meta(self) -> tuple[DataSet, int]:
        """File Meta Information, explicit VR in every file (PS3.10 7.1)."""
        while True:
            data = self.data
            if data[128:132] != b"DICM":
                raise Broken
            meta: DataSet = {}
            pos = explicit(data, 132, len(data), _AFTER_META, self.strict, 0, meta, -1)
            if len(data) - pos >= 8 and data[pos + 1 : pos + 2] + data[pos : pos + 1] > b"\0\2":
                return meta, pos
            if self.strict or len(data) >= min(self.size, LIMIT):
                raise Broken(0x00020000)
            self.data = self.source.read(0, min(len(data) * 8, LIMIT))

    def _rest(self, walked: Walked) -> None:
        """What stands behind the header: pixels, bulk, and elements behind those."""
        after = self.after
        self.memo.reach = (after + _MARGIN) & ~0xFFF
        if walked.template is not None and self._ends_alike(walked, walked.template.notes.get("end")):
            return
        while after < self.size:
            after = self._outlier(after, walked)
            at = after - self.base
            if 0 <= at < len(self.data):
                after = self.base + self._run(self.data, at, _PIXELS, walked.varying)
        if walked.template is not None:
            for tag in walked.template.base.keys() & walked.varying.keys():
                raise Broken(tag)  # it stands in the header, too
            self._note_end(walked, walked.template)

    def _ends_alike(self, walked: Walked, end: object) -> bool:
        """Whether pixels end this file as they did the last one: behind the same header, their head says all."""
        if not isinstance(end, _End) or not self.data.startswith(end.head, self.after):
            return False
        start = self.after + len(end.head)
        if start + end.length != self.size:
            return False
        walked.varying[end.tag] = walked.pixels[end.tag] = (end.vr, Bulk(start, end.length))
        return True

    def _note_end(self, walked: Walked, template: memo.Template) -> None:
        for tag, (vr, value) in walked.pixels.items():
            if isinstance(value, Bulk) and value.fragments is None and value.offset + value.length == self.size:
                head = self.data[self.after : value.offset] if not self.base else b""
                if len(head) == value.offset - self.after <= 12:
                    template.notes["end"] = _End(head, tag, vr, value.length)

    def _run(self, data: bytes, pos: int, stop: int, top: DataSet) -> int:
        before = len(top)
        after = self.loop(data, pos, len(data), stop, self.strict, 0, top, self.last)
        if len(top) > before:
            self.last = next(reversed(top))
        return after

    def _outlier(self, pos: int, walked: Walked) -> int:
        """One top-level element that the loop stopped before: pixels, bulk, or not all of it at hand."""
        tag, vr, start, length = self._head(pos)
        top = walked.varying
        if (self.strict and tag <= self.last) or tag in top or tag >= DELIMITERS:
            raise Broken(tag)
        if is_pixels(tag) or (length != UNDEFINED and length > BULK and vr != b"SQ"):
            fragments, after = None, start + length
            if length == UNDEFINED:
                fragments, after = self._hop(start, tag)
            if after > self.size or (self.strict and after & 1 != start & 1):
                raise Broken(tag)
            top[tag] = found = (vr, Bulk(start, after - start, fragments))
            if is_pixels(tag):
                walked.pixels[tag] = found
        else:
            after = self._whole(pos, tag, start - pos, length, top)
        self.last = tag
        return after

    def _whole(self, pos: int, tag: int, head: int, length: int, top: DataSet) -> int:
        """An element that has to be in memory: read it, as long as the limit allows."""
        wanted = FIRST if length == UNDEFINED else head + length
        while True:
            if (length != UNDEFINED and pos + wanted > self.size) or wanted > LIMIT:
                raise Broken(tag)
            self._load(pos, wanted)
            after = self.loop(self.data, 0, len(self.data), tag + 1, self.strict, 0, top, tag - 1)
            if tag in top:
                return pos + after
            if length != UNDEFINED or pos + len(self.data) >= self.size:
                raise Broken(tag)
            wanted = max(wanted, len(self.data)) * 4

    def _head(self, pos: int) -> tuple[int, bytes, int, int]:
        """Tag, VR, start of value and length of the element at `pos`."""
        if self.size - pos < 8:
            raise Broken(self.last)
        head = self._peek(pos, 12)
        if self.loop is implicit:
            group, element, length = implicit_head(head)
            tag = group << 16 | element
            return tag, implicit_vr(tag), pos + 8, length
        group, element, vr, length = explicit_head(head)
        tag = group << 16 | element
        if not WIDE.get(vr, True):
            return tag, vr, pos + 8, length
        if len(head) < 12 or (self.strict and (length or vr not in WIDE)):
            raise Broken(tag)
        return tag, vr, pos + 12, u32(head, 8)[0]

    def _hop(self, pos: int, tag: int) -> tuple[tuple[int, ...], int]:
        """Item lengths and end of encapsulated Pixel Data, reading little more than the item headers (PS3.5 A.4)."""
        lengths = array("I")
        while True:
            head = self._peek(pos, 8)
            if len(head) < 8:
                raise Broken(tag)
            mark, size = item_head(head)
            pos += 8
            if mark == SEQUENCE_END and not (self.strict and size):
                return tuple(lengths), pos
            if mark != ITEM or size == UNDEFINED or (self.strict and size & 1):
                raise Broken(tag)
            lengths.append(size)
            pos += size
            if size < 2048 and pos - self.base + 8 > len(self.data):
                self._load(pos, FIRST)  # fragments are small: many headers with one read

    def _peek(self, pos: int, length: int) -> bytes:
        at = pos - self.base
        if at >= 0 and at + length <= len(self.data):
            return self.data[at : at + length]
        return self.source.read(pos, length)

    def _load(self, pos: int, length: int) -> None:
        self.base = pos
        self.data = self.source.read(pos, max(length, FIRST))


def _plain(found: tuple[bytes, Value] | None) -> bytes:
    return found[1].strip(b" \0") if found is not None and isinstance(found[1], bytes) else b""
