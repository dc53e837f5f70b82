"""Headers of one series share most bytes: runs that are the same as last time need not be followed again."""

from __future__ import annotations

import struct
import threading
from dataclasses import dataclass, field
from typing import NamedTuple

from stowgate.verify.elements import WIDE, Broken, DataSet, Loop, explicit

_LARGEST = 128 * 1024
_LAYOUTS = 64
_PATIENCE = 8
"""How many headers pass before learning is tried again after it was of no use, or of less use than it could be."""
_SERIES = 0x0020000E
_META_LENGTH = 0x00020000
"""Never part of a run: it changes with the length of one UID, which is the same in most neighbours but not in all."""


class Slot(NamedTuple):
    """An element that may be anything, and the run before it."""

    run: bytes
    """What has to be there byte for byte; it ends with the tag and the VR of the element where its length is short."""
    tag: int
    vr: bytes
    """Empty where the element is followed in full: its VR or what is in it may be another each time."""


class Layout(NamedTuple):
    """A stretch with values of certain lengths: all runs, with the lengths at their ends, compared at once."""

    form: struct.Struct
    """Runs and values in turn."""
    runs: tuple[bytes, ...]


@dataclass(slots=True)
class Stretch:
    """File Meta Information or a data set, as slots and the run behind the last of them."""

    slots: tuple[Slot, ...]
    tail: bytes
    loop: Loop
    """How it is read."""
    tags: tuple[int, ...]
    vrs: tuple[bytes, ...]
    """Those of the slots."""
    layouts: dict[tuple[int, ...], Layout] = field(default_factory=dict)
    """By the lengths of the values. Where no run differs, those lengths stand in the file: nothing else fits it."""
    last: Layout | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """What two headers had in common, cut at elements of File Meta Information and of the top level.

    Equal bytes from one element boundary to another hold equal elements, so comparing them is enough.
    """

    head: Stretch
    body: Stretch
    syntax: bytes
    meta: DataSet
    base: DataSet
    """The elements of the runs: of the meta information, of the data set."""
    last: int
    """The last tag, fixed or varying."""
    notes: dict[str, object] = field(default_factory=dict)
    """What others have worked out from `base` and the slots alone and may use again."""


@dataclass(frozen=True, slots=True)
class Header:
    """One header as it was followed: from the first element of the meta information to where pixels or bulk begin."""

    data: bytes
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
    wait: int = 0
    strangers: bool = False
    """Whether the last two headers were alike, but of two series."""
    series: object = None
    alike: int = 0
    """How many headers of one series in a row a template of several series was used for."""
    reach: int = _LARGEST
    """How many bytes of a file to read at first, after the length of the header before."""

    def follow(self, data: bytes, start: int, strict: bool) -> Hit | None:
        """The template and what varies in a header that begins at `start`; None where it does not fit."""
        hit = _compared(self.template, data, start, strict) if self.template else None
        if hit is None or not self._is_too_wide(hit):
            return hit
        self.template = self.header = None
        return None

    def _is_too_wide(self, hit: Hit) -> bool:
        """Whether a template that was made of two series could be narrower."""
        series = hit.varying.get(_SERIES)
        if series is None:
            return False
        self.alike = self.alike + 1 if series == self.series else 0
        self.series = series
        return self.alike >= _PATIENCE

    def learn(self, header: Header, strict: bool) -> None:
        """Make a template from this header and an earlier one with the same elements, of one series if it can be."""
        if len(header.data) > _LARGEST or not header.top or header.top.keys() & header.meta.keys():
            return
        before, self.header = self.header, header
        if self.wait:
            self.wait -= 1
            return
        alike = before is not None and header.tags() == before.tags() and header.syntax == before.syntax
        if before is None or not alike:
            self.strangers = False
        elif header.top.get(_SERIES) != before.top.get(_SERIES) and not self.strangers:
            self.strangers = True
        else:
            self.strangers, self.alike = False, 0
            self.template = _common(header, before, strict)
            self.wait = 0 if self.template else _PATIENCE


_threads = threading.local()


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
    try:
        begin = _along(template.head, data, start, strict, meta)
        after = _along(template.body, data, begin, strict, varying) if begin else 0
    except Broken:
        return None  # the plain walk says what is wrong, and where
    return Hit(template, meta, varying, begin, after) if after else None


