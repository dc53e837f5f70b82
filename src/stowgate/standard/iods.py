"""Types of attributes (PS3.3 2026b): SOP class -> IOD -> modules -> path of tags -> 1, 1C, 2, 2C, 3.

Where several modules of an IOD define an attribute at one place, the strictest type counts. The tables say nothing of
the conditions of 1C and 2C, have no list for nine waveform and real-time modules, and lack attributes newer than 2024d.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from stowgate.standard.load import table

STRICTEST_FIRST = ("1", "1C", "2", "2C", "3", "")
_RANK = {kind: rank for rank, kind in enumerate(STRICTEST_FIRST)}

_Tree = dict[int, tuple[str, int]]
"""Tag -> type and the number of the tree of its items, -1 where there is none."""


@cache
def _table() -> dict[str, Any]:
    return table("iods")


def _cell(cell: str) -> tuple[int, tuple[str, int]]:
    """ "00400555=2:4" -> (0x00400555, ("2", 4)); "60xx3000=1" -> (0x60003000, ("1", -1))."""
    kind, _, below = cell[9:].partition(":")
    return int(cell[:8].replace("x", "0"), 16), (kind, int(below) if below else -1)


@cache
def _tree(number: int) -> _Tree:
    return dict(_cell(cell) for cell in _table()["trees"][number].split())


def _folded(tag: int) -> int:
    """Overlay groups 6002 to 60FE stand in the tables once, as 6000."""
    return tag & 0xFF00FFFF if tag >> 24 == 0x60 and not tag & 0x10000 else tag


class Place(tuple[int, ...]):
    """A data set's place in an IOD: the numbers of the trees that hold there. Empty: the IOD has nothing there."""

    __slots__ = ()

    def type_of(self, tag: int) -> str:
        """The strictest type of an attribute at this place, "" if the IOD does not have it here."""
        tag = _folded(tag)
        found = [_tree(number)[tag][0] for number in self if tag in _tree(number)]
        return min(found, key=_RANK.__getitem__, default="")

    def child(self, tag: int) -> Place:
        """The place inside the items of a sequence here; an empty one if the IOD does not say what they hold."""
        below = (_tree(number).get(tag, ("", -1))[1] for number in self)
        return Place(tuple(dict.fromkeys(number for number in below if number >= 0)))

    def types(self) -> Mapping[int, str]:
        """Every attribute the IOD has here with its strictest type, in ascending order of tags."""
        tags = sorted({tag for number in self for tag in _tree(number)})
        return {tag: self.type_of(tag) for tag in tags}


NOWHERE = Place()
"""The place about which an IOD says nothing: private items, sequences it does not have."""


def iod_of(sop_class: str) -> str | None:
    """Name of the IOD of a SOP class, such as "ct-image"; None if the tables do not have it."""
    name: str | None = _table()["sop"].get(sop_class)
    return name


def sop_classes() -> Mapping[str, str]:
    """SOP class UID -> IOD, for all that the tables have."""
    found: Mapping[str, str] = _table()["sop"]
    return found


def iod_names() -> tuple[str, ...]:
    """All IODs of the tables."""
    return tuple(_table()["iods"])


@cache
def top_of(iod: str, usages: str = "MCU") -> Place:
    """The top level of an IOD, all modules, or only those whose usage is in `usages` (M mandatory, C, U)."""
    modules = _table()["iods"][iod]
    return Place(tuple(number for usage in usages for number in modules[usage]))


def root(sop_class: str) -> Place | None:
    """The top level of a SOP class's IOD, None if the tables do not have it."""
    iod = iod_of(sop_class)
    return None if iod is None else top_of(iod)


@cache
def mandatory() -> Place:
    """Everything that is Mandatory in at least one IOD, as one place."""
    modules = (number for iod in _table()["iods"].values() for number in iod["M"])
    return Place(tuple(sorted(set(modules))))
