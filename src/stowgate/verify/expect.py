"""What the gate accepts in each attribute of an output: Table E.1-1 under a policy, read without the engine."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from stowgate.objects import Names
from stowgate.policy import Option
from stowgate.standard.dictionary import vr_of
from stowgate.standard.profile import row_of
from stowgate.standard.uids import is_registered
from stowgate.verify.elements import Bulk, DataSet, Value
from stowgate.verify.patterns import telling
from stowgate.verify.search import CODE, NUMBER, OTHER, TEXT
from stowgate.verify.tokens import DEFINITIONS

NOT_SOUGHT = -1
"""Kind of a value in which no word is sought, because its content is known exactly."""

DUMMIES = frozenset((b"", b"19000101", b"000000", b"19000101000000", b"000Y", b"REMOVED", b"0", b"about:blank"))
"""Empty, and the dummy values, without padding; binary dummies are zero bytes and so are empty without padding."""

ALWAYS_GONE = frozenset(
    (0xFFFAFFFA, 0xFFFCFFFC, 0x4FFE0001, 0x00880200, 0x04000500, 0x04000550, 0x04000551, 0x04000552, 0x04000561)
)
"""Signatures, padding, MAC parameters, icons, encrypted, modified, nonconforming, original attributes."""

_PSEUDONYM = frozenset((0x00100010, 0x00100020, 0x00120040, 0x00120042))
STATION_NAME = 0x00081010
_COLUMNS = {
    Option.UIDS: "rtnUIDs",
    Option.DEVICE_IDENTITY: "rtnDevId",
    Option.INSTITUTION_IDENTITY: "rtnInstId",
    Option.PATIENT_CHARACTERISTICS: "rtnPatChars",
    Option.FULL_DATES: "rtnLongFullDates",
    Option.MODIFIED_DATES: "rtnLongModifDates",
    Option.DESCRIPTORS: "cleanDesc",
}
_TEMPORAL = frozenset(("DA", "TM", "DT"))
_PERSONAL = _TEMPORAL | {"PN", "AE", "UR", "AS"}
"""VRs whose every unlisted attribute has to go."""
_KINDS = {
    **dict.fromkeys(("AE", "LO", "SH", "ST", "LT", "UC", "UR", "UT", "PN"), TEXT),
    **dict.fromkeys(("DS", "IS", "DA", "TM", "DT", "AS", "UI"), NUMBER),
    "CS": CODE,
}

_ITEMS = {"K": "kept", "C": "kept", "X/Z/U*": "mapped"}

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
    mapped: dict[bytes, bytes] = field(default_factory=dict)
    """UIDs of the source and what stands in their place."""
    days: int = 0
    """By how many days the first shifted date was moved back; the others have to agree."""


Verdict = Callable[[Case, int, bytes, DataSet], bool]
"""(case, tag, value, source data set at the same place) -> whether the value may stand there."""


class Expectation(NamedTuple):
    """What may stand in one attribute. `verdict` None: what the source has there, if no identity is in it."""

    code: str
    verdict: Verdict | None
    kind: int
    vrs: frozenset[bytes]
    """The VRs an explicit file may give it."""
    items: str = ""
    """Of a sequence: "kept" items are judged one by one, "mapped" too if any is left, of "dummy" is one at most."""


def never(_case: Case, _tag: int, _value: bytes, _source: DataSet) -> bool:
    """Nothing may stand there: the attribute has to be absent."""
    return False


def blank(_case: Case, _tag: int, value: bytes, _source: DataSet) -> bool:
    """Empty, or the dummy of some VR."""
    return value.rstrip(b" \0") in DUMMIES


def pseudonym(case: Case, _tag: int, value: bytes, _source: DataSet) -> bool:
    """Empty, a dummy, or this patient's pseudonym."""
    plain = value.rstrip(b" \0")
    return plain in DUMMIES or plain == case.names.patient.encode()


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


def moved_time(_case: Case, _tag: int, _value: bytes, _source: DataSet) -> bool:
    """A time of day, which stays when dates move: any."""
    return True


def derived_uid(case: Case, tag: int, value: bytes, source: DataSet) -> bool:
    """Every value registered, or derived (2.25); the same for the same UID of the source, another for another."""
    old = _values(source, tag)
    new = [part.strip(b" \0") for part in value.split(b"\\")]
    if len(old) != len(new):
        old = new  # no source at this place, or a dummy
    for before, after in zip(old, new, strict=True):
        if after and not is_registered(after.decode("latin-1")):
            if not _derived_uid(after) or after in case.uids or (after == before and old is not new):
                return False
            if old is not new and case.mapped.setdefault(before, after) != after:
                return False
    return True


def _values(source: DataSet, tag: int) -> list[bytes]:
    found = source.get(tag)
    value = found[1] if found is not None else b""
    return [part.strip(b" \0") for part in value.split(b"\\")] if isinstance(value, bytes) and value else []


