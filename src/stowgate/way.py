"""What the journey of an object takes along, and the ways it can end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stowgate.deident.memo import Memo
from stowgate.dicom.limits import DEFAULT, Limits
from stowgate.dicom.scanner import Buffer
from stowgate.dicom.source import FileSource
from stowgate.item import Item
from stowgate.objects import Clean, CleanRef, Raw
from stowgate.policy import Policy
from stowgate.store.sheet import Original, Shelf
from stowgate.verify.witness import Claim


def in_place(raw: Raw) -> Original:
    """A batch reads its inputs where they lie."""
    return FileSource(raw.path)


@dataclass(frozen=True, slots=True)
class Way:
    """What is the same for every object of a run."""

    policy: Policy
    key: bytes = field(repr=False)
    shelf: Shelf
    scratch: Path
    """A folder on the identified side for objects that have to be normalised."""
    limits: Limits = DEFAULT
    memo: bool = True
    """Off only to measure: what comes out is the same."""
    open: Callable[[Raw], Original] = in_place
    """How an original is read: a file in place, or an object of the encrypted spool."""


@dataclass(frozen=True, slots=True)
class Passed:
    """How the journey ended: `ref` is there exactly when the object is clean and the gate has passed it."""

    item: Item
    ref: CleanRef | None = None
    place: str = ""
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Bench:
    """What one thread works with: its read buffer and what it remembers of the headers before."""

    memo: Memo | None
    buffer: Buffer = field(default_factory=Buffer)


@dataclass(frozen=True, slots=True)
class Begun:
    """An object that is de-identified, but not written; the pieces of `clean` may lie in the buffer it was read to."""

    raw: Raw
    source: Original
    """Open until it is set down."""
    stamp: Sequence[int]
    """See `store.sheet.Original.stamp`: how it looked before it was read."""
    clean: Clean


@dataclass(frozen=True, slots=True)
class Written:
    """A clean object that lies aside and waits for the witness; nothing but its verdict lets it pass."""

    raw: Raw
    claim: Claim
    counts: dict[str, int]
    findings: tuple[str, ...]
