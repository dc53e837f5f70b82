"""The query half of the deliveries in memory: everything is counted anew at each question."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from threading import RLock
from typing import Protocol

from stowgate.lifecycle import Delivery, Evidence, State
from stowgate.outbox.policy import Urgency
from stowgate.store.clean_object import CleanObject
from stowgate.store.clocks import Clocks
from stowgate.store.custody_memory_view import Item
from stowgate.store.deliveries import FORGOTTEN, LOST, OTHER_BYTES, Destination, OnItsWay
from stowgate.store.links import Outage
from stowgate.store.links_memory import MemoryLinks, sums


class Ledger(Protocol):
    """What the twin needs of the ledger it belongs to."""

    _turn: RLock
    _clocks: Clocks
    _items: dict[str, Item]
    _cleans: dict[str, Item]
    _standing: dict[tuple[str, str, str], tuple[str, CleanObject]]
    _raised: dict[str, tuple[Urgency, tuple[str, ...]]]

    def move(self, ids: Collection[str], to: State, code: str = "") -> frozenset[str]:
        """See `store.custody.Custody.move`."""


@dataclass(slots=True)
class Sending:
    """One delivery."""

    number: int
    item: Item
    clean: CleanObject
    destination: str
    line: tuple[str, Urgency, str]
    queued: float
    updated: float
    state: Delivery = Delivery.QUEUED
    stand: str = "ready"
    code: str = ""
    evidence: Evidence = Evidence.NONE
    attempts: int = 0
    due: float = 0.0
    next_try: float | None = None
    note: str = ""

    def row(self) -> OnItsWay:
        """As others may see it."""
        return OnItsWay(
            self.item.coming.id, self.number, self.destination, self.state, self.stand, self.code, self.evidence,
            self.line[1], self.attempts, self.queued, self.updated, self.next_try, self.clean.id,
        )  # fmt: skip


@dataclass(slots=True)
class MemoryDeliveriesView:
    """Answers the questions of `store.deliveries.DeliveriesView`. One thread at a time is in it."""

    ledger: Ledger
    _all: dict[int, Sending] = field(default_factory=dict)
    _places: dict[str, Destination] = field(default_factory=dict)
    _links: MemoryLinks = field(default_factory=MemoryLinks)

    def counts(self) -> dict[str, dict[Delivery, int]]:
        """Counts every delivery."""
        found: dict[str, dict[Delivery, int]] = {}
        with self.ledger._turn:
            for one in self._all.values():
                if one.stand != "parked":
                    found.setdefault(one.destination, dict.fromkeys(Delivery, 0))[one.state] += 1
        return found

    def delivered(self) -> dict[str, dict[State, int]]:
        """Counts every item."""
        found: dict[str, dict[State, int]] = {}
        with self.ledger._turn:
            for item in self.ledger._items.values():
                if item.delivered:
                    states = found.setdefault(item.coming.source, {})
                    states[item.state] = states.get(item.state, 0) + 1
        return found

    def of_items(self, ids: Collection[str]) -> dict[str, list[OnItsWay]]:
        """Looks at every delivery for each."""
        found: dict[str, list[OnItsWay]] = {}
        with self.ledger._turn:
            for id, item in ((id, self.ledger._items[id]) for id in ids if id in self.ledger._items):
                ways = [one for one in self._all.values() if one.item.coming.id == (item.original or id)]
                if rows := [replace(one.row(), item=id) for one in ways if self._stands(one)]:
                    found[id] = rows
        return found

    def purgeable(
        self, before: float, after: int = 0, most: int = 100, *, original: bool = False
    ) -> list[tuple[int, str]]:
        """Looks at every item."""
        with self.ledger._turn:
            return [
                (item.number, item.coming.id)
                for item in self.ledger._items.values()
                if item.number > after and item.state is State.WAITING and item.delivered and self.is_proved(item)
                if max(one.updated for one in self._ways(item)) <= before and (item.has_raw or not original)
            ][: max(most, 0)]

    def purging(self, after: int = 0, most: int = 100) -> list[tuple[int, str]]:
        """Looks at every item."""
        with self.ledger._turn:
            found = [item for item in self.ledger._items.values() if item.state is State.PURGING]
            return [(item.number, item.coming.id) for item in found if item.number > after][: max(most, 0)]

    def is_lost(self, item: Item) -> bool:
        """Whether one of its destinations has what was purged no more."""
        return any(one.code in LOST for one in self._ways(item))

    def is_proved(self, item: Item) -> bool:
        """Whether there is evidence enough at each of its destinations to delete it here."""
        return all(self._is_proved(one) for one in self._ways(item) if one.code != FORGOTTEN)

    def _is_proved(self, one: Sending) -> bool:
        if one.stand != "over" or one.state is Delivery.REFUSED:
            return False
        if one.evidence is not Evidence.PRESENCE:
            return one.evidence is Evidence.CONTENT
        others = (other for other in self._all.values() if other.code != FORGOTTEN)
        study = [other for other in others if (other.line[0], other.line[2]) == (one.line[0], one.line[2])]
        same = sum(other.evidence is Evidence.CONTENT for other in study)
        return same * 100 >= len(study) and all(other.code != OTHER_BYTES for other in study)

    def _ways(self, item: Item) -> list[Sending]:
        return [one for one in self._all.values() if one.item is item and self._stands(one)]

    def made_of(self, ids: Collection[str]) -> dict[str, list[CleanObject]]:
        """Looks at what was made of each."""
        with self.ledger._turn:
            standing = {clean.id for _, clean in self.ledger._standing.values()}
            standing |= {one.clean.id for one in self._all.values() if self._stands(one)}
            found = {id: self.ledger._items[id].made for id in ids if id in self.ledger._items}
            made = {id: [clean for clean in ones if clean.id in standing] for id, ones in found.items()}
            return {id: ones for id, ones in made.items() if ones}

    def destinations(self) -> dict[str, Destination]:
        """Those something was noted of."""
        with self.ledger._turn:
            return dict(sorted(self._places.items()))

    def outages(self, destination: str, most: int = 10) -> list[Outage]:
        """The latest first."""
        with self.ledger._turn:
            return self._links.of(destination, most)

    def bytes_left(self) -> dict[str, int]:
        """Looks at every delivery."""
        with self.ledger._turn:
            return sums((("", one.destination, one.clean.size) for one in self._queued()), [""]).get("", {})

    def bytes_left_of(self, studies: Collection[str]) -> dict[str, dict[str, int]]:
        """Looks at every delivery."""
        with self.ledger._turn:
            left = (one for one in self._queued() if self._stands(one) and one.item.state is State.WAITING)
            return sums(((one.item.coming.study, one.destination, one.clean.size) for one in left), studies)

    def _queued(self) -> list[Sending]:
        return [one for one in self._all.values() if one.state is Delivery.QUEUED and one.stand != "parked"]

    def _stands(self, one: Sending) -> bool:
        """Whether its clean object is the one that stands for its item, or was purged."""
        if one.item.state is State.PURGED:
            return one.stand != "parked"
        which = (one.clean.instance, one.clean.policy, one.clean.key_id)
        item, clean = self.ledger._standing.get(which, ("", one.clean))
        return item == one.item.coming.id and clean.id == one.clean.id
