"""The gateway's ledger in memory: the twin of the SQLite one, for tests and demonstrations that keep no state."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Self

from stowgate.lifecycle import NEXT, State
from stowgate.store.clean_object import CleanObject
from stowgate.store.clocks import SYSTEM, Clocks, Moment
from stowgate.store.custody import Caller, Coming, Ended, Event, Leased
from stowgate.store.custody_memory_view import GONE, Item, Known, MemoryView, Tally
from stowgate.store.custody_rows import (
    CALLERS,
    LEASE,
    sound_coming,
    sound_ended,
    sound_move,
    taken_twice,
)
from stowgate.store.custody_steps import choose
from stowgate.store.deliveries_memory import MemoryDeliveries
from stowgate.store.looks_memory import MemoryLooks
from stowgate.store.study import Completed

_NO_ORIGINAL = (State.REJECTED, State.DUPLICATE, State.DROPPED)


class MemoryCustody(MemoryView):
    """A `store.custody.Custody` that is gone with its process. One thread at a time is in it."""

    def __init__(self, clocks: Clocks = SYSTEM, *, longest_lease: float = LEASE) -> None:
        self._clocks, self._longest = clocks, longest_lease
        super().__init__()
        self._cleans: dict[str, Item] = {}
        self._deliveries = MemoryDeliveries(self)
        self._looks = MemoryLooks(self)

    @property
    def deliveries(self) -> MemoryDeliveries:
        """See `Custody.deliveries`."""
        return self._deliveries

    @property
    def looks(self) -> MemoryLooks:
        """See `Custody.looks`."""
        return self._looks

    def receive(self, group: Sequence[Coming]) -> list[str]:
        """One after the other."""
        sound_coming(group)
        with self._turn:
            moment = self._clocks.moment()
            return [self._receive(coming, moment) for coming in group]

    def _receive(self, coming: Coming, moment: Moment) -> str:
        if known := self._items.get(coming.id):
            return known.original if known.state is State.DUPLICATE else ""
        original = "" if coming.code else self.original(coming.instance, coming.content)
        new = not (coming.code or original)
        item = Item(len(self._items) + 1, coming, coming.modality, moment.now, moment.now, has_raw=new)
        self._items[coming.id] = item
        if coming.study:
            self._note_study(coming, moment, new)
        if coming.code:
            item.state, item.code = State.REJECTED, coming.code
        elif original:
            item.state, item.original = State.DUPLICATE, original
        return original

    def original(self, instance: str, content: str) -> str:
        """See `Custody.original`."""
        if not (instance and content):
            return ""
        same = (
            item.coming.id
            for item in self._items.values()
            if (item.coming.instance, item.coming.content) == (instance, content)
            and item.state not in _NO_ORIGINAL
            and not item.given_up
            and (item.has_raw or item.has_clean or item.state in GONE)
            and not (item.state is State.PURGED and self._deliveries.is_lost(item))
        )
        return next(same, "")

    def _note_study(self, coming: Coming, moment: Moment, new: bool) -> None:
        key, now, boot, touched = (coming.study, coming.source), moment.now, moment.boot, moment.monotonic
        if key not in self._studies:
            self._studies[key] = Known(coming.modality, now, now, boot, touched)
            self._tallies.setdefault(coming.study, Tally())
        study = self._studies[key]
        if new:
            study.last, study.boot, study.touched, study.complete = now, boot, touched, False
            self._tallies[coming.study].count(coming)
        study.modality = study.modality or coming.modality

    def lease(self, worker: str, most: int) -> list[Leased]:
        """The same choice as in every ledger."""
        if not worker:
            raise ValueError("a lease has a worker")
        if most <= 0:
            return []
        with self._turn:
            moment = self._clocks.moment()
            for item in self._at_work():
                if item.leased and not self._holds(item.leased, moment):
                    item.leased = None
            found = [item for item in self._items.values() if item.state is State.RECEIVED and not item.leased]
            free = sorted(found, key=lambda item: item.adds)
            ready = [
                Leased(c.id, c.source, item.attempts, item.modality, c.sop_class, c.marks, c.priority, item.adds)
                for item in free[:most]
                for c in (item.coming,)
            ]
            starts = [item.attempts for item in self._at_work()]
            chosen = choose(ready, len(starts), max(starts, default=0))
            for item in (self._items[one.id] for one in chosen):
                item.leased, item.attempts, item.updated = moment, item.attempts + 1, moment.now
            return chosen

    def _holds(self, since: Moment, moment: Moment) -> bool:
        return since.boot == moment.boot and since.monotonic <= moment.monotonic < since.monotonic + self._longest

    def _at_work(self) -> list[Item]:
        return [item for item in self._items.values() if item.leased]

    def end(self, group: Sequence[Ended]) -> frozenset[str]:
        """All of the group or, where an id of a clean object was taken, none."""
        sound_ended(group)
        with self._turn:
            for ended in group:
                item = self._items.get(ended.id)
                if item and item.leased and any(clean.id in self._cleans for clean in ended.cleans):
                    raise taken_twice()
            now = self._clocks.wall()
            return frozenset(ended.id for ended in group if not self._end(ended, now))

    def _end(self, ended: Ended, now: float) -> bool:
        item = self._items.get(ended.id)
        if item is None or not item.leased:
            return False
        item.leased, item.updated = None, now
        standing = {clean.id for clean in self.cleans_of_item(ended.id)}
        if not standing.issuperset(ended.kept) or any(self._is_anothers(clean, ended.id) for clean in ended.cleans):
            item.attempts -= 1
            return False
        self._retire(item, ended.kept)
        item.state, item.code, item.place, item.attempts = ended.state, ended.code, ended.place, 0
        item.modality, item.has_clean = ended.modality or item.modality, ended.state is State.CLEANED
        item.adds, item.original = False, ended.original
        for clean in ended.cleans:
            item.made.append(replace(clean, names=dict(clean.names)))
            self._cleans[clean.id] = item
            if fallen := self._standing.get(key := (clean.instance, clean.policy, clean.key_id)):
                self._deliveries.falls(fallen[1].id)
            self._standing[key] = (ended.id, item.made[-1])
        if ended.state is State.CLEANED:
            self._deliveries.item_moves(item, State.WAITING)
            item.state = State.WAITING
        if ended.kept:
            self._deliveries.settle(item, over=True)
        if study := self._studies.get((item.coming.study, item.coming.source)):
            study.modality = study.modality or ended.modality
        return True

    def _is_anothers(self, clean: CleanObject, id: str) -> bool:
        other, there = self._standing.get((clean.instance, clean.policy, clean.key_id), (id, clean))
        return other != id and not (self._items[other].state is State.PURGED and there.digest == clean.digest)

    def _retire(self, item: Item, kept: Collection[str] = ()) -> None:
        id = item.coming.id
        for key in [key for key, (of, one) in self._standing.items() if of == id and one.id not in kept]:
            self._deliveries.falls(self._standing.pop(key)[1].id)

    def release(self, ids: Collection[str]) -> None:
        """Only what is leased has a start to take back."""
        with self._turn:
            now = self._clocks.wall()
            for item in self._among(ids):
                if item.leased:
                    item.leased, item.attempts, item.updated = None, item.attempts - 1, now

    def release_all(self) -> int:
        """The counted starts stay."""
        with self._turn:
            leased = self._at_work()
            for item in leased:
                item.leased = None
            return len(leased)

    def move(self, ids: Collection[str], to: State, code: str = "") -> frozenset[str]:
        """By the table itself."""
        sound_move(to, code)
        with self._turn:
            now = self._clocks.wall()
            left = frozenset(id for id in ids if id not in self._items or not self._may(self._items[id], to))
            for item in self._among(dict.fromkeys(id for id in ids if id not in left)):
                source = item.coming.source
                if item.state is not State.RECEIVED:  # which is known already
                    self._events.append(Event(item.updated, item.state, item.coming.id, source, item.code))
                if to is State.RECEIVED:
                    self._events.append(Event(now, to, item.coming.id, source))
                self._deliveries.item_moves(item, to)
                item.state, item.code, item.place, item.attempts, item.leased = to, code, "", 0, None
                item.adds = False
                item.updated = now
                item.delivered = item.delivered and to in GONE
                if to is State.RECEIVED:
                    item.original = ""
                if to is State.DROPPED:
                    item.given_up = True
                    self._retire(item)
            return left

    def clean_more(self, ids: Collection[str]) -> frozenset[str]:
        """Two moves, and the mark."""
        with self._turn:
            chosen = [
                item
                for item in self._among(dict.fromkeys(ids))
                if item.state is State.WAITING and item.has_raw and item.has_clean
            ]
            for state in (State.CLEANED, State.RECEIVED):
                self.move([item.coming.id for item in chosen], state)
            for item in chosen:
                item.adds = True
            return frozenset(ids) - {item.coming.id for item in chosen}

    def claim_profile(self, name: str, key_id: str) -> str:
        """Once."""
        with self._turn:
            return self._keys.setdefault(name, key_id)

    def _may(self, item: Item, to: State) -> bool:
        """Whether the lifecycle, what is left of its payload, and the evidence let an item go there."""
        if to is State.RECEIVED and not item.has_raw:
            return False
        if to is State.PURGING and not (item.given_up or (item.delivered and self._deliveries.is_proved(item))):
            return False
        return to in NEXT[item.state] and (to not in (State.CLEANED, State.WAITING) or item.has_clean)

    def forget_payload(self, ids: Collection[str], *, raw: bool, clean: bool) -> None:
        """The rows stay."""
        with self._turn:
            now = self._clocks.wall()
            for item in self._among(ids):
                item.has_raw, item.has_clean = item.has_raw and (item.adds or not raw), item.has_clean and not clean
                item.updated = now

    def complete_studies(self, idle: Mapping[str, float]) -> list[Completed]:
        """Looks at every study."""
        with self._turn:
            done = [key for key in self._studies if self._is_complete(*key, idle.get(key[1], math.inf))]
            for key in done:
                self._studies[key].complete = True
            first = dict(sorted(done, reverse=True))
            waits = {source for source, seconds in idle.items() if math.isfinite(seconds)}
            found = [Completed(alias, first[alias], self._lacks(alias, waits)) for alias in sorted(first)]
            for one in found:
                if one.missing:
                    self._tallies[one.alias].short_at = one.source
            return found

    def shortages_told(self, studies: Collection[str]) -> None:
        """Beside the numbers."""
        with self._turn:
            for tally in (self._tallies[alias] for alias in studies if alias in self._tallies):
                tally.short_at = ""

    def _is_complete(self, alias: str, source: str, idle: float) -> bool:
        study, tally, now = self._studies[alias, source], self._tallies[alias], self._clocks.monotonic()
        follows = tally.expected()
        all_there = follows is not None and follows.whole and not tally.missing()
        since = now - study.touched if study.boot == self._clocks.boot() else now
        return not study.complete and (all_there or since >= idle)

    def turned_away(self, source: str, calling: str, address: str) -> None:
        """The latest is the last in the dictionary."""
        with self._turn:
            now, key = self._clocks.wall(), (source, calling, address)
            earlier = self._callers.pop(key, Caller(*key, now, now, 0))
            self._callers[key] = replace(earlier, last=now, count=earlier.count + 1)
            if len(self._callers) > CALLERS:
                del self._callers[next(iter(self._callers))]

    def note(self, event: Event) -> None:
        """At the end."""
        with self._turn:
            self._events.append(event)

    def close(self) -> None:
        """Nothing to let go of."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
