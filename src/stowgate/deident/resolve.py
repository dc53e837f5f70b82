"""From a code of Table E.1-1 to one action: options first, then the type of the attribute at its place (PS3.15 E.3)."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import NamedTuple

from stowgate.deident import roles
from stowgate.policy import COLUMNS, Option
from stowgate.standard import dictionary, profile

NO_TABLES = "?"
"""In place of a type, where the SOP class has no IOD tables: the strictest branch of the code is taken."""

BY_TYPE: dict[str, tuple[str, str, str, str]] = {
    # code: Type 1 or 1C, Type 2 or 2C, Type 3 or not part of the IOD there, no tables
    "X": ("D", "Z", "X", "X"),
    "Z": ("D", "Z", "Z", "Z"),
    "D": ("D", "D", "D", "D"),
    "U": ("U", "U", "U", "U"),
    "X/Z": ("D", "Z", "X", "Z"),
    "X/D": ("D", "D", "X", "D"),
    "X/Z/D": ("D", "Z", "X", "D"),
    "Z/D": ("D", "Z", "Z", "D"),
    "X/Z/U*": ("U", "Z", "X", "U"),
    "K": ("K", "K", "K", "K"),
    "C": ("C", "C", "C", "C"),
}
"""The conditions of 1C and 2C cannot be judged once values are gone, so they count as 1 and 2."""

_BRANCH = {"1": 0, "1C": 0, "2": 1, "2C": 1, "3": 2, "": 2, NO_TABLES: 3}

TEXT_VRS = frozenset(("LO", "SH", "ST", "LT", "UC", "UT", "CS"))
TEMPORAL_VRS = frozenset(("DA", "DT", "TM"))
NUMBER_VRS = ("DS", "IS", "US", "SS", "UL", "SL", "FL", "FD", "SV", "UV", "AT")
WORD_VRS = ("OW", "OF", "OD", "OL", "OV")
_CLEANABLE: dict[Option, frozenset[str]] = {
    Option.DEVICE_IDENTITY: frozenset(("AE",)),
    Option.MODIFIED_DATES: TEMPORAL_VRS,
    Option.PATIENT_CHARACTERISTICS: TEXT_VRS | {"SQ"},
    Option.DESCRIPTORS: TEXT_VRS | {"SQ"},
}
"""Which VRs the code C of an option can be carried out on; any other falls back to the profile's code."""

HARMLESS_VRS: dict[str, str] = {
    **dict.fromkeys(NUMBER_VRS, "number"),
    **dict.fromkeys(WORD_VRS, "bulk"),
    "CS": "code",
    "SQ": "sequence",
}
"""VRs that by themselves carry no identity: kept where neither Table E.1-1 nor a role says otherwise."""


FLAVOURS: dict[str, str] = {
    **dict.fromkeys(("AE", "LO", "SH", "ST", "LT", "UC", "UR", "UT"), "text"),
    **dict.fromkeys(NUMBER_VRS, "number"),
    **dict.fromkeys((*WORD_VRS, "OB", "UN"), "bulk"),
    "AS": "age",
    "CS": "code",
    "DA": "date",
    "DT": "datetime",
    "PN": "person",
    "SQ": "sequence",
    "TM": "time",
    "UI": "uid",
}
"""The kind of value by VR; it chooses the verb."""


class Verdict(NamedTuple):
    """What holds for an attribute whatever its place: the code after options, the profile's own, and where from."""

    code: str
    basic: str
    origin: str
    why: str
    vr: str


def resolve(code: str, kind: str) -> str:
    """The action for a code where the attribute has type `kind` ("1", "1C", ..., "" or `NO_TABLES`)."""
    return BY_TYPE[code][_BRANCH[kind]]


def is_upgrade(code: str, action: str) -> bool:
    """Whether the type asked for more than the code offers, as D where the table says X."""
    return action not in code.rstrip("*").split("/")


def first_vr(vr: str) -> str:
    """The first of "US/SS" and the like."""
    return vr.partition("/")[0]


def judge(tag: int, options: AbstractSet[Option]) -> Verdict | None:
    """The verdict on a standard attribute; None for one that neither the table nor the dictionary knows."""
    row, vr = profile.row_of(tag), dictionary.vr_of(tag)
    if row is not None:
        return _listed(row, vr or "", options)
    return _unlisted(tag, vr, options) if vr else None


def _listed(row: profile.Row, vr: str, options: AbstractSet[Option]) -> Verdict:
    said = {option: row.options[COLUMNS[option]] for option in Option if _names(row, option) and option in options}
    if {Option.DEVICE_IDENTITY, Option.MODIFIED_DATES} <= said.keys():
        why = "a date of a device, moved like the patient's, would show by how much: the profile's own code is used"
        return Verdict(row.basic, row.basic, "E.1-1", why, vr)
    for option, code in sorted(said.items(), key=lambda pair: pair[1] != "K"):
        if code == "K":
            return Verdict("K", row.basic, f"option:{option}", f"the option {option} keeps it", vr)
        if first_vr(vr) in _CLEANABLE.get(option, ()):
            return Verdict("C", row.basic, f"option:{option}", f"the option {option} cleans it", vr)
    return Verdict(row.basic, row.basic, "E.1-1", f"Table E.1-1 says {row.basic}", vr)


def _names(row: profile.Row, option: Option) -> bool:
    return COLUMNS.get(option) in row.options


def _unlisted(tag: int, vr: str, options: AbstractSet[Option]) -> Verdict:
    """Attributes that Table E.1-1 does not list, by reviewed role, else by VR. What has neither goes."""
    role = roles.role_of(tag)
    if role is None:
        kind = HARMLESS_VRS.get(first_vr(vr))
        if kind is None:
            return Verdict("X", "X", "unknown", "nobody has judged what this attribute can hold", vr)
        return Verdict("K", "X", f"role:{kind}", "its value representation carries no identity", vr)
    code, basic = _of_role(role.kind, vr, options)
    return Verdict(code, basic, f"role:{role.kind}", role.reason, vr)


def _of_role(kind: str, vr: str, options: AbstractSet[Option]) -> tuple[str, str]:
    """Code after options, and without them, of a reviewed role."""
    if kind in ("technical", "uid_definition", "bulk"):
        return "K", "X"
    if kind == "uid_instance":
        return ("K" if Option.UIDS in options else "U"), "U"
    if kind == "temporal" and Option.FULL_DATES in options:
        return "K", "X"
    if kind == "temporal" and Option.MODIFIED_DATES in options and vr in TEMPORAL_VRS:
        return "C", "X"
    return "X", "X"
