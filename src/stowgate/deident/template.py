"""Templates for the memo: what is constant in the headers of a series, and what the pass makes of it."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from stowgate.deident import marks
from stowgate.deident.actions import Frame, Job, Verb
from stowgate.deident.compile import plan_for
from stowgate.deident.context import IDS, PHRASES, STUDY_UID, Context, gather, identity_in
from stowgate.deident.data_set import Inserts, rewrite
from stowgate.deident.plan import Plan
from stowgate.deident.rewrite import SHARED, job_for, marks_of
from stowgate.dicom.scanner import Scan, Segment
from stowgate.dicom.walk import PIXEL_DATA, SHORT_VRS, Elements, is_undefined
from stowgate.objects import Clean, Names
from stowgate.policy import Policy
from stowgate.standard.dictionary import implicit_vr

_LARGEST = 256 * 1024
"""Bytes of a header that is remembered."""

_MOST_VARIABLE = 64

_MARKS = frozenset((marks.REMOVED_FLAG, marks.METHOD, marks.METHOD_CODES, marks.TEMPORAL))
_ALWAYS_CONSTANT = IDS | frozenset(PHRASES) | _MARKS | {0x00080005, 0x00080016, 0x00080300, 0x00100021, 0x0020000D}
"""What the context and the rules hang on: an object that differs here takes the full way."""

_IDENTITY_VRS = frozenset((b"PN", b"AE", b"SQ"))
SHORT_HEAD = 6
"""Bytes before a length of 16 bits: tag and VR; there are eight before one of 32 bits, four in implicit VR."""
Step = tuple[bytes, int, bytes, int]
"""A constant run that ends with the head of a variable element; that element's tag (0 at the end) and VR; how many
bytes of the run are its head."""
Act = tuple[bytes, int, Verb | bytes | None, str, bool]
"""What the run became; then for the variable element its tag, verb and what the verb counts as, and whether it is a
sequence, which could name somebody."""
PREAMBLE = 128
"""Bytes in which anything may stand (PS3.10 7.1)."""
_META_VARIABLE = frozenset((0x00020000, 0x00020003))
"""Group length and Media Storage SOP Instance UID differ in every object; the rest of File Meta Information rarely."""


@dataclass(slots=True)
class Template:
    """One kind of header, and what becomes of what is constant in it."""

    syntax: str
    sop_class: str
    media_sop_class: str
    tags: list[int]
    meta: list[Step]
    """From the prefix to the end of File Meta Information."""
    steps: list[Step]
    acts: list[Act]
    """For each step."""
    names: Names | None
    """Those of the learned object, if all but the instance's are the same for every object; else None."""
    pixel_header: bytes
    variable: frozenset[int]
    values: dict[int, bytes]
    context: Context
    issuer: str
    plan: Plan
    findings: frozenset[str]
    findings_sorted: tuple[str, ...]
    counts: dict[str, int]
    notes: dict[str, object] = field(default_factory=dict)
    """What others have worked out from what is constant, and may use again."""


@dataclass(slots=True)
class Header:
    """What is kept of the last object that took the full way."""

    tags: list[int]
    values: dict[int, bytes]
    """Each element's bytes, its own header included."""


def header_of(scan: Scan) -> Header | None:
    """A copy of a header that can be remembered: one segment that ends with Pixel Data."""
    if len(scan.segments) != 1:
        return None
    segment = scan.segments[0]
    elements = segment.elements
    if next(reversed(elements), 0) != PIXEL_DATA or elements[PIXEL_DATA][1] > _LARGEST:
        return None
    values = {tag: bytes(segment.view[start:end]) for tag, (_, start, _, end) in elements.items() if tag != PIXEL_DATA}
    return Header(list(elements), values)


def may_vary(scan: Scan, variable: set[int], policy: Policy) -> bool:
    """Whether a template may leave these elements open: none of them names anybody or steers the rules."""
    if len(variable) > _MOST_VARIABLE or variable & _ALWAYS_CONSTANT:
        return False
    return not any(_may_name(scan, tag, policy) for tag in variable)


def _may_name(scan: Scan, tag: int, policy: Policy) -> bool:
    """Whether words of this element are, or could be in another slice, among those the context knows."""
    view = scan.segments[0].view
    vr, _, value, end = scan.segments[0].elements[tag]
    known = implicit_vr(tag) if vr == b"UN" else vr
    if known != b"SQ" or vr == b"UN":
        return known in _IDENTITY_VRS
    return is_undefined(view, value) or identity_in(view, value, end, scan.codecs, scan, policy)


def template_of(
    scan: Scan, variable: set[int], policy: Policy, key: bytes, issuer: str, clean: Clean
) -> Template | None:
    """Run the pass over each constant run by itself; None where what becomes of it hangs on its neighbours."""
    segment = scan.segments[0]
    plan = plan_for(policy, clean.sop_class, scan.explicit)
    vr, start, value, _ = segment.elements[PIXEL_DATA]
    first = next(iter(segment.elements.values()))[1]
    if plan.node.keeps_private or plan.entry(PIXEL_DATA, vr)[1] is not None:
        return None
    context = gather(scan, policy, key, issuer)
    if context.no_patient_id and not scan.text(STUDY_UID):
        return None  # each object is a person of its own
    job = job_for(scan, policy, key, context)
    coming = marks_of(Frame(job, segment.view, segment.elements, context.codecs, 0), plan)
    acts: list[Act] = []
    run: Elements = {}
    for tag, found in segment.elements.items():
        if tag in variable or tag == PIXEL_DATA:
            new = _output(job, segment, run, plan, coming)
            while coming and coming[0][0] < tag:
                new += coming.pop(0)[1]
            entry = plan.entry(tag, found[0])
            acts.append((new, 0 if tag == PIXEL_DATA else tag, entry[1], entry[3], found[0] == b"SQ"))
            run = {}
        else:
            run[tag] = found
    values = {tag: scan.get(tag) or b"" for tag in segment.elements if tag not in variable and tag != PIXEL_DATA}
    return Template(
        scan.transfer_syntax,
        clean.sop_class,
        scan.media_sop_class,
        list(segment.elements),
        _steps(segment.view, scan.meta, _META_VARIABLE, True, PREAMBLE, first),
        _steps(segment.view, segment.elements, variable, scan.explicit, first, start),
        acts,
        clean.names if variable.isdisjoint(SHARED) else None,
        bytes(segment.view[start:value]),
        frozenset(variable),
        values,
        context,
        issuer,
        plan,
        frozenset(job.findings),
        tuple(sorted(job.findings)),
        job.done,
    )


def _steps(
    view: memoryview, elements: Elements, variable: AbstractSet[int], explicit: bool, run: int, end: int
) -> list[Step]:
    """The bytes from `run` to `end`, cut behind the head of each variable element."""
    steps: list[Step] = []
    for tag, (vr, start, _, stop) in elements.items():
        if tag in variable:
            head = 4 if not explicit else SHORT_HEAD if vr in SHORT_VRS else 8
            steps.append((bytes(view[run : start + head]), tag, vr, head))
            run = stop
    steps.append((bytes(view[run:end]), 0, b"", 0))
    return steps


def _output(job: Job, segment: Segment, run: Elements, plan: Plan, coming: Inserts) -> bytes:
    """What the pass makes of a run."""
    if not run:
        return b""
    start, end = next(iter(run.values()))[1], next(reversed(run.values()))[3]
    frame = Frame(job, segment.view, run, job.context.codecs, 0)
    pieces = rewrite(frame, plan, start, end, coming)
    return bytes(segment.view[start:end]) if pieces is None else b"".join(pieces)
