"""The contract between those who take images in and custody: what a sender announces, hands over, and is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import Protocol

from stowgate.reasons import REASONS


@dataclass(frozen=True, slots=True)
class Announced:
    """What is known of an instance before its bytes are: enough to refuse it early.

    source          -- name of the source in the configuration
    sop_class       -- SOP Class UID, "" if the sender does not say
    transfer_syntax -- Transfer Syntax UID, "" if the sender does not say
    size            -- bytes to come, None if the sender does not say
    apart           -- whether it is to be an item of its own although the same one came before
    """

    source: str
    sop_class: str = ""
    transfer_syntax: str = ""
    size: int | None = None
    apart: bool = False


class BrokenOff(Exception):
    """The sender went away in the middle: what came so far is no object, and nobody was promised anything."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One instance on its way in: a PS3.10 file as a stream.

    read -- up to n bytes of the file, b"" at its end; raises `BrokenOff` when the sender goes away. For C-STORE the
            source puts preamble, prefix and file meta information before the data set by itself.
    peer -- an alias of who sends, safe to show: the name of an allowed caller, "" if there is none
    """

    announced: Announced
    read: Callable[[int], bytes] = field(repr=False)
    peer: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The complete bytes are on disk, synced, and in the ledger: the sender may delete them."""

    item: str


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The same object came before and is safe: the sender may delete it. `item` is the row of this arrival."""

    item: str
    original: str = ""
    """The item that came before, where custody says it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing is held; the sender keeps its object. `code` is one of `reasons.REASONS` and names no value.

    sop_class, sop_instance -- of the object as far as they were read, for the sender's own answer only
    """

    code: str

    def __post_init__(self) -> None:
        if self.code not in REASONS:
            raise ValueError("a code is one of the table of reasons")


LATER = frozenset(
    ("disk_full", "spool_reserve", "spool_failed", "intake_stopped", "no_descriptors", "no_child_process")
)
"""Codes that say nothing about the object: the same one may be taken another time."""

Outcome = Accepted | Duplicate | Refused


class Intake(Protocol):
    """What a source may ask of custody. Calls come from any thread."""

    def may_accept(self, announced: Announced) -> Refused | None:
        """Before the bytes: whether there is room and intake is open. None means yes."""

    def receive(self, arrival: Arrival) -> Outcome:
        """Take one instance into custody. Blocking; the return value is the acknowledgement.

        Raises `BrokenOff` as `arrival.read` does, leaving nothing behind. Never raises for the disk's sake: that is
        `Refused` with one of `LATER`.
        """


class Source(Protocol):
    """A way in. Every member passes tests/contracts/test_every_source.py."""

    def run(self, intake: Intake, stop: Event) -> None:
        """Take instances in until `stop` is set, then finish what is under way and return.

        Raises `Misconfigured` at once where a port or folder cannot be used.
        """
