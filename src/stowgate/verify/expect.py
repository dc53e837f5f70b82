"""What the gate accepts in each attribute of an output: Table E.1-1 under a policy, read without the engine."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from stowgate.policy import COLUMNS, Option
from stowgate.standard.dictionary import vr_of
from stowgate.standard.profile import row_of
from stowgate.verify.elements import Bulk, DataSet, Value
from stowgate.verify.forms import Form, form_of
from stowgate.verify.search import CODE, NUMBER, OTHER, TEXT
from stowgate.verify.tokens import DEFINITIONS
from stowgate.verify.verdicts import (
    Case,
    Verdict,
    age,
    alias,
    blank,
    cleaned,
    derived_uid,
    kept_uid,
    moved_time,
    never,
    pseudonym,
    shifted,
    station,
)

NOT_SOUGHT = -1
"""Kind of a value in which no word is sought, because its content is known exactly."""

ALWAYS_GONE = frozenset(
    (0xFFFAFFFA, 0xFFFCFFFC, 0x4FFE0001, 0x00880200, 0x04000500, 0x04000550, 0x04000551, 0x04000552, 0x04000561)
)
"""Signatures, padding, MAC parameters, icons, encrypted, modified, nonconforming, original attributes."""

_PSEUDONYM = frozenset((0x00100010, 0x00100020, 0x00120040, 0x00120042))
STATION_NAME = 0x00081010
_CHARACTER_SET = 0x00080005
"""Only known terms stand in it, whoever the patient is."""
_URL_AS_TEXT = 0x0040A992
"""Uniform Resource Locator (Trial), an address of VR ST."""
_TEMPORAL = frozenset(("DA", "TM", "DT"))
_PERSONAL = _TEMPORAL | {"PN", "AE", "UR", "AS"}
"""VRs whose every unlisted attribute has to go."""
_KINDS = {
    **dict.fromkeys(("AE", "LO", "SH", "ST", "LT", "UC", "UR", "UT", "PN"), TEXT),
    **dict.fromkeys(("DS", "IS", "DA", "TM", "DT", "AS", "UI"), NUMBER),
    "CS": CODE,
}

_ITEMS = {"K": "kept", "C": "kept", "X/Z/U*": "mapped"}


class Expectation(NamedTuple):
    """What may stand in one attribute. `verdict` None: what the source has there, if no identity is in it."""

    code: str
    verdict: Verdict | None
    kind: int
    vrs: frozenset[bytes]
    """The VRs an explicit file may give it."""
    items: str = ""
    """Of a sequence: "kept" items are judged one by one, "mapped" too if any is left, of "dummy" is one at most."""
    form: Form | None = None
    """What a value that may be the source's has to look like all the same."""


def effective_code(tag: int, options: frozenset[Option]) -> str:
    """The code of Table E.1-1 for an attribute under these options, "" if it is not listed (PS3.15 E.3)."""
    row = row_of(tag)
    if row is None:
        return ""
    said = {option: row.options.get(column, "") for option, column in COLUMNS.items() if option in options}
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
        return "X" if vr in _PERSONAL or tag == _URL_AS_TEXT else "K"

    def _expected(self, tag: int, code: str, vr: str) -> Expectation:
        kind, none = _KINDS.get(vr, OTHER), frozenset[bytes]()
        if vr == "SQ":
            return Expectation("gate_attribute", None, kind, none, _ITEMS.get(code, "dummy"))
        if vr == "UI":
            if code == "K":
                return Expectation("gate_uid", kept_uid, kind, none)
            return Expectation("gate_uid", derived_uid, NOT_SOUGHT, none)
        name = "gate_date" if vr in _TEMPORAL else "gate_attribute"
        if code == "K":
            if vr == "AS":
                return Expectation("gate_age", age, kind, none)
            sought = kind if tag != _CHARACTER_SET else NOT_SOUGHT
            return Expectation(name, None, sought, none, form=form_of(tag, vr))
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
