"""Everything that leads out of a gateway: routes decide where clean objects go, a drain for each place sends them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from threading import Lock
from time import monotonic, sleep

from stowgate import events
from stowgate.errors import StowgateError
from stowgate.gateway.drain import LOOK, Drain
from stowgate.gateway.profiles import Profiles, facts_of
from stowgate.gateway.rounds import Rounds
from stowgate.gateway.times import Times
from stowgate.gateway.ways import WayOut
from stowgate.lifecycle import State
from stowgate.outbox.routing import SEND, wish_of
from stowgate.store.custody import Custody
from stowgate.store.deliveries import FORGOTTEN, Bound, Unbound
from stowgate.store.spool import CleanView

_BEING_CLEANED, _SOON = 60.0, 0.05
"""Seconds that an item may take to become clean, and between two looks."""


class Outbox:
    """One of a gateway. It hears of what is cleaned by the gateway's events, and looks by itself as well."""

    def __init__(
        self,
        ways: Iterable[WayOut],
        profiles: Profiles,
        ledger: Custody,
        shelf: CleanView,
        tell: events.Watcher = lambda _: None,
        times: Times | None = None,
    ) -> None:
        self._ledger, self._profiles = ledger, profiles
        self.drains: Mapping[str, Drain] = {way.name: Drain(way, ledger, shelf, tell, times) for way in ways}
        self._seen, self._turn = 0, Lock()
        self._rounds = Rounds("routes", self._round)

    def start(self) -> None:
        """Begin."""
        for drain in self.drains.values():
            drain.start()
        self._rounds.start()

    def stop(self, seconds: float) -> bool:
        """Finish what is under way; whether all were done in time."""
        self._rounds.stop(seconds)
        for drain in self.drains.values():
            drain.stop(0.0)
        deadline = monotonic() + seconds
        late = [name for name, drain in self.drains.items() if not drain.stop(max(0.0, deadline - monotonic()))]
        return not late

    def watch(self, event: events.GatewayEvent) -> None:
        """Something was cleaned, or what a person sends turned out to be a copy, and its original goes there."""
        if isinstance(event, events.Settled) and event.state is State.WAITING:
            self._rounds.ring()
        elif isinstance(event, events.Settled) and (event.source, event.state) == (SEND, State.DUPLICATE):
            for drain in self.drains.values():
                drain.ring()

    def route(self) -> int:
        """Decide where everything goes that nobody has decided about yet; how many go somewhere."""
        with self._turn:
            return self._routed()

    def _routed(self) -> int:
        number = 0
        while page := self._ledger.deliveries.unbound(self._seen):
            group = {one.clean: self._profiles.places(facts_of(one), one) for one in page}
            number += self._bind(group)
            self._complete(page)
            self._seen = page[-1].number  # what no rule fits is looked at again at the next start
        if number:
            for drain in self.drains.values():
                drain.ring()
        return number

    def catch_up(self, destination: str) -> dict[str, bool]:
        """Send a destination what came before it was there, as its routes say: each item that should go, and whether.

        What lacks the clean object for it is made first, from its original; where that is gone it cannot go.
        """
        found: dict[str, bool] = {}
        after = 0
        while page := self._ledger.deliveries.never_to(destination, after):
            after = page[-1].number
            mine = [one for one in page if destination in self._profiles.routed(facts_of(one))]
            places = {one.clean: self._profiles.places(facts_of(one), one) for one in mine}
            self._bind({id: [one for one in there if one.destination == destination] for id, there in places.items()})
            short = self._complete(mine)
            there = {one.item for one in mine if any(place.destination == destination for place in places[one.clean])}
            found |= {one.item: one.item in there or one.item in short for one in mine}
        for drain in self.drains.values():
            drain.ring()
        return found

    def forget(self, destination: str) -> int:
        """Give up what is still to go to a destination that is there no more, and decide about it anew; how many."""
        number = 0
        while more := self._ledger.deliveries.forget(destination):
            number += more
        with self._turn:
            self._seen = 0
        self.route()
        return number

    def also(self, item: str, destination: str) -> bool:
        """Send an item that is here to one more destination; whether it has what that one is to get.

        One that is being worked on is waited for: a second one beside it could be taken for its original.
        """
        until = monotonic() + _BEING_CLEANED
        while (row := self._ledger.row(item)) and row.state is State.RECEIVED and monotonic() < until:
            sleep(_SOON)
        if self._goes(item, destination):
            return True
        clean = self._profiles.fitting(destination, self._ledger.cleans_of_item(item))
        if clean is None:
            return False
        self._ledger.deliveries.bind({clean.id: [Bound(destination, wish=wish_of(destination))]})
        self.drains[destination].ring()
        return self._goes(item, destination)

    def _goes(self, item: str, destination: str) -> bool:
        """Whether it is on its way there or has arrived, and was not lost there after it was deleted here."""
        row = self._ledger.row(item)
        is_gone = row is not None and row.state is State.PURGED
        ways = self._ledger.deliveries.of_items([item]).get(item, ())
        return any(
            way.destination == destination and way.code != FORGOTTEN and not (is_gone and way.code) for way in ways
        )

    def _bind(self, group: Mapping[str, list[Bound]]) -> int:
        """How many go somewhere."""
        self._ledger.deliveries.bind(group)
        return sum(bool(places) for places in group.values())

    def _complete(self, page: Iterable[Unbound]) -> set[str]:
        """Have the workers make what is missing of these, and take away what nobody wants of them; which items.

        That is so where the configuration changed after they were cleaned, never for what comes every day.
        """
        by_item: dict[str, list[Unbound]] = {}
        for one in page:
            by_item.setdefault(one.item, []).append(one)
        short = {item for item, ones in by_item.items() if self._is_short(item, ones)}
        if short:
            short -= self._ledger.clean_more(sorted(short))
        return short

    def _is_short(self, item: str, ones: list[Unbound]) -> bool:
        """Whether something is missing of an item, or too much of it stands; `ones` are all that is new of it."""
        facts = facts_of(ones[0])
        wanted = {one.mark for one in self._profiles.left(facts).missing}
        if not self._profiles.routed(facts) or wanted == {(one.policy, one.key_id) for one in ones}:
            return False
        left = self._profiles.left_of(facts, item, self._ledger)
        return bool(left.missing or left.spare)

    def hurry(self) -> None:
        """A person does not want to wait: every way is tried now."""
        for drain in self.drains.values():
            drain.hurry()

    def paused(self, destination: str, code: str) -> None:
        """A destination was paused; "" resumes it."""
        if drain := self.drains.get(destination):
            drain.paused(code)

    def _round(self) -> float:
        with suppress(StowgateError):  # the ledger's disk is what is wrong; nothing is lost by waiting
            self.route()
        return LOOK
