"""Threads that take items from received to waiting: check, de-identify, gate, keep; whatever fails holds one object."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from threading import Thread

from stowgate import events
from stowgate.errors import StowgateError
from stowgate.gateway.backlog import Backlog
from stowgate.gateway.ending import Desk
from stowgate.gateway.hands import Hands, Lender
from stowgate.lifecycle import State
from stowgate.objects import Raw
from stowgate.pipeline import stopped
from stowgate.store.custody import Custody, Leased
from stowgate.way import Passed, Way

GROUP = 8
"""Items that one worker leases and ends together: one commit for all of them."""

MOST_STARTS = 3
_PAUSE, _LOOK = 2.0, 1.0
"""Seconds to wait when the disk fails, and between looks into the ledger when nothing is known to wait."""


@dataclass(frozen=True, slots=True)
class Station:
    """What all workers share.

    issuers -- default Issuer of Patient ID by source
    lender  -- the spool, where workers may call a process of their own; none: all is done in their threads
    """

    way: Way
    ledger: Custody
    desk: Desk
    backlog: Backlog
    tell: events.Watcher
    issuers: Mapping[str, str] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    lender: Lender | None = None


class Workers:
    """`number` threads over one station."""

    def __init__(self, station: Station, number: int) -> None:
        self._station = station
        self._stop = threading.Event()
        self._leased: dict[str, list[Leased]] = {}
        names = [f"worker-{index}" for index in range(number)]
        self._threads = [Thread(target=self._run, args=(name,), name=name, daemon=True) for name in names]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float) -> bool:
        """Finish the object at hand and give back the rest; whether all were done in time.

        What takes longer is given back, too: an orderly stop is no start without an end, whatever comes of the thread.
        """
        self._stop.set()
        self._station.backlog.close()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        late = [item for thread in self._threads if thread.is_alive() for item in self._leased.get(thread.name, ())]
        if late:
            self._give_back(late)
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, name: str) -> None:
        with closing(Hands(self._station.way, self._station.lender)) as hands:
            self._work(name, hands)

    def _work(self, name: str, hands: Hands) -> None:
        station = self._station
        while not self._stop.is_set():
            try:
                leased = station.ledger.lease(name, GROUP)
            except StowgateError:
                self._stop.wait(_PAUSE)
                continue
            if not leased:
                self._look_again()
                continue
            self._leased[name] = leased
            self._work_on(leased, hands)
            self._leased[name] = []

    def _look_again(self) -> None:
        """Wait until something may be there; what others work on, or a suspect that waits for them, counts as that."""
        backlog = self._station.backlog
        with suppress(StowgateError):
            backlog.is_now(sum(states[State.RECEIVED] for states in self._station.ledger.counts().values()))
        backlog.wait_for_work(_LOOK)
        if backlog.waiting > 0:
            self._stop.wait(0.02)

    def _work_on(self, leased: list[Leased], hands: Hands) -> None:
        """One group in one commit, or, when something fails, each by itself; an orderly stop gives back the rest."""
        ended: list[tuple[Leased, Passed]] = []
        left = list(leased)
        began = self._station.clock()
        try:
            with closing(self._taken(leased, hands)) as taken:
                while left and not self._stop.is_set():
                    ended.append((left[0], next(taken)))
                    left.pop(0)
            self._end(ended, began)
        except Exception:  # noqa: BLE001 - a disk that is full for one object, or a bug: not the others' fault
            for _, passed in ended:
                self._station.desk.drop(passed)
            left = [item for item in leased if not self._alone(item, hands)]
            if left:
                self._stop.wait(_PAUSE)
        if left:
            self._give_back(left)

    def _alone(self, item: Leased, hands: Hands) -> bool:
        """Whether it could be ended; a bug quarantines it, a disk that fails or a stop does not."""
        if self._stop.is_set():
            return False
        began = self._station.clock()
        try:
            passed = next(self._taken([item], hands))
            try:
                self._end([(item, passed)], began)
            except Exception as error:
                self._station.desk.drop(passed)
                if isinstance(error, StowgateError):
                    raise
                # a bug must hold this object, never the thread; its text could quote a value
                self._end([(item, stopped(Raw(item.id, ""), "internal_error"))], began)
        except Exception:  # noqa: BLE001 - whatever it is, it stays in received
            return False
        return True

    def _taken(self, group: Sequence[Leased], hands: Hands) -> Generator[Passed]:
        raws = [Raw(item.id, "", self._station.issuers.get(item.source, "")) for item in group]
        if group[0].attempts >= MOST_STARTS - 1:  # a suspect comes alone
            yield stopped(raws[0], "third_start")
            return
        yield from hands.take(raws, self._station.backlog.waiting)

    def _end(self, group: list[tuple[Leased, Passed]], began: float) -> None:
        station = self._station
        if not group:
            return
        done = station.desk.end([passed for _, passed in group])
        station.backlog.ended(len(done))
        seconds = (station.clock() - began) / len(group)
        sources = {item.id: item.source for item, _ in group}
        for one in done:
            state = State.WAITING if one.state is State.CLEANED else one.state
            station.tell(events.Settled(sources[one.id], one.id, state, one.code, seconds))

    def _give_back(self, left: list[Leased]) -> None:
        try:
            self._station.ledger.release([item.id for item in left])
        except StowgateError:
            return  # the lease lapses, or the next start ends it
