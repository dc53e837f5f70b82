"""The query half of the gateway's ledger in memory: everything is counted anew at each question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from threading import RLock

from stowgate.lifecycle import State
from stowgate.outbox.policy import Urgency
from stowgate.store.clean_object import CleanObject
from stowgate.store.clocks import Moment
from stowgate.store.custody import Caller, Coming, Event, Row
from stowgate.store.custody_rows import every_state, is_beginning
from stowgate.store.expected import NOTHING, Expected, Series, Told, expected, higher
from stowgate.store.study import Completed, Study

GONE = (State.PURGING, State.PURGED)
"""States in which the payload need not be there."""


@dataclass(slots=True)
class Item:
    """One arrival and what became of it; `leased` is when."""

    number: int
    coming: Coming
    modality: str
    arrived: float
    updated: float
    has_raw: bool
    state: State = State.RECEIVED
    code: str = ""
    place: str = ""
    original: str = ""
    given_up: bool = False
    attempts: int = 0
    leased: Moment | None = None
    made: list[CleanObject] = field(default_factory=list)
    has_clean: bool = False
    adds: bool = False
    delivered: bool = False

    def row(self, raised: Sequence[str] = ()) -> Row:
        """As others may see it; `raised`: why its study is urgent, beside what its header says."""
        c = self.coming
        return Row(
            self.number, c.id, c.source, self.state, self.code, self.place, c.size, c.study, self.modality, c.sop_class,
            self.attempts, self.arrived, self.updated, self.has_raw, self.has_clean, delivered=self.delivered,
            triage=tuple(dict.fromkeys((*c.triage, *raised))),
        )  # fmt: skip


@dataclass(slots=True)
class Known:
    """What is known of a study beside its items."""

    modality: str
    first: float
    last: float
    boot: str
    touched: float
    complete: bool = False


@dataclass(slots=True)
class Tally:
    """Of one study from all sources: the instances that came, and what headers say of their number."""

    instances: set[str] = field(default_factory=set)
    told: Told = NOTHING
    each: dict[str, Series] = field(default_factory=dict)
    short_at: str = ""
    """The source at which it came to rest with less, until somebody was told."""

    def count(self, coming: Coming) -> None:
        """An arrival that is no copy."""
        if not coming.instance or coming.instance in self.instances:
            return
        self.instances.add(coming.instance)
        self.short_at = ""
        new, before = coming.told, self.each.get(coming.series, Series(0))
        self.told = Told(higher(self.told.instances, new.instances), higher(self.told.series, new.series))
        self.each[coming.series] = Series(before.there + 1, higher(before.told, new.in_series))

    def expected(self) -> Expected | None:
        """What follows of it."""
        return expected(len(self.instances), self.told.instances, self.told.series, list(self.each.values()))

    def missing(self) -> int:
        """How many of those that headers tell of are not here."""
        follows = self.expected()
        return follows.least - len(self.instances) if follows else 0


class MemoryView:
    """Answers the questions of `store.custody.Custody`. One thread at a time is in it."""

    def __init__(self) -> None:
        self._turn = RLock()
        self._items: dict[str, Item] = {}
        self._standing: dict[tuple[str, str, str], tuple[str, CleanObject]] = {}
        """By instance, policy and key."""
        self._studies: dict[tuple[str, str], Known] = {}
        self._tallies: dict[str, Tally] = {}
        self._callers: dict[tuple[str, str, str], Caller] = {}
        self._events: list[Event] = []
        self._keys: dict[str, str] = {}
        self._raised: dict[str, tuple[Urgency, tuple[str, ...]]] = {}
        """By study: how urgent something in it makes it, and ids of rules."""

    def adding(self) -> int:
        """Counts them."""
        with self._turn:
            return sum(item.adds for item in self._items.values())

    def key_of_profile(self, name: str) -> str:
        """By its name."""
        with self._turn:
            return self._keys.get(name, "")

    def shortages(self) -> list[Completed]:
        """Looks at every study."""
        with self._turn:
            short = [(alias, tally) for alias, tally in sorted(self._tallies.items()) if tally.short_at]
            return [Completed(alias, tally.short_at, tally.missing()) for alias, tally in short]

    def _lacks(self, alias: str, waits: Collection[str]) -> int:
        known = self._studies.items()
        is_open = any(of == alias and source in waits and not study.complete for (of, source), study in known)
        return 0 if is_open else self._tallies[alias].missing()

    def clean_of_instance(
        self, instances: Collection[str], policy: str, key_id: str
    ) -> dict[str, tuple[str, CleanObject]]:
        """One dictionary access each."""
        with self._turn:
            found = {uid: self._standing.get((uid, policy, key_id)) for uid in instances}
        return {uid: one for uid, one in found.items() if one}

    def clean_of_item(self, id: str) -> CleanObject | None:
        """While its file is there."""
        with self._turn:
            item = self._items.get(id)
            return item.made[-1] if item and item.has_clean else None

    def cleans_of_item(self, id: str) -> list[CleanObject]:
        """While their files are there."""
        with self._turn:
            item = self._items.get(id)
            return [one for one in item.made if self._is_standing(one)] if item and item.has_clean else []

    def _is_standing(self, clean: CleanObject) -> bool:
        found = self._standing.get((clean.instance, clean.policy, clean.key_id))
        return found is not None and found[1].id == clean.id

    def made_of_item(self, id: str) -> list[str]:
        """All of them."""
        with self._turn:
            return [one.id for one in self._items[id].made] if id in self._items else []

    def payloads(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """As they are now."""
        with self._turn:
            kept = [
                (item.coming.id if item.has_raw else "", tuple(one.id for one in self.cleans_of_item(item.coming.id)))
                for item in self._items.values()
                if (item.has_raw or item.has_clean) and item.state not in GONE
            ]
        return iter(kept)

    def unpayloaded(self, ids: Collection[str]) -> frozenset[str]:
        """One dictionary access each."""
        with self._turn:
            return frozenset(item.coming.id for item in self._among(ids) if not item.has_raw or item.state in GONE)

    def row(self, id: str) -> Row | None:
        """Reads every id: for few items."""
        with self._turn:
            found = [item for known, item in self._items.items() if known.startswith(id)] if is_beginning(id) else []
            return self._row(found[0]) if len(found) == 1 else None

    def rows(
        self, states: Collection[State] = (), source: str = "", study: str = "", after: int = 0, most: int = 100
    ) -> list[Row]:
        """Reads every item: for few."""
        with self._turn:
            found = [
                self._row(item)
                for item in self._items.values()
                if item.number > after
                and (not states or item.state in states)
                and source in ("", item.coming.source)
                and study in ("", item.coming.study)
            ]
        return found[: max(most, 0)]

    def _row(self, item: Item) -> Row:
        return item.row(self._raised.get(item.coming.study, (Urgency.LOW, ()))[1])

    def counts(self) -> dict[str, dict[State, int]]:
        """Counts every item."""
        with self._turn:
            pairs = Counter((item.coming.source, item.state) for item in self._items.values())
        return {name: {state: pairs[name, state] for state in State} for name in {name for name, _ in pairs}}

    def studies(self, after: str = "", most: int = 100) -> list[Study]:
        """A page ends behind all sources of its last alias."""
        with self._turn:
            keys = sorted(key for key in self._studies if key[0] > after)
            last = keys[min(most, len(keys)) - 1][0] if keys and most > 0 else ""
            return [self._study(*key) for key in keys if key[0] <= last]

    def _study(self, alias: str, source: str) -> Study:
        study, counts, tally = self._studies[alias, source], self._counts_of(alias, source), self._tallies[alias]
        follows = tally.expected()
        return Study(
            alias, source, study.modality, every_state(counts), study.first, study.last, study.complete,
            follows.least if follows else None, tally.missing(),
            dict(Counter(item.state for item in self._of_study(alias, source) if item.delivered)),
        )  # fmt: skip

    def _counts_of(self, alias: str, source: str) -> Counter[State]:
        return Counter(item.state for item in self._of_study(alias, source))

    def _of_study(self, alias: str, source: str) -> list[Item]:
        return [item for item in self._items.values() if (item.coming.study, item.coming.source) == (alias, source)]

    def callers(self) -> list[Caller]:
        """A list of its own."""
        with self._turn:
            return list(reversed(self._callers.values()))

    def events(self, item: str = "", most: int = 100) -> list[Event]:
        """The newest first."""
        with self._turn:
            return [event for event in reversed(self._events) if item in ("", event.item)][: max(most, 0)]

    def oldest_waiting(self) -> float | None:
        """The first in the order of arrival."""
        with self._turn:
            waits = (item for item in self._items.values() if item.state is State.WAITING and not item.delivered)
            return next((item.arrived for item in waits), None)

    def _among(self, ids: Collection[str]) -> list[Item]:
        return [self._items[id] for id in ids if id in self._items]
