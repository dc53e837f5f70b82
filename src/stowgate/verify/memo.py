"""Headers of one series share most bytes: runs that are the same as last time need not be followed again."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from stowgate.verify.elements import Broken, DataSet, Loop

_LARGEST = 128 * 1024
_PATIENCE = 8
"""How many headers pass before learning is tried again after it was of no use."""
_ONCE = 1
_MARGIN = 0x17FF


@dataclass(frozen=True, slots=True)
class Template:
    """What two headers had in common, cut at top-level elements.

    Equal bytes from one element boundary to another hold equal elements, so comparing them is enough.
    """

    parts: tuple[bytes | int, ...]
    """In order: a run that has to be there byte for byte, or the tag of one element that may be anything."""
    base: DataSet
    """The elements of the runs."""
    tags: tuple[int, ...]
    """Every element in order, fixed and varying."""
    notes: dict[str, object] = field(default_factory=dict)
    """What others have worked out from `base` alone and may use again."""


@dataclass(slots=True)
class Memo:
    """The last template of one thread, and the header it is to be compared with next."""

    template: Template | None = None
    tags: tuple[int, ...] = ()
    header: bytes = b""
    hits: int = 0
    wait: int = 0

    def follow(self, data: bytes, start: int, loop: Loop, strict: bool) -> tuple[Template, DataSet, int] | None:
        """The template, the varying elements and where they end; None where the header does not fit."""
        template = self.template
        if template is None:
            return None
        if self.hits == _ONCE:
            self.hits += 1
            return None  # the first pair may have been of two series: learn again from neighbours
        found = _compared(template, data, start, loop, strict)
        if found is None:
            self.hits = 0
            return None
        varying, pos = found
        if not self.hits:
            self.hits, self.tags, self.header = _ONCE, template.tags, data[start:pos]
        return template, varying, pos

    def learn(self, data: bytes, start: int, end: int, top: DataSet, loop: Loop, strict: bool) -> None:
        """Make a template from this header and the one before, if they have the same elements."""
        if end - start > _LARGEST or not top:
            return
        tags, header = tuple(top), data[start:end]
        old_tags, old = self.tags, self.header
        self.tags, self.header = tags, header
        if self.wait:
            self.wait -= 1
        elif tags == old_tags:
            self.template = _common(tags, _cut(old, tags, loop, strict), _cut(header, tags, loop, strict), top)
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


def of_thread(strict: bool, explicit: bool) -> Memo:
    """This thread's memo for sources (not strict) or outputs (strict) of one encoding."""
    name = ("source", "output")[strict] + ("_implicit", "_explicit")[explicit]
    found: Memo | None = getattr(_threads, name, None)
    if found is None:
        found = Memo()
        setattr(_threads, name, found)
    return found


def _compared(template: Template, data: bytes, pos: int, loop: Loop, strict: bool) -> tuple[DataSet, int] | None:
    varying: DataSet = {}
    end = len(data)
    try:
        for part in template.parts:
            if isinstance(part, bytes):
                if not data.startswith(part, pos):
                    return None
                pos += len(part)
            else:
                before = len(varying)
                pos = loop(data, pos, end, part + 1, strict, 0, varying, part - 1)
                if part not in varying or len(varying) != before + 1:
                    return None
    except Broken:
        return None  # the plain walk says what is wrong, and where
    return varying, pos


def _cut(header: bytes, tags: tuple[int, ...], loop: Loop, strict: bool) -> list[bytes]:
    """The bytes of each top-level element."""
    pieces, pos = [], 0
    for tag in tags:
        after = loop(header, pos, len(header), tag + 1, strict, 0, {}, tag - 1)
        pieces.append(header[pos:after])
        pos = after
    return pieces


def _common(tags: tuple[int, ...], old: list[bytes], new: list[bytes], top: DataSet) -> Template | None:
    parts: list[bytes | int] = []
    run: list[bytes] = []
    base: DataSet = {}
    for tag, before, now in zip(tags, old, new, strict=True):
        if before == now:
            run.append(now)
            base[tag] = top[tag]
            continue
        if run:
            parts.append(b"".join(run))
            run = []
        parts.append(tag)
    if run:
        parts.append(b"".join(run))
    if 2 * len(base) < len(tags):
        return None
    return Template(tuple(parts), base, tags)
