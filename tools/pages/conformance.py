"""What the conformance statement lists: options, counts, what always goes, dates of devices, marks and file meta."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache

from pages.markdown import code, table, tag
from pages.rules import under
from stowgate.deident import marks
from stowgate.deident.resolve import is_upgrade, resolve
from stowgate.deident.rules import ALWAYS_REMOVED, is_repeating
from stowgate.policy import AVAILABLE, CLEAN, COLUMNS, EDITION, RETAIN, RULE_REVISION, Option
from stowgate.standard import codes, dictionary, iods, profile, safe_private
from stowgate.standard.iods import Place


def options() -> str:
    """Every option of Annex E: how it is named, its code, its rows, and whether it is there."""

    def rows() -> Iterator[list[str]]:
        for setting, those in (("--retain", RETAIN), ("--clean", CLEAN)):
            for option in those:
                column = COLUMNS.get(option, "")
                counted = Counter(row.options[column] for row in profile.ROWS if column in row.options)
                listed_rows = ", ".join(f"{letter} {count}" for letter, count in sorted(counted.items(), reverse=True))
                found = [one for one in codes.deidentification_methods().values() if one.column == column and column]
                claim = found[0] if found else _PIXEL_CODES[option]
                yield [
                    code(f"{setting} {option}"),
                    claim.meaning,
                    claim.value,
                    listed_rows,
                    "" if option in AVAILABLE else "not available yet",
                ]

    return table(["option", "name in the standard", "code", "rows of the table", ""], rows())


_PIXEL_CODES = {
    Option.PIXEL_DATA: codes.deidentification_methods()["113101"],
    Option.RECOGNIZABLE_VISUAL_FEATURES: codes.deidentification_methods()["113102"],
}


def counts() -> str:
    """How many rows of the table have each code."""
    found = Counter(row.basic for row in profile.ROWS)
    return table(
        ["basic action", "rows"], ([name.replace("*", "\\*"), str(count)] for name, count in found.most_common())
    )


@cache
def upgrades() -> str:
    """Attributes for which some IOD asks for more than the table's code offers."""
    found: dict[str, dict[str, set[str]]] = {}
    for iod in iods.iod_names():
        _collect(iods.top_of(iod), iod, set(), found)
    names = {row.tag: row for row in profile.ROWS}
    rows = (
        [
            code(f"({digits[:4]},{digits[4:]})"),
            names[digits].name,
            names[digits].basic,
            " or ".join(sorted(actions)),
            str(len(set().union(*actions.values()))),
        ]
        for digits, actions in sorted(found.items())
        if int(digits.replace("x", "0"), 16) not in ALWAYS_REMOVED and not digits.startswith("60xx")
    )
    return table(["tag", "attribute", "table", "done there", "IODs"], rows)


def _collect(here: Place, iod: str, seen: set[Place], found: dict[str, dict[str, set[str]]]) -> None:
    if here in seen:
        return
    seen.add(here)
    for number, kind in here.types().items():
        if number in ALWAYS_REMOVED or is_repeating(number):
            continue
        row = profile.row_of(number)
        if row and is_upgrade(row.basic, action := resolve(row.basic, kind)):
            found.setdefault(row.tag, {}).setdefault(action, set()).add(iod)
        if below := here.child(number):
            _collect(below, iod, seen, found)


def device_dates() -> str:
    """The rows that device identity keeps and modified dates cleans."""
    both = [
        row
        for row in profile.ROWS
        if row.options.get("rtnDevId") == "K" and row.options.get("rtnLongModifDates") == "C"
    ]
    return table(
        ["tag", "attribute", "basic action"], ([code(f"({r.tag[:4]},{r.tag[4:]})"), r.name, r.basic] for r in both)
    )


def always_gone() -> str:
    """What goes at every depth whatever anybody says."""
    rows = [[code(tag(one)), dictionary.name_of(one) or "Data Set Trailing Padding"] for one in sorted(ALWAYS_REMOVED)]
    rows += [
        [code("(gggg,0000)"), "group lengths"],
        [code("0000, 0002, 0004"), "elements of the command, file meta and directory groups inside a data set"],
        [
            code("50xx, 60xx"),
            "curves and overlays: the sixteen and all other even groups from 5000 to 50FE and 6000 to 60FE",
        ],
        [code("odd groups"), "private attributes, unless an option or a rule of your own keeps them"],
        ["", "attributes the data dictionary does not have"],
    ]
    return table(["tag", "attribute"], rows)


def characteristics() -> str:
    """What the option patient-characteristics keeps and cleans."""
    rows = (
        [
            code(f"({r.tag[:4]},{r.tag[4:]})"),
            r.name,
            r.options["rtnPatChars"],
            under(r, int(r.tag, 16), Option.PATIENT_CHARACTERISTICS),
        ]
        for r in profile.ROWS
        if "rtnPatChars" in r.options
    )
    return table(["tag", "attribute", "table", "done"], rows)


def marks_table() -> str:
    """What is written into every output."""
    rows = [
        [code(tag(marks.REMOVED_FLAG)), "Patient Identity Removed", code("YES")],
        [
            code(tag(marks.METHOD)),
            "De-identification Method",
            f"earlier values, then `Stowgate {EDITION} r{RULE_REVISION}` and 16 hex digits of the policy digest",
        ],
        [
            code(tag(marks.METHOD_CODES)),
            "De-identification Method Code Sequence",
            "earlier items, cleaned, then one item for each code claimed (CID 7050)",
        ],
        [
            code(tag(marks.TEMPORAL)),
            "Longitudinal Temporal Information Modified",
            "`REMOVED`, with full-dates `UNMODIFIED`, with modified-dates `MODIFIED`",
        ],
        [code(tag(marks.STATION_NAME)), "Station Name", "the unit's name, only if `[unit] name` is set"],
        [
            code("(0028,0301), (0028,0302)"),
            "Burned In Annotation, Recognizable Visual Features",
            "left as they are: nothing is claimed about pictures",
        ],
    ]
    return table(["tag", "attribute", "value"], rows)


def file_meta() -> str:
    """What the rebuilt file meta information says of us."""
    rows = [
        ["preamble", "128 zero bytes"],
        [code("(0002,0002)"), "the SOP Class UID"],
        [code("(0002,0003)"), "the new SOP Instance UID"],
        [code("(0002,0010)"), "the transfer syntax of the output"],
        [code("(0002,0012)"), code(marks.IMPLEMENTATION_CLASS.decode())],
        [code("(0002,0013)"), code(marks.IMPLEMENTATION_VERSION.decode())],
    ]
    return table(["part", "value"], rows)


def safe_private_counts() -> str:
    """How many safe private attributes there are, by creator."""
    counted = Counter(row.creator for row in safe_private.rows())
    return table(["creator", "attributes"], ([code(creator), str(count)] for creator, count in sorted(counted.items())))
