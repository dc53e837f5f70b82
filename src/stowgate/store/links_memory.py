"""The links in memory: counted anew at each question."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

from stowgate.store.links import MOST_OUTAGES, Outage


@dataclass(slots=True)
class MemoryLinks:
    """The outages of all destinations."""

    _outages: list[Outage] = field(default_factory=list)

    def of(self, destination: str, most: int) -> list[Outage]:
        """The latest first."""
        return [one for one in reversed(self._outages) if one.destination == destination][: max(0, most)]

    def note(self, destination: str, code: str, now: float) -> None:
        """An outage begins, goes on, or ends."""
        open_ = next((n for n, one in enumerate(self._outages) if one.destination == destination and not one.ended), -1)
        if code and open_ < 0:
            self._outages.append(Outage(destination, now, None, code))
            kept = self.of(destination, MOST_OUTAGES)
            self._outages = [one for one in self._outages if one.destination != destination or one in kept]
        elif not code and open_ >= 0:
            self._outages[open_] = replace(self._outages[open_], ended=now)


def sums(left: Iterable[tuple[str, str, int]], studies: Collection[str]) -> dict[str, dict[str, int]]:
    """Bytes by study and destination, out of (study, destination, bytes)."""
    found: dict[str, dict[str, int]] = {}
    for study, destination, size in left:
        if study in studies:
            places = found.setdefault(study, {})
            places[destination] = places.get(destination, 0) + size
    return found
