"""One destination in memory behind a ledger in memory, with clocks that move by themselves when somebody waits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from stowgate import events
from stowgate.deliver.memory import MemoryPeer, MemorySink
from stowgate.gateway.drain import Drain
from stowgate.gateway.times import Times
from stowgate.gateway.ways import WayOut
from stowgate.lifecycle import Delivery, Evidence, State
from stowgate.outbox.policy import Urgency
from stowgate.outbox.timetable import Hours
from stowgate.store.custody_memory import MemoryCustody
from stowgate.store.deliveries import Bound, OnItsWay
from stowgate.store.spool_memory import MemoryCleanShelf
from tests.store.custody_sample import Hands, cleaned, coming, hex32


@dataclass
class Sent:
    """The parts of one way out. `go` lets the first worker do what it would do in so many seconds."""

    evidence: Evidence = Evidence.CONTENT
    hours: Hours = field(default_factory=Hours)
    chance: float = 0.5

    def __post_init__(self) -> None:
        self.peer, self.hands, self.shelf = MemoryPeer(), Hands(ticking=False), MemoryCleanShelf()
        self.ledger = MemoryCustody(self.hands.clocks)
        self.told: list[events.GatewayEvent] = []
        self.minute = 0.0
        self.begin()

    def begin(self) -> None:
        """A process that has just started."""
        self.sink = MemorySink(self.peer)
        times = Times(lambda: self.hands.monotonic, lambda: self.hands.wall, lambda: self.minute, lambda: self.chance)
        way = WayOut("pacs", lambda: self.sink, self.evidence, self.hours)
        self.drain = Drain(way, self.ledger, self.shelf, self.told.append, times)
        self.drain._sleep = self.passes  # type: ignore[method-assign]
        self.tries: list[float] = []

    def passes(self, seconds: float, _: int = 0) -> bool:
        self.hands.monotonic += seconds
        self.hands.wall += seconds
        self.minute += seconds / 60
        return False

    def bytes_of(self, n: int, size: int) -> bytes:
        """What lies on the shelf; a twin in memory takes anything."""
        return b"%d" % n + bytes(size)

    def clean(
        self,
        *numbers: int,
        size: int = 100,
        urgency: Urgency = Urgency.MEDIUM,
        study: Callable[[int], str] = lambda _: "2.25.9",
    ) -> None:
        """Items that wait and are bound for the destination."""
        for n in numbers:
            data = self.bytes_of(n, size)
            sheet = self.shelf.new()
            sheet.data += data
            kept = self.shelf.keep(sheet.place)
            self.ledger.receive([coming(n)])
            self.ledger.lease("w", 1)
            end = cleaned(n)
            made = replace(
                end.cleans[0], study=study(n), id=kept.id, size=len(data), digest=hashlib.sha256(data).hexdigest()
            )
            assert not self.ledger.end([replace(end, cleans=(made,))])
            self.ledger.deliveries.bind({kept.id: [Bound("pacs", urgency)]})

    def go(self, seconds: float = 0.0) -> None:
        """Until nothing is due any more; at most a second of real work, and so many of waiting."""
        until = self.hands.monotonic + seconds
        for _ in range(400_000):
            wait = self.drain.rest(0, self.sink)
            if wait > 0:
                if self.hands.monotonic + wait > until:
                    return
                self.passes(wait)
                continue
            before = self.peer.calls
            now = self.hands.monotonic
            self.drain.step(self.sink)
            self.drain.ended(0)
            if self.peer.calls > before:
                self.tries.append(now)
            if self.hands.monotonic > until:
                return

    def way(self, n: int = 1) -> OnItsWay:
        ((found,),) = self.ledger.deliveries.of_items([hex32(n)]).values()
        return found

    def state(self, n: int = 1) -> tuple[State, Delivery, str, bool]:
        row, way = self.ledger.row(hex32(n)), self.way(n)
        assert row
        return row.state, way.state, way.code, row.delivered

    @property
    def delivered(self) -> int:
        return sum(sum(states.values()) for states in self.ledger.deliveries.delivered().values())

    def events(self, kind: type) -> list[events.GatewayEvent]:
        return [one for one in self.told if isinstance(one, kind)]
