"""The one pass: a scanned object and a policy in, the pieces of a de-identified object out. Does no I/O."""

from __future__ import annotations

import re
from functools import lru_cache

from stowgate.deident import marks
from stowgate.deident.actions import Frame, Job, Record
from stowgate.deident.compile import plan_for
from stowgate.deident.context import Context, gather
from stowgate.deident.data_set import Inserts, rewrite
from stowgate.deident.derive import uid
from stowgate.deident.encode import element
from stowgate.deident.keeping import FORMS
from stowgate.deident.plan import Plan, carried_out
from stowgate.deident.private import declared_by, is_opaque
from stowgate.deident.profile import claim_findings, claims
from stowgate.dicom.scanner import Scan, Segment
from stowgate.dicom.walk import Walked, is_undefined, items
from stowgate.errors import Rejected
from stowgate.objects import Clean, Names, Piece
from stowgate.policy import Option, Policy
from stowgate.standard.iods import iod_of

SOP_CLASS, SOP_INSTANCE, STUDY, SERIES = 0x00080016, 0x00080018, 0x0020000D, 0x0020000E
INSTANCE_NUMBER = 0x00200013
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST = 1024
"""Bytes of names that are remembered together; more is no set of names."""
_INTEGER = re.compile(r"[+-]?[0-9]{1,12}")


def deidentify(scan: Scan, policy: Policy, key: bytes, issuer: str = "", record: Record | None = None) -> Clean:
    """De-identify one object (PS3.15 Annex E). The pieces point into the scan's buffers: write them first.

    policy -- what to do; key -- the project key, 32 bytes; issuer -- default Issuer of Patient ID of the source.
    Raises `Rejected` (damaged or undecidable) or `OddEncoding` (bring it to explicit little endian first).
    """
    sop_class = scan.text(SOP_CLASS)
    context = gather(scan, policy, key, issuer)
    plan = plan_for(policy, sop_class, scan.explicit)
    job = job_for(scan, policy, key, context, record)
    names = names_of(scan, policy, key, context)
    syntax = scan.transfer_syntax.encode()
    pieces: list[Piece] = [marks.file_meta(sop_class.encode(), names.instance.encode(), syntax)]
    pieces += _data_set(scan, job, plan)
    return Clean(tuple(pieces), names, sop_class, scan.transfer_syntax, job.done, tuple(sorted(job.findings)))


def job_for(scan: Scan, policy: Policy, key: bytes, context: Context, record: Record | None = None) -> Job:
    """A fresh job, with what is noticed before any attribute is looked at."""
    job = Job(policy, key, scan.explicit, context, scan.budget, set(claim_findings(policy)), record=record)
    if context.no_patient_id:
        job.findings.add("no_patient_id")
    if iod_of(scan.text(SOP_CLASS)) is None:
        job.findings.add("iod_unknown")
    if policy.has(Option.SAFE_PRIVATE):
        first = scan.segments[0]
        job.declared = declared_by(first.view, first.elements, scan.explicit, scan.budget)
    return job


def _data_set(scan: Scan, job: Job, plan: Plan) -> list[Piece]:
    """All segments, with the marks put where they belong."""
    pieces: list[Piece] = []
    coming: Inserts = []
    for index, segment in enumerate(scan.segments):
        frame = Frame(job, segment.view, segment.elements, job.context.codecs, 0)
        if index == 0:
            coming = marks_of(frame, plan)
        pieces += _segment(frame, plan, segment, coming)
    pieces += [new for _, new in coming]
    return pieces


def _segment(frame: Frame, plan: Plan, segment: Segment, coming: Inserts) -> list[Piece]:
    elements = segment.elements
    if not elements:
        return []
    start = next(iter(elements.values()))[1]
    last = next(reversed(elements.values()))[3]
    kept = rewrite(frame, plan, start, last, coming)
    pieces: list[Piece] = [segment.view[start:last]] if kept is None else list(kept)
    if segment.bulk and _bulk_stays(frame, plan, segment.bulk):
        pieces.append(segment.value)
    return pieces


def _bulk_stays(frame: Frame, plan: Plan, tag: int) -> bool:
    """Whether a value that was not read stays. What would have to be looked at to know is refused."""
    vr, start, value, end = frame.elements[tag]
    _, verb, rule, _ = plan.entry(tag, vr)
    if verb is None:
        return True
    if tag & 0x10000 and carried_out(verb, frame, start, value, end) is None:
        if vr != b"UN" or is_opaque(frame, plan, tag):
            return True
    elif tag & 0x10000 or rule.action in ("X", "Z", "D"):
        return False
    raise Rejected("limit_header", f"({tag >> 16:04X},{tag & 0xFFFF:04X})")


