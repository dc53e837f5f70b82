"""The constant-run memo: slices of a series share most header bytes; what was done to those is not done again.

Sound because the output of an element is a function of its bytes, the policy, the key, and the context of its patient:
runs of equal bytes at element boundaries give equal output. Whatever differs from the template takes the full way, so
with and without the memo the bytes are the same; a test holds that.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from stowgate.deident import marks
from stowgate.deident.actions import Frame, Job
from stowgate.deident.context import identity_in
from stowgate.deident.rewrite import INSTANCE_NUMBER, SOP_INSTANCE, deidentify, mapped, names_of, number
from stowgate.deident.template import PREAMBLE, SHORT_HEAD, Header, Step, Template, header_of, may_vary, template_of
from stowgate.dicom.budget import Budget
from stowgate.dicom.limits import Limits
from stowgate.dicom.scanner import FIRST, Buffer, Scan, first_bytes, hop_fragments, scan
from stowgate.dicom.source import ByteSource
from stowgate.dicom.walk import UNDEFINED, Element, Elements
from stowgate.objects import Clean, Names, Piece, Range
from stowgate.policy import Option, Policy

_MEDIA_INSTANCE = 0x00020003
_KEPT = 4
"""Templates kept per thread: as many series can be interleaved."""

_MARGIN = 0x17FF
"""Bytes read beyond where the last header ended, at least: the next one may be a little longer."""

_u16 = struct.Struct("<H").unpack_from
_u32 = struct.Struct("<I").unpack_from


@dataclass(kw_only=True)
class Remembered(Scan):
    """A header that is a template's but for its variable elements; answers like the scan it stands for."""

    view: memoryview
    template: Template
    variable: Elements
    reach: int
    """Where the header ends."""
    pixels: Piece

    def __post_init__(self) -> None:
        view = self.view
        values = self.template.values.copy()
        for tag, (_, _, value, end) in self.variable.items():
            values[tag] = bytes(view[value:end])
        self.get = values.get  # type: ignore[method-assign, assignment]  # asked a hundred times per object: no Python in between


class Memo:
    """The templates of one thread in one run: one policy, one key, one default issuer."""

    def __init__(self) -> None:
        self._templates: list[Template] = []
        self._last: Header | None = None
        self._reach = FIRST

    def scan(self, source: ByteSource, limits: Limits, buffer: Buffer) -> Scan:
        """As `dicom.scanner.scan`; a header that a template knows is compared, not walked."""
        if not self._templates:
            return scan(source, limits, buffer)
        view, filled = first_bytes(source, buffer, self._reach)
        for index, template in enumerate(self._templates):
            found = _recall(template, source, view[:filled], buffer.data, limits)
            if found is not None:
                if index:
                    self._templates.insert(0, self._templates.pop(index))
                return found
        self._reach = FIRST
        return scan(source, limits, buffer, filled)

    def deidentify(self, scan_: Scan, policy: Policy, key: bytes, issuer: str, limits: Limits, buffer: Buffer) -> Clean:
        """As `deident.rewrite.deidentify`; what takes the full way teaches a template."""
        if isinstance(scan_, Remembered):
            clean = _quick(scan_, policy, key) if scan_.template.issuer == issuer else None
            if clean is not None:
                self._reach = min(FIRST, (scan_.reach + _MARGIN) & ~0xFFF)
                return clean
            codecs, scan_ = scan_.codecs, scan(scan_.source, limits, buffer)
            scan_.codecs = codecs
        clean = deidentify(scan_, policy, key, issuer)
        self._learn(scan_, policy, key, issuer, clean)
        return clean

    def _learn(self, scan: Scan, policy: Policy, key: bytes, issuer: str, clean: Clean) -> None:
        """Compare with the last header; if it is of the same make, what is equal in both becomes a template."""
        before, self._last = self._last, header_of(scan)
        if before is None or self._last is None or before.tags != self._last.tags:
            return
        now = self._last.values
        variable = {tag for tag, value in before.values.items() if value != now[tag]}
        for old in self._templates:
            if old.tags == before.tags and old.sop_class == clean.sop_class:
                variable |= old.variable
        if not may_vary(scan, variable, policy):
            return
        made = template_of(scan, variable, policy, key, issuer, clean)
        if made is not None:
            others = [old for old in self._templates if old.tags != made.tags]
            self._templates = [made, *others][:_KEPT]


