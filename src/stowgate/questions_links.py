"""What is asked about the ways out as links: up or down and since when, how fast, when a study will have gone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from stowgate.questions_delivery import View
from stowgate.store.deliveries import Destination
from stowgate.store.links import Outage


@dataclass(frozen=True, slots=True)
class Left:
    """What is still to go, and how long that takes at the rate that was measured.

    least -- seconds where nothing else goes before it; most -- where everything else that is queued does.
             None: nobody knows, because the rate was never measured or nothing is sent now
    """

    bytes: int = 0
    least: float | None = 0.0
    most: float | None = 0.0

    @property
    def words(self) -> str:
        """For people."""
        if self.least is None or self.most is None:
            return "unknown"
        if not self.bytes:
            return ""
        least, most = span(self.least), span(self.most)
        return least if least == most else f"{least} to {most}"


@dataclass(frozen=True, slots=True)
class LinkState:
    """One way out as a link. Seconds since 1970; bytes each second.

    up    -- whether it worked when it was last tried
    since -- when that began: the end of the last outage, or the begin of this one; None where none is known
    """

    name: str
    up: bool
    since: float | None
    rate: float | None
    left: Left
    outages: tuple[Outage, ...]


def links(view: View | None, names: Collection[str], shut: Collection[str] = (), most: int = 10) -> list[LinkState]:
    """Each of these destinations, with its latest outages.

    shut -- names of those that nothing is sent to at this hour
    """
    if view is None:
        return [LinkState(name, True, None, None, Left(), ()) for name in names]
    places, queued = view.deliveries.destinations(), view.deliveries.bytes_left()
    found = []
    for name in names:
        place = places.get(name, Destination(name))
        outages = tuple(view.deliveries.outages(name, most))
        since = (outages[0].ended or outages[0].began) if outages else None
        left = _left(queued.get(name, 0), queued.get(name, 0), place, name in shut)
        found.append(LinkState(name, not place.code, since, place.rate, left, outages))
    return found


def left_of(view: View, studies: Collection[str], shut: Collection[str] = ()) -> dict[str, Left]:
    """By alias, of those of which something is queued: the destination that takes longest counts."""
    parts = view.deliveries.bytes_left_of(studies)
    if not parts:
        return {}
    places, queued = view.deliveries.destinations(), view.deliveries.bytes_left()
    return {study: _slowest(ways, queued, places, shut) for study, ways in parts.items()}


def _slowest(
    ways: Mapping[str, int], queued: Mapping[str, int], places: Mapping[str, Destination], shut: Collection[str]
) -> Left:
    parts = [
        _left(size, queued.get(name, size), places.get(name, Destination(name)), name in shut)
        for name, size in ways.items()
    ]
    size = sum(ways.values())
    if any(part.least is None for part in parts):
        return Left(size, None, None)
    return Left(size, max(part.least or 0.0 for part in parts), max(part.most or 0.0 for part in parts))


def _left(size: int, queued: int, place: Destination, shut: bool) -> Left:
    if not size:
        return Left()
    if place.code or place.paused or shut or not place.rate:
        return Left(size, None, None)
    return Left(size, size / place.rate, max(size, queued) / place.rate)


def span(seconds: float) -> str:
    """A time that something takes, as people say it; never less than it is."""
    if seconds < 60:
        return "1 min"
    if seconds < 5400:
        return f"{-int(-seconds // 60)} min"
    if seconds < 172_800:
        return f"{-int(-seconds // 3600)} h"
    return f"{-int(-seconds // 86_400)} days"


def speed(rate: float | None) -> str:
    """Bytes each second, as people say it."""
    if rate is None:
        return "unknown"
    for unit, size in (("MB/s", 1e6), ("kB/s", 1e3)):
        if rate >= size:
            return f"{rate / size:.1f} {unit}"
    return f"{rate:.0f} B/s"
