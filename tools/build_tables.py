"""Rebuilds the shipped tables of the standard from a folder with the source JSON: build_tables.py FOLDER [--check]."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

TABLES = Path(__file__).resolve().parents[1] / "src" / "stowgate" / "standard" / "tables"
Json = dict[str, Any]

DICTIONARY_ADDITIONS = [["3004007F", "DoseCalculationModelName", "LO", "1", "Dose Calculation Model Name"]]
"""Attributes of PS3.6 that came after the edition of the source dictionary (2026d, PS3.15 Table E.1-1)."""

NOT_STORAGE = frozenset(("1.2.840.10008.1.20.1", "1.2.840.10008.1.20.2", "1.2.840.10008.1.3.10"))
"""SOP classes with "Storage" in their name that store no instance: storage commitment and the DICOMDIR."""


def _read(folder: Path, name: str) -> Json:
    content: Json = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return content


def _head(source: Json, *names: str) -> Json:
    return {name: source[name] for name in ("table", "edition", "acknowledgement", *names) if name in source}


def _sure(holds: bool, what: str) -> None:
    if not holds:
        raise SystemExit(f"the source tables are not as expected: {what}")


def _tag8(tag: str) -> str:
    """ "(0008,0050)" as "00080050"; masks keep their x, the row for odd groups becomes "odd"."""
    return "odd" if "odd" in tag else tag[1:5] + tag[6:10]


def profile(folder: Path) -> Json:
    """Table E.1-1 in its own order: tag, basic code, a letter per option column, R retired, S standard, name."""
    source = _read(folder, "confidentiality_profile")
    columns: list[str] = source["option_columns"]
    rows = [
        [
            _tag8(row["tag"]),
            row["basic"],
            "".join(row.get("opt", {}).get(column, "-") for column in columns),
            "R" * row["retired"] + "S" * row["std"],
            row["name"],
        ]
        for row in source["rows"]
    ]
    return {**_head(source, "row_content_sha256", "option_columns"), "rows": rows}


def dictionary(folder: Path) -> Json:
    """The data dictionary: tag -> "VR|VM|keyword|R if retired|name"."""
    source = _read(folder, "data_dictionary")
    rows = sorted([*source["rows"], *DICTIONARY_ADDITIONS])
    packed = {
        tag: "|".join((vr, vm, keyword, "R" if retired else "", name)) for tag, keyword, vr, vm, name, *retired in rows
    }
    _sure(len(packed) == len(rows), "a tag stands twice in the dictionary")
    _sure(all(value.count("|") == 4 for value in packed.values()), "a dictionary cell holds the separator")
    return {**_head(source), "rows": packed}


def uids(folder: Path) -> Json:
    """The UID registry: UID -> "type|R if retired|name", and the SOP classes that store instances."""
    source = _read(folder, "well_known_uids")
    with_tables = set(_read(folder, "iod_types")["sop"])
    rows = {uid: f"{kind}|{'R' if retired else ''}|{name}" for uid, kind, name, *retired in source["rows"]}
    storage = [
        uid
        for uid, kind, name, *_ in source["rows"]
        if uid not in NOT_STORAGE and (uid in with_tables or (kind == "SOPClass" and "Storage" in name))
    ]
    _sure(with_tables <= set(rows), "a SOP class with IOD tables is not registered")
    return {**_head(source), "storage": sorted(storage), "rows": rows}


def safe_private(folder: Path) -> Json:
    """Table E.3.10-1: group, low byte of the element, creator, VR, VM, meaning."""
    source = _read(folder, "safe_private")
    columns = ("group", "element", "creator", "vr", "vm", "meaning")
    rows = [[row[column] for column in columns] for row in source["rows"]]
    _sure(len({(g, c.strip(), e) for g, e, c, *_ in rows}) == len(rows), "a safe private attribute stands twice")
    return {**_head(source, "row_content_sha256"), "rows": rows}


def _used(source: Json) -> tuple[list[str], list[int]]:
    """The modules that some IOD names and that have an attribute list, and the subtrees below them."""
    named = {name for modules in source["iods"].values() for name, _, _ in modules}
    modules = sorted(named & set(source["modules"]))
    found: set[int] = set()
    waiting = [source["modules"][name] for name in modules]
    while waiting:
        below = {entry[1] for entry in waiting.pop().values() if isinstance(entry, list)} - found
        found |= below
        waiting += [source["subtrees"][index] for index in below]
    return modules, sorted(found)


def iods(folder: Path) -> Json:
    """SOP class -> IOD -> modules by usage -> tree of types. A tree is one line, read when it is first needed."""
    source = _read(folder, "iod_types")
    names, below = _used(source)
    number = {index: position for position, index in enumerate(below)}

    def tree(content: Json) -> str:
        """{"00400555": ["2", 4], "00400556": "3"} as "00400555=2:4 00400556=3", subtrees by their new number."""
        cells = ((tag, (entry, None) if isinstance(entry, str) else entry) for tag, entry in content.items())
        return " ".join(
            f"{tag}={kind}" if below is None else f"{tag}={kind}:{number[below]}" for tag, (kind, below) in cells
        )

    modules = {name: len(below) + position for position, name in enumerate(names)}
    by_usage = {
        iod: {
            letter: [modules[name] for name, usage, _ in used if usage == letter and name in modules]
            for letter in "MCU"
        }
        for iod, used in source["iods"].items()
    }
    trees = [tree(source["subtrees"][index]) for index in below] + [tree(source["modules"][name]) for name in names]
    return {**_head(source), "sop": source["sop"], "modules": modules, "iods": by_usage, "trees": trees}


def codes(folder: Path) -> Json:
    """The codes that name what was done: CID 7050 and the purpose of a de-identifying device."""
    source = _read(folder, "deid_codes")
    rows = [[code["code"], code["scheme"], code["meaning"], code["column"] or ""] for code in source["cid_7050"]]
    purpose = source["contributing_equipment_purpose"]
    return {**_head(source), "cid_7050": rows, "purpose": [purpose[name] for name in ("code", "scheme", "meaning")]}


BUILDERS = {
    "profile": profile,
    "dictionary": dictionary,
    "uids": uids,
    "safe_private": safe_private,
    "iods": iods,
    "codes": codes,
}


def text_of(content: Json) -> str:
    """JSON with one row of a table per line, so that a new edition reads well as a difference."""
    parts = []
    for name, value in content.items():
        if isinstance(value, dict):
            body = ",\n".join(f"{json.dumps(key)}:{_one_line(item)}" for key, item in value.items())
            parts.append(f'"{name}":{{\n{body}\n}}')
        elif isinstance(value, list) and len(value) > 10:
            parts.append(f'"{name}":[\n' + ",\n".join(_one_line(item) for item in value) + "\n]")
        else:
            parts.append(f'"{name}":{_one_line(value)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _one_line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def main(arguments: list[str]) -> int:
    """Writes the tables; with --check only says which ones differ (exit code 1)."""
    folder, check = Path(arguments[0]), "--check" in arguments
    stale = []
    for name, build in BUILDERS.items():
        target, text = TABLES / f"{name}.json", text_of(build(folder))
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            stale.append(target.name)
            if not check:
                target.write_text(text, encoding="utf-8")
    print(f"{'different' if check else 'written'}: {', '.join(stale) or 'none'}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
