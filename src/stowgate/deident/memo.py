"""The constant-run memo: slices of a series share most header bytes; what was done to those is not done again.

Sound because the output of an element is a function of its bytes, the policy, the key, and the context of its patient:
runs of equal bytes at element boundaries give equal output. Whatever differs from the template takes the full way, so
with and without the memo the bytes are the same; a test holds that.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from stowgate.deident import marks
from stowgate.deident.actions import Frame, Job
from stowgate.deident.context import identity_in
from stowgate.deident.plan import carried_out
from stowgate.deident.rewrite import deidentify, names_of
from stowgate.deident.template import Header, Template, header_of, may_vary, template_of
from stowgate.dicom.limits import Limits
from stowgate.dicom.scanner import Begun, Buffer, Scan, begin, finish, hop_fragments
from stowgate.dicom.source import ByteSource
from stowgate.dicom.walk import SHORT_VRS, UNDEFINED, Element, Elements
from stowgate.objects import Clean, Piece, Range
from stowgate.policy import Policy

_KEPT = 4
"""Templates kept per thread: as many series can be interleaved."""

_explicit_header = struct.Struct("<HH2sH").unpack_from
_implicit_header = struct.Struct("<HHI").unpack_from
_u32 = struct.Struct("<I").unpack_from


@dataclass(kw_only=True)
class Remembered(Scan):
    """A header that is a template's but for its variable elements; answers like the scan it stands for."""

    begun: Begun
    template: Template
    variable: Elements
    pixels: Piece

    def __post_init__(self) -> None:
        view = self.begun.view
        values = self.template.values.copy()
        for tag, (_, _, value, end) in self.variable.items():
            values[tag] = bytes(view[value:end])
        self.get = values.get  # type: ignore[method-assign, assignment]  # asked a hundred times per object: no Python in between


class Memo:
    """The templates of one thread in one run: one policy, one key, one default issuer."""

    def __init__(self) -> None:
        self._templates: list[Template] = []
        self._last: Header | None = None

    def scan(self, source: ByteSource, limits: Limits, buffer: Buffer) -> Scan:
        """As `dicom.scanner.scan`; a header that a template knows is compared, not walked."""
        begun = begin(source, limits, buffer)
        for index, template in enumerate(self._templates):
            found = _recall(template, begun, buffer)
            if found is not None:
                if index:
                    self._templates.insert(0, self._templates.pop(index))
                return found
        return finish(begun, limits, buffer)

    def deidentify(self, scan: Scan, policy: Policy, key: bytes, issuer: str, limits: Limits, buffer: Buffer) -> Clean:
        """As `deident.rewrite.deidentify`; what takes the full way teaches a template."""
        if isinstance(scan, Remembered):
            clean = _quick(scan, policy, key) if scan.template.issuer == issuer else None
            if clean is not None:
                return clean
            codecs, scan = scan.codecs, finish(scan.begun, limits, buffer)
            scan.codecs = codecs
        clean = deidentify(scan, policy, key, issuer)
        self._learn(scan, policy, key, issuer, clean)
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


def _recall(template: Template, begun: Begun, buffer: Buffer) -> Remembered | None:
    """The variable elements of a header that is this template's, or None at the first difference."""
    scan, data, pos, end = begun.scan, buffer.data, begun.start, begun.filled
    if scan.transfer_syntax != template.syntax:
        return None
    variable: Elements = {}
    for run, tag, vr in template.steps:
        if not data.startswith(run, pos):
            return None
        pos += len(run)
        if tag:
            found = _element(begun.view, pos, end, tag, vr, scan.explicit)
            if found is None:
                return None
            variable[tag] = found
            pos = found[3]
    header = template.pixel_header
    value = pos + len(header)
    if value > end or not data.startswith(header, pos):
        return None
    length: int = _u32(header, len(header) - 4)[0]
    stop = hop_fragments(scan.source, value, scan.budget) if length == UNDEFINED else value + length
    if stop != scan.source.size:
        return None
    return Remembered(
        source=scan.source,
        transfer_syntax=scan.transfer_syntax,
        media_sop_class=scan.media_sop_class,
        media_instance=scan.media_instance,
        explicit=scan.explicit,
        budget=scan.budget,
        pixel_length=None if length == UNDEFINED else length,
        encapsulated=length == UNDEFINED,
        begun=begun,
        template=template,
        variable=variable,
        pixels=begun.view[value:stop] if stop <= end else Range(value, stop - value),
    )


def _element(view: memoryview, pos: int, end: int, tag: int, vr: bytes, explicit: bool) -> Element | None:
    """The expected element at a position; None if it is another, or not plainly written."""
    if end - pos < 12:
        return None
    if explicit:
        group, element, written, length = _explicit_header(view, pos)
        value = pos + 8
        if written != vr:
            return None
        if vr not in SHORT_VRS:
            (length,) = _u32(view, pos + 8)
            value = pos + 12
    else:
        group, element, length = _implicit_header(view, pos)
        value = pos + 8
    if group << 16 | element != tag or length & 1 or value + length > end:
        return None
    return vr, pos, value, value + length


def _quick(found: Remembered, policy: Policy, key: bytes) -> Clean | None:
    """The pass over the variable elements alone; None if one of them may name somebody."""
    template, begun = found.template, found.begun
    plan, context, view = template.plan, template.context, begun.view
    job = Job(policy, key, found.explicit, context, found.budget)
    frame = Frame(job, view, found.variable, context.codecs, 0)
    names = names_of(found, policy, key, context)
    out: list[bytes | memoryview] = [
        marks.file_meta(template.sop_class.encode(), names.instance.encode(), template.syntax.encode())
    ]
    for output, (_, tag, _) in zip(template.outputs, template.steps, strict=True):
        out.append(output)
        if not tag:
            continue
        vr, start, value, end = found.variable[tag]
        if vr == b"SQ" and identity_in(view, value, end, context.codecs, found, policy):
            return None
        entry = plan.entry(tag, vr)
        new = carried_out(entry[1], frame, start, value, end)
        if new is None:
            out.append(view[start:end])
        else:
            out.append(new)
            job.done.append(entry[3])
    out.append(template.pixel_header)
    counts = template.counts.copy()
    for done in job.done:
        counts[done] = counts.get(done, 0) + 1
    findings = tuple(sorted(template.findings | job.findings)) if job.findings else template.findings_sorted
    return Clean((b"".join(out), found.pixels), names, template.sop_class, template.syntax, counts, findings)
