"""PS3.15 Table E.1-1 (edition 2026d): the basic code of each attribute and the codes of the options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from stowgate.standard.load import table

PRIVATE = "odd"
"""`Row.tag` of the one row that stands for all private attributes, "(gggg,eeee) where gggg is odd"."""


class Row(NamedTuple):
    """One row of the table.

    tag      -- eight digits, upper case; "50xxxxxx", "60xx3000", "60xx4000" for repeating groups; "odd" for private
    name     -- Attribute Name as in the table
    basic    -- code of the Basic Profile: X D U Z X/D X/Z X/Z/D Z/D X/Z/U*
    options  -- option column -> K or C, only where the cell is not empty
    retired  -- "Retd. (from PS3.6)"
    standard -- "In Std. Comp. IOD (from PS3.3)"
    """

    tag: str
    name: str
    basic: str
    options: Mapping[str, str]
    retired: bool
    standard: bool


_TABLE = table("profile")
EDITION: str = _TABLE["edition"]
PUBLISHED_SHA256: str = _TABLE["row_content_sha256"]
"""Digest of the table's rows as another project publishes it; a test computes it again from `ROWS`."""
OPTION_COLUMNS: tuple[str, ...] = tuple(_TABLE["option_columns"])


def _options(cells: str) -> Mapping[str, str]:
    return {column: code for column, code in zip(OPTION_COLUMNS, cells, strict=True) if code != "-"}


_EMPTY = "-" * len(OPTION_COLUMNS)
_NONE: Mapping[str, str] = {}
ROWS: tuple[Row, ...] = tuple(
    Row(tag, name, basic, _options(cells) if cells != _EMPTY else _NONE, "R" in flags, "S" in flags)
    for tag, basic, cells, flags, name in _TABLE["rows"]
)
"""All rows in the order of the standard."""

_BY_TAG = {row.tag: row for row in ROWS}


def row_of(tag: int) -> Row | None:
    """The row of an attribute (group << 16 | element), masks included; None if the table does not list it.

    Even groups 5000 to 50FE fall under the mask of curves, 6000 to 60FE under those of overlays, odd ones under the
    row of private attributes.
    """
    digits = f"{tag:08X}"
    if tag & 0x10000:
        return _BY_TAG[PRIVATE]
    if digits[:2] == "50":
        return _BY_TAG["50xxxxxx"]
    return _BY_TAG.get(f"60xx{digits[4:]}" if digits[:2] == "60" else digits)
