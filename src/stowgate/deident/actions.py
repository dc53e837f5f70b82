"""The verbs D Z X K C U on one element, each made once per rule: bytes in, new bytes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from stowgate.deident import dates, derive
from stowgate.deident.context import CHARACTER_SET, Context
from stowgate.deident.encode import dummy_value, element
from stowgate.deident.rules import Rule
from stowgate.dicom.budget import Budget
from stowgate.dicom.charset import codecs_of, decode
from stowgate.dicom.walk import Elements
from stowgate.policy import Policy


@dataclass(slots=True)
class Job:
    """One object on its way through the pass."""

    policy: Policy
    key: bytes
    explicit: bool
    context: Context
    budget: Budget
    findings: set[str] = field(default_factory=set)
    done: dict[str, int] = field(default_factory=dict)
    """Action and origin of every rule that changed something, and how often, for the report."""
    record: Record | None = None
    """Told of every attribute, changed or not; None costs nothing."""
    declared: Mapping[tuple[int, bytes, int], str] = field(default_factory=dict)
    """What the source itself says of its private elements: (group, creator, low byte) -> K D Z X U."""


@dataclass(slots=True)
class Frame:
    """One data set of an object: the top level, or an item."""

    job: Job
    view: memoryview
    elements: Elements
    codecs: tuple[str, ...]
    depth: int
    where: str = ""
    """Path of the item, "(0040,A730)[2]."; only filled in when changes are recorded."""

    def own_codecs(self) -> tuple[str, ...]:
        """The character set this data set names, else the one around it (PS3.3 C.12.1.1.2)."""
        found = self.elements.get(CHARACTER_SET)
        return codecs_of(bytes(self.view[found[2] : found[3]])) if found else self.codecs


Record = Callable[[Frame, int, bytes, Rule, bytes | None], None]
"""(frame, tag, VR, rule, new element or None when kept)."""

Verb = Callable[[Frame, int, int, int], bytes | None]
"""(frame, start of element, start of value, end) -> the new element, b"" when it goes, None when it stays."""

REMOVED = b""

PATIENT_ID, PATIENT_NAME = 0x00100020, 0x00100010
_PSEUDONYM_ON_EMPTY = frozenset((PATIENT_ID, PATIENT_NAME))
_PSEUDONYM_ON_DUMMY = frozenset((PATIENT_ID, PATIENT_NAME, 0x00120040, 0x00120042))
"""Patient ID and Name, and the trial's numbers for the same person (Clinical Trial Subject ID, Reading ID)."""

_LONGEST_CLEANED = 10240
"""Characters of the longest text that is cleaned, as many as LT has; what reads a text takes more than linear time."""


def constant(new: bytes) -> Verb:
    """Put the same bytes in place of any element."""

    def verb(_frame: Frame, _start: int, _value: int, _end: int) -> bytes | None:
        return new

    verb.always = new  # type: ignore[attr-defined]
    return verb


def pseudonym(tag: int, vr: bytes, explicit: bool) -> Verb:
    """Put the patient's pseudonym in place."""
    return lambda frame, _start, _value, _end: element(tag, vr, frame.job.context.patient.pseudonym, explicit)


def empty(tag: int, vr: bytes, explicit: bool, by_user: bool = False) -> Verb:
    """Z: a zero-length value, which for the patient's own ID and name becomes the pseudonym."""
    if tag in _PSEUDONYM_ON_EMPTY and not by_user:
        return pseudonym(tag, vr, explicit)
    return constant(element(tag, vr, b"", explicit))


def dummy(tag: int, vr: bytes, explicit: bool) -> Verb:
    """D: a valid, conspicuous value of the same VR; a UID is mapped."""
    if tag in _PSEUDONYM_ON_DUMMY:
        return pseudonym(tag, vr, explicit)
    if vr == b"UI":
        mapped = map_uids(tag, vr, explicit)
        named = b"%08X" % tag

        def verb(frame: Frame, start: int, value: int, end: int) -> bytes | None:
            if bytes(frame.view[value:end]).strip(b" \0"):
                return mapped(frame, start, value, end)
            return element(tag, vr, derive.uid(frame.job.key, named), explicit)

        return verb
    return constant(element(tag, vr, dummy_value(tag, vr), explicit))


