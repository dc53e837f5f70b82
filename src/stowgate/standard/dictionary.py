"""The data dictionary (PS3.6 chapter 6, edition 2026c and the later rows of PS3.15 2026d): VR, keyword, name of a tag.

Tags are integers, group << 16 | element. Repeating groups (50xx, 60xx, 7Fxx and the other masks of PS3.6) are folded:
every even group answers for its mask. Odd groups are private and not in the dictionary.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from stowgate.standard.load import table

PIXEL_DATA = 0x7FE00010


class Entry(NamedTuple):
    """One row. `vr` is as in the table, so it may be "OB/OW", "US/SS", "US/SS/OW", "US/OW", or "" for none."""

    tag: int
    keyword: str
    vr: str
    vm: str
    name: str
    retired: bool


@cache
def _rows() -> dict[str, str]:
    """Tag or mask in eight digits -> "VR|VM|keyword|R if retired|name"."""
    rows: dict[str, str] = table("dictionary")["rows"]
    return rows


def _row(tag: int) -> str | None:
    if tag & 0x10000:
        return None
    rows, digits = _rows(), f"{tag:08X}"
    found = rows.get(digits)
    if found is not None:
        return found
    masks = (
        f"{digits[:2]}xx{digits[4:]}",
        f"{digits[:6]}xx",
        f"{digits[:6]}x{digits[7]}",
        f"{digits[:4]}xxx{digits[7]}",
        f"{digits[:4]}xxxx",
    )
    return next((rows[mask] for mask in masks if mask in rows), None)


def entry(tag: int) -> Entry | None:
    """The whole row of a tag, None if the dictionary has none."""
    row = _row(tag)
    if row is None:
        return None
    vr, vm, keyword, retired, name = row.split("|")
    return Entry(tag, keyword, vr, vm, name, bool(retired))


def vr_of(tag: int) -> str | None:
    """VR as in the table ("CS", "OB/OW", "" for a row without VR), None for a tag that is not in the dictionary."""
    row = _row(tag)
    return None if row is None else row[: row.index("|")]


def keyword_of(tag: int) -> str | None:
    """Keyword such as "PatientID"; None if unknown, "" for a retired row without one."""
    found = entry(tag)
    return found.keyword if found else None


def name_of(tag: int) -> str | None:
    """Name such as "Patient ID", None if unknown."""
    found = entry(tag)
    return found.name if found else None


def _first(digits: str) -> int:
    """The tag of a row; of a mask the first tag that falls under it and under no row of its own."""
    filled = digits.replace("x", "0")
    taken = filled != digits and (filled in _rows() or filled.endswith("0000"))
    return int(digits.replace("x", "1") if taken else filled, 16)


@cache
def _by_keyword() -> dict[str, int]:
    rows = ((row.split("|")[2], _first(digits)) for digits, row in _rows().items())
    return {keyword: tag for keyword, tag in rows if keyword}


def tag_of(keyword: str) -> int | None:
    """Tag of a keyword (exact case), None if unknown; of a repeating group its first tag, such as (6000,3000)."""
    return _by_keyword().get(keyword)


@cache
def tags() -> tuple[int, ...]:
    """The tag of every row, ascending; of a repeating group its first tag, such as (6000,3000)."""
    return tuple(sorted(_first(digits) for digits in _rows()))


def keywords() -> tuple[str, ...]:
    """All keywords, for "did you mean"."""
    return tuple(_by_keyword())


_implicit: dict[int, bytes] = {}


def implicit_vr(tag: int) -> bytes:
    """The VR that a tag has in a file with implicit VR (PS3.5 Annex A.1): b"UN" if it cannot be known.

    Where the dictionary offers several, OW before OB, else the first; private creators are LO, group lengths UL.
    """
    found = _implicit.get(tag)
    if found is not None:
        return found
    if not tag & 0xFFFF:
        return b"UL"
    if tag & 0x10000:
        return b"LO" if 0x10 <= tag & 0xFFFF <= 0xFF else b"UN"
    vr = vr_of(tag)
    if vr is None:
        return b"UN"  # not remembered: a hostile file must not grow the memory of the process
    _implicit[tag] = b"OW" if vr == "OB/OW" else vr[:2].encode() or b"UN"
    return _implicit[tag]