def no_source_uid(case: Case, _tag: int, value: bytes, _source: DataSet) -> bool:
    """A definition: stays as it is, unless it names an instance of the source."""
    return case.uids.isdisjoint(part.strip(b" \0") for part in value.split(b"\\"))


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
    if value.rstrip(b" \0") in DUMMIES:
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


def effective_code(tag: int, options: frozenset[Option]) -> str:
    """The code of Table E.1-1 for an attribute under these options, "" if it is not listed (PS3.15 E.3)."""
    row = row_of(tag)
    if row is None:
        return ""
    said = {option: row.options.get(column, "") for option, column in _COLUMNS.items() if option in options}
    return _by_options(row.basic, {option: code for option, code in said.items() if code}, (vr_of(tag) or "")[:2])


def _by_options(basic: str, said: dict[Option, str], vr: str) -> str:
    if Option.DEVICE_IDENTITY in said and Option.MODIFIED_DATES in said:
        return basic  # dates of devices are never moved by the patient's offset
    if "K" in said.values():
        return "K"
    return "C" if any(_cleanable(option, vr) for option, code in said.items() if code == "C") else basic


def _cleanable(option: Option, vr: str) -> bool:
    if option is Option.MODIFIED_DATES:
        return vr in _TEMPORAL
    if option is Option.DEVICE_IDENTITY:
        return vr == "AE"
    return vr in ("SQ", "CS") or (_KINDS.get(vr) == TEXT and vr not in ("PN", "AE", "UR"))


class Rules(dict[int, Expectation]):
    """Expectation of every standard attribute under one policy, worked out when it is first met."""

    def __init__(self, options: frozenset[Option]) -> None:
        super().__init__()
        self.options = options

    def __missing__(self, tag: int) -> Expectation:
        made = self._made(tag)
        if made.vrs:
            self[tag] = made  # only attributes of the dictionary: hostile files must not make it grow
        return made

    def _made(self, tag: int) -> Expectation:
        group, vr = tag >> 16, vr_of(tag)
        if not tag & 0xFFFF or group in (0, 2, 4) or group >> 8 in (0x50, 0x60) or tag in ALWAYS_GONE:
            return Expectation("gate_group", never, NOT_SOUGHT, frozenset(), "never")
        if not vr:
            return Expectation("gate_unknown", never, NOT_SOUGHT, frozenset(), "never")
        first = vr[:2]
        vrs = {part.encode() for part in vr.split("/")} | {b"UN"}
        vrs |= {b"OB", b"OW"} if vrs & {b"OB", b"OW"} else set()
        code = effective_code(tag, self.options) or self._unlisted(tag, first)
        plain = self._expected(tag, code, first)
        return plain._replace(vrs=frozenset(vrs))

    def _unlisted(self, tag: int, vr: str) -> str:
        """What an attribute that the table does not list amounts to, by its VR alone."""
        if vr == "UI":
            return "K" if tag in DEFINITIONS or Option.UIDS in self.options else "U"
        if vr in _TEMPORAL and Option.FULL_DATES in self.options:
            return "K"
        if vr in _TEMPORAL and Option.MODIFIED_DATES in self.options:
            return "C"
        return "X" if vr in _PERSONAL else "K"

    def _expected(self, tag: int, code: str, vr: str) -> Expectation:
        kind, none = _KINDS.get(vr, OTHER), frozenset[bytes]()
        if vr == "SQ":
            return Expectation("gate_attribute", None, kind, none, _ITEMS.get(code, "dummy"))
        if vr == "UI":
            if code == "K":
                return Expectation("gate_uid", no_source_uid, kind, none)
            return Expectation("gate_uid", derived_uid, NOT_SOUGHT, none)
        name = "gate_date" if vr in _TEMPORAL else "gate_attribute"
        if code == "K":
            return Expectation("gate_age", age, kind, none) if vr == "AS" else Expectation(name, None, kind, none)
        if code == "C":
            by_vr: dict[str, Verdict] = {"DA": shifted, "DT": shifted, "AE": alias, "TM": moved_time}
            return Expectation(name, by_vr.get(vr, cleaned), kind, none)
        verdict = pseudonym if tag in _PSEUDONYM else station if tag == STATION_NAME else blank
        return Expectation(name, verdict, NOT_SOUGHT, none)


@lru_cache(maxsize=32)
def rules_of(options: frozenset[Option]) -> Rules:
    """The expectations under these options."""
    return Rules(options)


def all_dummies(items: list[DataSet], rules: Rules, case: Case) -> bool:
    """Whether a sequence that was replaced tells nothing: at most one item, of dummies and derived UIDs alone."""
    values = [(tag, value) for item in items for tag, (_, value) in item.items()]
    return len(items) <= 1 and all(_is_dummy(tag, value, rules, case) for tag, value in values)


def _is_dummy(tag: int, value: Value, rules: Rules, case: Case) -> bool:
    if tag & 0x10000 or not rules[tag].vrs or isinstance(value, Bulk):
        return False
    if isinstance(value, list):
        return all_dummies(value, rules, case)
    if rules[tag].code == "gate_uid":
        return derived_uid(case, tag, value, {})
    return pseudonym(case, tag, value, {})
