"""The contract of the ledger's deliveries: each clean object on its way to each destination, with the evidence."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from stowgate.lifecycle import Delivery, Evidence, State
from stowgate.outbox.policy import Urgency
from stowgate.store.clean_object import CleanObject
from stowgate.store.links import Links, LinksView

REFUSED = "destination_refused"
"""Why an item is quarantined that a destination will not have."""

FORGOTTEN = "destination_forgotten"
"""Why a delivery is over that a person gave up with its destination: it counts for nothing."""

OTHER_BYTES = "peer_has_other_bytes"
"""What a destination keeps under a name is not what was sent there: while it is so, nothing of that study is purged
for what was read again of the rest."""


LOST = frozenset(("peer_lost_purged", OTHER_BYTES))
"""Of what was purged here: it is at its destination no more, so the same that comes again is no duplicate."""


@dataclass(frozen=True, slots=True)
class Bound:
    """One place a clean object goes to.

    wish -- the mark of a person's wish, "" where a route decides. Its item keeps it, so that what is made of it again,
            after it was held or found damaged, goes there as well; and its routes are still to be followed
    """

    destination: str
    urgency: Urgency = Urgency.MEDIUM
    wish: str = ""


@dataclass(frozen=True, slots=True)
class Unbound:
    """A clean object that waits and that nobody has sent anywhere: what its routes are decided by.

    marks           -- names of the descriptions of the configuration that its header fitted
    policy, key_id  -- what it was made with, and so for whom
    priority        -- "low", "medium" or "high" as its header said, or ""
    triage          -- ids of the rules of triage that it fitted
    """

    number: int
    clean: str
    source: str
    modality: str
    sop_class: str
    marks: tuple[str, ...] = ()
    item: str = ""
    policy: str = ""
    key_id: str = ""
    priority: str = ""
    triage: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery that was given out: to be sent if it is queued, else to be asked for. `note` is the sink's own.

    purged -- it was deleted here since it was verified, and can only be asked for
    """

    number: int
    item: str
    state: Delivery
    attempts: int
    note: str
    clean: CleanObject
    purged: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a delivery that was given out.

    evidence -- what is known now; it is never less than before, unless the delivery is queued again
    wait     -- seconds before the next step; None: as soon as its turn comes
    done     -- the evidence is what its destination is asked for: nothing is left to do
    """

    number: int
    state: Delivery
    code: str = ""
    evidence: Evidence = Evidence.NONE
    wait: float | None = None
    done: bool = False


@dataclass(frozen=True, slots=True)
class OnItsWay:
    """One delivery as people and scripts may see it. `stand`: ready, later, out, parked, over; `clean`: of what."""

    item: str
    number: int
    destination: str
    state: Delivery
    stand: str
    code: str
    evidence: Evidence
    urgency: Urgency
    attempts: int
    queued: float
    updated: float
    next_try: float | None
    clean: str = ""


@dataclass(frozen=True, slots=True)
class Destination:
    """How it stands with the way to one destination.

    paused   -- why nothing is sent, "" while it is not paused
    code     -- why the last try failed, "" while it works
    next_try -- seconds since 1970, for display
    rate     -- bytes each second that the way to it was measured to carry, None while it was not
    """

    name: str
    paused: str = ""
    code: str = ""
    failures: int = 0
    next_try: float | None = None
    updated: float = 0.0
    rate: float | None = None


class DeliveriesView(LinksView, Protocol):
    """What can be asked; also of a ledger that is only read."""

    def counts(self) -> dict[str, dict[Delivery, int]]:
        """By destination: how many clean objects are how far. What is parked counts nowhere."""

    def delivered(self) -> dict[str, dict[State, int]]:
        """Of the items of each source in each state, how many have come everywhere they go; without zeros."""

    def of_items(self, ids: Collection[str]) -> dict[str, list[OnItsWay]]:
        """How far the clean objects that stand for these items are on their way; of a duplicate, its original's."""

    def purgeable(
        self, before: float, after: int = 0, most: int = 100, *, original: bool = False
    ) -> list[tuple[int, str]]:
        """A page of (`Row.number`, id) of what may be purged, and that nothing became of since `before` (since 1970).

        It was delivered, and of each of its destinations is known: its own bytes were read again there (E3), or it is
        there (E2), at least 1 % of what is bound there of its study was read again, and none of that is another.

        original -- only those whose original is still there
        """

    def purging(self, after: int = 0, most: int = 100) -> list[tuple[int, str]]:
        """A page of what is being purged, by a dead process as well."""

    def made_of(self, ids: Collection[str]) -> dict[str, list[CleanObject]]:
        """The clean objects that stand for these items, whether their files are still here or not."""

    def destinations(self) -> dict[str, Destination]:
        """Those that something was noted of, by name."""


