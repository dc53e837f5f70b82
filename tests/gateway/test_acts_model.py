"""Random acts of people, scanners and destinations: nothing that is wanted somewhere is forgotten, nothing strays.

STOWGATE_SOAK=1 plays 200 games instead of 12.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stowgate.gateway.purge import Keeping, Purge
from stowgate.gateway.sending import CODE
from stowgate.lifecycle import Delivery, Evidence, State
from stowgate.store.deliveries import Due, OnItsWay, Outcome
from tests.builder import small
from tests.gateway.parts import OWN, Parts, parts
from tests.gateway.test_sending import RESEARCH, Desk, otherwise

GAMES = 200 if os.environ.get("STOWGATE_SOAK") else 12
MOVES = 40
NAMES = ("pacs", "lab", "nas")
ROUTED = ("pacs", "lab")
"""Where the desk's rules lead what scanners send."""
ALL = list(State)
STOPPED = (State.RECEIVED, State.HELD, State.QUARANTINED, State.REJECTED, State.DROPPED)
MUCH = 1 << 20

Pair = tuple[int, str]
"""An object, and a destination."""


@dataclass
class Game:
    """Two objects, each in two encodings; three destinations, of which one has a profile of its own."""

    chance: random.Random
    desk: Desk
    files: list[list[Path]]
    objects: dict[str, int] = field(default_factory=dict)
    """Of which object each item is."""
    wanted: set[Pair] = field(default_factory=set)
    arrived: set[Pair] = field(default_factory=set)
    dropped: set[int] = field(default_factory=set)
    told: list[str] = field(default_factory=list)

    @property
    def parts(self) -> Parts:
        return self.desk.parts

    def move(self) -> None:
        acts: list[tuple[int, Callable[[], None]]] = [
            (2, self.scan), (3, self.send), (4, self.work), (3, self.deliver), (1, self.lose), (1, self.hold),
            (2, self.release), (1, self.drop), (1, self.retry), (1, self.purge), (1, self.die), (1, self.forget),
        ]  # fmt: skip
        act = self.chance.choices([act for _, act in acts], [weight for weight, _ in acts])[0]
        self.told.append(act.__name__)
        act()

    def scan(self) -> None:
        number, file = self.file()
        self.parts.take_in(file.read_bytes())
        self.came(number, ROUTED)

    def send(self) -> None:
        number, file = self.file()
        to = self.chance.choice(NAMES)
        if self.parts.counts().get("received"):
            return  # the answer waits until what is here is cleaned
        assert not self.desk.send(file, to).startswith(CODE)
        self.came(number, [to])

    def file(self) -> tuple[int, Path]:
        number = self.chance.randrange(len(self.files))
        return number, self.chance.choice(self.files[number])

    def came(self, number: int, to: Iterable[str]) -> None:
        self.wanted |= {(number, name) for name in to}
        for row in self.parts.ledger.rows(ALL):
            self.objects.setdefault(row.id, number)

    def work(self) -> None:
        self.desk.work()

    def deliver(self) -> None:
        self.round(self.chance.choice(NAMES), self.chance.choice(["takes", "takes", "refuses", "is busy"]))

    def round(self, to: str, how: str = "takes") -> None:
        """One parcel: what a destination says to it."""
        for one in self.parts.ledger.deliveries.lease(to, 3, MUCH):
            pair = (self.objects[one.item], to)
            assert pair in self.wanted, f"nobody sent {pair} there"
            assert (RESEARCH if to == "lab" else OWN).made(one.clean), f"made for another recipient than {to}"
            if how == "is busy":
                self.parts.ledger.deliveries.release([one.number])
            elif one.purged:
                self.asked(one, pair)
            elif how == "refuses":
                self.record(Outcome(one.number, Delivery.REFUSED, "peer_refused_object"))
            else:
                self.arrived.add(pair)
                self.record(Outcome(one.number, Delivery.VERIFIED, "", Evidence.CONTENT, done=True))

    def asked(self, one: Due, pair: Pair) -> None:
        """Of what is there no more and here neither, only that can be said."""
        if pair in self.arrived:
            self.record(Outcome(one.number, Delivery.VERIFIED, "", Evidence.CONTENT, done=True))
        else:
            self.record(Outcome(one.number, Delivery.VERIFIED, "peer_lost_purged", Evidence.STATUS, done=True))

    def record(self, outcome: Outcome) -> None:
        self.parts.ledger.deliveries.record([outcome])

    def lose(self) -> None:
        """A destination loses an object; it is asked for all of them."""
        if not self.arrived:
            return
        lost = self.chance.choice(sorted(self.arrived))
        self.arrived.discard(lost)
        ledger = self.parts.ledger
        ledger.deliveries.recheck([id for id, number in self.objects.items() if number == lost[0]], NAMES)
        for one in ledger.deliveries.lease(lost[1], 9, MUCH):
            pair = (self.objects[one.item], lost[1])
            if one.state is Delivery.QUEUED:
                ledger.deliveries.release([one.number])
            elif one.purged or pair in self.arrived:
                self.asked(one, pair)
            else:
                self.record(Outcome(one.number, Delivery.QUEUED, "peer_lost_object", wait=0.0))

    def hold(self) -> None:
        if id := self.one_of(State.WAITING, delivered=False):
            self.parts.ledger.move([id], State.HELD, "held_by_person")

    def release(self) -> None:
        if id := self.one_of(State.HELD, State.QUARANTINED):
            self.parts.ledger.move([id], State.RECEIVED)

    def drop(self) -> None:
        if id := self.one_of(State.HELD, State.QUARANTINED):
            self.parts.ledger.move([id], State.DROPPED)
            self.dropped.add(self.objects[id])

    def retry(self) -> None:
        self.parts.ledger.deliveries.retry(list(self.objects))

    def purge(self) -> None:
        Purge(Keeping(), self.parts.ledger, self.parts.spool).now(list(self.objects))

    def die(self) -> None:
        self.parts.recover()

    def forget(self) -> None:
        """A destination is given up and is there again, as after two changes of the configuration."""
        self.desk.outbox.forget(self.chance.choice(NAMES))

    def one_of(self, *states: State, delivered: bool | None = None) -> str:
        rows = self.parts.ledger.rows(list(states))
        ids = sorted(row.id for row in rows if delivered is None or row.delivered is delivered)
        return self.chance.choice(ids) if ids else ""

    def check(self) -> None:
        rows = {row.id: row for row in self.parts.ledger.rows(ALL)}
        assert Counter(str(row.state) for row in rows.values()) == self.parts.counts()
        ways = self.parts.ledger.deliveries.of_items(list(rows))
        for number, to in self.wanted - self.arrived:
            mine = [id for id in rows if self.objects[id] == number]
            is_stopped = number in self.dropped or any(rows[id].state in STOPPED for id in mine)
            led = [way for id in mine for way in ways.get(id, ()) if way.destination == to]
            assert is_stopped or any(map(_is_known, led)), f"object {number} was forgotten on its way to {to}"
        for id, row in rows.items():
            over = [way for way in ways.get(id, ()) if row.delivered and way.stand == "over" and not way.code]
            for way in over:
                assert (self.objects[id], way.destination) in self.arrived, "called delivered, and never was there"


def _is_known(way: OnItsWay) -> bool:
    """Whether it goes on by itself, or says why it does not."""
    return way.stand in ("ready", "later", "out") or bool(way.code)


@pytest.mark.parametrize("seed", range(GAMES))
def test_whatever_happens_each_object_is_where_it_is_wanted_on_its_way_or_told_of(seed: int, tmp_path: Path) -> None:
    files = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "one.dcm").write_bytes(small(uid=f"1.2.{number}"))
        files.append([folder / "one.dcm", otherwise(folder / "one.dcm", folder)])
    with parts(tmp_path / "spool") as open_parts:
        game = Game(random.Random(seed), Desk(open_parts), files)
        try:
            for _ in range(MOVES):
                game.move()
                game.check()
            for _ in range(4):  # all faults are over
                game.work()
                for name in NAMES:
                    game.round(name)
            game.check()
        except AssertionError as error:
            error.add_note(" ".join(game.told))
            raise
