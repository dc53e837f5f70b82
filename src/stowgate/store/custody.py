"""The contract of the gateway's ledger: every arrival one row for ever, every move guarded by the lifecycle table."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from stowgate.lifecycle import State
from stowgate.store.clean_object import CleanObject
from stowgate.store.deliveries import Deliveries
from stowgate.store.expected import NOTHING, Told
from stowgate.store.looks import Looks
from stowgate.store.study import Completed, Study


@dataclass(frozen=True, slots=True)
class Coming:
    """An arrival whose bytes are durable on the raw shelf (or whose bytes were refused), about to get its row.

    Aliases are keyed (32 hex digits): nobody without the key can tell what they stand for.
    id       -- of the raw object on the shelf, 32 random hex digits; of the row, too
    source, size -- its name in the configuration, bytes of the PS3.10 file
    instance, study -- aliases of the SOP and of the Study Instance UID
    content  -- alias of the data set's bytes: equal for equal data sets
    scanner, protocol, series -- aliases of station and protocol, for fleet quality; of the Series Instance UID
    code     -- why it was rejected (then nothing lies on the shelf), "" for one that is taken into custody
    marks, triage -- names of the descriptions of the configuration, ids of the rules of triage, that its header fits
    priority -- "low", "medium" or "high" as its header says, or ""
    clock    -- seconds from the time that its header names to its arrival, None where it names none
    told     -- how many instances its header says that its study and its series have
    """

    id: str
    source: str
    size: int
    instance: str = ""
    content: str = ""
    study: str = ""
    modality: str = ""
    sop_class: str = ""
    scanner: str = ""
    protocol: str = ""
    peer: str = ""
    code: str = ""
    marks: tuple[str, ...] = ()
    priority: str = ""
    triage: tuple[str, ...] = ()
    clock: int | None = None
    series: str = ""
    told: Told = NOTHING


@dataclass(frozen=True, slots=True)
class Leased:
    """Work for one worker: an item in received whose start is counted already, and committed.

    modality, sop_class, marks, priority -- what its routes are decided by
    adds -- what stands of it stays, and only what is missing is made
    """

    id: str
    source: str
    attempts: int
    """Starts without an end before this one: 2 means that this is the third."""
    modality: str = ""
    sop_class: str = ""
    marks: tuple[str, ...] = ()
    priority: str = ""
    adds: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """How the work on one leased item ended. There are clean objects exactly when it was cleaned, and then it waits.

    cleans   -- those that were made now, at most one by each policy and key
    kept     -- ids of those made before that go on standing for it; all others stand for nothing any more
    original -- id of what it is a duplicate of
    """

    id: str
    state: State
    code: str = ""
    place: str = ""
    findings: tuple[str, ...] = ()
    modality: str = ""
    cleans: tuple[CleanObject, ...] = ()
    kept: tuple[str, ...] = ()
    original: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One item as people and scripts may see it: aliases and codes only.

    number   -- ascending in the order of arrival, a cursor for listings
    arrived, updated, next_try -- seconds since 1970, for display; None: no next move by itself is due
    has_raw, has_clean -- whether the payload is still there
    delivered, triage -- whether it has come everywhere it goes; ids of the rules that make it more or less urgent
    """

    number: int
    id: str
    source: str
    state: State
    code: str
    place: str
    size: int
    study: str
    modality: str
    sop_class: str
    attempts: int
    arrived: float
    updated: float
    has_raw: bool
    has_clean: bool
    next_try: float | None = None
    delivered: bool = False
    triage: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller that was turned away, so that a person can allow it. Its titles name equipment, no patient."""

    source: str
    calling: str
    address: str
    first: float
    last: float
    count: int


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an item or to the gateway: a code, never a value."""

    at: float
    kind: str
    item: str = ""
    source: str = ""
    code: str = ""


