"""What happens to one attribute at one place: Table E.1-1, the options, the types, and the roles of the unlisted."""

from __future__ import annotations

from dataclasses import dataclass

from stowgate.policy import Option, Policy
from tests.oracle import tables

COLUMN = {
    Option.SAFE_PRIVATE: "rtnSafePriv",
    Option.UIDS: "rtnUIDs",
    Option.DEVICE_IDENTITY: "rtnDevId",
    Option.INSTITUTION_IDENTITY: "rtnInstId",
    Option.PATIENT_CHARACTERISTICS: "rtnPatChars",
    Option.FULL_DATES: "rtnLongFullDates",
    Option.MODIFIED_DATES: "rtnLongModifDates",
    Option.DESCRIPTORS: "cleanDesc",
}
CODE = {
    Option.SAFE_PRIVATE: "113111",
    Option.UIDS: "113110",
    Option.DEVICE_IDENTITY: "113109",
    Option.INSTITUTION_IDENTITY: "113112",
    Option.PATIENT_CHARACTERISTICS: "113108",
    Option.FULL_DATES: "113106",
    Option.MODIFIED_DATES: "113107",
    Option.DESCRIPTORS: "113105",
}
ALWAYS_DROPPED = {
    0xFFFAFFFA, 0x4FFE0001, 0x00880200, 0x04000500, 0x04000561, 0x04000550, 0x04000551, 0x04000552, 0xFFFCFFFC,
}  # fmt: skip

NEEDS_ROLE = ("AE", "AS", "DA", "DT", "LO", "LT", "OB", "PN", "SH", "ST", "TM", "UC", "UI", "UN", "UR", "UT")
"""VRs that can hold identity or a date: without a reviewed role they go."""

BY_TYPE = {
    "X": {"1": "D", "2": "Z", "": "X"},
    "Z": {"1": "D", "2": "Z", "": "Z"},
    "D": {"1": "D", "2": "D", "": "D"},
    "U": {"1": "U", "2": "U", "": "U"},
    "X/Z": {"1": "D", "2": "Z", "": "X"},
    "X/D": {"1": "D", "2": "D", "": "X"},
    "X/Z/D": {"1": "D", "2": "Z", "": "X"},
    "Z/D": {"1": "D", "2": "Z", "": "Z"},
    "X/Z/U*": {"1": "U", "2": "Z", "": "X"},
}
STRICTEST = {"X": "X", "Z": "Z", "D": "D", "U": "U", "X/Z": "Z", "X/D": "D", "X/Z/D": "D", "Z/D": "D", "X/Z/U*": "U"}


@dataclass(frozen=True)
class Decision:
    """`letter` is what to do; `basic` what the profile does without options, where C cannot be done."""

    letter: str
    basic: str
    removal: str
    """What "removed" means here: X, or the weaker form that the attribute's type permits."""
    value: str | None = None
    """The value an override gives."""
    forced: bool = False
    """A user's override said so."""


def decide(policy: Policy, sop_class: str, path: tuple[int, ...], tag: int) -> Decision:
    """The decision for an attribute of an even group that is not always dropped; drops unknown ones."""
    known_iod = tables.has_iod(sop_class)
    plain_type = tables.type_at(sop_class, path, tag).rstrip("C").replace("3", "")
    removal = BY_TYPE["X"][plain_type]
    override = _override(policy, path, tag)
    if override is not None:
        letter = {"keep": "K", "remove": "X", "empty": "Z", "replace": "D"}[override.action]
        return Decision(letter, removal, removal, override.value, True)
    row = tables.profile_row(tag)
    if row is None:
        return _unlisted(policy, tag, removal)
    basic = BY_TYPE[row["basic"]][plain_type] if known_iod else STRICTEST[row["basic"]]
    return Decision(_option_code(policy, row) or basic, basic, removal)


def _override(policy: Policy, path: tuple[int, ...], tag: int):
    wanted = "/".join(tables.tag8(step) for step in (*path, tag))
    return next((o for o in policy.overrides if o.target == wanted), None)


def _option_code(policy: Policy, row: dict) -> str:
    """K or C when an option that is on says so; K beats C, but for the dates of devices."""
    codes = {option: row.get("opt", {}).get(COLUMN[option], "") for option in policy.options}
    if codes.get(Option.DEVICE_IDENTITY) == "K" and codes.get(Option.MODIFIED_DATES) == "C":
        return ""
    return "K" if "K" in codes.values() else "C" if "C" in codes.values() else ""


def _unlisted(policy: Policy, tag: int, removal: str) -> Decision:
    """Attributes Table E.1-1 does not name: by their reviewed role, else by what their VR can hold."""
    vrs = tables.dictionary_vrs(tag)
    role = tables.role_of(tag)
    if not vrs:
        return Decision("X", "X", "X")
    if role == "temporal":
        letter = "K" if policy.has(Option.FULL_DATES) else "C" if policy.has(Option.MODIFIED_DATES) else removal
        return Decision(letter, removal, removal)
    if role == "uid_instance":
        return Decision("K" if policy.has(Option.UIDS) else "U", "U", removal)
    if role in ("technical", "uid_definition", "bulk"):
        return Decision("K", "K", removal)
    if role == "" and vrs[0] not in NEEDS_ROLE:
        return Decision("K", "K", removal)
    return Decision(removal, removal, removal)


def always_dropped(tag: int) -> bool:
    """What goes at every depth, whatever the options say."""
    group, element = tag >> 16, tag & 0xFFFF
    if element == 0 or group in (0x0000, 0x0002, 0x0004) or tag in ALWAYS_DROPPED:
        return True
    return group % 2 == 0 and (0x5000 <= group <= 0x50FE or 0x6000 <= group <= 0x60FE)
