"""The contract of every ledger: what a batch may ask and tell it. Groups in, one commit each."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

from stowgate.item import Item
from stowgate.lifecycle import State
from stowgate.reasons import REASONS

SETTLED = (State.CLEANED, State.HELD, State.QUARANTINED, State.REJECTED, State.DUPLICATE)
"""Where a batch leaves an item; each is a legal move from RECEIVED."""


@dataclass(frozen=True, slots=True)
class Target:
    """What was asked for and where it goes: done always means done for one target. Aliases only, safe to print."""

    policy: str
    """Digest of the policy."""
    key_id: str
    out: str
    """Keyed alias of the output folder and the layout of the paths in it."""


@dataclass(frozen=True, slots=True)
class Start:
    """An input that work is about to begin with: its fingerprint, absolute path and size in bytes."""

    id: str
    path: str = field(repr=False)
    size: int


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger knows of an input.

    attempts -- starts counted since the last end: 0 after every settled run, more after a crash
    relative -- path below OUT of the clean object made of it for the target that was asked about, or None
    size     -- its size in bytes when it was made, or None
    """

    state: State
    code: str | None
    attempts: int
    relative: str | None
    size: int | None


@dataclass(frozen=True, slots=True)
class Made:
    """A clean object: its new SOP Instance UID, its path below OUT, its size in bytes."""

    instance: str
    relative: str
    size: int


@dataclass(frozen=True, slots=True)
class Earlier:
    """A clean object that stands for an instance already, and the id of the input it was made of."""

    item: str
    made: Made


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the work on one item ended. `made` is there exactly when it was cleaned; `place` is a tag path, no value."""

    item: Item
    made: Made | None = None
    place: str = ""

    def __post_init__(self) -> None:
        if self.item.state not in SETTLED:
            raise ValueError(f"{self.item.state} is no end of a batch")
        if (self.made is not None) is not (self.item.state is State.CLEANED):
            raise ValueError("a clean object belongs to cleaned, and to nothing else")
        if self.item.code is None and self.item.state in (State.HELD, State.QUARANTINED, State.REJECTED):
            raise ValueError(f"{self.item.state} needs a code")
        if self.item.code is not None and self.item.code not in REASONS:
            raise ValueError("a code is one of the table of reasons")


class Ledger(Protocol):
    """One process owns it; its calls may come from any thread, each is one whole step.

    The order for each group of inputs: `lookup`, `begin` what is to be worked on, work, `settle`. An item whose
    `attempts` is not 0 was being worked on when a run died: begin such items one by one, so that the next death
    counts only for the guilty one, and quarantine (`third_start`) instead of beginning when it reached 3.
    """

    def fingerprint(self, path: str | os.PathLike[str], size: int, mtime_ns: int) -> str:
        """The id of an input, 32 hex digits: a keyed alias of absolute path, size in bytes and time of change."""

    def target(self, policy: str, out: str | os.PathLike[str], layout: str) -> Target:
        """The target of a policy digest, an absolute output folder and a path template."""

    def lookup(self, ids: Collection[str], target: Target) -> dict[str, Known]:
        """What is known of these ids; those never seen are left out."""

    def begin(self, group: Sequence[Start]) -> frozenset[str]:
        """Count a start of each (ids are distinct) and take it to received, before any work.

        Returns the ids that could not be begun because they left the batch's hands (dropped, waiting, purged).
        """

    def settle(self, group: Sequence[Outcome], target: Target) -> frozenset[str]:
        """Record how the work on each ended, together with its clean object, and set its attempts to 0.

        Returns the ids that were not in received, which stay as they are. A clean object made again for the same
        instance and target replaces the row of the earlier one.
        """

    def cover(self, instances: Collection[str], target: Target) -> None:
        """Forget what other policies made of these instances in the same place: it is about to be written over."""

    def release(self, ids: Collection[str]) -> None:
        """Take back one counted start of each: an orderly stop is no fault of the object."""

    def by_instance(self, instances: Collection[str], target: Target) -> dict[str, Earlier]:
        """The clean objects that already stand for these new SOP Instance UIDs in this target."""

    def counts(self) -> dict[State, int]:
        """How many items are in each state, zeros included: the conservation line."""

    def path_of(self, id: str) -> str | None:
        """The path of an input, for its owner; None if the id is not known."""

    def start_run(self, target: Target) -> int:
        """Note that a batch began; the number names it."""

    def end_run(self, run: int, counted: Mapping[str, int]) -> None:
        """Note that a batch ended, with its summary (`received`, `cleaned`, `already_done`, ...)."""

    def runs(self) -> Iterable[Run]:
        """All batches, oldest first."""

    def close(self) -> None:
        """Let go of it; the ledger cannot be used afterwards."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


@dataclass(frozen=True, slots=True)
class Run:
    """A batch: `ended` (seconds since 1970, UTC) is None and `counted` empty while it runs, or if it was killed."""

    number: int
    target: Target
    started: float
    ended: float | None
    counted: Mapping[str, int]
