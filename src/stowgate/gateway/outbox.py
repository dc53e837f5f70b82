"""Everything that leads out of a gateway: routes decide where clean objects go, a drain for each place sends them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from threading import Condition, Thread
from time import monotonic

from stowgate import events
from stowgate.errors import StowgateError
from stowgate.gateway.drain import LOOK, Drain
from stowgate.gateway.times import Times
from stowgate.gateway.ways import WayOut
from stowgate.lifecycle import State
from stowgate.outbox.routing import Facts, Rule, routed
from stowgate.store.custody import Custody
from stowgate.store.deliveries import Bound
from stowgate.store.spool import CleanView


class Outbox:
    """One of a gateway. It hears of what is cleaned by the gateway's events, and looks by itself as well."""

    def __init__(
        self,
        ways: Iterable[WayOut],
        rules: Sequence[Rule],
        ledger: Custody,
        shelf: CleanView,
        tell: events.Watcher = lambda _: None,
        times: Times | None = None,
    ) -> None:
        self._ledger, self._rules = ledger, rules
        self.drains: Mapping[str, Drain] = {way.name: Drain(way, ledger, shelf, tell, times) for way in ways}
        self._bell = Condition()
        self._rung = self._stopping = False
        self._seen = 0
        self._thread = Thread(target=self._run, name="routes", daemon=True)

    def start(self) -> None:
        """Begin."""
        for drain in self.drains.values():
            drain.start()
        self._thread.start()

    def stop(self, seconds: float) -> bool:
        """Finish what is under way; whether all were done in time."""
        with self._bell:
            self._stopping = True
            self._bell.notify_all()
        if self._thread.ident is not None:
            self._thread.join(seconds)
        for drain in self.drains.values():
            drain.stop(0.0)
        deadline = monotonic() + seconds
        late = [name for name, drain in self.drains.items() if not drain.stop(max(0.0, deadline - monotonic()))]
        return not late

    def watch(self, event: events.GatewayEvent) -> None:
        """Something was cleaned."""
        if isinstance(event, events.Settled) and event.state is State.WAITING:
            with self._bell:
                self._rung = True
                self._bell.notify()

    def route(self) -> int:
        """Decide where everything goes that nobody has decided about yet; how many go somewhere."""
        number = 0
        while page := self._ledger.deliveries.unbound(self._seen):
            group = {
                one.clean: [
                    Bound(name, urgency)
                    for name, urgency in routed(
                        Facts(one.source, one.modality, one.sop_class, one.marks), self._rules
                    ).items()
                ]
                for one in page
            }
            self._ledger.deliveries.bind(group)
            number += sum(bool(places) for places in group.values())
            self._seen = page[-1].number  # what no rule fits is looked at again at the next start
        if number:
            for drain in self.drains.values():
                drain.ring()
        return number

    def hurry(self) -> None:
        """A person does not want to wait: every way is tried now."""
        for drain in self.drains.values():
            drain.hurry()

    def paused(self, destination: str, code: str) -> None:
        """A destination was paused; "" resumes it."""
        if drain := self.drains.get(destination):
            drain.paused(code)

    def _run(self) -> None:
        while not self._stopping:
            with suppress(StowgateError):  # the ledger's disk is what is wrong; nothing is lost by waiting
                self.route()
            with self._bell:
                self._bell.wait_for(lambda: self._rung or self._stopping, LOOK)
                self._rung = False
