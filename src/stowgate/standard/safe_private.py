"""PS3.15 Table E.3.10-1 (2026d): private attributes known to hold no identity, by group, creator and low byte."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from stowgate.standard.load import table


class Safe(NamedTuple):
    """One row: group, low byte of the element, creator, VR ("" where the table has none, "OW/OB"), VM, meaning."""

    group: int
    low: int
    creator: str
    vr: str
    vm: str
    meaning: str


@cache
def rows() -> tuple[Safe, ...]:
    """All rows in the order of the standard."""
    return tuple(
        Safe(int(group, 16), int(low, 16), creator, vr, vm, meaning)
        for group, low, creator, vr, vm, meaning in table("safe_private")["rows"]
    )


@cache
def _by_key() -> dict[tuple[int, str, int], Safe]:
    return {(row.group, row.creator, row.low): row for row in rows()}


def is_safe(group: int, creator: str, low: int) -> str | None:
    """The VR the table gives a private attribute ("" for none), None if the table does not list it.

    The creator is matched exactly, blanks around it aside, in whatever block of the group it sits; `low` is the low
    byte of the element number.
    """
    found = _by_key().get((group, creator.strip(), low))
    return found.vr if found else None


def vm_of(group: int, creator: str, low: int) -> str:
    """The value multiplicity the table gives a private attribute, "" if it does not list it."""
    found = _by_key().get((group, creator.strip(), low))
    return found.vm if found else ""
