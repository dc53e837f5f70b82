"""Any order of any operations, with crashes and reboots in between: SQLite and its twin never differ (A13).

STOWGATE_SOAK=1 takes about 10,000 steps.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from stowgate.lifecycle import NEXT, Delivery, Evidence, State
from stowgate.outbox.policy import Urgency
from stowgate.store.custody import Custody, Ended, Event
from stowgate.store.custody_memory import MemoryCustody
from stowgate.store.custody_sqlite import SqliteCustody, open_custody
from stowgate.store.deliveries import Bound, Outcome
from stowgate.store.expected import Told
from tests.store.custody_sample import KEY, OTHER, OTHER_POLICY, POLICY, Hands, clean, cleaned, coming, ended, hex32

SOAK = bool(os.environ.get("STOWGATE_SOAK"))
N = st.integers(0, 5)
IDS = st.lists(N, unique=True, max_size=4)
SOURCES = st.sampled_from(["ct", "drop"])
STATES = st.sampled_from(sorted(State))
URGENCY = st.sampled_from(Urgency)
OUTCOMES = st.builds(
    lambda number, state, evidence, wait, done: Outcome(
        number, state, "peer_refused_object", evidence, wait, done and evidence is not Evidence.NONE
    ),
    st.integers(0, 6), st.sampled_from(Delivery), st.sampled_from(Evidence), st.sampled_from([None, 5.0]),
    st.booleans(),
)  # fmt: skip
NUMBERS = st.one_of(st.none(), st.integers(1, 4))
TOLD = st.builds(Told, NUMBERS, st.one_of(st.none(), st.integers(1, 2)), NUMBERS)
KEYS = (KEY.id, OTHER.id)
ENDS = st.sampled_from(sorted(NEXT[State.RECEIVED]))


class Ledgers(RuleBasedStateMachine):
    """The same operation on both members; what each says is compared, and everything they know after each step."""

    @initialize()
    def begin(self) -> None:
        self.room = Path(tempfile.mkdtemp(prefix="ledgers-"))
        self.lives = 0
        self.hands, self.twins_hands = Hands(ticking=False), Hands(ticking=False)
        self.made = 0
        self.twin = MemoryCustody(self.twins_hands.clocks, longest_lease=60)
        self.ledger = self.opened()

    def opened(self) -> SqliteCustody:
        return open_custody(self.room / f"{self.lives}.db", KEY, self.hands.clocks, longest_lease=60)

    def both(self, method: str, *values: object, of: str = "", **named: object) -> object:
        """What both, or their part `of`, say to it; a mistake of the caller is one to both."""
        for hands in (self.hands, self.twins_hands):
            hands.wall += 1
        said = []
        for ledger in (self.ledger, self.twin):
            try:
                said.append(getattr(getattr(ledger, of) if of else ledger, method)(*values, **named))
            except ValueError as error:
                said.append(str(error))
        assert said[0] == said[1], method
        return said[0]

    @rule(
        group=st.lists(st.tuples(N, st.integers(0, 3), st.integers(0, 1), st.integers(0, 2), TOLD), max_size=4),
        source=SOURCES,
        series=st.integers(0, 2),
    )
    def receive(self, group: list[tuple[int, int, int, int, Told]], source: str, series: int) -> None:
        arrivals = [
            coming(
                n, i, c, source=source, study=hex32(s, 4) if s else "", modality="" if c else "CT",
                series=hex32(series, 9) if series else "", told=told,
            )
            for n, i, c, s, told in group
        ]  # fmt: skip
        self.both("receive", arrivals)

    @rule(n=N, code=st.sampled_from(["not_dicom", "truncated"]))
    def refuse(self, n: int, code: str) -> None:
        self.both("receive", [coming(n, code=code)])

    @rule(most=st.integers(-1, 4))
    def lease(self, most: int) -> None:
        self.both("lease", "w", most)

    @rule(
        group=st.lists(st.tuples(N, ENDS, st.integers(0, 3), st.booleans()), unique_by=lambda one: one[0], max_size=4)
    )
    def end_some(self, group: list[tuple[int, State, int, bool]]) -> None:
        self.end(group)

    def end(self, group: list[tuple[int, State, int, bool]]) -> None:
        self.made += 10
        ends = [
            cleaned(n, instance, made=self.made + at, policy=OTHER_POLICY if other else POLICY)
            if state is State.CLEANED
            else ended(n, state)
            for at, (n, state, instance, other) in enumerate(group)
        ]
        self.both("end", ends)

    @rule(ends=st.lists(st.tuples(ENDS, st.integers(0, 3)), min_size=1, max_size=3))
    def end_what_is_leased(self, ends: list[tuple[State, int]]) -> None:
        leased = [int(item.coming.id[:8], 16) for item in self.twin._at_work()]
        self.end([(n, state, instance, False) for n, (state, instance) in zip(leased, ends, strict=False)])

    @rule(
        instance=st.integers(0, 3),
        makes=st.lists(st.tuples(st.sampled_from([POLICY, OTHER_POLICY]), st.sampled_from(KEYS)), max_size=3),
        keep=st.integers(0, 2),
    )
    def end_with_several(self, instance: int, makes: list[tuple[str, str]], keep: int) -> None:
        """The first that is leased: cleaned by several profiles, some of what stood of it is kept."""
        leased = self.twin._at_work()
        self.made += 10
        cleans = [clean(self.made + at, instance, *with_) for at, with_ in enumerate(makes)]
        kept = [one.id for item in leased[:1] for one in self.twin.cleans_of_item(item.coming.id)][:keep]
        state = State.CLEANED if cleans or kept else State.DUPLICATE
        self.both("end", [Ended(item.coming.id, state, cleans=tuple(cleans), kept=tuple(kept)) for item in leased[:1]])

    @rule(ids=IDS)
    def clean_more(self, ids: list[int]) -> None:
        self.both("clean_more", [hex32(n) for n in ids])

    @rule(name=st.sampled_from(["research", "hospital"]), key=st.sampled_from(KEYS))
    def claim(self, name: str, key: str) -> None:
        self.both("claim_profile", name, key)

    @rule(ids=IDS)
    def release(self, ids: list[int]) -> None:
        self.both("release", [hex32(n) for n in ids])

    @rule()
    def release_all(self) -> None:
        self.both("release_all")

    @rule(ids=IDS, to=STATES)
    def move(self, ids: list[int], to: State) -> None:
        self.both("move", [hex32(n) for n in ids], to, "uid_reuse" if to is not State.RECEIVED else "")

    @rule(ids=IDS, raw=st.booleans(), clean=st.booleans())
    def forget(self, ids: list[int], raw: bool, clean: bool) -> None:
        self.both("forget_payload", [hex32(n) for n in ids], raw=raw, clean=clean)

    @rule(ct=st.integers(0, 100), drop=st.one_of(st.none(), st.integers(0, 100)))
    def complete(self, ct: int, drop: int | None) -> None:
        self.both("complete_studies", {"ct": ct} | ({} if drop is None else {"drop": drop}))

    @rule(n=N, to=st.lists(st.sampled_from(["pacs", "nas"]), unique=True, max_size=2), urgency=URGENCY)
    def come_and_go_out(self, n: int, to: list[str], urgency: Urgency) -> None:
        """What a gateway does with most arrivals: received, cleaned, bound for somewhere."""
        self.both("receive", [coming(n)])
        self.both("lease", "w", 4)
        self.end_what_is_leased([(State.CLEANED, n)])
        waiting = [one.clean for one in self.twin.deliveries.unbound()]
        self.both("bind", {id: [Bound(place, urgency) for place in to] for id in waiting}, of="deliveries")

    @rule(made=st.lists(st.integers(1, 40), max_size=3), to=st.sampled_from(["pacs", "nas"]), urgency=URGENCY)
    def bind(self, made: list[int], to: str, urgency: Urgency) -> None:
        self.both("bind", {hex32(10 * n + at, 5): [Bound(to, urgency)] for n in made for at in (0, 1)}, of="deliveries")

    @rule(to=st.sampled_from(["pacs", "nas"]), most=st.integers(0, 3), size=st.integers(1, 3000))
    def lease_deliveries(self, to: str, most: int, size: int) -> None:
        self.both("lease", to, most, size, of="deliveries")

    @rule(group=st.lists(OUTCOMES, unique_by=lambda one: one.number, max_size=4))
    def record(self, group: list[Outcome]) -> None:
        self.both("record", group, of="deliveries")

    @rule(ids=IDS)
    def give_deliveries_back(self, ids: list[int]) -> None:
        self.both("release", ids, of="deliveries")

    @rule()
    def release_all_deliveries(self) -> None:
        self.both("release_all", of="deliveries")

    @rule(ids=IDS)
    def retry(self, ids: list[int]) -> None:
        self.both("retry", [hex32(n) for n in ids], of="deliveries")

    @rule(ids=IDS)
    def recheck(self, ids: list[int]) -> None:
        self.both("recheck", [hex32(n) for n in ids], ["pacs", "nas"], of="deliveries")

    @rule(destination=st.sampled_from(["pacs", "nas"]), most=st.integers(1, 3))
    def forget_destination(self, destination: str, most: int) -> None:
        self.both("forget", destination, most, of="deliveries")

    @rule(source=SOURCES, calling=st.sampled_from("ABC"))
    def turn_away(self, source: str, calling: str) -> None:
        self.both("turned_away", source, calling, "10.0.0.1")

    @rule(n=N, item=st.booleans())
    def note(self, n: int, item: bool) -> None:
        self.both("note", Event(float(n), "told", hex32(n) if item else "", "ct", "uid_reuse"))

    @rule(later=st.integers(0, 70), wall=st.integers(-10_000, 10_000))
    def time_passes(self, later: int, wall: int) -> None:
        for hands in (self.hands, self.twins_hands):
            hands.monotonic += later
            hands.wall += wall

    @rule(boot=st.booleans())
    def close_and_reopen(self, boot: bool) -> None:
        self.ledger.close()
        self.reboot(boot)
        self.ledger = self.opened()

    @rule(boot=st.booleans())
    def crash(self, boot: bool) -> None:
        """What is on disk at this moment is all that the next life finds."""
        before = self.room / f"{self.lives}.db"
        self.lives += 1
        for part in ("", "-wal"):
            shutil.copy(f"{before}{part}", self.room / f"{self.lives}.db{part}")
        self.ledger.close()
        self.reboot(boot)
        self.ledger = self.opened()

    def reboot(self, really: bool) -> None:
        if really:
            for hands in (self.hands, self.twins_hands):
                hands.boot += "+"
                hands.monotonic = 5.0

    @precondition(lambda self: hasattr(self, "ledger"))
    @invariant()
    def they_know_the_same(self) -> None:
        assert everything(self.ledger) == everything(self.twin)

    @precondition(lambda self: hasattr(self, "ledger"))
    @invariant()
    def every_arrival_is_counted_once(self) -> None:
        with closing(sqlite3.connect(self.room / f"{self.lives}.db")) as db:
            ((rows, highest),) = db.execute("SELECT count(*), coalesce(max(number), 0) FROM items")
            counted = dict(db.execute("SELECT state, sum(n) FROM counts GROUP BY state HAVING sum(n) > 0"))
            assert counted == dict(db.execute("SELECT state, count(*) FROM items GROUP BY state"))
            assert rows == highest == sum(counted.values())

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()
            shutil.rmtree(self.room)


def everything(ledger: Custody) -> list[object]:
    """All that can be asked."""
    instances = [f"2.25.{n}" for n in range(4)]
    return [
        ledger.rows(most=50),
        ledger.rows([State.RECEIVED, State.WAITING], "ct", after=1, most=2),
        ledger.rows(study=hex32(1, 4), states=[State.DUPLICATE, State.HELD], most=50),
        ledger.counts(),
        ledger.studies(most=1),
        ledger.studies(hex32(1, 4)),
        list(ledger.payloads()),
        ledger.unpayloaded([hex32(n) for n in range(10)]),
        [ledger.clean_of_item(hex32(n)) for n in range(10)],
        [ledger.row(hex32(n)[:8]) for n in range(10)],
        [ledger.clean_of_instance(instances, policy, key) for policy in (POLICY, OTHER_POLICY) for key in KEYS],
        [ledger.cleans_of_item(hex32(n)) for n in range(10)],
        [ledger.made_of_item(hex32(n)) for n in range(10)],
        [ledger.key_of_profile(name) for name in ("research", "hospital")],
        ledger.adding(),
        ledger.callers(),
        ledger.events(most=3),
        ledger.events(hex32(1)),
        ledger.oldest_waiting(),
        ledger.deliveries.counts(),
        ledger.deliveries.delivered(),
        ledger.deliveries.unbound(),
        ledger.deliveries.of_items([hex32(n) for n in range(10)]),
        [ledger.deliveries.next_due(to) for to in ("pacs", "nas")],
        [ledger.deliveries.never_to(to) for to in ("pacs", "nas")],
    ]


TestLedgers = Ledgers.TestCase
TestLedgers.settings = settings(
    max_examples=200 if SOAK else 12,
    stateful_step_count=50 if SOAK else 40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
