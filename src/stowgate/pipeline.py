"""The journey of one object, on one page: check, hold, de-identify, write, gate. Batch and gateway share it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from stowgate.deident.actions import Record
from stowgate.deident.memo import Memo, Remembered
from stowgate.deident.rewrite import deidentify
from stowgate.deident.risk import why_held
from stowgate.dicom.budget import OddEncoding
from stowgate.dicom.charset import codecs_of
from stowgate.dicom.limits import DEFAULT, Limits
from stowgate.dicom.normalise import normalise
from stowgate.dicom.scanner import Buffer, Scan, scan
from stowgate.dicom.source import ByteSource
from stowgate.errors import Rejected, StowgateError
from stowgate.item import Item
from stowgate.lifecycle import State
from stowgate.objects import Clean, CleanRef, Place, Raw
from stowgate.policy import Policy
from stowgate.reasons import REASONS
from stowgate.store.sheet import Sheet
from stowgate.validate.checks import check, check_alike
from stowgate.validate.values import Finding
from stowgate.verify import gate
from stowgate.verify.witness import Claim, Verdict
from stowgate.way import Begun, Bench, Passed, Way, Written

Result = TypeVar("Result")

_ASIDE = State.QUARANTINED
_STATES = {"rejected": State.REJECTED, "held": State.HELD, "quarantined": _ASIDE, "failed": _ASIDE}


def process(raw: Raw, way: Way, bench: Bench) -> Passed:
    """Take one object through; never raises for the object's sake. What the disk or a setting does wrong is raised."""

    def whole() -> Passed:
        with way.open(raw) as source:
            before = source.stamp()
            done = in_plain_encoding(source, way.limits, way.scratch, lambda plain: _journey(raw, plain, way, bench))
            return done if done.ref is None or source.stamp() == before else _changed(raw, done.ref.path, way)

    return _told(raw, whole)


def begin(raw: Raw, way: Way, bench: Bench, buffer: Buffer) -> Passed | Begun:
    """The first half of the journey, up to what is going to be written, and with its original still open.

    An odd encoding is taken through at once, because its plain form does not stay.
    """

    def half() -> Passed | Begun:
        source = way.open(raw)
        try:
            return Begun(raw, source, source.stamp(), _cleaned(raw, source, way, bench, buffer))
        except BaseException as error:
            source.close()
            if not isinstance(error, OddEncoding):
                raise
        return process(raw, way, bench)

    return _told(raw, half)


def set_down(begun: Begun, way: Way) -> Passed | Written:
    """The next step of what was begun: written aside, it waits for the witness."""

    def half() -> Passed | Written:
        clean = begun.clean
        with begun.source as source:
            with _sheet(way) as sheet:
                sheet.emit(clean.pieces, source)
            if source.stamp() != begun.stamp:
                return _changed(begun.raw, sheet.place, way)
        claim = Claim(begun.raw.path, begun.stamp, sheet.place, clean.names)
        return Written(begun.raw, claim, clean.counts, clean.findings)

    return _told(begun.raw, half)


def _told(raw: Raw, then: Callable[[], Result]) -> Passed | Result:
    """What comes of a part of the journey; what fails for the object's sake stops the object alone."""
    try:
        return then()
    except Rejected as error:
        return stopped(raw, error.code, error.place)
    except StowgateError:
        raise
    except Exception:  # noqa: BLE001 - a bug must hold one object, never the batch; its text could quote a value
        return stopped(raw, "internal_error")


def _changed(raw: Raw, written: Place, way: Way) -> Passed:
    """An original that somebody wrote to meanwhile: header and pixels may be of two objects."""
    way.shelf.drop(written)
    return stopped(raw, "source_changed")


def judged(written: Written, verdict: Verdict, way: Way) -> Passed:
    """How the journey of a written object ended by the witness's verdict."""
    if isinstance(verdict, CleanRef):
        return passed(written.raw, verdict, written.findings, written.counts)
    way.shelf.drop(written.claim.written)
    return stopped(written.raw, verdict.code, verdict.place)


def passed(raw: Raw, ref: CleanRef, findings: tuple[str, ...], counts: dict[str, int]) -> Passed:
    """An object that is clean, and that the gate has passed."""
    item = Item(raw.id, State.CLEANED, None, ref.names.study, ref.names.modality, ref.sop_class, findings)
    return Passed(item, ref, "", counts)


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
    if code := why_held(found.text(0x00080016), found, policy):
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
    if isinstance(found, Remembered):
        return check_alike(found, found.template.notes, found.template.variable)
    return check(found)


def _journey(raw: Raw, source: ByteSource, way: Way, bench: Bench) -> Passed:
    """Written aside, it is shown to the gate; what the gate stops is gone before anybody hears of it."""
    clean = _cleaned(raw, source, way, bench, bench.buffer)
    with _sheet(way) as sheet:
        sheet.emit(clean.pieces, source)
        ref = gate.check(source, sheet.reread(), way.policy, clean.names, sheet.place, way.key)
    return passed(raw, ref, clean.findings, clean.counts)


def _cleaned(raw: Raw, source: ByteSource, way: Way, bench: Bench, buffer: Buffer) -> Clean:
    return cleaned(source, way.policy, way.key, raw.issuer, way.limits, buffer, memo=bench.memo)


@contextmanager
def _sheet(way: Way) -> Iterator[Sheet]:
    """A sheet that is gone if anything goes wrong before it is whole and judged."""
    sheet = way.shelf.new()
    try:
        with closing(sheet):
            yield sheet
    except BaseException:
        way.shelf.drop(sheet.place)
        raise
