"""The ledger's deliveries in memory: the twin of those in SQLite, and the same choice by the policy itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from stowgate.lifecycle import Delivery, Evidence, State, delivery_way
from stowgate.outbox.policy import Line, Urgency, entering, next_line
from stowgate.store.clean_object import CleanObject
from stowgate.store.custody_memory_view import Item
from stowgate.store.deliveries import FORGOTTEN, LOST, REFUSED, Bound, Destination, Due, Outcome, Unbound
from stowgate.store.deliveries_memory_view import MemoryDeliveriesView, Sending
from stowgate.store.deliveries_rows import sound_bound, sound_code, sound_outcomes, sound_raise
from stowgate.store.deliveries_steps import WAKE, code_after, evidence_after, is_unanswered, stand_of, together

_OPEN = ("ready", "later", "out")


@dataclass(slots=True)
class MemoryDeliveries(MemoryDeliveriesView):
    """See `store.deliveries.Deliveries`. One thread at a time is in it."""

    _lines: dict[tuple[str, Urgency, str], Line] = field(default_factory=dict)
    _pace: dict[tuple[str, Urgency], int] = field(default_factory=dict)
    _bound: set[str] = field(default_factory=set)

    def bind(self, group: Mapping[str, Sequence[Bound]]) -> None:
        """Only what waits."""
        sound_bound(group)
        with self.ledger._turn:
            standing = {clean.id: clean for _, clean in self.ledger._standing.values()}
            for id, places in group.items():
                item = self.ledger._cleans.get(id)
                if places and item and id in standing and item.state is State.WAITING and item.has_clean:
                    for place in places:
                        self._begin(item, standing[id], place)
                    self._bound |= set() if all(place.wish for place in places) else {id}

    def _begin(self, item: Item, clean: CleanObject, place: Bound) -> None:
        raised, _ = self.ledger._raised.get(item.coming.study, (Urgency.LOW, ()))
        marks = dict.fromkeys((*item.coming.marks, *filter(None, [place.wish])))
        item.coming = replace(item.coming, marks=tuple(marks))
        key, now = (place.destination, max(place.urgency, raised), clean.study), self.ledger._clocks.wall()
        self._lines.setdefault(key, Line(len(self._lines) + 1, key[1]))
        there = list(self._to(place.destination))
        for one in there:
            if one.clean.id == clean.id and one.code == FORGOTTEN:
                one.state, one.code, one.evidence, one.updated = Delivery.QUEUED, "", Evidence.NONE, now
                item.delivered = False
                self._stand(one, "ready")
        mine = (one for one in there if one.item is item and self._stands(one) and one.code != FORGOTTEN)
        if any(mine) or any(one.clean.id == clean.id for one in there):
            return
        one = Sending(len(self._all) + 1, item, clean, place.destination, key, now, now, stand="")
        self._all[one.number] = one
        self._stand(one, "ready")
        item.delivered = False

    def _stand(self, one: Sending, stand: str) -> None:
        """A line in which something gets ready again has not saved up turns."""
        key = one.line
        if stand == "ready" and one.stand != "ready" and not self._ready(key):
            line = self._lines[key]
            self._lines[key] = replace(line, turns=entering(line.turns, self._pace.get(key[:2], 0)))
        one.stand = stand

    def _ready(self, key: tuple[str, Urgency, str]) -> list[Sending]:
        return [one for one in self._all.values() if one.line == key and one.stand == "ready"]

    def raise_study(self, study: str, urgency: Urgency, because: Collection[str] = ()) -> int:
        """Looks at every delivery."""
        sound_raise(study, because)
        with self.ledger._turn:
            if not any(item.coming.study == study for item in self.ledger._items.values()):
                return 0
            before, why = self.ledger._raised.get(study, (urgency, ()))
            urgency = max(before, urgency)
            self.ledger._raised[study] = (urgency, tuple(dict.fromkeys((*why, *because))))
            found = [one for one in self._all.values() if one.item.coming.study == study and one.line[1] < urgency]
            found = [one for one in found if one.state is Delivery.QUEUED]
            for one in found:
                self._change_line(one, (one.line[0], urgency, one.line[2]))
            return len(found)

    def _change_line(self, one: Sending, key: tuple[str, Urgency, str]) -> None:
        stand, one.stand = one.stand, ""
        self._lines.setdefault(key, Line(len(self._lines) + 1, key[1]))
        one.line = key
        self._stand(one, stand)

    def unbound(self, after: int = 0, most: int = 500) -> list[Unbound]:
        """In the order in which they were made."""
        with self.ledger._turn:
            return [one for one in self._waiting(after) if one.clean not in self._bound][:most]

    def never_to(self, destination: str, after: int = 0, most: int = 500) -> list[Unbound]:
        """In the order in which they were made."""
        with self.ledger._turn:
            to = [one for one in self._to(destination) if one.code != FORGOTTEN]
            there = {one.item.coming.id for one in to if self._stands(one)}
            return [one for one in self._waiting(after) if one.item not in there][:most]

    def _waiting(self, after: int) -> Iterator[Unbound]:
        """What stands for items that wait."""
        standing = {clean.id: clean for _, clean in self.ledger._standing.values()}
        for n, (id, item) in enumerate(self.ledger._cleans.items(), 1):
            if n > after and id in standing and item.state is State.WAITING and item.has_clean:
                c, clean = item.coming, standing[id]
                yield Unbound(
                    n, id, c.source, item.modality, c.sop_class, c.marks, c.id, clean.policy, clean.key_id, c.priority,
                    c.triage,
                )  # fmt: skip

    def lease(self, destination: str, most: int, size: int, below: bool = False) -> list[Due]:
        """Looks at every line."""
        with self.ledger._turn:
            moment = self.ledger._clocks.moment()
            later = [one for one in self._to(destination) if one.stand == "later" and one.due <= moment.monotonic]
            for one in sorted(later, key=lambda one: one.due)[:WAKE]:
                self._stand(one, "ready")
                one.due, one.next_try = 0.0, None
            keys = {line.number: key for key, line in self._lines.items() if key[0] == destination and self._ready(key)}
            line = next_line((self._lines[key] for key in keys.values()), below)
            if line is None or most <= 0:
                return []
            key = keys[line.number]
            ready = self._ready(key)[:most]
            chosen = together([_due(one) for one in ready], size)
            for one in (self._all[due.number] for due in chosen):
                self._stand(one, "out")
                one.attempts, one.updated = one.attempts + 1, moment.now
            self._lines[key] = replace(line, turns=line.turns + 1)
            self._pace[key[:2]] = line.turns
            return chosen

    def record(self, group: Sequence[Outcome]) -> frozenset[int]:
        """One after the other."""
        sound_outcomes(group)
        with self.ledger._turn:
            return frozenset(one.number for one in group if not self._recorded(one))

    def _recorded(self, outcome: Outcome) -> bool:
        one = self._all.get(outcome.number)
        if one is None or one.stand not in ("out", "parked") or delivery_way(one.state, outcome.state) is None:
            return False
        moment, stand, wait = self.ledger._clocks.moment(), stand_of(outcome), outcome.wait
        one.evidence, one.state = evidence_after(one.evidence, outcome), outcome.state
        one.code = code_after(one.code, stand, outcome)
        one.due = moment.monotonic + wait if stand == "later" and wait else 0.0
        one.next_try = moment.now + wait if stand == "later" and wait else None
        one.updated = moment.now
        if one.stand != "parked":
            self._stand(one, stand)
        if self._stands(one) and not is_unanswered(stand, outcome):
            self.settle(one.item, stand == "over")
        return True

    def settle(self, item: Item, over: bool) -> None:
        """Whether an item is delivered now, or stuck: asked when one of its deliveries is `over`, or not any more."""
        ways = self._ways(item)
        standing = (clean.id for id, clean in self.ledger._standing.values() if id == item.coming.id)
        unbound = any(id not in self._bound for id in standing)
        if not over:
            item.delivered &= item.state is not State.WAITING
        elif item.state is State.WAITING and not unbound and all(one.stand == "over" for one in ways):
            if any(one.state is Delivery.REFUSED and one.code != FORGOTTEN for one in ways):
                self.ledger.move([item.coming.id], State.QUARANTINED, REFUSED)
            else:
                item.delivered = True

    def item_moves(self, item: Item, to: State) -> None:
        """What is told before an item moves: only what waits is delivered."""
        for one in self._all.values():
            if one.item is not item:
                continue
            if item.state is State.WAITING and to is not State.WAITING and one.stand in _OPEN:
                self._stand(one, "parked")
            elif to is State.WAITING and one.stand == "parked" and self._stands(one):
                self._stand(one, "ready")

    def falls(self, clean: str) -> None:
        """What is told when a clean object stands for nothing any more: its refusals are in no count."""
        for one in self._all.values():
            if one.clean.id == clean and one.state is Delivery.REFUSED:
                self._stand(one, "parked")

    def release(self, numbers: Collection[int]) -> None:
        """Only what was given out has a try to take back."""
        with self.ledger._turn:
            now = self.ledger._clocks.wall()
            for one in (self._all[number] for number in numbers if number in self._all):
                if one.stand == "out":
                    self._stand(one, "ready")
                    one.attempts, one.updated = one.attempts - 1, now

    def release_all(self) -> int:
        """The counted tries stay."""
        with self.ledger._turn:
            found = [one for one in self._all.values() if one.stand in ("out", "later")]
            for one in sorted(found, key=lambda one: one.stand != "out"):
                if one.stand == "later":
                    one.due, one.next_try = 0.0, None
                self._stand(one, "ready")
            return len(found)

    def retry(self, ids: Collection[str]) -> frozenset[str]:
        """One after the other."""
        with self.ledger._turn:
            return frozenset(id for id in ids if not self._retried(id))

    def _retried(self, id: str) -> bool:
        now, done = self.ledger._clocks.wall(), False
        for one in self._all.values():
            if one.item.coming.id != id or not self._stands(one):
                continue
            if one.stand in ("ready", "later"):
                one.due, one.next_try, one.updated, done = 0.0, None, now, True
                self._stand(one, "ready")
            elif one.state is Delivery.REFUSED and one.code != FORGOTTEN and one.item.state is State.WAITING:
                one.state, one.code, one.evidence, one.updated, done = Delivery.QUEUED, "", Evidence.NONE, now, True
                self._stand(one, "ready")
        return done

    def recheck(self, ids: Collection[str], there: Collection[str]) -> frozenset[str]:
        """One after the other."""
        with self.ledger._turn:
            return frozenset(id for id in ids if not self._rechecked(id, there))

    def _rechecked(self, id: str, there: Collection[str]) -> bool:
        found = [
            one
            for one in self._all.values()
            if one.item.coming.id == id and self._stands(one) and (one.state, one.stand) == (Delivery.VERIFIED, "over")
            if one.destination in there
            if (one.item.state is State.WAITING and one.item.has_clean) or one.item.state is State.PURGED
        ]
        for one in found:
            one.note, one.code = "", one.code if one.code in LOST else ""
            self._stand(one, "ready")
        return bool(found)

    def forget(self, destination: str, most: int = 500) -> int:
        """One after the other."""
        with self.ledger._turn:
            left = (one for one in self._to(destination) if one.stand != "over" and one.state is not Delivery.REFUSED)
            found = list(left)[:most]
            for one in found:
                self._stand(one, "over")
                one.due, one.next_try = 0.0, None
                if one.state is not Delivery.VERIFIED:
                    one.state, one.code, one.evidence = Delivery.REFUSED, FORGOTTEN, Evidence.NONE
                    one.updated = self.ledger._clocks.wall()
                    if all(way.code == FORGOTTEN for way in self._all.values() if way.clean.id == one.clean.id):
                        self._bound.discard(one.clean.id)
                if self._stands(one) and one.item.state is State.WAITING:
                    self.settle(one.item, over=True)
            return len(found)

    def note(self, number: int, text: str) -> None:
        """Beside it."""
        with self.ledger._turn:
            if number in self._all:
                self._all[number].note = text

    def pause(self, destination: str, code: str) -> None:
        """Beside the others."""
        sound_code(code)
        with self.ledger._turn:
            before = self._places.get(destination, Destination(destination))
            self._places[destination] = replace(before, paused=code, updated=self.ledger._clocks.wall())

    def link(self, destination: str, code: str, failures: int, next_try: float | None) -> None:
        """Beside the others."""
        sound_code(code)
        with self.ledger._turn:
            before = self._places.get(destination, Destination(destination))
            now = self.ledger._clocks.wall()
            self._places[destination] = replace(before, code=code, failures=failures, next_try=next_try, updated=now)
            self._links.note(destination, code, now)

    def measured(self, destination: str, rate: float) -> None:
        """Beside the others."""
        with self.ledger._turn:
            before = self._places.get(destination, Destination(destination, updated=self.ledger._clocks.wall()))
            self._places[destination] = replace(before, rate=rate)

    def next_due(self, destination: str) -> float | None:
        """Looks at every delivery."""
        with self.ledger._turn:
            found = [one.due for one in self._to(destination) if one.stand == "later"]
            return max(0.0, min(found) - self.ledger._clocks.monotonic()) if found else None

    def _to(self, destination: str) -> Iterator[Sending]:
        return (one for one in self._all.values() if one.destination == destination)


def _due(one: Sending) -> Due:
    purged = one.item.state is State.PURGED
    return Due(one.number, one.item.coming.id, one.state, one.attempts, one.note, one.clean, purged)
