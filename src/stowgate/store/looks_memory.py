"""What was seen, in memory: the twin of the looks in SQLite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stowgate.lifecycle import State
from stowgate.store.custody_memory_view import Item, MemoryView
from stowgate.store.looks import Look, Scanned, Unseen
from stowgate.store.looks_rows import sound_codes, sound_looks


@dataclass(slots=True)
class MemoryLooks:
    """See `store.looks.Looks`. One thread at a time is in it."""

    ledger: MemoryView
    _looks: dict[str, Look] = field(default_factory=dict)
    _open: set[str] = field(default_factory=set)
    _codes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _alarms: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def of_items(self, ids: Sequence[str]) -> dict[str, Look]:
        """One dictionary access each."""
        return {id: self._looks[id] for id in ids if id in self._looks}

    def of_study(self, study: str) -> list[Scanned]:
        """Reads every item."""
        return [one for one in self._scanned() if one.study == study and study]

    def codes_of_study(self, study: str) -> tuple[str, ...] | None:
        """By its alias."""
        return self._codes.get(study)

    def recent(self, most: int) -> list[Scanned]:
        """Reads every item."""
        return self._scanned()[-most:] if most > 0 else []

    def alarms(self) -> dict[str, tuple[str, ...]]:
        """A table of its own."""
        return dict(sorted(self._alarms.items()))

    def unseen(self, most: int) -> list[Unseen]:
        """Reads every item."""
        with self.ledger._turn:
            found = [self._unseen(item) for item in reversed(self.ledger._items.values()) if self._is_unseen(item)]
        return found[: max(0, most)]

    def note(self, group: Sequence[Look]) -> None:
        """Only of items that are known."""
        sound_looks(group)
        with self.ledger._turn:
            for look in group:
                item = self.ledger._items.get(look.item)
                if item is None:
                    continue
                self._looks[look.item] = look
                if item.coming.study:
                    self._open.add(item.coming.study)

    def unjudged(self) -> list[str]:
        """In order."""
        return sorted(self._open)

    def judged(self, study: str, codes: Sequence[str], seen: int) -> bool:
        """Only where nothing came meanwhile."""
        sound_codes(codes)
        if len(self.of_study(study)) != seen:
            return False
        if seen:
            self._codes[study] = tuple(codes)
        self._open.discard(study)
        return True

    def alarm(self, scanners: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
        """The whole table anew."""
        for codes in scanners.values():
            sound_codes(codes)
        before, self._alarms = self._alarms, {scanner: tuple(codes) for scanner, codes in scanners.items()}
        return {scanner: codes for scanner, codes in self._alarms.items() if before.get(scanner) != codes}

    def _is_unseen(self, item: Item) -> bool:
        return item.state is State.WAITING and item.has_clean and item.coming.id not in self._looks

    def _unseen(self, item: Item) -> Unseen:
        c = item.coming
        standing = [one for _, one in self.ledger._standing.values()]
        clean = next(one for one in reversed(item.made) if one in standing)
        return Unseen(c.id, clean.id, c.source, c.study, clean.series, clean.size)

    def _scanned(self) -> list[Scanned]:
        with self.ledger._turn:
            return [
                Scanned(self._looks[c.id], c.source, c.study, c.scanner, c.protocol, item.arrived, c.clock)
                for item in self.ledger._items.values()
                for c in (item.coming,)
                if c.id in self._looks
            ]