def _along(stretch: Stretch, data: bytes, pos: int, strict: bool, into: DataSet) -> int:
    """Where a stretch that begins at `pos` ends, 0 where it is another."""
    return _at_once(stretch, data, pos, into) or _in_turn(stretch, data, pos, strict, into)


def _at_once(stretch: Stretch, data: bytes, pos: int, into: DataSet) -> int:
    """As `_along`, 0 too where values are of other lengths than last time."""
    layout = stretch.last
    if layout is None or len(data) - pos < layout.form.size:
        return 0
    parts = layout.form.unpack_from(data, pos)
    if parts[::2] != layout.runs:
        return 0
    into.update(zip(stretch.tags, zip(stretch.vrs, parts[1::2], strict=True), strict=True))
    return pos + layout.form.size


def _in_turn(stretch: Stretch, data: bytes, pos: int, strict: bool, into: DataSet) -> int:
    loop, end = stretch.loop, len(data)
    for run, tag, vr in stretch.slots:
        if not data.startswith(run, pos):
            return 0
        pos += len(run)
        if vr:
            start = pos + 2
            after = start + int.from_bytes(data[pos:start], "little")
            if after > end or (after ^ start) & 1:
                return 0
            into[tag] = (vr, data[start:after])
            pos = after
            continue
        before = len(into)
        pos = loop(data, pos, end, tag + 1, strict, 0, into, tag - 1)
        if tag not in into or len(into) != before + 1:
            return 0
    if not data.startswith(stretch.tail, pos):
        return 0
    stretch.last = _layout(stretch, into)
    return pos + len(stretch.tail)


def _layout(stretch: Stretch, found: DataSet) -> Layout | None:
    """How a stretch with these values is taken apart; None if it holds more than short elements, or is never alike."""
    values = [found[slot.tag][1] for slot in stretch.slots if slot.vr]
    lengths = tuple([len(value) for value in values if isinstance(value, bytes)])
    known = stretch.layouts.get(lengths)
    if known or len(lengths) < len(stretch.slots) or len(stretch.layouts) >= _LAYOUTS:
        return known
    runs = [slot.run + length.to_bytes(2, "little") for slot, length in zip(stretch.slots, lengths, strict=True)]
    form = "".join(f"{len(run)}s{length}s" for run, length in zip(runs, lengths, strict=True))
    made = Layout(struct.Struct(f"<{form}{len(stretch.tail)}s"), (*runs, stretch.tail))
    stretch.layouts[lengths] = made
    return made


def _common(header: Header, before: Header, strict: bool) -> Template | None:
    """What may be a run is only guessed from values: it is the bytes of `header` that have to be there again."""
    base = {tag: found for tag, found in header.top.items() if before.top[tag] == found}
    if 2 * len(base) < len(header.top):
        return None
    meta = {tag: found for tag, found in header.meta.items() if before.meta[tag] == found and tag != _META_LENGTH}
    head, start = _stretch(header.data, 0, header.meta, meta, before.meta, explicit, strict)
    body, _ = _stretch(header.data, start, header.top, base, before.top, header.loop, strict)
    return Template(head, body, header.syntax, meta, base, next(reversed(header.top)))


def _stretch(
    data: bytes, pos: int, elements: DataSet, fixed: DataSet, before: DataSet, loop: Loop, strict: bool
) -> tuple[Stretch, int]:
    """A stretch of a header that begins at `pos`, and where it ends."""
    slots: list[Slot] = []
    first = pos
    for tag, (vr, value) in elements.items():
        wide = WIDE.get(vr, True)
        if isinstance(value, bytes):
            after = pos + len(value) + (12 if wide and loop is explicit else 8)
        else:
            after = loop(data, pos, len(data), tag + 1, strict, 0, {}, tag - 1)
        if tag not in fixed:
            short = loop is explicit and not wide and before[tag][0] == vr
            slots.append(Slot(data[first : pos + 6], tag, vr) if short else Slot(data[first:pos], tag, b""))
            first = after
        pos = after
    tags, vrs = tuple(slot.tag for slot in slots), tuple(slot.vr for slot in slots)
    return Stretch(tuple(slots), data[first:pos], loop, tags, vrs), pos