def _recall(
    template: Template, source: ByteSource, view: memoryview, data: bytearray, limits: Limits
) -> Remembered | None:
    """A header that is this template's, or None at the first difference.

    view -- the first bytes of the source; data -- the buffer they lie in, which may hold something else behind them
    """
    meta: Elements = {}
    variable: Elements = {}
    pos = _follow(template.steps, view, data, _follow(template.meta, view, data, PREAMBLE, meta), variable)
    header = template.pixel_header
    value = pos + len(header)
    if not pos or value > len(view) or not data.startswith(header, pos):
        return None
    budget = Budget(limits)
    length: int = _u32(header, len(header) - 4)[0]
    stop = hop_fragments(source, value, budget) if length == UNDEFINED else value + length
    if stop != source.size:
        return None
    return Remembered(
        source=source,
        transfer_syntax=template.syntax,
        media_sop_class=template.media_sop_class,
        media_instance=_text(view, meta.get(_MEDIA_INSTANCE)),
        explicit=template.plan.explicit,
        budget=budget,
        pixel_length=None if length == UNDEFINED else length,
        encapsulated=length == UNDEFINED,
        view=view,
        template=template,
        variable=variable,
        reach=value,
        pixels=view[value:stop] if stop <= len(view) else Range(value, stop - value),
    )


def _text(view: memoryview, found: Element | None) -> str:
    return bytes(view[found[2] : found[3]]).decode("ascii", "replace").strip(" \0") if found else ""


def _follow(steps: list[Step], view: memoryview, data: bytearray, pos: int, into: Elements) -> int:
    """Where the steps end that begin at `pos`, with the variable elements put in; 0 at the first difference."""
    filled = len(view)
    for run, tag, vr, head in steps if pos else ():
        if not data.startswith(run, pos):
            return 0
        pos += len(run)
        if not tag:
            return pos
        value = pos + (2 if head == SHORT_HEAD else 4)
        if value > filled:
            return 0
        (length,) = _u16(data, pos) if head == SHORT_HEAD else _u32(data, pos)
        if length & 1 or value + length > filled:
            return 0
        into[tag] = vr, pos - head, value, value + length
        pos = value + length
    return 0


def _quick(found: Remembered, policy: Policy, key: bytes) -> Clean | None:
    """The pass over the variable elements alone; None if one of them may name somebody."""
    template, view, variable = found.template, found.view, found.variable
    context = template.context
    counts = template.counts.copy()
    job = Job(policy, key, found.explicit, context, found.budget, done=counts)
    frame = Frame(job, view, variable, context.codecs, 0)
    names = _names(found, policy, key)
    out: list[bytes | memoryview] = [
        marks.file_meta(template.sop_class.encode(), names.instance.encode(), template.syntax.encode())
    ]
    for output, tag, verb, said, is_sequence in template.acts:
        out.append(output)
        if not tag:
            break
        _, start, value, end = variable[tag]
        if is_sequence and identity_in(view, value, end, context.codecs, found, policy):
            return None
        new = verb if verb is None or isinstance(verb, bytes) else verb(frame, start, value, end)
        if new is None:
            out.append(view[start:end])
        else:
            out.append(new)
            counts[said] = counts.get(said, 0) + 1
    out.append(template.pixel_header)
    findings = tuple(sorted(template.findings | job.findings)) if job.findings else template.findings_sorted
    return Clean((b"".join(out), found.pixels), names, template.sop_class, template.syntax, counts, findings)


def _names(found: Remembered, policy: Policy, key: bytes) -> Names:
    """As `rewrite.names_of`: where the series has the same names, only those of the instance are new."""
    same = found.template.names
    if same is None:
        return names_of(found, policy, key, found.template.context)
    instance = mapped(found.get(SOP_INSTANCE), policy.has(Option.UIDS), key)
    return replace(same, instance=instance, instance_number=number(found.get(INSTANCE_NUMBER)))
