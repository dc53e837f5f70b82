"""What every ledger of a gateway does; SQLite and its memory twin run the same suite."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest

from stowgate.lifecycle import NEXT, Delivery, Evidence, State, may_move
from stowgate.store.clean_object import CleanObject
from stowgate.store.custody import Coming, Custody, Ended, Event
from stowgate.store.deliveries import Outcome
from stowgate.store.study import Completed
from tests.store.custody_sample import (
    CT,
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
    ended,
    hex32,
    leased,
)

ENDS = sorted(NEXT[State.RECEIVED] - {State.CLEANED})


@pytest.fixture(autouse=True)
def after_each_it_adds_up(ledger: Custody) -> Iterator[None]:
    yield
    adds_up(ledger)


def adds_up(ledger: Custody) -> None:
    """The conservation line, three ways: kept counts, listed rows, studies."""
    rows = ledger.rows(most=100_000)
    counts = ledger.counts()
    assert sum(sum(of.values()) for of in counts.values()) == len(rows)
    for source, of in counts.items():
        assert set(of) == set(State)
        for state, n in of.items():
            assert len(ledger.rows([state], source, most=100_000)) == n
    for study in ledger.studies(most=100_000):
        listed = ledger.rows(source=study.source, study=study.alias, most=100_000)
        assert {state: n for state, n in study.counts.items() if n} == {
            state: n for state in State if (n := sum(row.state is state for row in listed))
        }


def state_of(ledger: Custody, n: int) -> State:
    row = ledger.row(hex32(n))
    assert row
    return row.state


def attempts_of(ledger: Custody, n: int) -> int:
    row = ledger.row(hex32(n))
    assert row
    return row.attempts


class TestReceiving:
    def test_an_arrival_gets_its_row(self, ledger: Custody, hands: Hands) -> None:
        assert ledger.receive([coming(1, scanner=hex32(1, 7), protocol=hex32(1, 8), peer="ct room 1")]) == [""]
        row = ledger.row(hex32(1))
        assert row
        assert (row.number, row.id, row.source, row.state, row.code) == (1, hex32(1), "ct", State.RECEIVED, "")
        assert (row.size, row.study, row.modality, row.sop_class) == (1001, hex32(1, 4), "CT", CT)
        assert (row.attempts, row.has_raw, row.has_clean, row.next_try) == (0, True, False, None)
        assert hands.wall <= row.arrived == row.updated < hands.wall + 10

    def test_what_was_refused_has_a_row_and_nothing_on_the_shelf(self, ledger: Custody) -> None:
        assert ledger.receive([coming(1, instance=1, content=1, code="not_dicom")]) == [""]
        row = ledger.row(hex32(1))
        assert row
        assert (row.state, row.code, row.has_raw) == (State.REJECTED, "not_dicom", False)
        assert ledger.unpayloaded([hex32(1)]) == {hex32(1)}

    def test_the_same_instance_with_the_same_content_is_a_duplicate(self, ledger: Custody) -> None:
        assert ledger.receive([coming(1), coming(2, 1, 1), coming(3)]) == ["", hex32(1), ""]
        assert ledger.receive([coming(4, 1, 1)]) == [hex32(1)]
        assert [state_of(ledger, n) for n in (1, 2, 4)] == [State.RECEIVED, State.DUPLICATE, State.DUPLICATE]
        assert ledger.unpayloaded([hex32(n) for n in range(1, 5)]) == {hex32(2), hex32(4)}

    def test_it_can_be_asked_for_the_original_before(self, ledger: Custody) -> None:
        one, other = coming(1), coming(2)
        assert ledger.original(one.instance, one.content) == ""
        ledger.receive([one, coming(3, 1, 1)])
        assert ledger.original(one.instance, one.content) == hex32(1)
        assert ledger.original(one.instance, other.content) == ledger.original(other.instance, one.content) == ""
        assert ledger.original("", "") == ledger.original(one.instance, "") == ""
        ledger.forget_payload([hex32(1)], raw=True, clean=False)
        assert ledger.original(one.instance, one.content) == ""

    def test_the_same_instance_with_other_content_is_judged(self, ledger: Custody) -> None:
        assert ledger.receive([coming(1), coming(2, 1, 2), coming(3, 2, 1)]) == ["", "", ""]
        assert [state_of(ledger, n) for n in (1, 2, 3)] == [State.RECEIVED] * 3

    def test_a_copy_from_another_source_is_a_duplicate_too(self, ledger: Custody) -> None:
        assert ledger.receive([coming(1), coming(2, 1, 1, source="drop")]) == ["", hex32(1)]
        assert ledger.counts()["drop"][State.DUPLICATE] == 1

    def test_what_has_no_instance_or_no_content_is_nobodys_duplicate(self, ledger: Custody) -> None:
        group = [
            replace(coming(n), instance=instance, content=content)
            for n, (instance, content) in enumerate([("", "c"), ("", "c"), ("i", ""), ("i", ""), ("", ""), ("", "")])
        ]
        assert ledger.receive(group) == [""] * 6

    @pytest.mark.parametrize("state", State)
    def test_only_what_is_safe_or_was_verified_has_duplicates(self, ledger: Custody, state: State) -> None:
        bring(ledger, 1, state)
        gone = (State.REJECTED, State.DROPPED, State.DUPLICATE)
        assert ledger.receive([coming(2, 1, 1)]) == ["" if state in gone else hex32(1)]

    def test_what_was_given_up_stays_so_when_it_is_purged(self, ledger: Custody) -> None:
        bring(ledger, 1, State.DROPPED)
        for step in (State.PURGING, State.PURGED):
            assert not ledger.move([hex32(1)], step)
            assert ledger.receive([coming(10 + len(step), 1, 1)])[0] != hex32(1)

    def test_a_duplicate_of_a_duplicate_names_the_first_that_is_left(self, ledger: Custody) -> None:
        ledger.receive([coming(1), coming(2, 1, 1)])
        ledger.move([hex32(1)], State.HELD, "uid_reuse")
        ledger.move([hex32(1)], State.DROPPED)
        assert ledger.receive([coming(3, 1, 1)]) == [""], "the second holds nothing: its file was deleted"
        assert ledger.receive([coming(4, 1, 1)]) == [hex32(3)]

    def test_what_lost_all_its_files_has_no_duplicates(self, ledger: Custody) -> None:
        bring(ledger, 1, State.WAITING)
        ledger.forget_payload([hex32(1)], raw=True, clean=False)
        assert ledger.receive([coming(2, 1, 1)]) == [hex32(1)]
        ledger.forget_payload([hex32(1)], raw=False, clean=True)
        assert ledger.receive([coming(3, 1, 1)]) == [""]

    def test_adopting_what_has_a_row_changes_nothing(self, ledger: Custody) -> None:
        ledger.receive([coming(1), coming(2, 1, 1), coming(3, code="not_dicom")])
        before = ledger.rows()
        again = [coming(1, 7, 7, source="drop"), coming(2, 8, 8), coming(3)]
        assert ledger.receive(again) == ["", hex32(1), ""]
        assert ledger.rows() == before

    @pytest.mark.parametrize("state", State)
    def test_adopting_never_moves_a_row(self, ledger: Custody, state: State) -> None:
        bring(ledger, 1, state)
        before = ledger.row(hex32(1))
        ledger.receive([coming(1), coming(2, 5, 5), coming(2, 5, 5)])
        assert ledger.row(hex32(1)) == before
        assert sum(ledger.counts()["ct"].values()) == 2

    @pytest.mark.parametrize(
        "wrong",
        [
            replace(coming(1), id="ABC"),
            replace(coming(1), id="g" * 32),
            coming(1, code="DOE^JOHN"),
            coming(1, source=""),
            coming(1, size=-1),
        ],
    )
    def test_an_unsound_arrival_is_a_mistake_of_the_caller(self, ledger: Custody, wrong: Coming) -> None:
        with pytest.raises(ValueError, match=r"32 hex digits|table of reasons|source and a size"):
            ledger.receive([coming(2), wrong])
        assert ledger.rows() == []

    def test_nothing_is_no_work(self, ledger: Custody) -> None:
        assert ledger.receive([]) == []
        assert ledger.end([]) == ledger.move([], State.HELD, "uid_reuse") == ledger.unpayloaded([]) == frozenset()
        assert ledger.lease("w", 0) == []
        assert ledger.clean_of_instance([], POLICY, KEY.id) == {}
        ledger.release([])
        ledger.forget_payload([], raw=True, clean=True)


class TestLeasing:
    def test_the_oldest_go_first_and_each_once(self, ledger: Custody) -> None:
        ledger.receive([coming(n) for n in (3, 1, 2)])
        assert ledger.lease("a", 2) == [leased(3, 0), leased(1, 0)]
        assert ledger.lease("b", 2) == [leased(2, 0)]
        assert ledger.lease("b", 2) == []
        assert [attempts_of(ledger, n) for n in (1, 2, 3)] == [1, 1, 1]

    def test_a_lease_has_a_worker(self, ledger: Custody) -> None:
        with pytest.raises(ValueError, match="worker"):
            ledger.lease("", 1)

    def test_an_orderly_stop_takes_the_start_back(self, ledger: Custody) -> None:
        ledger.receive([coming(1)])
        ledger.lease("w", 1)
        ledger.release([hex32(1), hex32(9)])
        ledger.release([hex32(1)])
        assert attempts_of(ledger, 1) == 0
        assert ledger.lease("w", 1) == [leased(1, 0)]

    def test_a_death_keeps_the_counted_start(self, ledger: Custody) -> None:
        ledger.receive([coming(1)])
        for deaths in range(3):
            assert ledger.lease("w", 1) == [leased(1, deaths)]
            assert ledger.release_all() == 1
        assert ledger.release_all() == 0
        assert attempts_of(ledger, 1) == 3

    def test_a_suspect_goes_alone(self, ledger: Custody) -> None:
        ledger.receive([coming(n) for n in range(1, 5)])
        ledger.lease("w", 2)
        ledger.release_all()
        assert ledger.lease("a", 4) == [leased(1, 1)]
        assert ledger.lease("b", 4) == [], "nothing beside a suspect"
        ledger.end([cleaned(1)])
        assert ledger.lease("b", 4) == [leased(2, 1)]
        ledger.end([cleaned(2)])
        assert ledger.lease("a", 4) == [leased(3, 0), leased(4, 0)]

    def test_a_fresh_item_waits_while_a_suspect_is_at_work(self, ledger: Custody) -> None:
        ledger.receive([coming(1)])
        ledger.lease("w", 1)
        ledger.release_all()
        ledger.receive([coming(2)])
        assert ledger.lease("a", 1) == [leased(1, 1)]
        assert ledger.lease("b", 1) == []
        ledger.release([hex32(1)])
        ledger.lease("a", 1)
        ledger.end([ended(1, State.QUARANTINED)])
        assert ledger.lease("b", 1) == [leased(2, 0)]

    def test_a_suspect_waits_for_those_at_work(self, ledger: Custody) -> None:
        ledger.receive([coming(1), coming(2)])
        ledger.lease("w", 1)
        ledger.release_all()
        ledger.lease("w", 1)
        ledger.move([hex32(1)], State.HELD, "uid_reuse")
        assert ledger.lease("a", 1) == [leased(2, 0)]
        ledger.receive([coming(3)])
        assert ledger.lease("b", 1) == [leased(3, 0)]
        ledger.release([hex32(3)])
        ledger.move([hex32(1)], State.RECEIVED)
        assert ledger.lease("b", 1) == [leased(1, 0)], "released by a person it is no suspect any more"

    def test_a_group_ends_before_the_first_suspect(self, ledger: Custody) -> None:
        ledger.receive([coming(1), coming(2), coming(3)])
        ledger.lease("a", 2)
        ledger.release([hex32(1)])
        ledger.release_all()
        assert ledger.lease("a", 3) == [leased(1, 0)]
        assert ledger.lease("b", 3) == []
        ledger.end([cleaned(1)])
        assert ledger.lease("b", 3) == [leased(2, 1)]

    def test_a_lease_is_void_when_it_is_too_old(self, ledger: Custody, hands: Hands) -> None:
        ledger.receive([coming(1)])
        ledger.lease("w", 1)
        hands.monotonic += 59
        assert ledger.lease("w", 1) == []
        hands.monotonic += 1
        assert ledger.lease("w", 1) == [leased(1, 1)]

    def test_the_wall_clock_decides_nothing(self, ledger: Custody, hands: Hands) -> None:
        ledger.receive([coming(1), coming(2)])
        ledger.lease("w", 1)
        for wrong in (-5 * 365 * 86400, 10 * 365 * 86400):
            hands.wall += wrong
            assert ledger.lease("w", 1) in ([leased(2, 0)], [])
        assert ledger.end([cleaned(2)]) == frozenset()

    def test_the_end_of_a_lapsed_and_given_away_item_is_taken_once(self, ledger: Custody, hands: Hands) -> None:
        ledger.receive([coming(1)])
        ledger.lease("slow", 1)
        hands.monotonic += 61
        ledger.lease("quick", 1)
        assert ledger.end([cleaned(1)]) == frozenset()
        assert ledger.end([cleaned(1, made=2)]) == {hex32(1)}


class TestEnding:
    def test_what_was_cleaned_waits_with_its_clean_object(self, ledger: Custody) -> None:
        ledger.receive([coming(1)])
        ledger.lease("w", 1)
        assert ledger.end([cleaned(1)]) == frozenset()
        row = ledger.row(hex32(1))
        assert row
        assert (row.state, row.attempts, row.has_raw, row.has_clean) == (State.WAITING, 0, True, True)
        assert ledger.clean_of_item(hex32(1)) == clean(1)
        assert ledger.clean_of_instance(["2.25.1", "2.25.2"], POLICY, KEY.id) == {"2.25.1": (hex32(1), clean(1))}
        assert ledger.clean_of_instance(["2.25.1"], OTHER_POLICY, KEY.id) == {}

    @pytest.mark.parametrize("state", ENDS)
    def test_every_other_end_has_a_state_a_code_and_no_clean_object(self, ledger: Custody, state: State) -> None:
        ledger.receive([coming(1)])
        ledger.lease("w", 1)
        assert ledger.end([ended(1, state)]) == frozenset()
        row = ledger.row(hex32(1))
        assert row
        assert (row.state, row.code, row.place, row.attempts) == (state, "uid_reuse", "(0008,0018)", 0)
        assert ledger.clean_of_item(hex32(1)) is None

    def test_what_is_not_leased_is_left_alone_and_the_rest_goes_on(self, ledger: Custody) -> None:
        ledger.receive([coming(n) for n in (1, 2, 3)])
        ledger.lease("w", 2)
        assert ledger.end([cleaned(1), cleaned(3), cleaned(2), cleaned(9)]) == {hex32(3), hex32(9)}
        assert [state_of(ledger, n) for n in (1, 2, 3)] == [State.WAITING, State.WAITING, State.RECEIVED]
        assert set(ledger.clean_of_instance([f"2.25.{n}" for n in (1, 2, 3, 9)], POLICY, KEY.id)) == {
            "2.25.1",
            "2.25.2",
        }

    def test_ending_twice_changes_nothing(self, ledger: Custody) -> None:
        bring(ledger, 1, State.WAITING)
        before = ledger.row(hex32(1))
        assert ledger.end([ended(1, State.HELD)]) == {hex32(1)}
        assert ledger.row(hex32(1)) == before

    def test_an_item_that_a_person_took_away_is_not_ended(self, ledger: Custody) -> None:
        ledger.receive([coming(1)])
        ledger.lease("w", 1)
        ledger.move([hex32(1)], State.HELD, "uid_reuse")
        ledger.move([hex32(1)], State.RECEIVED)
        assert ledger.end([cleaned(1)]) == {hex32(1)}
        assert (state_of(ledger, 1), attempts_of(ledger, 1)) == (State.RECEIVED, 0)

    def test_an_instance_that_another_took_meanwhile_is_judged_again(self, ledger: Custody) -> None:
        ledger.receive([coming(1), coming(2)])
        ledger.lease("w", 2)
        assert ledger.end([cleaned(1, instance=7), cleaned(2, instance=7)]) == {hex32(2)}
        assert (state_of(ledger, 2), attempts_of(ledger, 2)) == (State.RECEIVED, 0)
        assert ledger.clean_of_instance(["2.25.7"], POLICY, KEY.id)["2.25.7"][0] == hex32(1)
        assert ledger.lease("w", 1) == [leased(2, 0)]
        assert ledger.end([cleaned(2, instance=7, policy=OTHER_POLICY)]) == frozenset()

    def test_what_was_purged_gives_its_instance_to_the_same_bytes_and_to_no_others(self, ledger: Custody) -> None:
        bring(ledger, 1, State.PURGED)
        ledger.receive([coming(2, content=9), coming(3, content=9)])
        assert [item.id for item in ledger.lease("w", 2)] == [hex32(2), hex32(3)]
        assert ledger.end([cleaned(2, instance=1)]) == {hex32(2)}, "these are others"
        same = replace(clean(3, instance=1), digest=clean(1).digest)
        assert not ledger.end([Ended(hex32(3), State.CLEANED, cleans=(same,))])
        assert ledger.clean_of_instance(["2.25.1"], POLICY, KEY.id)["2.25.1"][0] == hex32(3)
        assert [way.destination for way in ledger.deliveries.of_items([hex32(1)])[hex32(1)]] == ["pacs"]
        assert [one.id for one in ledger.deliveries.made_of([hex32(1)])[hex32(1)]] == [hex32(1, 5)]
        assert ledger.deliveries.recheck([hex32(1)], ["pacs"]) == frozenset(), "it can still be asked for"

    def test_what_was_purged_and_lost_there_is_no_original(self, ledger: Custody) -> None:
        bring(ledger, 1, State.PURGED)
        one = coming(2, instance=1, content=1)
        assert ledger.original(one.instance, one.content) == hex32(1)
        assert not ledger.deliveries.recheck([hex32(1)], ["pacs"])
        (due,) = ledger.deliveries.lease("pacs", 1, 1 << 30)
        lost = Outcome(due.number, Delivery.VERIFIED, "peer_lost_purged", Evidence.STATUS, done=True)
        assert not ledger.deliveries.record([lost])
        assert ledger.original(one.instance, one.content) == ""
        assert ledger.receive([one]) == [""] and state_of(ledger, 2) is State.RECEIVED

    def test_a_copy_is_as_far_as_its_original(self, ledger: Custody) -> None:
        bring(ledger, 1, State.WAITING)
        deliver(ledger, 1)
        ledger.receive([coming(2, content=9), coming(3, instance=1, content=1)])
        ledger.lease("w", 1)
        assert not ledger.end([Ended(hex32(2), State.DUPLICATE, original=hex32(1))])
        found = ledger.deliveries.of_items([hex32(1), hex32(2), hex32(3)])
        assert [[(way.item, way.destination) for way in ways] for ways in found.values()] == [
            [(hex32(n), "pacs")] for n in (1, 2, 3)
        ]
        with pytest.raises(ValueError, match="only a duplicate"):
            ledger.end([Ended(hex32(2), State.HELD, "uid_reuse", original=hex32(1))])

    def test_an_item_judged_again_gives_its_instance_a_new_clean_object(self, ledger: Custody) -> None:
        bring(ledger, 1, State.WAITING)
        ledger.move([hex32(1)], State.HELD, "uid_reuse")
        ledger.move([hex32(1)], State.RECEIVED)
        assert ledger.clean_of_item(hex32(1)) == clean(1), "until its end says otherwise"
        ledger.lease("w", 1)
        assert ledger.end([cleaned(1, made=2)]) == frozenset()
        assert ledger.clean_of_instance(["2.25.1"], POLICY, KEY.id) == {"2.25.1": (hex32(1), clean(2, 1))}
        assert list(ledger.payloads()) == [(hex32(1), (clean(2).id,))]

    def test_an_item_judged_again_and_stopped_has_no_clean_object_any_more(self, ledger: Custody) -> None:
        bring(ledger, 1, State.WAITING)
        ledger.move([hex32(1)], State.CLEANED)
        ledger.move([hex32(1)], State.RECEIVED)
        ledger.lease("w", 1)
        ledger.end([ended(1, State.QUARANTINED)])
        assert ledger.clean_of_item(hex32(1)) is None
        assert ledger.clean_of_instance(["2.25.1"], POLICY, KEY.id) == {}
        assert list(ledger.payloads()) == [(hex32(1), ())]

    @pytest.mark.parametrize("state", sorted(set(State) - NEXT[State.RECEIVED]))
    def test_work_ends_where_the_lifecycle_says(self, ledger: Custody, state: State) -> None:
        with pytest.raises(ValueError, match="no end"):
            ledger.end([Ended(hex32(1), state, code="uid_reuse")])

    @pytest.mark.parametrize(
        "wrong",
        [
            Ended(hex32(1), State.CLEANED),
            Ended(hex32(1), State.HELD, code="uid_reuse", cleans=(clean(1),)),
            Ended(hex32(1), State.HELD),
            Ended(hex32(1), State.HELD, code="DOE^JOHN"),
            Ended(hex32(1), State.CLEANED, cleans=(replace(clean(1), id="short"),)),
        ],
    )
    def test_an_unsound_end_is_a_mistake_of_the_caller(self, ledger: Custody, wrong: Ended) -> None:
        ledger.receive([coming(1)])
        ledger.lease("w", 1)
        with pytest.raises(ValueError, match=r"clean object|needs a code|table of reasons"):
            ledger.end([wrong])
        assert attempts_of(ledger, 1) == 1

    def test_a_clean_object_has_an_id_of_its_own(self, ledger: Custody) -> None:
        bring(ledger, 1, State.WAITING)
        ledger.receive([coming(2), coming(3)])
        ledger.lease("w", 2)
        for group in ([cleaned(2, made=1)], [cleaned(3), cleaned(2, made=1)], [cleaned(2), cleaned(3, made=2)]):
            with pytest.raises(ValueError, match="id of its own"):
                ledger.end(group)
        with pytest.raises(ValueError, match="ends once"):
            ledger.end([cleaned(2), ended(2, State.HELD)])
        assert ledger.end([cleaned(2), cleaned(3)]) == frozenset()


class TestMoving:
    @pytest.mark.parametrize("old", State)
    def test_the_lifecycle_decides_what_may_go_where(self, ledger: Custody, old: State) -> None:
        for n, new in enumerate(State, 1):
            bring(ledger, n, old)
            before = ledger.row(hex32(n))
            assert before
            left = ledger.move([hex32(n), hex32(99)], new, "uid_reuse")
            fits = (new is not State.RECEIVED or before.has_raw) and (
                new not in (State.CLEANED, State.WAITING) or before.has_clean
            )
            fits = fits and (new is not State.PURGING or old is State.DROPPED)  # else it takes evidence
            moved = may_move(old, new) and fits
            assert left == ({hex32(99)} if moved else {hex32(n), hex32(99)})
            assert state_of(ledger, n) is (new if moved else old)
            if not moved:
                assert ledger.row(hex32(n)) == before
            while mine := ledger.lease("end", 9):
                ledger.end([ended(int(one.id[:8], 16), State.HELD) for one in mine])
            ledger.release_all()
            adds_up(ledger)

    def test_releasing_what_was_quarantined_has_it_judged_again(self, ledger: Custody) -> None:
        bring(ledger, 1, State.QUARANTINED)
        assert ledger.move([hex32(1)], State.RECEIVED) == frozenset()
        row = ledger.row(hex32(1))
        assert row
        assert (row.code, row.place, row.attempts) == ("", "", 0)
        assert ledger.lease("w", 1) == [leased(1, 0)]

    def test_what_has_no_raw_object_cannot_be_judged_again(self, ledger: Custody) -> None:
        ledger.receive([coming(1), coming(2, 1, 1), coming(3, code="not_dicom")])
        assert ledger.move([hex32(2), hex32(3)], State.RECEIVED) == {hex32(2), hex32(3)}

    def test_what_was_given_up_frees_its_instance(self, ledger: Custody) -> None:
        bring(ledger, 1, State.WAITING)
        ledger.move([hex32(1)], State.HELD, "uid_reuse")
        assert set(ledger.clean_of_instance(["2.25.1"], POLICY, KEY.id)) == {"2.25.1"}
        ledger.move([hex32(1)], State.DROPPED)
        assert ledger.clean_of_instance(["2.25.1"], POLICY, KEY.id) == {}
        assert ledger.clean_of_item(hex32(1)) == clean(1), "its file is still there"

    @pytest.mark.parametrize("to", [State.HELD, State.QUARANTINED, State.REJECTED])
    def test_stopping_needs_a_code(self, ledger: Custody, to: State) -> None:
        bring(ledger, 1, State.RECEIVED)
        for code in ("", "DOE^JOHN"):
            with pytest.raises(ValueError, match=r"needs a code|table of reasons"):
                ledger.move([hex32(1)], to, code)

    def test_purging_ends_without_payload_and_the_row_stays(self, ledger: Custody) -> None:
        bring(ledger, 1, State.WAITING)
        assert ledger.move([hex32(1)], State.PURGING) == {hex32(1)}, "nobody has verified it anywhere"
        deliver(ledger, 1)
        assert not ledger.move([hex32(1)], State.PURGING)
        assert list(ledger.payloads()) == [], "while it is being deleted nothing has to be there"
        assert ledger.unpayloaded([hex32(1)]) == {hex32(1)}
        ledger.forget_payload([hex32(1)], raw=True, clean=True)
        assert not ledger.move([hex32(1)], State.PURGED)
        row = ledger.row(hex32(1))
        assert row
        assert (row.state, row.has_raw, row.has_clean) == (State.PURGED, False, False)
        assert ledger.clean_of_item(hex32(1)) is None
        assert set(ledger.clean_of_instance(["2.25.1"], POLICY, KEY.id)) == {"2.25.1"}, "it was delivered, so it stands"


class TestSeveral:
    """Clean objects of one item: one for each policy and key."""

    def end(self, ledger: Custody, n: int, *cleans: CleanObject, kept: tuple[str, ...] = ()) -> bool:
        """Whether item `n`, which is leased, ended with these."""
        assert ledger.lease("w", 1)
        return not ledger.end([Ended(hex32(n), State.CLEANED, cleans=cleans, kept=kept)])

    def both(self, n: int = 1) -> tuple[CleanObject, CleanObject]:
        """The same instance for two recipients that keep UIDs, and what the second has of its own."""
        return clean(n), clean(n + 100, n, key_id=OTHER.id)

    def test_each_stands_by_itself(self, ledger: Custody) -> None:
        ledger.receive([coming(1)])
        one, other = self.both()
        assert self.end(ledger, 1, one, other)
        assert ledger.cleans_of_item(hex32(1)) == [one, other]
        assert ledger.made_of_item(hex32(1)) == [one.id, other.id]
        assert ledger.clean_of_instance(["2.25.1"], POLICY, KEY.id) == {"2.25.1": (hex32(1), one)}
        assert ledger.clean_of_instance(["2.25.1"], POLICY, OTHER.id) == {"2.25.1": (hex32(1), other)}
        assert list(ledger.payloads()) == [(hex32(1), (one.id, other.id))]
        assert ledger.counts()["ct"][State.WAITING] == 1

    def test_one_that_is_taken_by_another_item_gives_all_of_it_back(self, ledger: Custody) -> None:
        ledger.receive([coming(1), coming(2)])
        one, other = self.both()
        assert self.end(ledger, 1, other)
        assert not self.end(ledger, 2, clean(2, 1), clean(3, 1, key_id=OTHER.id))
        assert state_of(ledger, 2) is State.RECEIVED and ledger.made_of_item(hex32(2)) == []
        assert self.end(ledger, 2, clean(2, 1))
        assert ledger.cleans_of_item(hex32(1)) == [other] and ledger.cleans_of_item(hex32(2)) == [clean(2, 1)]
        assert one not in ledger.cleans_of_item(hex32(1))

    def test_an_item_is_cleaned_once_by_each(self, ledger: Custody) -> None:
        with pytest.raises(ValueError, match="once by a policy"):
            ledger.end([Ended(hex32(1), State.CLEANED, cleans=(clean(1), clean(2)))])

    def test_more_is_added_to_what_stands(self, ledger: Custody) -> None:
        ledger.receive([coming(1)])
        one, other = self.both()
        assert self.end(ledger, 1, one)
        assert ledger.clean_more([hex32(1), hex32(9)]) == {hex32(9)}
        assert state_of(ledger, 1) is State.RECEIVED and ledger.cleans_of_item(hex32(1)) == [one]
        assert ledger.lease("w", 1) == [leased(1, adds=True)]
        assert not ledger.end([Ended(hex32(1), State.CLEANED, cleans=(other,), kept=(one.id,))])
        assert ledger.cleans_of_item(hex32(1)) == [one, other]
        assert [event.kind for event in ledger.events(hex32(1))] == ["received", "cleaned", "waiting"]

    def test_what_is_not_kept_stands_no_more(self, ledger: Custody) -> None:
        ledger.receive([coming(1)])
        one, other = self.both()
        assert self.end(ledger, 1, one, other)
        ledger.clean_more([hex32(1)])
        assert self.end(ledger, 1, kept=(other.id,))
        assert ledger.cleans_of_item(hex32(1)) == [other]
        assert ledger.made_of_item(hex32(1)) == [one.id, other.id]
        assert list(ledger.payloads()) == [(hex32(1), (other.id,))]

    def test_what_does_not_stand_cannot_be_kept(self, ledger: Custody) -> None:
        ledger.receive([coming(1), coming(2)])
        assert not self.end(ledger, 1, kept=(hex32(7, 5),))
        assert self.end(ledger, 1, clean(1))
        assert not self.end(ledger, 2, kept=(clean(1).id,)), "it stands for another"
        ledger.clean_more([hex32(1)])
        ledger.forget_payload([hex32(1)], raw=False, clean=True)
        assert not self.end(ledger, 1, kept=(clean(1).id,))

    @pytest.mark.parametrize("state", sorted(set(State) - {State.WAITING}))
    def test_only_what_waits_gets_more(self, ledger: Custody, state: State) -> None:
        bring(ledger, 1, state)
        assert ledger.clean_more([hex32(1)]) == {hex32(1)}
        assert state_of(ledger, 1) is state

    def test_what_lost_its_original_gets_no_more(self, ledger: Custody) -> None:
        bring(ledger, 1, State.WAITING)
        ledger.forget_payload([hex32(1)], raw=True, clean=False)
        assert ledger.clean_more([hex32(1)]) == {hex32(1)}

    def test_what_is_asked_for_more_keeps_its_original(self, ledger: Custody) -> None:
        """Whoever deletes originals of what was delivered looked at it a moment before."""
        bring(ledger, 1, State.WAITING)
        ledger.clean_more([hex32(1)])
        ledger.forget_payload([hex32(1)], raw=True, clean=False)
        assert ledger.unpayloaded([hex32(1)]) == frozenset()
        assert list(ledger.payloads()) == [(hex32(1), (clean(1).id,))]

    def test_what_comes_now_goes_before_what_lacks_something(self, ledger: Custody) -> None:
        bring(ledger, 1, State.WAITING)
        bring(ledger, 2, State.WAITING)
        ledger.clean_more([hex32(1), hex32(2)])
        ledger.receive([coming(3)])
        assert ledger.adding() == 2
        assert ledger.lease("w", 2) == [leased(3), leased(1, adds=True)]
        assert not ledger.end([Ended(hex32(1), State.CLEANED, kept=(clean(1).id,))])
        assert ledger.adding() == 1

    def test_released_by_a_person_all_of_it_is_made_again(self, ledger: Custody) -> None:
        bring(ledger, 1, State.WAITING)
        ledger.clean_more([hex32(1)])
        ledger.lease("w", 1)
        ledger.move([hex32(1)], State.HELD, "held_by_person")
        ledger.move([hex32(1)], State.RECEIVED)
        assert ledger.lease("w", 1) == [leased(1)]

    def test_a_death_does_not_forget_that_it_adds(self, ledger: Custody) -> None:
        bring(ledger, 1, State.WAITING)
        ledger.clean_more([hex32(1)])
        ledger.lease("w", 1)
        ledger.release_all()
        assert ledger.lease("w", 1) == [leased(1, 1, adds=True)]

    def test_a_profile_has_one_key(self, ledger: Custody) -> None:
        assert ledger.key_of_profile("research") == ""
        assert ledger.claim_profile("research", KEY.id) == KEY.id
        assert ledger.claim_profile("research", OTHER.id) == ledger.key_of_profile("research") == KEY.id

    def test_what_its_header_says_is_given_out_with_it(self, ledger: Custody) -> None:
        ledger.receive([coming(1, marks=("breast", "night"), priority="high")])
        (given,) = ledger.lease("w", 1)
        assert (given.modality, given.sop_class, given.marks, given.priority) == ("CT", CT, ("breast", "night"), "high")
        with pytest.raises(ValueError, match="priority"):
            ledger.receive([coming(2, priority="Foster")])


class TestPayloads:
    def test_everything_that_has_to_be_there_is_named(self, ledger: Custody) -> None:
        states = dict(enumerate(reversed(State), 1))
        for n, state in states.items():
            bring(ledger, n, state)
        by_id = dict(ledger.payloads())
        wanted = {n for n, state in states.items() if state not in (State.PURGING, State.PURGED)}
        assert set(by_id) == {hex32(n) for n in wanted}
        with_clean = {n for n, state in states.items() if state in (State.CLEANED, State.WAITING)}
        assert {id for id, made in by_id.items() if made} == {hex32(n) for n in with_clean}
        assert by_id[hex32(max(with_clean))] == (clean(max(with_clean)).id,)

    def test_a_raw_object_that_is_gone_is_not_missed(self, ledger: Custody) -> None:
        bring(ledger, 1, State.WAITING)
        ledger.forget_payload([hex32(1)], raw=True, clean=False)
        assert list(ledger.payloads()) == [("", (clean(1).id,))]
        assert ledger.unpayloaded([hex32(1), hex32(2)]) == {hex32(1)}

    def test_a_file_without_a_row_is_never_named_for_deletion(self, ledger: Custody) -> None:
        ledger.receive([coming(1)])
        assert ledger.unpayloaded([hex32(1), hex32(2), "no id"]) == frozenset()

    def test_many_pages_of_payloads_miss_none(self, ledger: Custody) -> None:
        ledger.receive([coming(n) for n in range(2500)])
        assert [raw for raw, _ in ledger.payloads()] == [hex32(n) for n in range(2500)]


class TestLooking:
    def test_an_id_may_be_cut_short_while_it_is_clear(self, ledger: Custody) -> None:
        ledger.receive([replace(coming(1), id="abcdef0" + "1" * 25), replace(coming(2), id="abcdef1" + "1" * 25)])
        found = ledger.row("abcdef0")
        assert found
        assert found.id.startswith("abcdef0")
        assert [ledger.row(id) for id in ("abcdef", "abcde", "", "abcdef2", "ABCDEF0", "abcdef%", "z" * 32)] == [
            None
        ] * 7
        assert ledger.row("abcdef1" + "1" * 25)

    def test_pages_follow_one_another_without_gap_or_repeat(self, ledger: Custody) -> None:
        ledger.receive([coming(n, source=f"s{n % 3}", study=hex32(n % 2, 4)) for n in range(50)])
        leased = ledger.lease("w", 20)
        ledger.end([ended(int(item.id[:8], 16), State.HELD) for item in leased])
        for asked in (
            {},
            {"states": [State.HELD]},
            {"states": [State.HELD, State.RECEIVED]},
            {"source": "s1"},
            {"states": [State.RECEIVED], "source": "s2"},
            {"study": hex32(1, 4)},
            {"study": hex32(1, 4), "source": "s0", "states": {State.HELD, State.PURGED}},
        ):
            whole = ledger.rows(**asked, most=1000)  # type: ignore[arg-type]
            pages = [ledger.rows(**asked, most=7)]  # type: ignore[arg-type]
            while pages[-1]:
                pages.append(ledger.rows(**asked, after=pages[-1][-1].number, most=7))  # type: ignore[arg-type]
            assert [row for page in pages for row in page] == whole
            assert whole and all(one.number < two.number for one, two in pairwise(whole))
        assert ledger.rows(most=0) == ledger.rows(most=-1) == []
        assert ledger.rows(states=[State.PURGED]) == ledger.rows(source="none") == ledger.rows(study="none") == []

    def test_counts_are_by_source_and_state(self, ledger: Custody) -> None:
        assert ledger.counts() == {}
        ledger.receive([coming(1), coming(2, source="drop"), coming(3, 1, 1), coming(4, code="not_dicom")])
        counts = ledger.counts()
        assert {state: n for state, n in counts["ct"].items() if n} == {
            State.RECEIVED: 1, State.DUPLICATE: 1, State.REJECTED: 1,
        }  # fmt: skip
        assert counts["drop"] == dict.fromkeys(State, 0) | {State.RECEIVED: 1}

    def test_the_oldest_that_waits_is_the_first_that_arrived(self, ledger: Custody, hands: Hands) -> None:
        assert ledger.oldest_waiting() is None
        ledger.receive([coming(1, source="a")])
        hands.wall -= 1_000_000
        ledger.receive([coming(2, source="b")])
        assert ledger.oldest_waiting() is None
        ledger.lease("w", 2)
        ledger.end([cleaned(2)])
        second = ledger.row(hex32(2))
        assert second and ledger.oldest_waiting() == second.arrived
        ledger.end([cleaned(1)])
        first = ledger.row(hex32(1))
        assert first and ledger.oldest_waiting() == first.arrived > second.arrived
        deliver(ledger, 1)
        assert ledger.oldest_waiting() == second.arrived, "what was delivered does not wait"

    def test_events_are_told_the_newest_first(self, ledger: Custody) -> None:
        told = [Event(float(n), "moved", hex32(n % 2), "ct", "uid_reuse") for n in range(6)]
        for event in told:
            ledger.note(event)
        ledger.note(Event(7.0, "started"))
        assert ledger.events(most=3) == [Event(7.0, "started"), told[5], told[4]]
        assert ledger.events(hex32(1)) == [told[5], told[3], told[1]]
        assert ledger.events(hex32(9)) == ledger.events(most=-1) == []

    def test_those_turned_away_are_counted_the_latest_first(self, ledger: Custody) -> None:
        for calling in ("ONE", "TWO", "ONE"):
            ledger.turned_away("ct", calling, "10.0.0.1")
        ledger.turned_away("ct", "ONE", "10.0.0.2")
        assert [(c.calling, c.address, c.count) for c in ledger.callers()] == [
            ("ONE", "10.0.0.2", 1), ("ONE", "10.0.0.1", 2), ("TWO", "10.0.0.1", 1),
        ]  # fmt: skip
        assert ledger.callers()[1].first < ledger.callers()[1].last

    def test_a_thousand_callers_are_remembered(self, ledger: Custody) -> None:
        for n in range(1002):
            ledger.turned_away("ct", f"AE{n}", "10.0.0.1")
            if n == 999:
                ledger.turned_away("ct", "AE0", "10.0.0.1")
        callers = [caller.calling for caller in ledger.callers()]
        assert len(callers) == 1000
        assert callers[:2] == ["AE1001", "AE1000"]
        assert "AE0" in callers and "AE1" not in callers and "AE2" not in callers


class TestStudies:
    def test_a_study_counts_its_instances_by_state(self, ledger: Custody) -> None:
        ledger.receive([coming(1), coming(3, 1, 1), coming(4, study=hex32(2, 4)), coming(5, study="")])
        ledger.receive([coming(2)])
        ledger.lease("w", 1)
        ledger.end([ended(1, State.HELD)])
        one, two = ledger.studies()
        assert (one.alias, one.source, one.modality, one.complete, one.expected) == (
            hex32(1, 4),
            "ct",
            "CT",
            False,
            None,
        )
        assert {s: n for s, n in one.counts.items() if n} == {State.HELD: 1, State.RECEIVED: 1, State.DUPLICATE: 1}
        assert two.alias == hex32(2, 4) and set(two.counts) == set(State)
        assert one.first < one.last

    def test_the_modality_may_come_later(self, ledger: Custody) -> None:
        ledger.receive([coming(1, modality="")])
        assert ledger.studies()[0].modality == ""
        ledger.lease("w", 1)
        ledger.end([replace(cleaned(1), modality="MR")])
        row = ledger.row(hex32(1))
        assert row and row.modality == ledger.studies()[0].modality == "MR"
        ledger.receive([coming(2, modality="CT")])
        assert ledger.studies()[0].modality == "MR"

    def test_a_page_never_cuts_the_sources_of_one_study(self, ledger: Custody) -> None:
        ledger.receive(
            [
                coming(10 * n + m, study=hex32(n, 4), source=f"s{m}")
                for n in range(5)
                for m in range(3)
                if n != 2 or not m
            ]
        )
        seen, after = [], ""
        while page := ledger.studies(after, 2):
            seen += [(study.alias, study.source) for study in page]
            after = page[-1].alias
        assert seen == sorted(seen) and len(seen) == len(set(seen)) == 13
        assert ledger.studies(most=0) == []

    def test_a_study_is_complete_when_nothing_came_for_a_while(self, ledger: Custody, hands: Hands) -> None:
        ledger.receive([coming(1), coming(2, source="slow", study=hex32(2, 4))])
        hands.monotonic += 29
        assert ledger.complete_studies({"ct": 30, "slow": 300}) == []
        hands.monotonic += 1
        assert ledger.complete_studies({"ct": 30, "slow": 300}) == [Completed(hex32(1, 4), "ct")]
        assert ledger.complete_studies({"ct": 30, "slow": 300}) == [], "told once"
        assert [study.complete for study in ledger.studies()] == [True, False]
        hands.monotonic += 1000
        assert ledger.complete_studies({"ct": 30}) == [], "no idle time, no end"
        assert ledger.complete_studies({"slow": float("inf")}) == []

    def test_a_late_piece_opens_it_again_and_a_copy_does_not(self, ledger: Custody, hands: Hands) -> None:
        ledger.receive([coming(1)])
        hands.monotonic += 30
        assert ledger.complete_studies({"ct": 30})
        last = ledger.studies()[0].last
        ledger.receive([coming(2, 1, 1), coming(3, code="not_dicom")])
        assert ledger.studies()[0].complete and ledger.studies()[0].last == last
        ledger.receive([coming(4)])
        assert not ledger.studies()[0].complete and ledger.studies()[0].last > last
        hands.monotonic += 30
        assert ledger.complete_studies({"ct": 30}) == [Completed(hex32(1, 4), "ct")]

    def test_a_clock_set_wrong_completes_nothing(self, ledger: Custody, hands: Hands) -> None:
        ledger.receive([coming(1)])
        hands.wall += 10_000_000
        assert ledger.complete_studies({"ct": 30}) == []