def marks_of(frame: Frame, plan: Plan) -> Inserts:
    """The marks of this object; what earlier de-identification wrote is kept and added to (PS3.15 E.1.1)."""
    policy, explicit = plan.policy, plan.explicit
    inserts = list(marks.fixed(policy, explicit))
    if not frame.elements.keys() & _EARLIER:
        return inserts
    return [
        (tag, _EARLIER[tag](frame, plan, new) if tag in frame.elements and tag in _EARLIER else new)
        for tag, new in _with_codes(inserts, frame)
    ]


def _with_codes(inserts: Inserts, frame: Frame) -> Inserts:
    """A dropped claim leaves no code of ours, but earlier codes stay."""
    tags = {tag for tag, _ in inserts}
    if marks.METHOD_CODES in frame.elements and marks.METHOD_CODES not in tags:
        return sorted([*inserts, (marks.METHOD_CODES, b"")])
    return inserts


def _earlier_method(frame: Frame, plan: Plan, new: bytes) -> bytes:
    vr, start, value, end = frame.elements[marks.METHOD]
    old = bytes(frame.view[value:end]).strip(b" \0")
    ours = marks.method_text(plan.policy)
    if not old or carried_out(plan.entry(marks.METHOD, vr)[1], frame, start, value, end) is not None:
        return new
    both = old if ours in old.split(b"\\") else old + b"\\" + ours
    return element(marks.METHOD, b"LO", both, plan.explicit)


def _earlier_codes(frame: Frame, plan: Plan, new: bytes) -> bytes:
    vr, start, value, end = frame.elements[marks.METHOD_CODES]
    if vr not in (b"SQ", b"UN"):
        return new
    cleaned = carried_out(plan.entry(marks.METHOD_CODES, vr)[1], frame, start, value, end)
    if cleaned is None:
        view, first, stop = frame.view, value, end
        undefined = is_undefined(frame.view, value)
    else:
        view, first, stop, undefined = memoryview(cleaned), 12 if plan.explicit else 8, len(cleaned), False
    body, said = b"", set()
    for at, after, inner in items(view, first, stop, plan.explicit, undefined, frame.job.budget, 1, Walked()):
        body += bytes(view[at:after])
        said.add(tuple(bytes(view[slice(*inner[tag][2:])]).strip(b" \0") for tag in _CODE if tag in inner))
    for code in claims(plan.policy):
        if (code.encode(), b"DCM") not in said:
            body += marks.code_item(code, plan.explicit)
    return element(marks.METHOD_CODES, b"SQ", body, plan.explicit)


_CODE = (0x00080100, 0x00080102)
_EARLIER = {marks.METHOD: _earlier_method, marks.METHOD_CODES: _earlier_codes}


def names_of(scan: Scan, policy: Policy, key: bytes, context: Context) -> Names:
    """Clean values for the output path; UIDs stay only under Retain UIDs."""
    raws = tuple(map(scan.get, SHARED))
    remembered = sum(len(raw) for raw in raws if raw) < _LONGEST
    shared = (_shared_names if remembered else _shared_names.__wrapped__)(*raws, policy.has(Option.UIDS), key)
    return Names(
        context.patient.pseudonym.decode(),
        *shared[:2],
        mapped(scan.get(SOP_INSTANCE), policy.has(Option.UIDS), key),
        *shared[2:],
        number(scan.get(INSTANCE_NUMBER)),
    )


SHARED = (STUDY, SERIES, 0x00080060, 0x00185101, 0x00200062, 0x00200060, 0x00200011)
"""Study and series UIDs, Modality, View Position, Image Laterality, Laterality, Series Number."""


@lru_cache(maxsize=256)
def _shared_names(
    study: bytes | None,
    series: bytes | None,
    modality: bytes | None,
    view: bytes | None,
    image_side: bytes | None,
    side: bytes | None,
    series_number: bytes | None,
    uids_stay: bool,
    key: bytes,
) -> tuple[str, str, str, str, str, str]:
    """The names all objects of a series share, in the order of `Names` without patient and instance."""
    return (
        mapped(study, uids_stay, key),
        mapped(series, uids_stay, key),
        _coded(modality),
        _coded(view),
        _coded(image_side) or _coded(side),
        number(series_number),
    )


def mapped(raw: bytes | None, stays: bool, key: bytes) -> str:
    """A UID of the top level as it stands in the output: what is no UID does not stay, and several are several."""
    value = (raw or b"").strip(b" \0")
    if not stays or value.translate(None, FORMS[b"UI"]):
        value = b"\\".join(uid(key, one) for one in value.split(b"\\"))
    return value.decode("ascii", "replace")


def number(raw: bytes | None) -> str:
    """An integer string as plain digits, empty if it is none."""
    text = (raw or b"").decode("ascii", "replace").strip(" \0")
    return str(int(text)) if _INTEGER.fullmatch(text) else ""


def _coded(raw: bytes | None) -> str:
    return _safe((raw or b"").decode("ascii", "replace").strip(" \0"))


@lru_cache(maxsize=256)
def _safe(text: str) -> str:
    """A code as it may stand in a path; a value longer than a code string is no code."""
    return _UNSAFE.sub("", text) if len(text) <= 16 else ""
