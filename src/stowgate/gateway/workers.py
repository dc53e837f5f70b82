"""Threads that take items from received to waiting: check, de-identify, gate, keep; whatever fails holds one object."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from threading import Thread

from stowgate import events
from stowgate.errors import StowgateError
from stowgate.gateway.backlog import Backlog
from stowgate.gateway.ending import Desk, Worked
from stowgate.gateway.hand import Job
from stowgate.gateway.hands import Hands, Lender
from stowgate.gateway.profiles import Left, Profile, Profiles, facts_of
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

    way      -- the journey by the unit's own profile; by another one it takes that one's policy and key along
    profiles -- which of them each object is cleaned by
    issuers  -- default Issuer of Patient ID by source
    lender   -- the spool, where workers may call a process of their own; none: all is done in their threads
    """

    way: Way
    profiles: Profiles
    ledger: Custody
    desk: Desk
    backlog: Backlog
    tell: events.Watcher
    issuers: Mapping[str, str] = field(default_factory=dict)
    clock: Callable[[], float] = time.monotonic
    lender: Lender | None = None

    def ways(self) -> dict[str, Way]:
        """The journey by each profile, by its name."""
        named = self.profiles.by_name.items()
        return {name: replace(self.way, policy=one.policy, key=one.key.secret) for name, one in named}


def newly_received(ledger: Custody) -> int:
    """How many items wait to be cleaned for the first time: no source waits for those that only lack something."""
    return sum(states[State.RECEIVED] for states in ledger.counts().values()) - ledger.adding()


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
        with closing(Hands(self._station.ways(), self._station.lender)) as hands:
            self._work(name, hands)

    def _work(self, name: str, hands: Hands) -> None:
        station = self._station
        while not self._stop.is_set():
            station.backlog.wait_for_lull()
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
            backlog.is_now(newly_received(self._station.ledger))
        backlog.wait_for_work(_LOOK)
        if backlog.waiting > 0:
            self._stop.wait(0.02)

    def _work_on(self, leased: list[Leased], hands: Hands) -> None:
        """One group in one commit, or, when something fails, each by itself; an orderly stop gives back the rest."""
        ended: list[tuple[Leased, Worked]] = []
        left = list(leased)
        began = self._station.clock()
        try:
            with closing(self._taken(leased, hands)) as taken:
                while left and not self._stop.is_set():
                    ended.append((left[0], next(taken)))
                    left.pop(0)
            self._end(ended, began)
        except Exception:  # noqa: BLE001 - a disk that is full for one object, or a bug: not the others' fault
            for _, worked in ended:
                self._station.desk.drop(worked)
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
            worked = next(self._taken([item], hands))
            try:
                self._end([(item, worked)], began)
            except Exception as error:
                self._station.desk.drop(worked)
                if isinstance(error, StowgateError):
                    raise
                # a bug must hold this object, never the thread; its text could quote a value
                self._end([(item, self._stopped(item, "internal_error"))], began)
        except Exception:  # noqa: BLE001 - whatever it is, it stays in received
            return False
        return True

    def _taken(self, group: Sequence[Leased], hands: Hands) -> Generator[Worked]:
        """Each with how it ended by all the profiles that it has to be cleaned by."""
        if group[0].attempts >= MOST_STARTS - 1:  # a suspect comes alone
            yield self._stopped(group[0], "third_start")
            return
        left = [self._left(item) for item in group]
        jobs = [
            Job(Raw(item.id, "", self._station.issuers.get(item.source, "")), profile.name)
            for item, one in zip(group, left, strict=True)
            for profile in one.missing
        ]
        passed = hands.take(jobs, self._station.backlog.waiting)
        with closing(passed):
            for item, one in zip(group, left, strict=True):
                yield self._worked(item, one, passed)

    def _worked(self, item: Leased, left: Left, passed: Iterator[Passed]) -> Worked:
        """One item, by each profile that is missing; what was written for it is gone if one of them cannot end."""
        done: list[tuple[Profile, Passed]] = []
        try:
            for profile in left.missing:
                done.append((profile, next(passed)))  # noqa: PERF401 - what is done has to be known if one fails
        except BaseException:
            self._station.desk.drop(Worked(item.id, tuple(done)))
            raise
        return Worked(item.id, tuple(done), left.kept, left.spare, self._station.profiles.wants(facts_of(item)))

    def _left(self, item: Leased) -> Left:
        station, facts = self._station, facts_of(item)
        return station.profiles.left_of(facts, item.id, station.ledger) if item.adds else station.profiles.left(facts)

    def _stopped(self, item: Leased, code: str) -> Worked:
        return Worked(item.id, ((self._station.profiles.own, stopped(Raw(item.id, ""), code)),))

    def _end(self, group: list[tuple[Leased, Worked]], began: float) -> None:
        station = self._station
        if not group:
            return
        done = station.desk.end([worked for _, worked in group])
        new = {item.id for item, _ in group if not item.adds}
        station.backlog.ended(sum(one.id in new for one in done))
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
