"""What a value of an output has to be like, by kind: blank, a pseudonym, a derived UID, a moved date, an age."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache

from stowgate.objects import Names
from stowgate.standard.uids import is_registered
from stowgate.verify.elements import DataSet
from stowgate.verify.forms import time_of_day
from stowgate.verify.patterns import telling

DUMMIES = frozenset((b"", b"19000101", b"000000", b"19000101000000", b"000Y", b"REMOVED", b"0", b"about:blank"))
"""Empty, and the dummy values, without padding; binary dummies are zero bytes and so are empty without padding."""

_derived_uid = re.compile(rb"2\.25\.(0|[1-9][0-9]{0,38})").fullmatch
_alias = re.compile(rb"SG[0-9A-HJKMNP-TV-Z]{14}").fullmatch
_age = re.compile(rb"[0-9]{3}[DWMY]").fullmatch
_OLDEST = {b"D": 90 * 365, b"W": 90 * 52, b"M": 90 * 12, b"Y": 90}
_LONGEST_OFFSET = 3640


@dataclass(slots=True)
class Case:
    """What the expectations need to know of one object."""

    names: Names
    uids: frozenset[bytes]
    """Instance UIDs of the source; empty if they are retained."""
    station_name: bytes = b""
    successors: dict[bytes, bytes] = field(default_factory=dict)
    """UIDs of the source and what stands in their place."""
    origins: dict[bytes, bytes] = field(default_factory=dict)
    """The same the other way round."""
    days: int = 0
    """By how many days the first shifted date was moved back; the others have to agree."""


Verdict = Callable[[Case, int, bytes, DataSet], bool]
"""(case, tag, value, source data set at the same place) -> whether the value may stand there."""


def is_dummy(plain: bytes) -> bool:
    """Whether all values of an attribute, without padding, are dummies."""
    return plain in DUMMIES or all(part in DUMMIES for part in plain.split(b"\\"))


def never(_case: Case, _tag: int, _value: bytes, _source: DataSet) -> bool:
    """Nothing may stand there: the attribute has to be absent."""
    return False


def blank(_case: Case, _tag: int, value: bytes, _source: DataSet) -> bool:
    """Empty, or the dummy of some VR, once for each value there has to be."""
    return is_dummy(value.rstrip(b" \0"))


def pseudonym(case: Case, _tag: int, value: bytes, _source: DataSet) -> bool:
    """Empty, a dummy, or this patient's pseudonym."""
    plain = value.rstrip(b" \0")
    return is_dummy(plain) or plain == case.names.patient.encode()


def station(case: Case, _tag: int, value: bytes, _source: DataSet) -> bool:
    """Empty, a dummy, or the unit's own name."""
    plain = value.strip(b" \0")
    return plain in DUMMIES or plain == case.station_name


def alias(_case: Case, _tag: int, value: bytes, _source: DataSet) -> bool:
    """Empty, a dummy, or keyed aliases of application entity titles."""
    parts = [part.strip(b" ") for part in value.split(b"\\")]
    return all(part in DUMMIES or _alias(part) for part in parts)


def cleaned(_case: Case, _tag: int, value: bytes, _source: DataSet) -> bool:
    """Text that no date, telephone number or e-mail address was left in."""
    return telling(value.decode("latin-1")) is None


def moved_time(_case: Case, _tag: int, value: bytes, _source: DataSet) -> bool:
    """A time of day, which stays when dates move: any that is written as one."""
    return time_of_day(value)


def derived_uid(case: Case, tag: int, value: bytes, source: DataSet) -> bool:
    """Every value registered, or derived (2.25); the same for the same UID of the source, another for another."""
    new = [part.strip(b" \0") for part in value.split(b"\\")]
    old = _values(source, tag)
    if len(old) != len(new):
        return all(not after or is_registered(after.decode("latin-1")) or _is_new(case, after) for after in new)
    return all(_succeeds(case, *pair) for pair in zip(old, new, strict=True))


def _is_new(case: Case, uid: bytes) -> bool:
    return _derived_uid(uid) is not None and uid not in case.uids


def _succeeds(case: Case, before: bytes, after: bytes) -> bool:
    """Whether one UID may stand where the source has another."""
    if before == after or not after:
        return not after or is_registered(after.decode("latin-1"))
    if not _is_new(case, after) or is_registered(before.decode("latin-1")):
        return False
    return not before or (
        case.successors.setdefault(before, after) == after and case.origins.setdefault(after, before) == before
    )


def _values(source: DataSet, tag: int) -> list[bytes]:
    found = source.get(tag)
    value = found[1] if found is not None else b""
    return [part.strip(b" \0") for part in value.split(b"\\")] if isinstance(value, bytes) and value else []


def kept_uid(case: Case, tag: int, value: bytes, source: DataSet) -> bool:
    """A definition, or a UID that is retained: as in the source, unless it names an instance that is not retained.

    What has other characters than a UID is none and may have been mapped.
    """
    new, old = [part.strip(b" \0") for part in value.split(b"\\")], _values(source, tag)
    written = not any(part.translate(None, b"0123456789.") for part in old)
    if new == [b""] or (written and new == old and case.uids.isdisjoint(new)):
        return True
    return not written and derived_uid(case, tag, value, source)


def age(_case: Case, tag: int, value: bytes, source: DataSet) -> bool:
    """Empty, a dummy, 090Y, or the source's own age up to 89 years."""
    plain = value.strip(b" \0")
    if plain in DUMMIES or plain == b"090Y":
        return True
    found = source.get(tag)
    same = found is not None and isinstance(found[1], bytes) and found[1].strip(b" \0") == plain
    return same and all(
        _age(part) is not None and int(part[:3]) < _OLDEST[part[3:]] for part in plain.split(b"\\") if part
    )


def shifted(case: Case, tag: int, value: bytes, source: DataSet) -> bool:
    """Empty, a dummy, or the source's dates, all moved back by the same number of whole weeks."""
    if is_dummy(value.rstrip(b" \0")):
        return True
    found = source.get(tag)
    if found is None or not isinstance(found[1], bytes):
        return False
    before, after = found[1].split(b"\\"), value.split(b"\\")
    return len(before) == len(after) and all(_moved_alike(case, *pair) for pair in zip(before, after, strict=True))


def _moved_alike(case: Case, before: bytes, after: bytes) -> bool:
    """Whether one date was moved like the others of this object."""
    before, after = before.strip(b" \0"), after.strip(b" \0")
    if not before and not after:
        return True
    days = _moved_by(before, after)
    if days % 7 or not 0 < days <= _LONGEST_OFFSET:
        return False
    case.days = case.days or days
    return days == case.days


@lru_cache(maxsize=4096)
def _moved_by(before: bytes, after: bytes) -> int:
    """Days between two dates written the same way, 0 if that cannot be said."""
    dotted = before[4:5] == b"."
    length = 10 if dotted else 8
    if before[length:] != after[length:] or (dotted and not before[7:8] == after[4:5] == after[7:8] == b"."):
        return 0
    old, new = _day(before[:length], dotted), _day(after[:length], dotted)
    return old - new if old and new else 0


def _day(text: bytes, dotted: bool) -> int:
    digits = text.replace(b".", b"") if dotted else text
    if len(digits) != 8 or not digits.isdigit():
        return 0
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:])).toordinal()
    except ValueError:
        return 0
