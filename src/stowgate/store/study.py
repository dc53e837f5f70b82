"""What a gateway's ledger says of a study: how many of its instances are where, and that it is complete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stowgate.lifecycle import State


@dataclass(frozen=True, slots=True)
class Study:
    """One study of one source: how many of its instances are in each state, and how many of these were delivered.

    expected, missing -- by its headers it has so many, or more, from all sources; so many of them are not here
    """

    alias: str
    source: str
    modality: str
    counts: Mapping[State, int]
    first: float
    last: float
    complete: bool
    """Nothing came for the idle time of its source, or all is there that headers tell of."""
    expected: int | None = None
    missing: int = 0
    delivered: Mapping[State, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Completed:
    """A study that is complete now: its alias, the first of its sources, and how many instances are known to lack.

    They are told of when it is complete for each of its sources that has an idle time, and again when something came to
    it and it is so once more.
    """

    alias: str
    source: str
    missing: int = 0
