"""Headers of one series share most bytes: runs that are the same as last time need not be followed again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from stowgate.verify.elements import WIDE, Broken, DataSet, Loop, explicit, explicit_head

_LARGEST = 128 * 1024
_PATIENCE = 8
"""How many headers pass before learning is tried again after it was of no use."""
_ONCE = 1
_MARGIN = 0x17FF


@dataclass(frozen=True, slots=True)
class Template:
    """What two headers had in common, cut at elements of File Meta Information and of the top level.

    Equal bytes from one element boundary to another hold equal elements, so comparing them is enough.
    """

    parts: tuple[bytes | int, ...]
    """In order: a run that has to be there byte for byte, or the tag of one element that may be anything."""
    boundary: int
    """How many parts are File Meta Information."""
    loop: Loop
    """How the data set is read."""
    syntax: bytes
    meta: DataSet
    base: DataSet
    """The elements of the runs: of the meta information, of the data set."""
    last: int
    """The last tag, fixed or varying."""
    notes: dict[str, object] = field(default_factory=dict)
    """What others have worked out from `base` alone and may use again."""


@dataclass(frozen=True, slots=True)
class Header:
    """One header as it was followed: from the first element of the meta information to where pixels or bulk begin."""

    data: bytes
    start: int
    """Where the data set begins in `data`."""
    loop: Loop
    syntax: bytes
    meta: DataSet
    top: DataSet

    def tags(self) -> tuple[int, ...]:
        """Every element in order."""
        return (*self.meta, *self.top)


class Hit(NamedTuple):
    """A header that is a template's: its varying elements, where the data set begins and where the header ends."""

    template: Template
    meta: DataSet
    varying: DataSet
    start: int
    after: int


@dataclass(slots=True)
class Memo:
    """The last template of one thread, and the header it is to be compared with next."""

    template: Template | None = None
    header: Header | None = None
    hits: int = 0
    wait: int = 0

    def follow(self, data: bytes, start: int, strict: bool) -> Hit | None:
        """The template and what varies in a header that begins at `start`; None where it does not fit."""
        template = self.template
        if template is None:
            return None
        if self.hits == _ONCE:
            self.hits += 1
            return None  # the first pair may have been of two series: learn again from neighbours
        hit = _compared(template, data, start, strict)
        if hit is None:
            self.hits = 0
            return None
        if not self.hits:
            self.hits = _ONCE
            meta, top = {**template.meta, **hit.meta}, {**template.base, **hit.varying}
            meta, top = dict(sorted(meta.items())), dict(sorted(top.items()))
            self.header = Header(data[start : hit.after], hit.start - start, template.loop, template.syntax, meta, top)
        return hit

    def learn(self, header: Header, strict: bool) -> None:
        """Make a template from this header and the one before, if they have the same elements."""
        if len(header.data) > _LARGEST or not header.top or header.top.keys() & header.meta.keys():
            return
        before, self.header = self.header, header
        if self.wait:
            self.wait -= 1
        elif before is not None and header.tags() == before.tags() and header.syntax == before.syntax:
            self.template = _common(header, before, strict)
            self.hits = self.hits if self.hits > _ONCE else 0
            self.wait = 0 if self.template else _PATIENCE


_threads = threading.local()


def first_read(strict: bool, most: int) -> int:
    """How many bytes to read at first, after the length of the header before."""
    reach: int = getattr(_threads, f"reach_{strict}", most)
    return min(most, reach)


def remember_reach(strict: bool, end: int) -> None:
    """Note where a header ended; the next may be a little longer."""
    setattr(_threads, f"reach_{strict}", (end + _MARGIN) & ~0xFFF)


def of_thread(strict: bool) -> Memo:
    """This thread's memo for sources (not strict) or outputs (strict)."""
    name = "output" if strict else "source"
    found: Memo | None = getattr(_threads, name, None)
    if found is None:
        found = Memo()
        setattr(_threads, name, found)
    return found


def _compared(template: Template, data: bytes, start: int, strict: bool) -> Hit | None:
    meta: DataSet = {}
    varying: DataSet = {}
    into, pos, end = meta, start, len(data)
    loop: Loop = explicit
    left = template.boundary
    try:
        for part in template.parts:
            if not left:
                into, loop, start = varying, template.loop, pos
            left -= 1
            if isinstance(part, bytes):
                if not data.startswith(part, pos):
                    return None
                pos += len(part)
                continue
            if loop is explicit and end - pos >= 8:
                group, element, vr, length = explicit_head(data, pos)
                after = pos + 8 + length
                if group << 16 | element == part and not (WIDE.get(vr, True) or length & 1) and after <= end:
                    into[part] = (vr, data[pos + 8 : after])
                    pos = after
                    continue
            before = len(into)
            pos = loop(data, pos, end, part + 1, strict, 0, into, part - 1)
            if part not in into or len(into) != before + 1:
                return None
    except Broken:
        return None  # the plain walk says what is wrong, and where
    return Hit(template, meta, varying, start, pos)


def _cut(header: Header, strict: bool) -> Iterator[bytes]:
    """The bytes of each element."""
    data, pos = header.data, 0
    for tag in header.tags():
        loop = header.loop if pos >= header.start else explicit
        after = loop(data, pos, len(data), tag + 1, strict, 0, {}, tag - 1)
        yield data[pos:after]
        pos = after


def _common(header: Header, before: Header, strict: bool) -> Template | None:
    parts: list[bytes | int] = []
    run: list[bytes] = []
    fixed: DataSet = {}
    boundary, first = 0, next(iter(header.top))
    found = {**header.meta, **header.top}
    for tag, old, now in zip(header.tags(), _cut(before, strict), _cut(header, strict), strict=True):
        if run and (tag == first or old != now):
            parts.append(b"".join(run))
            run = []
        if tag == first:
            boundary = len(parts)
        if old == now:
            run.append(now)
            fixed[tag] = found[tag]
        else:
            parts.append(tag)
    if run:
        parts.append(b"".join(run))
    base = {tag: fixed[tag] for tag in header.top if tag in fixed}
    if 2 * len(base) < len(header.top):
        return None
    meta = {tag: fixed[tag] for tag in header.meta if tag in fixed}
    return Template(tuple(parts), boundary, header.loop, header.syntax, meta, base, next(reversed(header.top)))