def map_uids(tag: int, vr: bytes, explicit: bool) -> Verb:
    """U: every value mapped by its text; registered and empty ones stay."""

    def verb(frame: Frame, _start: int, value: int, end: int) -> bytes | None:
        old = bytes(frame.view[value:end])
        if b"\\" in old:
            new = b"\\".join(derive.uid(frame.job.key, one) for one in old.split(b"\\"))
        else:
            new = derive.uid(frame.job.key, old)
        return None if new == old else element(tag, vr, new, explicit)

    return verb


def shift(tag: int, vr: bytes, explicit: bool, otherwise: Verb) -> Verb | None:
    """C on dates: moved by the patient's offset, times stay; what cannot be moved safely goes."""
    if vr == b"TM":
        return _keep_time(otherwise)
    if vr not in (b"DA", b"DT"):
        return otherwise
    move = dates.shift_da if vr == b"DA" else dates.shift_dt

    def verb(frame: Frame, start: int, value: int, end: int) -> bytes | None:
        old = bytes(frame.view[value:end])
        if not old.strip(b" \0"):
            return None
        new = move(old, frame.job.context.patient.days)
        return otherwise(frame, start, value, end) if new is None else element(tag, vr, new, explicit)

    return verb


def _keep_time(otherwise: Verb) -> Verb:
    """C on times: they stay; what is no time could be a date that would not move, or anything else."""

    def verb(frame: Frame, start: int, value: int, end: int) -> bytes | None:
        return None if dates.is_time(bytes(frame.view[value:end])) else otherwise(frame, start, value, end)

    return verb


def clean_text(tag: int, vr: bytes, explicit: bool, otherwise: Verb) -> Verb:
    """C on descriptions: harmless vocabulary stays, the rest goes (PS3.15 E.3.5)."""
    from stowgate.deident import text  # its vocabulary is only read where the option is on

    def verb(frame: Frame, start: int, value: int, end: int) -> bytes | None:
        old = bytes(frame.view[value:end])
        if not old.strip(b" \0"):
            return None
        frame.job.budget.spend(0)
        before = decode(old, frame.codecs)
        after = text.clean(before, frame.job.context.known) if len(before) <= _LONGEST_CLEANED else ""
        if after == before:
            return None
        new = _encode(after, frame.codecs) if after else None
        return otherwise(frame, start, value, end) if new is None else element(tag, vr, new, explicit)

    return verb


def _encode(cleaned: str, codecs: tuple[str, ...]) -> bytes | None:
    """Back to the object's own character set; None where code extensions would have to be written."""
    try:
        return cleaned.encode("ascii" if len(codecs) > 1 else codecs[0])
    except UnicodeEncodeError:
        return None


def stand_in(tag: int, vr: bytes, explicit: bool) -> Verb:
    """C on application entity titles: a keyed alias, the same for the same title."""

    def verb(frame: Frame, _start: int, value: int, end: int) -> bytes | None:
        old = bytes(frame.view[value:end])
        if not old.strip(b" \0"):
            return None
        new = b"\\".join(derive.alias(frame.job.key, b"ae", one) for one in old.split(b"\\"))
        return element(tag, vr, new, explicit)

    return verb


def by_type(rule: Rule, tag: int, vr: bytes, explicit: bool) -> Verb:
    """Remove as far as the attribute's type allows: X, or Z for Type 2, or D for Type 1."""
    if rule.type in ("1", "1C"):
        return dummy(tag, vr, explicit)
    if rule.type in ("2", "2C"):
        return empty(tag, vr, explicit)
    return constant(REMOVED)
