"""The standard's tables as the oracle reads them: plain look-ups in the JSON, nothing folded ahead."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from pydicom.datadict import dictionary_VM

from tests.shared import SHARED


@cache
def _table(name: str) -> Any:
    """The shared copy when it is there (a second source), else what ships in the package, in the same shape."""
    return shared_table(name) if SHARED is not None else shipped_table(name)


def shared_table(name: str) -> Any:
    assert SHARED is not None
    return json.loads((SHARED / "standard" / f"{name}.json").read_text("utf-8"))


def shipped_table(name: str) -> Any:
    """A table of the package, unpacked into the shape of the shared one."""
    short = {
        "data_dictionary": "dictionary",
        "confidentiality_profile": "profile",
        "well_known_uids": "uids",
        "safe_private": "safe_private",
        "deid_codes": "codes",
        "iod_types": "iods",
    }[name]
    folder = resources.files("stowgate.standard").joinpath("tables")
    plain = json.loads(folder.joinpath(f"{short}.json").read_text("utf-8"))
    return _UNPACK[short](plain)


def _unpack_profile(plain: Any) -> Any:
    columns, rows = plain["option_columns"], []
    for tag, basic, options, _, _ in plain["rows"]:
        opt = {c: o for c, o in zip(columns, options, strict=True) if o != "-"}
        rows.append({"tag": f"({tag[:4]},{tag[4:]})", "basic": basic, "opt": opt})
    return {"rows": rows}


def _unpack_tree(text: str) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for cell in text.split():
        tag, _, leaf = cell.partition("=")
        kind, _, below = leaf.partition(":")
        tree[tag] = [kind, int(below)] if below else kind
    return tree


def _unpack_iods(plain: Any) -> Any:
    trees = [_unpack_tree(text) for text in plain["trees"]]
    iods = {
        iod: [[m, use, ""] for use in "MCU" for m in modules.get(use, ())] for iod, modules in plain["iods"].items()
    }
    return {"sop": plain["sop"], "iods": iods, "modules": dict(enumerate(trees)), "subtrees": trees}


_UNPACK: dict[str, Any] = {
    "dictionary": lambda plain: {"rows": [[tag, "", *cells.split("|")[:2]] for tag, cells in plain["rows"].items()]},
    "profile": _unpack_profile,
    "uids": lambda plain: {"rows": [[uid, *cells.split("|")[0::2]] for uid, cells in plain["rows"].items()]},
    "safe_private": lambda plain: {
        "rows": [dict(zip(("group", "element", "creator", "vr", "vm"), row[:5], strict=True)) for row in plain["rows"]]
    },
    "codes": lambda plain: {"cid_7050": [{"code": row[0], "meaning": row[2]} for row in plain["cid_7050"]]},
    "iods": _unpack_iods,
}


def tag8(tag: int) -> str:
    return f"{tag:08X}"


def matches(mask: str, tag: str) -> bool:
    """Whether "60xx3000" stands for this tag; a repeating group is even."""
    if "x" not in mask:
        return mask == tag
    return all(m in ("x", t) for m, t in zip(mask, tag, strict=True)) and int(tag[:4], 16) % 2 == 0


@cache
def dictionary_vrs(tag: int) -> tuple[str, ...]:
    """The VRs the data dictionary permits; empty for a tag it does not hold."""
    exact, masks = _dictionary()
    found = exact.get(tag8(tag)) or next((vr for mask, vr in masks if matches(mask, tag8(tag))), "")
    return tuple(found.split("/")) if found else ()


@cache
def multiplicity(tag: int) -> str:
    """How many values an attribute has, as the dictionary writes it; empty for a tag it does not hold."""
    rows = _table("data_dictionary")["rows"]
    exact = next((row[3] for row in rows if row[0] == tag8(tag)), None)
    return exact if exact is not None else next((row[3] for row in rows if matches(row[0], tag8(tag))), "")


def fewest_values(tag: int) -> int:
    """How many values an attribute has at least, by pydicom's copy of the dictionary."""
    try:
        return int(dictionary_VM(tag).split("-")[0])
    except (KeyError, ValueError):
        return 1


@cache
def _dictionary() -> tuple[dict[str, str], list[tuple[str, str]]]:
    rows = [(row[0], row[2]) for row in _table("data_dictionary")["rows"]]
    return {t: vr for t, vr in rows if "x" not in t}, [(t, vr) for t, vr in rows if "x" in t]


@cache
def profile_row(tag: int) -> dict[str, Any] | None:
    """The row of Table E.1-1 for a tag of an even group."""
    for row in _table("confidentiality_profile")["rows"]:
        mask = row["tag"].strip("()").replace(",", "")
        if len(mask) == 8 and matches(mask, tag8(tag)):
            return row
    return None