class Deliveries(DeliveriesView, Links, Protocol):
    """Every call is one whole durable step, from any thread. Moves are legal by `lifecycle.NEXT_DELIVERY` alone.

    Only what waits is delivered: when its item goes elsewhere a delivery is parked, whoever works on it. What was
    purged is asked for, never sent. There is no last try: a delivery ends with evidence, with a refusal, or not.
    """

    def bind(self, group: Mapping[str, Sequence[Bound]]) -> None:
        """Queue clean objects, by id, for the places they go to; where their items are queued already nothing changes.

        An item goes to a place once, whatever was made of it.
        """

    def raise_study(self, study: str, urgency: Urgency, because: Collection[str] = ()) -> int:
        """Let what is queued of a study go at least so urgently, and what is bound later; how many got more urgent.

        study   -- the alias of a study that is known
        because -- ids of rules, which stay with its items as their reasons
        What was sent stays as it is. Nothing is ever lowered.
        """

    def unbound(self, after: int = 0, most: int = 500) -> list[Unbound]:
        """A page of those that were never bound for anywhere. While there is one its item is not delivered."""

    def never_to(self, destination: str, after: int = 0, most: int = 500) -> list[Unbound]:
        """A page of all that stands for items that wait and never were on their way to a destination."""

    def lease(self, destination: str, most: int, size: int, below: bool = False) -> list[Due]:
        """Those of the line whose turn it is (`outbox.policy.next_line`), the oldest first, all of one kind.

        At most `most`, and no more than `size` bytes but for the first. Their tries are counted and committed before
        this returns. All are to be sent, or all are to be asked for.
        """

    def record(self, group: Sequence[Outcome]) -> frozenset[int]:
        """Write down what became of them; the numbers of those that were not given out.

        An item that has come everywhere is delivered; one that was refused and has nowhere left to go is quarantined.
        """

    def release(self, numbers: Collection[int]) -> None:
        """Give deliveries back that were not tried."""

    def release_all(self) -> int:
        """At start-up: take back what a dead process worked on, and forget times of another boot; how many."""

    def retry(self, ids: Collection[str]) -> frozenset[str]:
        """A person's wish for items: what waits for its time is ready, what was refused is queued again.

        Returns the ids that nothing could be done for.
        """

    def recheck(self, ids: Collection[str], there: Collection[str]) -> frozenset[str]:
        """Have these destinations asked again for what was verified there; what is gone is then queued again.

        Until the answer an item counts as what it was, and what is lost as lost; one that was purged counts as
        delivered whatever the answer is. Returns the ids of which nothing was verified, or that neither wait nor were
        purged.
        """

    def forget(self, destination: str, most: int = 500) -> int:
        """Give up a page of what is still to go to a destination that is there no more; how many that were.

        A clean object that is on its way elsewhere, or has arrived there, stays bound by that; the others are `unbound`
        again. Bound for that destination once more, it goes there.
        """

    def note(self, number: int, text: str) -> None:
        """Keep a sink's note about a delivery."""

    def pause(self, destination: str, code: str) -> None:
        """Note that nothing is sent there, and why; "" resumes it."""

    def link(self, destination: str, code: str, failures: int, next_try: float | None) -> None:
        """Note how the last try to reach it went; "" where it went well. An outage begins, or ends."""

    def next_due(self, destination: str) -> float | None:
        """Seconds until something that waits for its time is due; None where nothing does."""
