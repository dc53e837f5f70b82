"""The reviewed role of every attribute that could carry identity or a date but is not listed in PS3.15 Table E.1-1."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

from stowgate.standard import dictionary

TABLE = Path(__file__).with_name("tables") / "roles.json"

RISKY_VRS = frozenset(
    ("AE", "LO", "SH", "ST", "LT", "UC", "UR", "UT", "PN", "DA", "DT", "TM", "UI", "OB", "OB/OW", "UN")
)
"""Value representations (as the dictionary writes them) of which every unlisted attribute needs a role."""

KINDS = {
    "technical": "comes from equipment, a maker or a vocabulary: kept unless it holds a known word of this patient",
    "operator": "typed by people, or singles out a patient, order, device or place: removed as far as its type allows",
    "person": "names a person: removed as far as its type allows",
    "temporal": "a date or time: removed, or shifted or kept under the options for dates",
    "ae": "an application entity title: removed as far as its type allows",
    "url": "an address: removed as far as its type allows",
    "uid_instance": "names an instance or another thing of this patient or site: mapped",
    "uid_definition": "names something defined, such as a SOP class or coding scheme: kept",
    "bulk": "samples, pixels, palettes and the like: kept",
}
"""What each kind of role means and what becomes of the value. An operator's date is removed under every option."""


class Role(NamedTuple):
    """What kind of value an unlisted attribute holds (a key of `KINDS`), and why somebody decided so."""

    kind: str
    reason: str


def role_of(tag: int) -> Role | None:
    """The role of a tag (group << 16 | element), repeating groups folded; None if it is listed or carries no risk."""
    roles = _roles()
    found = roles.get(tag)
    if found is not None or tag & 0x10000:
        return found
    for mask, masked in _masks():
        if tag & mask in masked:
            keyword, role = masked[tag & mask]
            # (0028,0402) lies under the mask (0028,04x2) but is an attribute of its own
            return role if dictionary.keyword_of(tag) == keyword else None
    return None


@cache
def _rows() -> tuple[tuple[str, str, Role], ...]:
    rows = json.loads(TABLE.read_text(encoding="utf-8"))["rows"]
    return tuple((tag, keyword, Role(kind, reason)) for tag, keyword, kind, reason in rows)


@cache
def _roles() -> dict[int, Role]:
    return {int(tag, 16): role for tag, _, role in _rows() if "x" not in tag}


@cache
def _masks() -> tuple[tuple[int, dict[int, tuple[str, Role]]], ...]:
    """Of "60xx0022": the mask FF00FFFF and, under it, the value 60000022 with its keyword and role."""
    found: dict[int, dict[int, tuple[str, Role]]] = {}
    for tag, keyword, role in _rows():
        if "x" in tag:
            mask = int("".join("0" if digit == "x" else "F" for digit in tag), 16)
            found.setdefault(mask, {})[int(tag.replace("x", "0"), 16)] = keyword, role
    return tuple(found.items())
