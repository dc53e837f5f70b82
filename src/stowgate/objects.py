"""The two sides of the wall: Raw is identified, Clean left the engine, CleanRef passed the gate.

`deident.rewrite` alone makes a `Clean`; `verify.gate` alone makes a `CleanRef` (or the ledger does, from a row that
holds the gate's verdict). A test over the syntax tree keeps it so.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

Place = str | os.PathLike[str]
"""A path. Plain text where thousands are handled: a `pathlib.Path` costs as much as a header."""


@dataclass(frozen=True, slots=True)
class Raw:
    """An input on the identified side, read where it lies. Never printed: its path may carry a name."""

    id: str
    path: Place = field(repr=False)
    issuer: str = field(default="", repr=False)
    """Issuer of Patient ID to assume when the object names none (PS3.3 C.7.1.1)."""


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes of the source that go out as they are: offset and length in bytes."""

    offset: int
    length: int


Piece = bytes | memoryview | Range
"""Part of an output: new bytes, untouched bytes still in the read buffer, or a range of the source."""


@dataclass(frozen=True, slots=True)
class Change:
    """What the engine did to one attribute. New values only, never old ones.

    where  -- "(0040,A730)[2].(0010,0010)"
    action -- D Z X K C U, as in PS3.15 Table E.1-1
    rule   -- where the action comes from: "E.1-1", "option:full-dates", "role:technical", "override", ...
    why    -- one sentence
    value  -- the new value as text, None where there is none or it was kept
    """

    where: str
    action: str
    rule: str
    why: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Names:
    """The clean values an output path may be made of; every one is new, coded or a number."""

    patient: str
    study: str
    series: str
    instance: str
    modality: str = ""
    view: str = ""
    laterality: str = ""
    series_number: str = ""
    instance_number: str = ""

    def values(self) -> dict[str, str]:
        """By their names."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Clean:
    """A de-identified object that has not passed the gate: the pieces to write, and facts that are safe to show.

    The pieces may point into a read buffer: write them before the next object is read.
    """

    pieces: tuple[Piece, ...] = field(repr=False)
    names: Names
    sop_class: str
    transfer_syntax: str
    counts: dict[str, int] = field(default_factory=dict)
    """How many attributes were changed, by action letter."""
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CleanRef:
    """A written object that the gate has passed: the only thing that may leave."""

    path: Place
    size: int
    names: Names
    sop_class: str
    transfer_syntax: str
    policy: str
    """Digest of the policy it was judged by."""
