"""The journey of one object, on one page: check, hold, de-identify, write, gate. Batch and gateway share it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from stowgate.deident.actions import Record
from stowgate.deident.memo import Memo
from stowgate.deident.rewrite import deidentify
from stowgate.deident.risk import why_held
from stowgate.dicom.budget import OddEncoding
from stowgate.dicom.charset import codecs_of
from stowgate.dicom.limits import DEFAULT, Limits
from stowgate.dicom.normalise import normalise
from stowgate.dicom.scanner import Buffer, Scan, scan
from stowgate.dicom.source import ByteSource, FileSource
from stowgate.errors import Rejected, StowgateError
from stowgate.item import Item
from stowgate.lifecycle import State
from stowgate.objects import Clean, CleanRef, Raw
from stowgate.policy import Policy
from stowgate.reasons import REASONS
from stowgate.store.sheet import Original, Shelf
from stowgate.validate.checks import check
from stowgate.validate.values import Finding
from stowgate.verify import gate

Result = TypeVar("Result")

_STATES = {
    "rejected": State.REJECTED,
    "quarantined": State.QUARANTINED,
    "held": State.HELD,
    "failed": State.QUARANTINED,
}


def in_place(raw: Raw) -> Original:
    """A batch reads its inputs where they lie."""
    return FileSource(raw.path)


@dataclass(frozen=True, slots=True)
class Way:
    """What is the same for every object of a run."""

    policy: Policy
    key: bytes = field(repr=False)
    shelf: Shelf
    scratch: Path
    """A folder on the identified side for objects that have to be normalised."""
    limits: Limits = DEFAULT
    memo: bool = True
    """Off only to measure: what comes out is the same."""
    open: Callable[[Raw], Original] = in_place
    """How an original is read: a file in place, or an object of the encrypted spool."""


@dataclass(frozen=True, slots=True)
class Passed:
    """How the journey ended: `ref` is there exactly when the object is clean and the gate has passed it."""

    item: Item
    ref: CleanRef | None = None
    place: str = ""
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Bench:
    """What one thread works with: its read buffer and what it remembers of the headers before."""

    memo: Memo | None
    buffer: Buffer = field(default_factory=Buffer)


def process(raw: Raw, way: Way, bench: Bench) -> Passed:
    """Take one object through; never raises for the object's sake. What the disk or a setting does wrong is raised."""
    try:
        with way.open(raw) as source:
            before = source.stamp()
            passed = in_plain_encoding(source, way.limits, way.scratch, lambda plain: _journey(raw, plain, way, bench))
            if passed.ref and source.stamp() != before:  # header and pixels may be of two objects
                way.shelf.drop(passed.ref.path)
                return stopped(raw, "source_changed")
            return passed
    except Rejected as error:
        return stopped(raw, error.code, error.place)
    except StowgateError:
        raise
    except Exception:  # noqa: BLE001 - a bug must hold one object, never the batch; its text could quote a value
        return stopped(raw, "internal_error")


def stopped(raw: Raw, code: str, place: str = "") -> Passed:
    """An object that goes no further, in the state its code asks for."""
    return Passed(Item(raw.id, _STATES[REASONS[code].fate], code), None, place)


def in_plain_encoding(
    source: ByteSource, limits: Limits, scratch: Path, then: Callable[[ByteSource], Result]
) -> Result:
    """Plain little endian directly; everything else is brought there first and takes the same way."""
    try:
        return then(source)
    except OddEncoding:
        pass
    plain = normalise(source, limits, scratch)
    try:
        return then(plain)
    except OddEncoding:
        raise Rejected("cannot_normalise") from None
    finally:
        plain.close()


def cleaned(
    source: ByteSource,
    policy: Policy,
    key: bytes,
    issuer: str = "",
    limits: Limits = DEFAULT,
    buffer: Buffer | None = None,
    record: Record | None = None,
    memo: Memo | None = None,
) -> Clean:
    """Check, hold and de-identify, without writing. Raises `Rejected` for what must not go on, or `OddEncoding`."""
    buffer = buffer or Buffer()
    found = memo.scan(source, limits, buffer) if memo else scan(source, limits, buffer)
    findings = findings_of(found)
    for finding in findings:
        if finding.quarantines:
            raise Rejected(finding.code, finding.place)
    code = why_held(found.text(0x00080016), found, policy)
    if code:
        raise Rejected(code)
    if memo:
        clean = memo.deidentify(found, policy, key, issuer, limits, buffer)
    else:
        clean = deidentify(found, policy, key, issuer, record)
    if not findings:
        return clean
    return replace(clean, findings=tuple(sorted({*clean.findings, *(finding.code for finding in findings)})))


def findings_of(found: Scan) -> tuple[Finding, ...]:
    """What the checks say of a scanned object, once its character set is known."""
    found.codecs = codecs_of(found.get(0x00080005) or b"")
    return check(found)


def _journey(raw: Raw, source: ByteSource, way: Way, bench: Bench) -> Passed:
    clean = cleaned(source, way.policy, way.key, raw.issuer, way.limits, bench.buffer, memo=bench.memo)
    ref = _written(source, clean, way)
    item = Item(raw.id, State.CLEANED, None, ref.names.study, ref.names.modality, ref.sop_class, clean.findings)
    return Passed(item, ref, "", clean.counts)


def _written(source: ByteSource, clean: Clean, way: Way) -> CleanRef:
    """Write the object aside and show it to the gate; what the gate stops is gone before anybody hears of it."""
    sheet = way.shelf.new()
    try:
        try:
            sheet.emit(clean.pieces, source)
            return gate.check(source, sheet.reread(), way.policy, clean.names, sheet.place, way.key)
        finally:
            sheet.close()
    except BaseException:
        way.shelf.drop(sheet.place)
        raise
