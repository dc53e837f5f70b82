"""What a STOW-RS sender is told: the Store Instances Response of PS3.18 Annex I, as DICOM JSON or XML."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from stowgate.errors import Rejected
from stowgate.ingest.multipart import media_type
from stowgate.ingest.peek import Peeked
from stowgate.ingest.source import LATER
from stowgate.reasons import REASONS

Form = Literal["application/dicom+json", "application/dicom+xml"]

JSON: Form = "application/dicom+json"
XML: Form = "application/dicom+xml"

NO_ROOM = frozenset(("disk_full", "spool_reserve"))
CLOSED = LATER - NO_ROOM

_OUT_OF_RESOURCES, _MISMATCH, _CANNOT_UNDERSTAND = 0xA700, 0xA900, 0xC000
_PROCESSING, _SOP_CLASS = 0x0110, 0x0122
_FAILURES = {
    **dict.fromkeys(NO_ROOM | CLOSED, _OUT_OF_RESOURCES),
    "upload_other_study": _MISMATCH,
    "sop_class_differs": _MISMATCH,
    "instance_uid_differs": _MISMATCH,
    "unknown_sop_class": _SOP_CLASS,
    "sop_class_not_taken": _SOP_CLASS,
    "upload_type": _CANNOT_UNDERSTAND,
}
"""Failure Reason (0008,1197) by code (PS3.18 Annex I.2.2); others follow from their fate."""

_KEYWORDS = {
    "00081150": "ReferencedSOPClassUID", "00081155": "ReferencedSOPInstanceUID",
    "00081190": "RetrieveURL", "00081197": "FailureReason", "00081198": "FailedSOPSequence",
    "00081199": "ReferencedSOPSequence", "0008119A": "OtherFailuresSequence",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one instance: `code` is "" when it is safe here, else why it is not."""

    peeked: Peeked
    code: str = ""


def failure_reason(code: str) -> int:
    """The Failure Reason (0008,1197) for a code."""
    if code in _FAILURES:
        return _FAILURES[code]
    return _PROCESSING if REASONS[code].fate == "failed" else _CANNOT_UNDERSTAND


def status_of(results: Sequence[Result]) -> int:
    """200 all stored, 202 some, 409 none (PS3.18 10.5.3.1); 507 or 503 where only room or an open door is missing."""
    failed = {result.code for result in results if result.code}
    if not failed:
        return 200
    if any(not result.code for result in results):
        return 202
    if failed <= NO_ROOM:
        return 507
    return 503 if failed <= NO_ROOM | CLOSED else 409


def wanted(accept: str) -> Form | None:
    """The form a sender asks for, JSON if it does not mind; None if it takes neither."""
    if not accept.strip():
        return JSON
    best: dict[Form, float] = {}
    for piece in accept.split(","):
        try:
            name, parameters = media_type(piece.strip(" \t"))
            weight = float(parameters.get("q", "1"))
        except (Rejected, ValueError):
            continue
        for form in _FORMS.get(name, ()):
            best[form] = max(weight, best.get(form, 0.0))
    chosen = max(best, key=lambda form: (best[form], form == JSON), default=None)
    return chosen if chosen and best[chosen] > 0 else None


_FORMS: dict[str, tuple[Form, ...]] = {
    JSON: (JSON,), "application/json": (JSON,), XML: (XML,), "application/*": (JSON, XML), "*/*": (JSON, XML),
}  # fmt: skip


def render(results: Iterable[Result], form: Form) -> bytes:
    """The response module in the form that was asked for."""
    module = _module(results)
    return json.dumps(module).encode() if form == JSON else _native(module).encode()


_NATIVE = (
    '<?xml version="1.0" encoding="UTF-8"?><NativeDicomModel '
    'xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM" xml:space="preserve">'
)

Module = dict[str, dict[str, object]]


def _module(results: Iterable[Result]) -> Module:
    """PS3.18 Table I.2-1. Retrieve URL is Type 2: nothing can be fetched here, so it is empty."""
    sequences: dict[str, list[Module]] = {}
    for result in results:
        named = _reference(result.peeked)
        if not result.code:
            item: Module = {**named, "00081190": {"vr": "UR"}}
            sequences.setdefault("00081199", []).append(item)
            continue
        reason: Module = {"00081197": {"vr": "US", "Value": [failure_reason(result.code)]}}
        whole = bool(result.peeked.sop_class and result.peeked.sop_instance)
        sequences.setdefault("00081198" if whole else "0008119A", []).append({**named, **reason} if whole else reason)
    found: Module = {"00081190": {"vr": "UR"}}
    for tag in sorted(sequences):
        found[tag] = {"vr": "SQ", "Value": sequences[tag]}
    return found


def _reference(peeked: Peeked) -> Module:
    pairs = (("00081150", peeked.sop_class), ("00081155", peeked.sop_instance))
    return {tag: {"vr": "UI", "Value": [uid]} if uid else {"vr": "UI"} for tag, uid in pairs}


def _native(module: Module) -> str:
    """The Native DICOM Model of PS3.19 A.1. Every value is a UID or a number, so there is nothing to escape."""
    return f"{_NATIVE}{_attributes(module)}</NativeDicomModel>"


def _attributes(module: Module) -> str:
    pieces = []
    for tag, element in module.items():
        head = f'<DicomAttribute tag="{tag}" vr="{element["vr"]}" keyword="{_KEYWORDS[tag]}">'
        pieces.append(f"{head}{_values(element)}</DicomAttribute>")
    return "".join(pieces)


def _values(element: dict[str, object]) -> str:
    values = element.get("Value", ())
    if not isinstance(values, list):
        return ""
    pieces = []
    for number, value in enumerate(values, 1):
        name, inside = ("Item", _attributes(value)) if isinstance(value, dict) else ("Value", str(value))
        pieces.append(f'<{name} number="{number}">{inside}</{name}>')
    return "".join(pieces)
