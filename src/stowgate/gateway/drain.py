"""Takes what is due for one destination, hands it to the sink, and writes down what the evidence says; for ever."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from threading import Condition, Thread

from stowgate import events
from stowgate.deliver.sink import Answer, Sink
from stowgate.deliver.throttle import Bucket, Throttled
from stowgate.errors import Misconfigured, StowgateError, Temporary
from stowgate.gateway.pace import Pace
from stowgate.gateway.parcels import LedgerJournal, after_asking, after_sending, parcel_of, read_again, without_asking
from stowgate.gateway.times import Times
from stowgate.gateway.way_answers import AWAY, of_way, shows_the_place
from stowgate.gateway.ways import WayOut
from stowgate.lifecycle import Delivery, Evidence, State
from stowgate.outbox.policy import Link, failed, from_below, hurried, parcel_bytes, seen, until_look
from stowgate.store.custody import Custody
from stowgate.store.deliveries import Destination, Due, Outcome
from stowgate.store.spool import CleanView

MOST = 64
"""Objects of one parcel."""

LONG = 60.0
"""Seconds that a worker rests after a fault of ours."""

LOOK, PROBE = 5.0, 2.0
"""Seconds between looks into the ledger when nothing is known to wait, and at a place that cannot be reached."""

_SOON = 0.1
"""Seconds that a worker rests at least."""


class Drain:
    """The workers of one destination. One at a time tries whether a place that was down has come back."""

    def __init__(
        self,
        way: WayOut,
        ledger: Custody,
        shelf: CleanView,
        tell: events.Watcher = lambda _: None,
        times: Times | None = None,
    ) -> None:
        self.way, self._ledger, self._shelf, self._tell = way, ledger, shelf, tell
        self._times = times or Times()
        self._bell = Condition()
        self._rings, self._stopping, self._turns = 0, False, 0
        self._trying: int | None = None
        noted = ledger.deliveries.destinations().get(way.name, Destination(way.name))
        self._paused, self._link = noted.paused, Link(noted.failures, code=noted.code)
        self._down_since, self._probed = self._times.monotonic(), float("-inf")
        self._found = 0
        self._bucket = Bucket(lambda: way.bandwidth.at(self._times.minute()), self._times.monotonic, self._times.sleep)
        note = lambda rate: ledger.deliveries.measured(way.name, rate)  # noqa: E731
        self._pace = Pace(way.workers, lambda: self._bucket.taken, self._times.monotonic, note)
        self._threads = [
            Thread(target=self._run, args=(index,), name=f"deliver-{way.name}-{index}", daemon=True)
            for index in range(way.workers)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float) -> bool:
        """Finish the parcels at hand; whether all were done in time. What is left is given out again at the start."""
        with self._bell:
            self._stopping = True
            self._bell.notify_all()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def ring(self) -> None:
        """Something may be due."""
        with self._bell:
            self._rings += 1
            self._bell.notify_all()

    def hurry(self) -> None:
        """A person does not want to wait."""
        with self._bell:
            self._link = hurried(self._link, self._times.monotonic())
        self.ring()

    def paused(self, code: str) -> None:
        """A person, or a refusal, has paused it; "" resumes it."""
        with self._bell:
            self._paused = code
            if not code:  # what is known of an outage stays known until the next try has told
                self._link = replace(hurried(self._link, self._times.monotonic()), bidden=False)
        self.ring()

    def _run(self, index: int) -> None:
        sink = Throttled(self.way.sink(), self._bucket)
        is_open = False
        try:
            while not self._stopping:
                heard = self._rings
                wait = self.rest(index, sink)
                if wait > 0:
                    if is_open and index >= self._pace.workers:  # sent home: a peer keeps a place for us
                        sink.close()
                        is_open = False
                    self._sleep(wait, heard)
                    continue
                try:
                    is_open = self.step(sink, is_open, index)
                    self.ended(index)
                except Exception as error:  # noqa: BLE001 - a bug must not leave a destination without its workers
                    is_open = False
                    self.ended(index)
                    self._tell(events.DestinationDown(self.way.name, "internal_error"))
                    self._sleep(LOOK if isinstance(error, StowgateError) else LONG, heard)
        finally:
            sink.close()

    def ended(self, index: int) -> None:
        """This worker's try is over; another may try next, also while this one hangs on a link that is dead."""
        with self._bell:
            if self._trying == index:
                self._trying = None

    def rest(self, index: int, sink: Sink) -> float:
        """Seconds until this worker may take something; 0 for now."""
        now = self._times.monotonic()
        closed = self.way.hours.minutes_until_open(self._times.minute()) * 60
        if self._paused or closed:
            return LOOK if self._paused else min(closed, LOOK)
        if not self._link.failures:
            return 0.0 if self._pace.admits(index) else LOOK
        with self._bell:
            if self._trying not in (None, index):
                return LOOK
        if not self._link.may_try(now) and now - self._probed >= until_look(self._found, PROBE):
            self._probed = now
            reachable = sink.reachable()
            self._found = self._found + 1 if reachable else 0
            with self._bell:
                self._link = seen(self._link, self._times.monotonic(), reachable=reachable)
        now = self._times.monotonic()
        with self._bell:
            if self._link.may_try(now) and self._trying in (None, index):
                self._trying = index
                return 0.0
        look = self._probed + until_look(self._found, PROBE) - now
        return min(max(_SOON, self._link.until - now), max(_SOON, look), LOOK)

    def step(self, sink: Sink, is_open: bool = True, index: int = 0) -> bool:
        """One parcel, or a rest when nothing is due; whether the sink is open afterwards."""
        heard = self._rings
        try:
            size, below = parcel_bytes(self._pace.each, self._pace.holds), from_below(self._turns)
            due = self._ledger.deliveries.lease(self.way.name, MOST, size, below)
            self._turns += bool(due)
        except StowgateError:
            self._sleep(LOOK, heard)
            return is_open
        if not due:
            self._pace.interrupted()
            self._look_for_it(sink)
            if not self._idle(heard) and is_open:
                sink.close()  # nothing came for a while, and a peer keeps a place for us
                return False
            return is_open
        try:
            if not is_open:
                sink.open()
            self._hand_over(sink, due)
        except Exception as error:  # noqa: BLE001 - whatever it was, nothing is given up; its text could quote
            self._gone_wrong(due, error, index)
            with suppress(Exception):
                sink.close()
            return False
        return True

    def _look_for_it(self, sink: Sink) -> None:
        """A place that was down is up when it is found there, also where nothing is due to try it with."""
        now = self._times.monotonic()
        if not self._link.failures or now - self._probed < until_look(self._found, PROBE):
            return
        self._probed = now
        with suppress(StowgateError):
            is_away = self._link.code in AWAY or self._ledger.deliveries.next_due(self.way.name) is None
            if is_away and sink.reachable():
                self._works()

    def _idle(self, heard: int) -> bool:
        """Wait until something may be due; whether that is now."""
        try:
            next_due = self._ledger.deliveries.next_due(self.way.name)
        except StowgateError:
            next_due = None
        return self._sleep(LOOK if next_due is None else min(LOOK, next_due), heard) or next_due is not None

    def _sleep(self, seconds: float, heard: int) -> bool:
        """Whether somebody rang after so many rings: each worker hears each of them."""
        with self._bell:
            return self._bell.wait_for(lambda: self._rings != heard or self._stopping, seconds)

    def _hand_over(self, sink: Sink, due: Sequence[Due]) -> None:
        parcel, sent, damaged = parcel_of(due, self._shelf)
        self._set_aside(due, damaged)
        self._ledger.deliveries.release({one.number for one in due} - {one.number for one in sent.values()})
        if not sent:
            return
        journal, chance = LedgerJournal(self._ledger.deliveries, sent.values()), self._times.chance()
        began = self._times.monotonic()
        if due[0].state is Delivery.QUEUED:
            answers = sink.deliver(parcel, journal)
            outcomes = after_sending(sent, answers, self.way.evidence, chance)
            self._note(answers)
        elif self.way.evidence is Evidence.STATUS:
            outcomes = without_asking(sent)
        else:
            found = read_again(sink, parcel, sink.verify(parcel, journal), sent, self._times.chance())
            outcomes = after_asking(sent, found, self.way.evidence, chance)
            self._works()
        seconds = self._times.monotonic() - began
        self._ledger.deliveries.record(outcomes)
        self._told(sent, outcomes, seconds, sending=due[0].state is Delivery.QUEUED)

    def _set_aside(self, due: Sequence[Due], damaged: Mapping[int, str]) -> None:
        """What is not on the shelf as it was written goes nowhere, and a person is told."""
        for one in due:
            if code := damaged.get(one.number):
                self._ledger.move([one.item], State.QUARANTINED, code)
                self._tell(events.PayloadLost(one.item))

    def _note(self, answers: Mapping[str, Answer]) -> None:
        code, after, taken = of_way(answers)
        if taken:  # it worked until just now, so a break is the first failure in a row
            self._works()
        if code:
            self._fails(code, after)

    def _gone_wrong(self, due: Sequence[Due], error: Exception, index: int) -> None:
        """Nothing was said of any object: a person has to act, or the way has to come back."""
        code = error.code if isinstance(error, StowgateError) else "internal_error"
        try:
            if isinstance(error, Misconfigured):
                self._ledger.deliveries.release([one.number for one in due])
                if shows_the_place(code):
                    self._works()
                self._ledger.deliveries.pause(self.way.name, code)
                self.paused(code)
                self._tell(events.DestinationPaused(self.way.name, code))
                return
            if not self._link.failures and self._pace.is_crowded(index, code):
                self._ledger.deliveries.release([one.number for one in due])
                return
            self._ledger.deliveries.record([Outcome(one.number, one.state, code) for one in due])
            self._fails(code, error.after if isinstance(error, Temporary) else None)
        except StowgateError:
            self._sleep(LOOK, self._rings)  # the ledger's disk is what is wrong; the next start gives it out again

    def _fails(self, code: str, after: float | None) -> None:
        now = self._times.monotonic()
        self._pace.interrupted()
        with self._bell:
            before = self._link
            self._link = failed(before, now, self._times.chance(), code, after)
        if self._link is before:
            return
        next_try = self._times.wall() + self._link.until - now
        self._ledger.deliveries.link(self.way.name, code, self._link.failures, next_try)
        if not before.failures:
            self._down_since = now
            self._pace.broke()
            self._tell(events.DestinationDown(self.way.name, code))

    def _works(self) -> None:
        with self._bell:
            before, self._link = self._link, Link()
        if before.failures:
            self._pace.returned()
            self._ledger.deliveries.link(self.way.name, "", 0, None)
            self._tell(events.DestinationUp(self.way.name, self._times.monotonic() - self._down_since))
            self.ring()

    def _told(self, sent: Mapping[str, Due], outcomes: Sequence[Outcome], seconds: float, *, sending: bool) -> None:
        by_number = {one.number: one for one in sent.values()}
        if sending and not any(one.code for one in outcomes):
            self._pace.sent(sum(one.clean.size for one in sent.values()), seconds)
        for outcome in outcomes:
            one = by_number[outcome.number]
            if outcome.state is not one.state or outcome.code:
                share = seconds / len(outcomes)
                self._tell(
                    events.Delivered(self.way.name, one.item, outcome.state, outcome.code, one.clean.size, share)
                )