@cache
def registered_uids() -> frozenset[str]:
    return frozenset(row[0] for row in _table("well_known_uids")["rows"])


def is_registered(uid: str) -> bool:
    """In the registry of PS3.6 Annex A, or under one of the two roots of context groups and templates."""
    return uid in registered_uids() or uid.startswith(("1.2.840.10008.6.1.", "1.2.840.10008.9."))


@cache
def uid_type(uid: str) -> str:
    """The registry's kind: SOPClass, TransferSyntax, ...; empty when it is not registered."""
    return next((row[1] for row in _table("well_known_uids")["rows"] if row[0] == uid), "")


@cache
def uid_name(uid: str) -> str:
    return next((row[2] for row in _table("well_known_uids")["rows"] if row[0] == uid), "")


@cache
def safe_private_vr(group: int, creator: str, low: int) -> str | None:
    """The VR of a private attribute of Table E.3.10-1, by group, creator and the low byte of its element."""
    for row in _table("safe_private")["rows"]:
        if int(row["group"], 16) == group and int(row["element"], 16) == low and row["creator"].strip() == creator:
            return row["vr"]
    return None


@cache
def safe_private_vm(group: int, creator: str, low: int) -> str:
    """The multiplicity of a private attribute of Table E.3.10-1."""
    for row in _table("safe_private")["rows"]:
        if int(row["group"], 16) == group and int(row["element"], 16) == low and row["creator"].strip() == creator:
            return row["vm"]
    return ""


@cache
def terms_of(tag: int) -> tuple[set[str], set[str], set[str]] | None:
    """Words, words that may be joined, and whole phrases of a code that people type."""
    plain = json.loads(resources.files("stowgate.standard").joinpath("tables", "terms.json").read_text("utf-8"))
    row = plain["attributes"].get(tag8(tag))
    if row is None:
        return None
    _, lists, *phrases = row.split("|")
    words = {word for name in lists.split() for line in plain[name] for word in line.split()}
    parts = {word for line in plain["parts"] for word in line.split()} if "parts" in lists.split() else set()
    return words, {part for part in parts if len(part) > 2}, set(phrases)


def code_meaning(code: str) -> str:
    """The meaning of a code of CID 7050."""
    return next(row["meaning"] for row in _table("deid_codes")["cid_7050"] if row["code"] == code)


# ---------------------------------------------------------------- types

Tree = dict[str, Any]
_RANK = ["1", "1C", "2", "2C", "3", ""]


def has_iod(sop_class: str) -> bool:
    return sop_class in _table("iod_types")["sop"]


def trees_at(sop_class: str, path: tuple[int, ...]) -> list[Tree]:
    """All module trees of the IOD, followed down the sequences of a path."""
    types = _table("iod_types")
    trees = [types["modules"][module] for module, _, _ in types["iods"][types["sop"][sop_class]]]
    for step in path:
        found = [tree.get(tag8(step)) for tree in trees]
        trees = [types["subtrees"][leaf[1]] for leaf in found if isinstance(leaf, list)]
    return trees


@cache
def type_at(sop_class: str, path: tuple[int, ...], tag: int) -> str:
    """The strictest type of an attribute at a place, over all modules of the IOD; empty when it has no place there."""
    if not has_iod(sop_class):
        return ""
    return strictest(tree.get(tag8(tag), "") for tree in trees_at(sop_class, path))


def strictest(leaves: Any) -> str:
    types = [leaf[0] if isinstance(leaf, list) else leaf for leaf in leaves]
    return min(types, key=_RANK.index, default="")


def must_have_pixels(sop_class: str) -> bool:
    """Whether the Image Pixel Module is a mandatory part of the IOD."""
    if not has_iod(sop_class):
        return False
    types = _table("iod_types")
    modules = [module for module, usage, _ in types["iods"][types["sop"][sop_class]] if usage == "M"]
    return any("7FE00010" in types["modules"][module] for module in modules)


def attributes_at(sop_class: str, path: tuple[int, ...]) -> dict[int, str]:
    """Every attribute the IOD has at a place, with its strictest type."""
    if not has_iod(sop_class):
        return {}
    trees = trees_at(sop_class, path)
    tags = sorted({tag for tree in trees for tag in tree if "x" not in tag})
    return {int(tag, 16): strictest(tree.get(tag, "") for tree in trees) for tag in tags}


# ---------------------------------------------------------------- roles of what the table does not list


@cache
def _roles() -> list[list[str]]:
    text = resources.files("stowgate.deident").joinpath("tables", "roles.json").read_text("utf-8")
    return json.loads(text)["rows"]


@cache
def role_of(tag: int) -> str:
    """The reviewed kind of an attribute Table E.1-1 does not list: "technical", "operator", ...; else empty."""
    return next((kind for mask, _, kind, _ in _roles() if matches(mask, tag8(tag))), "")
