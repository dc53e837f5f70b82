"""What the deliveries of every ledger do; SQLite and its memory twin run the same suite."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest

from stowgate.lifecycle import NEXT_DELIVERY, Delivery, Evidence, State, delivery_way
from stowgate.outbox.policy import Urgency
from stowgate.store.custody import Custody, Ended
from stowgate.store.deliveries import OTHER_BYTES, REFUSED, Bound, Destination, OnItsWay, Outcome
from tests.store.custody_sample import (
    KEY,
    OTHER,
    OTHER_POLICY,
    POLICY,
    Hands,
    bring,
    clean,
    cleaned,
    coming,
    deliver,
    hex32,
)

D, E = Delivery, Evidence
MUCH = 1 << 30
DONE = {"evidence": E.CONTENT, "done": True}


def wait(ledger: Custody, *numbers: int, study: str = "2.25.9") -> None:
    """Items that wait, each with its clean object, all of one study."""
    ledger.receive([coming(n, marks=("breast", "night") if n == 1 else ()) for n in numbers])
    leased = ledger.lease("w", 1000)
    ends = {hex32(n): cleaned(n) for n in numbers}
    for end in ends.values():
        object.__setattr__(end.cleans[0], "study", study)
    assert not ledger.end([ends[item.id] for item in leased])


def bound(ledger: Custody, *numbers: int, to: str = "pacs", urgency: Urgency = Urgency.MEDIUM) -> None:
    ledger.deliveries.bind({hex32(n, 5): [Bound(to, urgency)] for n in numbers})


def lease(ledger: Custody, most: int = 100, size: int = MUCH, to: str = "pacs") -> list[int]:
    """Numbers of the items that were given out."""
    return [int(due.item[:8], 16) for due in ledger.deliveries.lease(to, most, size)]


def way(ledger: Custody, n: int = 1, to: str = "pacs") -> OnItsWay:
    (found,) = [one for one in ledger.deliveries.of_items([hex32(n)])[hex32(n)] if one.destination == to]
    return found


def counts(ledger: Custody, to: str = "pacs") -> dict[str, int]:
    return {str(state): n for state, n in ledger.deliveries.counts().get(to, {}).items() if n}


def state_of(ledger: Custody, n: int) -> tuple[State, str, bool]:
    row = ledger.row(hex32(n))
    assert row
    return row.state, row.code, row.delivered


class TestBinding:
    def test_what_waits_is_bound_for_nowhere_until_somebody_decides(self, ledger: Custody) -> None:
        wait(ledger, 1, 2)
        first, second = ledger.deliveries.unbound()
        assert (first.number, first.clean, first.source, first.modality) == (1, hex32(1, 5), "ct", "CT")
        assert first.marks == ("breast", "night") and second.marks == ()
        assert [one.number for one in ledger.deliveries.unbound(after=1)] == [2]
        bound(ledger, 1)
        assert [one.number for one in ledger.deliveries.unbound()] == [2]
        assert counts(ledger) == {"queued": 1}

    def test_deciding_for_nowhere_decides_nothing(self, ledger: Custody) -> None:
        wait(ledger, 1)
        ledger.deliveries.bind({hex32(1, 5): [], hex32(9, 5): [Bound("pacs")]})
        assert len(ledger.deliveries.unbound()) == 1

    def test_each_place_is_bound_for_once(self, ledger: Custody) -> None:
        wait(ledger, 1)
        for _ in range(2):
            ledger.deliveries.bind({hex32(1, 5): [Bound("pacs"), Bound("research", Urgency.LOW)]})
        assert [(one.destination, one.urgency) for one in ledger.deliveries.of_items([hex32(1)])[hex32(1)]] == [
            ("pacs", Urgency.MEDIUM), ("research", Urgency.LOW),
        ]  # fmt: skip

    def test_a_wish_is_kept_by_its_item_and_its_routes_are_still_to_be_followed(self, ledger: Custody) -> None:
        wait(ledger, 1, 2)
        for _ in range(2):
            ledger.deliveries.bind({hex32(n, 5): [Bound("pacs", wish=f"wish{n}")] for n in (1, 2)})
        assert [one.marks for one in ledger.deliveries.unbound()] == [("breast", "night", "wish1"), ("wish2",)]
        assert counts(ledger) == {"queued": 2}
        ledger.deliveries.bind({hex32(1, 5): [Bound("pacs"), Bound("nas", wish="wish")]})
        assert [one.marks for one in ledger.deliveries.unbound()] == [("wish2",)]
        ledger.move([hex32(1)], State.HELD, "held_by_person")
        ledger.move([hex32(1)], State.RECEIVED)
        assert ledger.lease("w", 1)[0].marks == ("breast", "night", "wish1", "wish")
        with pytest.raises(ValueError, match="a mark is a name"):
            ledger.deliveries.bind({hex32(2, 5): [Bound("pacs", wish="two words")]})

    def two(self, ledger: Custody) -> tuple[str, str]:
        """An item of which two clean objects stand."""
        ledger.receive([coming(1, priority="high")])
        ledger.lease("w", 1)
        one, other = clean(1), clean(2, 1, OTHER_POLICY)
        assert not ledger.end([Ended(hex32(1), State.CLEANED, cleans=(one, other))])
        return one.id, other.id

    def test_an_item_goes_to_a_place_once_whatever_was_made_of_it(self, ledger: Custody) -> None:
        one, other = self.two(ledger)
        ledger.deliveries.bind({one: [Bound("pacs")], other: [Bound("pacs"), Bound("archive")]})
        ways = ledger.deliveries.of_items([hex32(1)])[hex32(1)]
        assert [(found.destination, found.clean) for found in ways] == [("pacs", one), ("archive", other)]
        assert ledger.deliveries.unbound() == []

    def test_it_is_known_what_each_was_made_with(self, ledger: Custody) -> None:
        self.two(ledger)
        found = [(one.item, one.policy, one.key_id, one.priority) for one in ledger.deliveries.unbound()]
        assert found == [(hex32(1), POLICY, KEY.id, "high"), (hex32(1), OTHER_POLICY, KEY.id, "high")]

    def test_what_never_was_on_its_way_somewhere_is_found(self, ledger: Custody) -> None:
        wait(ledger, 3, 4)
        bound(ledger, 3)
        one, other = self.two(ledger)
        ledger.deliveries.bind({one: [Bound("pacs")]})
        assert [found.clean for found in ledger.deliveries.never_to("pacs")] == [hex32(4, 5)]
        never = [found.clean for found in ledger.deliveries.never_to("archive")]
        assert never == [hex32(3, 5), hex32(4, 5), one, other]
        assert [found.clean for found in ledger.deliveries.never_to("archive", after=1, most=1)] == [hex32(4, 5)]

    def test_nothing_is_delivered_while_something_of_it_goes_nowhere(self, ledger: Custody) -> None:
        one, _ = self.two(ledger)
        ledger.deliveries.bind({one: [Bound("pacs")]})
        (due,) = ledger.deliveries.lease("pacs", 1, MUCH)
        ledger.deliveries.record([Outcome(due.number, D.VERIFIED, **DONE)])
        assert state_of(ledger, 1) == (State.WAITING, "", False)
        ledger.clean_more([hex32(1)])
        ledger.lease("w", 1)
        ledger.end([Ended(hex32(1), State.CLEANED, kept=(one,))])
        assert state_of(ledger, 1) == (State.WAITING, "", True), "nobody wanted the other one"

    def test_what_is_refused_is_stuck_only_when_the_other_one_is_over_as_well(self, ledger: Custody) -> None:
        one, other = self.two(ledger)
        ledger.deliveries.bind({one: [Bound("pacs")]})
        (due,) = ledger.deliveries.lease("pacs", 1, MUCH)
        ledger.deliveries.record([Outcome(due.number, D.REFUSED, "peer_refused_object")])
        assert state_of(ledger, 1)[0] is State.WAITING
        ledger.deliveries.bind({other: [Bound("archive")]})
        (due,) = ledger.deliveries.lease("archive", 1, MUCH)
        ledger.deliveries.record([Outcome(due.number, D.VERIFIED, **DONE)])
        assert state_of(ledger, 1) == (State.QUARANTINED, REFUSED, False)

    def test_what_is_given_back_for_more_is_parked_until_it_is_there(self, ledger: Custody) -> None:
        one, _ = self.two(ledger)
        ledger.deliveries.bind({one: [Bound("pacs")]})
        (due,) = ledger.deliveries.lease("pacs", 1, MUCH)
        ledger.clean_more([hex32(1)])
        assert way(ledger).stand == "parked" and counts(ledger) == {}
        ledger.deliveries.record([Outcome(due.number, D.SENT)])
        assert way(ledger).stand == "parked"
        ledger.lease("w", 1)
        ledger.end([Ended(hex32(1), State.CLEANED, kept=(one,))])
        assert (way(ledger).stand, way(ledger).state) == ("ready", D.SENT)

    @pytest.mark.parametrize("state", [State.RECEIVED, State.HELD, State.QUARANTINED, State.DROPPED, State.CLEANED])
    def test_only_what_waits_is_bound_for_anywhere(self, ledger: Custody, state: State) -> None:
        bring(ledger, 1, state)
        bound(ledger, 1)
        assert lease(ledger) == [] and ledger.deliveries.unbound() == []

    def test_a_name_is_one_of_the_configuration(self, ledger: Custody) -> None:
        wait(ledger, 1)
        with pytest.raises(ValueError, match="small letters"):
            bound(ledger, 1, to="DOE^JOHN")


class TestLeasing:
    def test_it_is_given_out_with_what_a_sink_needs_and_its_try_is_counted(self, ledger: Custody) -> None:
        wait(ledger, 1)
        bound(ledger, 1)
        (due,) = ledger.deliveries.lease("pacs", 9, MUCH)
        assert (due.item, due.state, due.attempts, due.note) == (hex32(1), D.QUEUED, 0, "")
        assert due.clean == clean(1)
        assert way(ledger).stand == "out" and way(ledger).attempts == 1
        assert lease(ledger) == []

    def test_nothing_goes_to_another_destination(self, ledger: Custody) -> None:
        wait(ledger, 1)
        bound(ledger, 1)
        assert lease(ledger, to="research") == []

    def test_the_oldest_of_a_study_go_together_as_far_as_they_fit(self, ledger: Custody) -> None:
        wait(ledger, 1, 2, 3, 4)
        bound(ledger, 1, 2, 3, 4)
        assert lease(ledger, most=1) == [1]
        assert lease(ledger, size=902 + 903) == [2, 3]
        assert lease(ledger, size=1) == [4], "one goes, however large"
        assert lease(ledger, most=0) == []

    def test_the_most_urgent_goes_first(self, ledger: Custody) -> None:
        for n, urgency in enumerate((Urgency.LOW, Urgency.MEDIUM, Urgency.HIGH), 1):
            wait(ledger, n)
            bound(ledger, n, urgency=urgency)
        assert [lease(ledger) for _ in range(4)] == [[3], [2], [1], []]

    def test_studies_take_turns_and_the_older_is_first(self, ledger: Custody) -> None:
        wait(ledger, *range(1, 7), study="2.25.1")
        wait(ledger, 7, 8, study="2.25.2")
        bound(ledger, *range(1, 9))
        turns = [lease(ledger, most=2) for _ in range(4)]
        assert turns == [[1, 2], [7, 8], [3, 4], [5, 6]]

    def test_a_study_that_comes_later_has_not_saved_up_turns(self, ledger: Custody) -> None:
        wait(ledger, *range(1, 9), study="2.25.1")
        bound(ledger, *range(1, 9))
        assert [lease(ledger, most=1) for _ in range(4)] == [[1], [2], [3], [4]]
        wait(ledger, 11, 12, 13, study="2.25.2")
        bound(ledger, 11, 12, 13)
        assert [lease(ledger, most=1) for _ in range(5)] == [[11], [5], [12], [6], [13]]

    def test_what_is_to_be_sent_and_what_is_to_be_asked_for_do_not_mix(self, ledger: Custody) -> None:
        wait(ledger, 1, 2, 3)
        bound(ledger, 1, 2, 3)
        one, two, _ = ledger.deliveries.lease("pacs", 9, MUCH)
        ledger.deliveries.record([Outcome(one.number, D.ACKNOWLEDGED, evidence=E.STATUS)])
        ledger.deliveries.record([Outcome(two.number, D.SENT)])
        ledger.deliveries.release([3])
        assert [lease(ledger), lease(ledger)] == [[1, 2], [3]]

    def test_giving_back_takes_back_the_try(self, ledger: Custody) -> None:
        wait(ledger, 1)
        bound(ledger, 1)
        lease(ledger)
        ledger.deliveries.release([1, 77])
        ledger.deliveries.release([1])
        assert (way(ledger).stand, way(ledger).attempts) == ("ready", 0)

    def test_what_a_dead_process_worked_on_is_given_out_again_and_the_try_stays(
        self, ledger: Custody, hands: Hands
    ) -> None:
        wait(ledger, 1, 2)
        bound(ledger, 1, 2)
        one, _ = ledger.deliveries.lease("pacs", 9, MUCH)
        ledger.deliveries.record([Outcome(one.number, D.QUEUED, "peer_unreachable", wait=500)])
        hands.boot, hands.monotonic = "second", 1.0
        assert ledger.deliveries.release_all() == 2
        assert lease(ledger) == [1, 2]
        assert way(ledger, 2).attempts == 2


class TestRecording:
    @pytest.mark.parametrize(("old", "new"), list(itertools.product(D, D)))
    def test_the_lifecycle_decides_how_it_goes_on(self, ledger: Custody, old: Delivery, new: Delivery) -> None:
        wait(ledger, 1)
        bound(ledger, 1)
        lease(ledger)
        before = old if old is not D.REFUSED else D.QUEUED  # what was refused is given out to nobody
        if before is not D.QUEUED:
            assert not ledger.deliveries.record([Outcome(1, before)])
            lease(ledger)
        left = ledger.deliveries.record([Outcome(1, new, "peer_refused_object" if new is D.REFUSED else "")])
        allowed = delivery_way(before, new) is not None
        assert left == (frozenset() if allowed else {1})
        assert way(ledger).state is (new if allowed else before)
        assert counts(ledger) == {str(new if allowed else before): 1}
        assert allowed is (new is before or new in NEXT_DELIVERY[before] or before is D.QUEUED)

    def test_only_what_was_given_out_has_an_outcome(self, ledger: Custody) -> None:
        wait(ledger, 1)
        bound(ledger, 1)
        assert ledger.deliveries.record([Outcome(1, D.SENT), Outcome(9, D.SENT)]) == {1, 9}
        assert ledger.deliveries.record([]) == frozenset()

    def test_evidence_is_kept_and_never_gets_less_unless_it_is_sent_again(self, ledger: Custody) -> None:
        wait(ledger, 1)
        bound(ledger, 1)
        steps = [
            (Outcome(1, D.ACKNOWLEDGED, evidence=E.STATUS), E.STATUS),
            (Outcome(1, D.VERIFIED, evidence=E.PRESENCE), E.PRESENCE),
            (Outcome(1, D.VERIFIED, evidence=E.STATUS), E.PRESENCE),
            (Outcome(1, D.VERIFIED, evidence=E.CONTENT), E.CONTENT),
            (Outcome(1, D.QUEUED, "peer_lost_object"), E.NONE),
        ]
        for outcome, evidence in steps:
            assert lease(ledger) == [1]
            assert not ledger.deliveries.record([outcome])
            assert way(ledger).evidence is evidence
        assert way(ledger).code == "peer_lost_object"

    def test_what_has_to_wait_is_given_out_when_its_time_has_come(self, ledger: Custody, hands: Hands) -> None:
        hands.ticking = False
        wait(ledger, 1, 2)
        bound(ledger, 1, 2)
        assert ledger.deliveries.next_due("pacs") is None
        lease(ledger)
        ledger.deliveries.record(
            [Outcome(1, D.QUEUED, "peer_busy", wait=30), Outcome(2, D.ACKNOWLEDGED, evidence=E.STATUS, wait=5)]
        )
        assert way(ledger).next_try == hands.wall + 30
        assert lease(ledger) == [] and ledger.deliveries.next_due("pacs") == 5
        hands.monotonic += 5
        assert lease(ledger) == [2]
        hands.monotonic, hands.wall = hands.monotonic + 25, 0.0  # the clock on the wall decides nothing
        assert lease(ledger) == [1] and way(ledger).next_try is None

    @pytest.mark.parametrize(
        "wrong",
        [Outcome(1, D.REFUSED), Outcome(1, D.VERIFIED, done=True), Outcome(1, D.SENT, "DOE^JOHN"),
         Outcome(1, D.SENT, wait=-1.0)],
    )  # fmt: skip
    def test_an_outcome_makes_sense(self, ledger: Custody, wrong: Outcome) -> None:
        with pytest.raises(ValueError, match=r"needs a code|without evidence|table of reasons|the past"):
            ledger.deliveries.record([wrong])
        with pytest.raises(ValueError, match="one outcome"):
            ledger.deliveries.record([Outcome(1, D.SENT), Outcome(1, D.SENT)])


class TestArriving:
    def test_an_item_is_delivered_when_every_place_it_goes_to_gave_its_evidence(self, ledger: Custody) -> None:
        wait(ledger, 1)
        ledger.deliveries.bind({hex32(1, 5): [Bound("pacs"), Bound("research")]})
        lease(ledger)
        ledger.deliveries.record([Outcome(1, D.VERIFIED, **DONE)])  # type: ignore[arg-type]
        assert state_of(ledger, 1) == (State.WAITING, "", False)
        lease(ledger, to="research")
        ledger.deliveries.record([Outcome(2, D.ACKNOWLEDGED, evidence=E.STATUS)])
        assert not state_of(ledger, 1)[2], "what was acknowledged is not done"
        lease(ledger, to="research")
        ledger.deliveries.record([Outcome(2, D.VERIFIED, evidence=E.PRESENCE, done=True)])
        assert state_of(ledger, 1) == (State.WAITING, "", True)
        assert ledger.deliveries.delivered() == {"ct": {State.WAITING: 1}}
        (study,) = ledger.studies()
        assert study.delivered == {State.WAITING: 1}

    def test_what_is_bound_for_a_further_place_is_on_its_way_again(self, ledger: Custody) -> None:
        wait(ledger, 1)
        deliver(ledger, 1)
        assert state_of(ledger, 1)[2]
        bound(ledger, 1, to="research")
        assert not state_of(ledger, 1)[2] and ledger.deliveries.delivered() == {}

    def test_what_was_refused_and_has_nowhere_left_to_go_is_quarantined(self, ledger: Custody) -> None:
        wait(ledger, 1, 2)
        ledger.deliveries.bind({hex32(1, 5): [Bound("pacs"), Bound("research")], hex32(2, 5): [Bound("pacs")]})
        lease(ledger)
        ledger.deliveries.record([Outcome(n, D.REFUSED, "peer_refused_object") for n in (1, 3)])
        assert state_of(ledger, 1) == (State.WAITING, "", False), "another place has not said no"
        assert state_of(ledger, 2) == (State.QUARANTINED, REFUSED, False)
        lease(ledger, to="research")
        ledger.deliveries.record([Outcome(2, D.VERIFIED, **DONE)])  # type: ignore[arg-type]
        assert state_of(ledger, 1) == (State.QUARANTINED, REFUSED, False)
        assert [event.kind for event in ledger.events(hex32(1))] == ["waiting"]

    @pytest.mark.parametrize("released", [True, False])
    def test_what_was_refused_counts_until_it_is_made_anew_or_dropped(self, ledger: Custody, released: bool) -> None:
        wait(ledger, 1)
        bound(ledger, 1)
        lease(ledger)
        ledger.deliveries.record([Outcome(1, D.REFUSED, "peer_refused_object")])
        assert counts(ledger) == {"refused": 1}
        assert not ledger.move([hex32(1)], State.RECEIVED if released else State.DROPPED)
        if released:
            assert counts(ledger) == {"refused": 1}, "that is what is known until then"
            ledger.lease("w", 1)
            assert not ledger.end([Ended(hex32(1), State.CLEANED, cleans=(clean(2, instance=1),))])
            assert counts(ledger) == {}
            ledger.deliveries.bind({hex32(2, 5): [Bound("pacs")]})
            assert counts(ledger) == {"queued": 1}
            lease(ledger)
            ledger.deliveries.record([Outcome(2, D.VERIFIED, **DONE)])  # type: ignore[arg-type]
            assert counts(ledger) == {"verified": 1}
        else:
            assert counts(ledger) == {}

    def test_only_evidence_or_a_drop_lets_an_item_be_purged(self, ledger: Custody) -> None:
        wait(ledger, 1, 2)
        bound(ledger, 1)
        assert ledger.move([hex32(1), hex32(2)], State.PURGING) == {hex32(1), hex32(2)}
        lease(ledger)
        ledger.deliveries.record([Outcome(1, D.VERIFIED, **DONE)])  # type: ignore[arg-type]
        assert ledger.move([hex32(1), hex32(2)], State.PURGING) == {hex32(2)}
        assert ledger.deliveries.delivered() == {"ct": {State.PURGING: 1}}
        ledger.move([hex32(2)], State.HELD, "held_by_person")
        ledger.move([hex32(2)], State.DROPPED)
        assert not ledger.move([hex32(1)], State.PURGED) and not ledger.move([hex32(2)], State.PURGING)
        assert ledger.deliveries.delivered() == {"ct": {State.PURGED: 1}}, "what was dropped was not delivered"


class TestPurging:
    """What may be deleted here: E3, or E2 where 1 % of the study was read again and is the same."""

    def arrive(self, ledger: Custody, evidence: Evidence, *numbers: int, to: str = "pacs") -> None:
        """So much is known of what was bound there."""
        lease(ledger, to=to)
        found = ledger.deliveries.of_items([hex32(n) for n in numbers])
        ways = [one for ones in found.values() for one in ones if one.destination == to]
        state = D.ACKNOWLEDGED if evidence is E.STATUS else D.VERIFIED
        assert not ledger.deliveries.record([Outcome(one.number, state, "", evidence, done=True) for one in ways])

    def purgeable(self, ledger: Custody, before: float = 1e12, **page: int) -> list[int]:
        return [number for number, _ in ledger.deliveries.purgeable(before, **page)]

    @pytest.mark.parametrize(("evidence", "may"), [(E.STATUS, []), (E.PRESENCE, []), (E.CONTENT, [1])])
    def test_the_word_of_a_peer_is_not_enough_and_nor_is_its_list(
        self, ledger: Custody, evidence: Evidence, may: list[int]
    ) -> None:
        wait(ledger, 1)
        bound(ledger, 1)
        self.arrive(ledger, evidence, 1)
        assert state_of(ledger, 1) == (State.WAITING, "", True), "it counts as delivered all the same"
        assert self.purgeable(ledger) == may
        assert ledger.move([hex32(1)], State.PURGING) == (set() if may else {hex32(1)})

    def test_one_in_a_hundred_of_a_study_read_again_is_enough_for_the_others(self, ledger: Custody) -> None:
        many = range(1, 202)
        wait(ledger, *many)
        bound(ledger, *many)
        lease(ledger, most=1000)
        self.record(ledger, {1: E.CONTENT, 2: E.CONTENT}, many)
        assert self.purgeable(ledger, most=500) == [1, 2], "two of 201 are less than 1 %"
        ledger.deliveries.recheck([hex32(3)], ["pacs"])
        lease(ledger)
        self.record(ledger, {3: E.CONTENT}, [3])
        assert self.purgeable(ledger, most=500) == list(many)
        assert self.purgeable(ledger, after=100, most=2) == [101, 102]

    def record(self, ledger: Custody, better: Mapping[int, Evidence], numbers: Iterable[int]) -> None:
        done = [Outcome(n, D.VERIFIED, "", better.get(n, E.PRESENCE), done=True) for n in numbers]
        assert not ledger.deliveries.record(done)

    def test_of_another_study_or_another_place_nothing_is_concluded(self, ledger: Custody) -> None:
        wait(ledger, 1, 2, study="2.25.1")
        wait(ledger, 3, study="2.25.2")
        bound(ledger, 1, 2, 3)
        lease(ledger)
        lease(ledger)
        self.record(ledger, {1: E.CONTENT}, [1, 2, 3])
        bound(ledger, 1, to="research")
        self.arrive(ledger, E.PRESENCE, 1, to="research")
        assert self.purgeable(ledger) == [2], "3 is of another study, 1 goes to another place as well"

    def test_one_that_is_another_there_keeps_the_whole_study_here(self, ledger: Custody) -> None:
        wait(ledger, 1, 2, 3)
        bound(ledger, 1, 2, 3)
        lease(ledger)
        self.record(ledger, {2: E.CONTENT}, [1, 2])
        ledger.deliveries.record([Outcome(3, D.QUEUED, OTHER_BYTES)])
        assert self.purgeable(ledger) == [2], "what was compared by itself is known"
        lease(ledger)
        self.record(ledger, {3: E.CONTENT}, [3])
        assert self.purgeable(ledger) == [1, 2, 3]

    def test_a_peer_that_keeps_another_may_refuse_it_after_its_word(self, ledger: Custody) -> None:
        wait(ledger, 1, 2)
        bound(ledger, 1, 2)
        self.arrive(ledger, E.STATUS, 1)
        self.arrive(ledger, E.PRESENCE, 2)
        for n in (1, 2):
            assert delivery_way(way(ledger, n).state, D.REFUSED) == (D.REFUSED,)

    def test_what_moved_lately_is_not_offered_and_what_is_asked_for_again_is_not_deleted(self, ledger: Custody) -> None:
        wait(ledger, 1)
        bound(ledger, 1)
        self.arrive(ledger, E.CONTENT, 1)
        arrived = way(ledger).updated
        assert self.purgeable(ledger, arrived - 1) == [] and self.purgeable(ledger, arrived) == [1]
        ledger.deliveries.recheck([hex32(1)], ["pacs"])
        assert self.purgeable(ledger) == []
        assert ledger.move([hex32(1)], State.PURGING) == {hex32(1)}

    def test_what_was_made_is_known_when_its_file_is_gone(self, ledger: Custody) -> None:
        wait(ledger, 1, 2)
        made = ledger.clean_of_item(hex32(1))
        bound(ledger, 1)
        self.arrive(ledger, E.CONTENT, 1)
        ledger.move([hex32(1)], State.PURGING)
        ledger.forget_payload([hex32(1)], raw=True, clean=True)
        ledger.move([hex32(1)], State.PURGED)
        assert ledger.clean_of_item(hex32(1)) is None
        assert ledger.deliveries.made_of([hex32(1), hex32(9)]) == {hex32(1): [made]}

    def test_what_is_being_purged_is_found_after_a_death(self, ledger: Custody) -> None:
        wait(ledger, 1, 2)
        bound(ledger, 1, 2)
        self.arrive(ledger, E.CONTENT, 1, 2)
        assert ledger.deliveries.purging() == []
        ledger.move([hex32(1), hex32(2)], State.PURGING)
        assert ledger.deliveries.purging() == [(1, hex32(1)), (2, hex32(2))]
        assert ledger.deliveries.purging(after=1, most=1) == [(2, hex32(2))]
        ledger.move([hex32(1)], State.PURGED)
        assert [id for _, id in ledger.deliveries.purging()] == [hex32(2)]


class TestParking:
    @pytest.mark.parametrize("to", [State.HELD, State.QUARANTINED, State.CLEANED])
    @pytest.mark.parametrize("stand", ["ready", "out", "later"])
    def test_what_does_not_wait_any_more_is_given_out_to_nobody(self, ledger: Custody, to: State, stand: str) -> None:
        wait(ledger, 1)
        bound(ledger, 1)
        if stand != "ready":
            lease(ledger)
        if stand == "later":
            ledger.deliveries.record([Outcome(1, D.QUEUED, wait=0.5)])
        assert not ledger.move([hex32(1)], to, "held_by_person")
        assert way(ledger).stand == "parked" and counts(ledger) == {}
        assert lease(ledger) == [] and ledger.deliveries.release_all() == 0

    def test_what_became_of_it_meanwhile_is_written_down_all_the_same(self, ledger: Custody) -> None:
        wait(ledger, 1)
        bound(ledger, 1)
        lease(ledger)
        ledger.move([hex32(1)], State.HELD, "held_by_person")
        assert not ledger.deliveries.record([Outcome(1, D.ACKNOWLEDGED, evidence=E.STATUS)])
        assert (way(ledger).state, way(ledger).stand, way(ledger).evidence) == (D.ACKNOWLEDGED, "parked", E.STATUS)
        assert state_of(ledger, 1)[0] is State.HELD

    def test_what_waits_again_goes_on(self, ledger: Custody) -> None:
        wait(ledger, 1)
        bound(ledger, 1)
        ledger.move([hex32(1)], State.CLEANED)
        assert not ledger.move([hex32(1)], State.WAITING)
        assert lease(ledger) == [1] and counts(ledger) == {"queued": 1}

    def test_what_was_judged_again_is_a_clean_object_of_its_own(self, ledger: Custody) -> None:
        wait(ledger, 1)
        deliver(ledger, 1)
        ledger.move([hex32(1)], State.HELD, "held_by_person")
        ledger.move([hex32(1)], State.RECEIVED)
        ledger.lease("w", 1)
        assert not ledger.end([cleaned(1, made=50)])
        assert state_of(ledger, 1) == (State.WAITING, "", False)
        assert [one.clean for one in ledger.deliveries.unbound()] == [hex32(50, 5)]
        assert ledger.deliveries.of_items([hex32(1)]) == {}
        ledger.deliveries.bind({hex32(50, 5): [Bound("pacs")]})
        assert lease(ledger) == [1]


class TestPeople:
    def test_what_waits_for_its_time_is_tried_now_when_a_person_says_so(self, ledger: Custody) -> None:
        wait(ledger, 1, 2)
        bound(ledger, 1)
        lease(ledger)
        ledger.deliveries.record([Outcome(1, D.QUEUED, "peer_busy", wait=3600)])
        assert ledger.deliveries.retry([hex32(1), hex32(2), hex32(9)]) == {hex32(2), hex32(9)}
        assert lease(ledger) == [1]
        assert ledger.deliveries.retry([hex32(1)]) == {hex32(1)}, "somebody is at it"

    def test_what_was_refused_while_it_goes_elsewhere_is_queued_again(self, ledger: Custody) -> None:
        wait(ledger, 1)
        ledger.deliveries.bind({hex32(1, 5): [Bound("pacs"), Bound("research")]})
        lease(ledger)
        ledger.deliveries.record([Outcome(1, D.REFUSED, "peer_refused_object")])
        assert ledger.deliveries.retry([hex32(1)]) == frozenset()
        assert lease(ledger) == [1] and way(ledger).code == ""

    def test_what_was_verified_is_asked_for_again_and_counts_as_that_until_the_answer(self, ledger: Custody) -> None:
        wait(ledger, 1, 2)
        deliver(ledger, 1)
        bound(ledger, 2)
        assert ledger.deliveries.recheck([hex32(1), hex32(2), hex32(9)], ["pacs"]) == {hex32(2), hex32(9)}
        assert state_of(ledger, 1)[2] and counts(ledger) == {"verified": 1, "queued": 1}
        (due,) = ledger.deliveries.lease("pacs", 1, MUCH)
        assert (due.item, due.state) == (hex32(1), D.VERIFIED)
        assert not ledger.deliveries.record([Outcome(due.number, D.QUEUED, "peer_lost_object")])
        assert state_of(ledger, 1) == (State.WAITING, "", False) and way(ledger).evidence is E.NONE

    def test_what_is_still_there_stays_delivered_and_what_is_refused_now_is_quarantined(self, ledger: Custody) -> None:
        wait(ledger, 1)
        deliver(ledger, 1)
        for _ in range(2):
            assert ledger.deliveries.recheck([hex32(1)], ["pacs"]) == frozenset()
            assert lease(ledger) == [1]
            assert not ledger.deliveries.record([Outcome(1, D.VERIFIED, **DONE)])  # type: ignore[arg-type]
            assert state_of(ledger, 1) == (State.WAITING, "", True)
        ledger.deliveries.recheck([hex32(1)], ["pacs"])
        for outcome in (Outcome(1, D.QUEUED, "peer_has_other_bytes"), Outcome(1, D.REFUSED, "peer_has_other_bytes")):
            lease(ledger)
            assert not ledger.deliveries.record([outcome])
        assert state_of(ledger, 1) == (State.QUARANTINED, REFUSED, False)

    def test_what_is_given_up_with_its_destination_counts_for_nothing_and_the_rest_is_decided_anew(
        self, ledger: Custody
    ) -> None:
        wait(ledger, 1, 2, 3, 4)
        ledger.deliveries.bind({hex32(n, 5): [Bound("gone"), Bound("pacs")] for n in (1, 2)})
        bound(ledger, 3, 4, to="gone")
        for _ in range(2):
            ledger.deliveries.record(
                [Outcome(one.number, D.VERIFIED, **DONE) for one in ledger.deliveries.lease("pacs", 9, MUCH)]
            )  # type: ignore[arg-type]
        (first, *_) = ledger.deliveries.lease("gone", 1, MUCH)
        assert ledger.deliveries.unbound() == [] and not state_of(ledger, 1)[2]
        assert [
            ledger.deliveries.forget("gone", 3),
            ledger.deliveries.forget("gone"),
            ledger.deliveries.forget("gone"),
        ] == [3, 1, 0]
        assert [state_of(ledger, n) for n in (1, 2)] == [(State.WAITING, "", True)] * 2
        assert [one.item for one in ledger.deliveries.unbound()] == [hex32(3), hex32(4)]
        assert ledger.deliveries.lease("gone", 9, MUCH) == [] and ledger.deliveries.record(
            [Outcome(first.number, D.QUEUED)]
        )
        assert [id for _, id in ledger.deliveries.purgeable(float("inf"))] == [hex32(1), hex32(2)]
        assert ledger.deliveries.retry([hex32(3)]) == {hex32(3)}
        assert {one.item for one in ledger.deliveries.never_to("gone")} == {hex32(n) for n in (1, 2, 3, 4)}
        bound(ledger, 1, 3, to="gone")
        assert not state_of(ledger, 1)[2], "it goes there again"
        assert {one.item for one in ledger.deliveries.lease("gone", 9, MUCH)} == {hex32(1), hex32(3)}
        bound(ledger, 4, to="pacs")
        assert [one.item for one in ledger.deliveries.lease("pacs", 9, MUCH)] == [hex32(4)]

    def test_of_two_recipients_the_one_whose_destination_is_given_up_is_decided_about_anew(
        self, ledger: Custody
    ) -> None:
        wait(ledger, 1)
        assert not ledger.clean_more([hex32(1)])
        ledger.lease("w", 1)
        other = replace(clean(2, instance=1), key_id=OTHER.id)
        assert not ledger.end([Ended(hex32(1), State.CLEANED, cleans=(other,), kept=(hex32(1, 5),))])
        ledger.deliveries.bind({hex32(1, 5): [Bound("a")], hex32(2, 5): [Bound("b")]})
        for destination in ("a", "b"):
            assert ledger.deliveries.forget(destination) == 1
        assert [one.clean for one in ledger.deliveries.unbound()] == [hex32(1, 5), hex32(2, 5)]
        bound(ledger, 2, to="c")
        (due,) = ledger.deliveries.lease("c", 9, MUCH)
        assert not ledger.deliveries.record([Outcome(due.number, D.VERIFIED, **DONE)])  # type: ignore[arg-type]
        assert not state_of(ledger, 1)[2], "the first one goes somewhere, too"

    def test_what_was_given_up_while_its_item_was_worked_on_is_delivered_nowhere(self, ledger: Custody) -> None:
        wait(ledger, 1)
        bound(ledger, 1, to="gone")
        assert not ledger.clean_more([hex32(1)])
        ledger.lease("w", 1)
        assert ledger.deliveries.forget("gone") == 1
        assert not ledger.end([Ended(hex32(1), State.CLEANED, kept=(hex32(1, 5),))])
        assert state_of(ledger, 1) == (State.WAITING, "", False)
        assert [one.item for one in ledger.deliveries.unbound()] == [hex32(1)]

    def test_what_was_refused_while_its_item_was_held_is_left_as_it_is_by_giving_up(self, ledger: Custody) -> None:
        wait(ledger, 1, 2)
        bound(ledger, 1, 2, to="gone")
        (first, _) = ledger.deliveries.lease("gone", 9, MUCH)
        ledger.move([hex32(1)], State.HELD, "held_by_person")
        assert not ledger.deliveries.record([Outcome(first.number, D.REFUSED, "peer_refused_object")])
        assert [ledger.deliveries.forget("gone"), ledger.deliveries.forget("gone")] == [1, 0]

    def test_one_that_was_to_be_asked_again_there_is_delivered_by_what_was_known(self, ledger: Custody) -> None:
        wait(ledger, 1)
        deliver(ledger, 1)
        ledger.deliveries.recheck([hex32(1)], ["pacs"])
        lease(ledger)
        ledger.deliveries.record([Outcome(1, D.VERIFIED, wait=20.0)])
        assert state_of(ledger, 1)[2], "nobody answered"
        assert ledger.deliveries.purgeable(float("inf")) == [], "but that is not the moment to delete it"
        assert ledger.deliveries.forget("pacs") == 1
        assert state_of(ledger, 1) == (State.WAITING, "", True)

    def test_what_was_given_up_keeps_nothing_of_its_study_here(self, ledger: Custody) -> None:
        wait(ledger, *range(1, 151))
        bound(ledger, *range(1, 151))
        many = [one.number for one in ledger.deliveries.lease("pacs", 90, MUCH)]
        proof = {many[0]: E.CONTENT}
        ledger.deliveries.record([Outcome(n, D.VERIFIED, "", proof.get(n, E.PRESENCE), done=True) for n in many])
        assert len(ledger.deliveries.purgeable(float("inf"), most=200)) == 1, "one of 150 is less than 1 %"
        while ledger.deliveries.forget("pacs"):
            """Until nothing is left."""
        assert len(ledger.deliveries.purgeable(float("inf"), most=200)) == 90
        bound(ledger, *range(91, 151))
        assert len(ledger.deliveries.purgeable(float("inf"), most=200)) == 1

    @pytest.mark.parametrize("then", ["it is busy", "nobody answers", "it is given up", "it has it"])
    def test_what_was_lost_after_a_purge_is_lost_until_the_answer(self, ledger: Custody, then: str) -> None:
        """Or what comes again meanwhile would be a copy of nothing, and be let go of."""
        wait(ledger, 1)
        deliver(ledger, 1)
        assert not ledger.move([hex32(1)], State.PURGING)
        ledger.forget_payload([hex32(1)], raw=True, clean=True)
        assert not ledger.move([hex32(1)], State.PURGED)
        for outcome in (Outcome(1, D.VERIFIED, "peer_lost_purged", E.STATUS, done=True), None):
            assert not ledger.deliveries.recheck([hex32(1)], ["pacs"])
            lease(ledger)
            if outcome:
                ledger.deliveries.record([outcome])
        if then == "it is busy":
            ledger.deliveries.record([Outcome(1, D.VERIFIED, "peer_busy", wait=20.0)])
        elif then == "it is given up":
            assert ledger.deliveries.forget("pacs") == 1
        elif then == "it has it":
            ledger.deliveries.record([Outcome(1, D.VERIFIED, "", E.PRESENCE, done=True)])
        there = then == "it has it"
        assert way(ledger).code == ("" if there else "peer_lost_purged")
        assert ledger.receive([coming(2, 1, 1)]) == [hex32(1) if there else ""]

    def test_nobody_is_asked_who_is_not_there(self, ledger: Custody) -> None:
        wait(ledger, 1)
        deliver(ledger, 1)
        assert ledger.deliveries.recheck([hex32(1)], ["another"]) == {hex32(1)}
        ledger.deliveries.note(1, "2.25.4711")
        assert ledger.deliveries.recheck([hex32(1)], ["pacs"]) == frozenset()
        (due,) = ledger.deliveries.lease("pacs", 1, MUCH)
        assert due.note == "", "what was said before is no answer"

    def test_what_was_verified_there_stays_so_when_its_destination_is_given_up(self, ledger: Custody) -> None:
        wait(ledger, 1)
        deliver(ledger, 1)
        ledger.deliveries.recheck([hex32(1)], ["pacs"])
        assert ledger.deliveries.forget("pacs") == 1
        assert state_of(ledger, 1) == (State.WAITING, "", True) and way(ledger).code == ""
        assert ledger.deliveries.lease("pacs", 1, MUCH) == [] and counts(ledger) == {"verified": 1}

    def test_what_was_purged_is_asked_for_again_and_counts_as_delivered_whatever_the_answer_is(
        self, ledger: Custody
    ) -> None:
        wait(ledger, 1)
        deliver(ledger, 1)
        assert not ledger.move([hex32(1)], State.PURGING)
        assert ledger.deliveries.recheck([hex32(1)], ["pacs"]) == {hex32(1)}, "not while it is being deleted"
        ledger.forget_payload([hex32(1)], raw=True, clean=True)
        ledger.move([hex32(1)], State.PURGED)
        later, lost = Outcome(1, D.VERIFIED, wait=1.0), Outcome(1, D.VERIFIED, "peer_lost_purged", E.STATUS, done=True)
        for outcome in (later, lost, Outcome(1, D.VERIFIED, **DONE)):  # type: ignore[arg-type]
            assert ledger.deliveries.recheck([hex32(1)], ["pacs"]) in (frozenset(), {hex32(1)})
            ledger.deliveries.release_all()
            (due,) = ledger.deliveries.lease("pacs", 1, MUCH)
            assert (due.state, due.purged) == (D.VERIFIED, True)
            assert not ledger.deliveries.record([outcome])
            assert state_of(ledger, 1) == (State.PURGED, "", True) and way(ledger).code == outcome.code
            assert way(ledger).evidence is E.CONTENT and counts(ledger) == {"verified": 1}

    def test_what_has_no_bytes_here_any_more_is_not_asked_for(self, ledger: Custody) -> None:
        wait(ledger, 1)
        deliver(ledger, 1)
        ledger.forget_payload([hex32(1)], raw=True, clean=True)
        assert ledger.deliveries.recheck([hex32(1)], ["pacs"]) == {hex32(1)}

    def test_what_is_noted_of_a_destination_is_there_for_others(self, ledger: Custody) -> None:
        ledger.deliveries.link("pacs", "peer_unreachable", 3, 99.0)
        ledger.deliveries.pause("pacs", "peer_unauthorised")
        ledger.deliveries.pause("research", "peer_unauthorised")
        ledger.deliveries.pause("research", "")
        found: Mapping[str, Destination] = ledger.deliveries.destinations()
        pacs = found["pacs"]
        assert (pacs.paused, pacs.code, pacs.failures, pacs.next_try) == (
            "peer_unauthorised", "peer_unreachable", 3, 99.0,
        )  # fmt: skip
        assert found["research"].paused == ""
        with pytest.raises(ValueError, match="table of reasons"):
            ledger.deliveries.pause("pacs", "DOE^JOHN")

    def test_a_sink_finds_its_note_again(self, ledger: Custody) -> None:
        wait(ledger, 1)
        bound(ledger, 1)
        lease(ledger)
        ledger.deliveries.note(1, "upload 7, part 3")
        ledger.deliveries.release_all()
        (due,) = ledger.deliveries.lease("pacs", 1, MUCH)
        assert due.note == "upload 7, part 3"