class Custody(Protocol):
    """The ledger of one spool. One process owns it; calls come from any thread, each is one whole durable step.

    Every member passes tests/contracts/test_every_custody.py. `State` moves are legal by `lifecycle.NEXT` alone: a
    guarded statement that finds its row elsewhere leaves it and says so.
    """

    @property
    def deliveries(self) -> Deliveries:
        """Where its clean objects go."""

    @property
    def looks(self) -> Looks:
        """What was seen in them."""

    def receive(self, group: Sequence[Coming]) -> list[str]:
        """Give each a row in received (rejected if it has a code); one commit, waited for together with others'.

        For each, "" or the id of the item that it is a duplicate of: same source-side instance and content as one that
        is not dropped or rejected, and has a payload or was purged after its delivery was verified. Such a row goes to
        duplicate at once, and its raw object may be deleted. Adopting an id that has a row already changes nothing.

        `Temporary` means that nobody may be told success. With "ledger_io" nobody knows whether the rows are there:
        keep the raw objects until the next start; a row without its object is an alarm, one without a row is adopted.
        """

    def original(self, instance: str, content: str) -> str:
        """The item that an arrival of these aliases would be a duplicate of, "" if it would be none."""

    def lease(self, worker: str, most: int) -> list[Leased]:
        """The oldest received items nobody works on, then those that `clean_more` gave back; their start is committed.

        An item whose earlier start has no end is leased alone, while nobody works on anything else; it may be that
        nothing is given out although something is there, until the others have ended: ask again then.
        """

    def end(self, group: Sequence[Ended]) -> frozenset[str]:
        """Record how work ended, with the clean objects; cleaned ones go on to waiting in the same commit.

        Returns the ids that were no longer in received under this lease. Attempts go back to 0. So is the id of one
        whose clean object's instance another item has, under the same policy and key, unless that was purged and was
        the same; or of which something is to be kept that does not stand: it was given back, as by `release`. The
        caller drops their clean objects.
        """

    def release(self, ids: Collection[str]) -> None:
        """Give leases back and take back the counted start: an orderly stop is no fault of the object."""

    def release_all(self) -> int:
        """At start-up: end every lease a dead process left, keeping the counted start; how many there were."""

    def clean_of_instance(
        self, instances: Collection[str], policy: str, key_id: str
    ) -> dict[str, tuple[str, CleanObject]]:
        """The clean objects that stand for these new SOP Instance UIDs already: instance -> (item, object)."""

    def clean_of_item(self, id: str) -> CleanObject | None:
        """The newest clean object of an item that has one."""

    def cleans_of_item(self, id: str) -> list[CleanObject]:
        """Those that stand for an item, the oldest first; none when their files are gone."""

    def made_of_item(self, id: str) -> list[str]:
        """Ids of all clean objects that were ever made of an item: what has to be deleted with it."""

    def clean_more(self, ids: Collection[str]) -> frozenset[str]:
        """Give waiting items back to the workers because something is missing; what stands of them stays.

        Until it is there nothing of them is delivered. Returns the ids that do not wait, or lack their original.
        """

    def adding(self) -> int:
        """How many of those in received `clean_more` gave back."""

    def claim_profile(self, name: str, key_id: str) -> str:
        """Note which key a profile has, unless that is known; the id of the key that it has."""

    def key_of_profile(self, name: str) -> str:
        """The id of the key that a profile has, "" while none is known."""

    def move(self, ids: Collection[str], to: State, code: str = "") -> frozenset[str]:
        """A person's or the gateway's decision: hold, release (back to received or waiting), drop, purge.

        Returns the ids that the table does not let go there, and those that lack what it takes: the raw object to be
        received, the clean one to wait, evidence of its delivery (`Deliveries.purgeable`) or a drop to be purged.
        What is released from held or quarantined goes to received and is judged again. What each was before, since
        when and why, is appended to the events unless it was received; so is that it was received again.
        """

    def forget_payload(self, ids: Collection[str], *, raw: bool, clean: bool) -> None:
        """Note that the files are gone; the rows stay and count. What `clean_more` needs an original of keeps it."""

    def payloads(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Every (raw id, "" where none is kept; ids of clean objects) on the shelves, but for what is being purged."""

    def unpayloaded(self, ids: Collection[str]) -> frozenset[str]:
        """Of these raw ids, those that have a row but no payload any more: their file may be deleted."""

    def row(self, id: str) -> Row | None:
        """One item; an unambiguous beginning of an id of at least 6 digits will do."""

    def rows(
        self, states: Collection[State] = (), source: str = "", study: str = "", after: int = 0, most: int = 100
    ) -> list[Row]:
        """A page of items in the order of arrival, from after a `Row.number`."""

    def counts(self) -> dict[str, dict[State, int]]:
        """Items by source and state, kept up to date by the moves so that a million rows cost nothing."""

    def studies(self, after: str = "", most: int = 100) -> list[Study]:
        """A page of studies, by alias; longer than `most` by the other sources of its last alias."""

    def complete_studies(self, idle: Mapping[str, float]) -> list[Completed]:
        """Mark the studies for which nothing came for their source's idle seconds; what is newly complete, by alias.

        So is one of which all came that headers tell of, from whichever source. Copies and what was rejected neither
        count nor keep a study open; a new arrival opens it again. Time is monotonic, after a reboot that since then.
        """

    def shortages(self) -> list[Completed]:
        """The studies that became complete with less than headers tell of, until it was told; by alias."""

    def shortages_told(self, studies: Collection[str]) -> None:
        """Somebody was told of what they lack; a new instance makes it untrue before that, too."""

    def turned_away(self, source: str, calling: str, address: str) -> None:
        """Count a caller that is not allowed; at most 1,000 are remembered."""

    def callers(self) -> list[Caller]:
        """Those turned away, the latest first."""

    def note(self, event: Event) -> None:
        """Append to the events."""

    def events(self, item: str = "", most: int = 100) -> list[Event]:
        """The newest events, of one item or all."""

    def oldest_waiting(self) -> float | None:
        """When the oldest item arrived that waits and was not delivered."""

    def close(self) -> None:
        """Let go of it."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...
