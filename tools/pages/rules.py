"""The rules: Table E.1-1 as it is carried out, the verbs, the roles, and the lists of the conformance statement."""

from __future__ import annotations

import json
from collections import Counter

from pages.markdown import code, listed, page, table
from stowgate.deident import roles
from stowgate.deident.encode import DUMMIES
from stowgate.deident.resolve import BY_TYPE, judge
from stowgate.policy import AVAILABLE, COLUMNS, EDITION, RULE_REVISION, Option
from stowgate.standard import dictionary, profile
from stowgate.verify.wording import ACTIONS

NOTICE = (
    "The tables hold facts published in the DICOM standard, PS3.15, (c) NEMA. DICOM is the registered trademark of "
    "the National Electrical "
    "Manufacturers Association for its standards publications. Stowgate's licence covers its code and makes no claim "
    "on these tables."
)
_SHOWN = (
    (Option.UIDS, "uids"),
    (Option.DEVICE_IDENTITY, "device"),
    (Option.INSTITUTION_IDENTITY, "institution"),
    (Option.PATIENT_CHARACTERISTICS, "characteristics"),
    (Option.FULL_DATES, "full dates"),
    (Option.MODIFIED_DATES, "modified dates"),
    (Option.DESCRIPTORS, "descriptors"),
)
_FALLS_BACK = "°"

VERBS = {
    "X": "The element is taken out. A sequence goes with its items.",
    "Z": "Zero length. Patient ID (0010,0020) and Patient's Name (0010,0010) hold the pseudonym instead, at every "
    "depth. A sequence has no items.",
    "D": "The dummy of its VR, below. Patient ID, Patient's Name, Clinical Trial Subject ID (0012,0040) and Clinical "
    "Trial Subject Reading ID "
    "(0012,0042) hold the pseudonym. A UID is mapped. A sequence holds one item: a dummy for each Type 1 attribute "
    "the IOD asks for there, "
    "nothing in each Type 2 one.",
    "U": "Every value is mapped by its text: 2.25 and 128 bits. Registered UIDs and empty values stay; malformed ones "
    "are mapped too.",
    "K": "The value stays byte for byte, unless it holds a name, number or address of this patient, of staff or of "
    "the place; then it goes as "
    "far as its type allows. Numbers (DS, IS) that are none go too. An age above 89 years becomes 090Y. The items of "
    "a kept sequence "
    "follow the rules of their own places.",
    "C": "Dates move by the patient's offset, times stay. Descriptions keep harmless vocabulary, the rest goes. "
    "Application entity titles become "
    "a keyed alias. What cannot be cleaned safely takes the profile's own action.",
}
"""Action letter -> what the engine does."""


def profile_page() -> str:
    """docs/reference/profile.md."""
    rows = [_row(row) for row in profile.ROWS]
    return page(
        "Profile",
        f"PS3.15 Table E.1-1, edition {EDITION}: {len(rows)} rows. Rule revision {RULE_REVISION}. {NOTICE}",
        "`stowgate explain FILE` shows the outcome for each attribute of one object. Attributes the table does not "
        "list: [roles.md](roles.md).",
        "## What each action does",
        verbs(),
        "## Dummy values",
        dummies(),
        "## How compound and plain actions are resolved",
        "By the type of the attribute in the IOD, at that path; where several modules define it, the strictest "
        "counts, and 1C counts as 1, 2C as 2. "
        "A SOP class without tables takes the last column (finding `iod_unknown`).",
        resolution(),
        "## The table",
        "A letter under an option stands in place of the basic action while the option is on; K goes before C. "
        f"C{_FALLS_BACK} means that the table says C and no value of this VR can be cleaned, so the basic action is "
        f"used. "
        f"Not shown: the columns of options that are not available "
        f"({listed(o for o in Option if o in COLUMNS and o not in AVAILABLE)}). "
        "Private attributes are the row named after them; which of them are safe stands in Table E.3.10-1.",
        table(["tag", "attribute", "VR", "basic", *(name for _, name in _SHOWN), "safe private"], rows),
    )


def _row(row: profile.Row) -> list[str]:
    number = None if row.tag == profile.PRIVATE else int(row.tag.replace("x", "0"), 16)
    digits = "odd groups" if number is None else f"({row.tag[:4]},{row.tag[4:]})"
    vr = "" if number is None else (dictionary.vr_of(number) or "")
    cells = ["" if number is None else under(row, number, option) for option, _ in _SHOWN]
    return [
        code(digits),
        row.name,
        vr,
        row.basic.replace("*", "\\*"),
        *cells,
        row.options.get(COLUMNS[Option.SAFE_PRIVATE], ""),
    ]


def under(row: profile.Row, number: int, option: Option) -> str:
    """The letter of an option in a row, marked where its verb cannot be carried out."""
    said = row.options.get(COLUMNS[option], "")
    verdict = judge(number, frozenset((option,)))
    return said if not said or (verdict and verdict.code == said) else said + _FALLS_BACK


def verbs() -> str:
    """What each action does."""
    return table(
        ["action", "name", "what the engine does"],
        ([letter, ACTIONS[letter][0], text] for letter, text in VERBS.items()),
    )


def dummies() -> str:
    """The dummy of each VR."""
    by_value: dict[str, list[str]] = {}
    for vr, value in DUMMIES.items():
        shown = code(value.decode()) if value.strip(b"\0") else f"{len(value)} zero bytes"
        by_value.setdefault(shown, []).append(vr.decode())
    rows = [[", ".join(vrs), value] for value, vrs in by_value.items()]
    return table(
        ["VR", "dummy"],
        [
            *rows,
            ["UI", "mapped; where there was no value, the UID of the attribute's tag"],
            ["SQ", "one item, as above"],
        ],
    )


def resolution() -> str:
    """Table code -> action by type."""
    head = ["table", "Type 1, 1C", "Type 2, 2C", "Type 3, or not part of the IOD there", "no tables"]
    return table(head, ([name.replace("*", "\\*"), *actions] for name, actions in BY_TYPE.items()))


def roles_page() -> str:
    """docs/reference/roles.md."""
    found = json.loads(roles.TABLE.read_text(encoding="utf-8"))["rows"]
    kinds = Counter(row[2] for row in found)
    parts = [
        f"Attributes that Table E.1-1 of edition {EDITION} does not list and whose value representation could carry "
        f"identity or a date: "
        f"{len(found)}, each with a reviewed role and the reason for it. A test fails if an attribute of the "
        f"dictionary has none.",
        table(
            ["role", "attributes", "what becomes of it"],
            ([code(k), str(kinds[k]), text] for k, text in roles.KINDS.items()),
        ),
        "Unlisted numbers, codes and sequences (DS, IS, CS, SQ, US and the like) need no role: they stay, and the "
        "items of a sequence follow the "
        "rules of their own places. An attribute that the data dictionary does not have goes.",
    ]
    for kind in roles.KINDS:
        rows = ([code(f"({one[0][:4]},{one[0][4:]})"), one[1], one[3]] for one in found if one[2] == kind)
        parts += [f"## {kind}", table(["tag", "attribute", "reason"], rows)]
    return page("Roles of unlisted attributes", *parts)
