"""A study gets more urgent, with all of it that is queued or comes later; SQLite and memory alike."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stowgate.lifecycle import Delivery, Evidence, State
from stowgate.outbox.policy import Urgency
from stowgate.store.custody import Custody
from stowgate.store.custody_memory import MemoryCustody
from stowgate.store.custody_sqlite import open_custody
from stowgate.store.deliveries import Bound, Outcome
from tests.contracts.test_every_deliveries import MUCH, bound, lease, way
from tests.store.custody_sample import KEY, Hands, cleaned, coming, hex32

STUDY, OTHER = hex32(1, 4), hex32(2, 4)
HIGH, MEDIUM, LOW = Urgency.HIGH, Urgency.MEDIUM, Urgency.LOW


def wait(ledger: Custody, study: str, *numbers: int, **facts: object) -> None:
    """Items of a study that wait, each with its clean object."""
    ledger.receive([coming(n, study=study, **facts) for n in numbers])
    ends = {hex32(n): cleaned(n) for n in numbers}
    for end in ends.values():
        object.__setattr__(end.cleans[0], "study", f"2.25.{int(study[:8], 16)}")
    leased = ledger.lease("w", 1000)
    assert not ledger.end([ends[item.id] for item in leased])


def triage(ledger: Custody, n: int) -> tuple[str, ...]:
    row = ledger.row(hex32(n))
    assert row and row in ledger.rows(most=1000)
    return row.triage


def test_what_is_queued_overtakes_what_came_before(ledger: Custody) -> None:
    wait(ledger, OTHER, 1, 2)
    wait(ledger, STUDY, 3, 4)
    bound(ledger, 1, 2, 3, 4)
    bound(ledger, 3, to="nas")
    assert ledger.deliveries.raise_study(STUDY, HIGH) == 3
    assert [way(ledger, n).urgency for n in (1, 3, 4)] == [MEDIUM, HIGH, HIGH]
    assert way(ledger, 3, "nas").urgency is HIGH
    assert [lease(ledger) for _ in range(3)] == [[3, 4], [1, 2], []]


def test_what_is_bound_later_is_as_urgent(ledger: Custody) -> None:
    wait(ledger, STUDY, 1)
    assert ledger.deliveries.raise_study(STUDY, HIGH) == 0, "nothing is queued yet"
    wait(ledger, STUDY, 2)
    bound(ledger, 1, 2, urgency=LOW)
    assert [way(ledger, n).urgency for n in (1, 2)] == [HIGH, HIGH]


def test_nothing_is_lowered_and_nothing_raised_twice(ledger: Custody) -> None:
    wait(ledger, STUDY, 1, 2)
    bound(ledger, 1, urgency=HIGH)
    bound(ledger, 2, urgency=LOW)
    assert [ledger.deliveries.raise_study(STUDY, to) for to in (MEDIUM, LOW, MEDIUM, HIGH, HIGH, LOW)] == [
        1,
        0,
        0,
        1,
        0,
        0,
    ]
    assert [way(ledger, n).urgency for n in (1, 2)] == [HIGH, HIGH]


def test_what_was_sent_stays_as_it_is(ledger: Custody) -> None:
    wait(ledger, STUDY, 1, 2, 3)
    bound(ledger, 1, 2, 3)
    one, two, three = ledger.deliveries.lease("pacs", 9, MUCH)
    done = Outcome(two.number, Delivery.VERIFIED, "", Evidence.CONTENT, done=True)
    ledger.deliveries.record([Outcome(one.number, Delivery.ACKNOWLEDGED), done])
    assert ledger.deliveries.raise_study(STUDY, HIGH) == 1, "what is under way is still queued"
    assert [way(ledger, n).urgency for n in (1, 2, 3)] == [MEDIUM, MEDIUM, HIGH]
    ledger.deliveries.release([three.number])
    assert lease(ledger) == [3] and lease(ledger) == [1]


@pytest.mark.parametrize("study", [OTHER, hex32(9, 4)])
def test_other_studies_and_studies_that_nobody_knows_stay_out_of_it(ledger: Custody, study: str) -> None:
    wait(ledger, STUDY, 1)
    bound(ledger, 1)
    assert ledger.deliveries.raise_study(study, HIGH, ["measured_hyperdense"]) == 0
    assert way(ledger, 1).urgency is MEDIUM and triage(ledger, 1) == ()


def test_counts_and_bytes_that_are_left_stay_what_they_are(ledger: Custody) -> None:
    wait(ledger, STUDY, 1, 2, 3)
    bound(ledger, 1, 2, 3)
    ledger.move([hex32(3)], State.HELD, "held_by_person")
    before = ledger.deliveries.counts(), ledger.deliveries.bytes_left(), ledger.deliveries.bytes_left_of([STUDY])
    assert ledger.deliveries.raise_study(STUDY, HIGH) == 3
    assert before == (
        ledger.deliveries.counts(), ledger.deliveries.bytes_left(), ledger.deliveries.bytes_left_of([STUDY]),
    )  # fmt: skip
    assert lease(ledger) == [1, 2]


def test_what_is_parked_or_waits_for_its_time_comes_back_more_urgent(ledger: Custody, hands: Hands) -> None:
    wait(ledger, OTHER, 1)
    wait(ledger, STUDY, 2)
    bound(ledger, 1, 2)
    for due in (*ledger.deliveries.lease("pacs", 1, MUCH), *ledger.deliveries.lease("pacs", 1, MUCH)):
        ledger.deliveries.record([Outcome(due.number, Delivery.QUEUED, "peer_unreachable", wait=60.0)])
    assert ledger.deliveries.raise_study(STUDY, HIGH) == 1
    assert ledger.deliveries.next_due("pacs") == 60.0
    hands.monotonic += 61
    assert [lease(ledger), lease(ledger)] == [[2], [1]]


def test_a_study_that_gets_urgent_has_not_saved_up_turns(ledger: Custody) -> None:
    """Two urgent ones take turns from then on."""
    wait(ledger, OTHER, 1, 2, 3, 4)
    wait(ledger, STUDY, 5, 6)
    bound(ledger, 1, 2, 3, 4, urgency=HIGH)
    bound(ledger, 5, 6)
    assert lease(ledger, most=1) == [1] and lease(ledger, most=1) == [2]
    assert ledger.deliveries.raise_study(STUDY, HIGH) == 2
    assert [lease(ledger, most=1)[0] for _ in range(4)] == [5, 3, 6, 4]


def test_reasons_stay_with_the_items_and_each_is_told_once(ledger: Custody) -> None:
    wait(ledger, STUDY, 1, triage=("stroke_words", "priority_high"))
    wait(ledger, OTHER, 2, triage=("screening_words",))
    ledger.deliveries.raise_study(STUDY, HIGH, ["measured_hyperdense", "stroke_words"])
    ledger.deliveries.raise_study(STUDY, HIGH, ["measured_hyperdense", "mine"])
    wait(ledger, STUDY, 3)
    assert triage(ledger, 1) == ("stroke_words", "priority_high", "measured_hyperdense", "mine")
    assert triage(ledger, 2) == ("screening_words",)
    assert triage(ledger, 3) == ("measured_hyperdense", "stroke_words", "mine")
    assert [one.triage for one in ledger.deliveries.unbound()] == [
        ("stroke_words", "priority_high"),
        ("screening_words",),
        (),
    ]


def test_words_of_a_header_are_no_reasons(ledger: Custody) -> None:
    for wrong in ("Stroke protocol", "", "Müller", "a" * 33, "1st"):
        with pytest.raises(ValueError, match="a rule has an id"):
            ledger.deliveries.raise_study(STUDY, HIGH, [wrong])
        with pytest.raises(ValueError, match="a rule has an id"):
            ledger.receive([coming(1, triage=(wrong,))])
    with pytest.raises(ValueError, match="alias"):
        ledger.deliveries.raise_study("", HIGH)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from("bdrgq"), st.integers(1, 4), st.sampled_from(list(Urgency))), max_size=14))
def test_whatever_happens_both_ledgers_give_out_the_same(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[str, int, Urgency]]
) -> None:
    given_out = []
    for made in (
        MemoryCustody(Hands().clocks),
        open_custody(tmp_path_factory.mktemp("l") / "ledger.db", KEY, Hands().clocks),
    ):
        with made as one:
            wait(one, STUDY, 1, 3)
            wait(one, OTHER, 2, 4)
            told: list[object] = []
            for act, n, urgency in acts:
                if act == "b":
                    one.deliveries.bind({hex32(n, 5): [Bound("pacs", urgency)]})
                elif act == "r":
                    told.append(one.deliveries.raise_study(STUDY if n % 2 else OTHER, urgency))
                elif act == "g":
                    told += [due.item for due in one.deliveries.lease("pacs", 1, MUCH)]
                elif act == "q":
                    one.move([hex32(n)], State.HELD, "held_by_person")
                else:
                    told.append(one.deliveries.release_all())
            told += [[due.item for due in one.deliveries.lease("pacs", 9, MUCH)] for _ in range(4)]
            told.append({name: dict(states) for name, states in one.deliveries.counts().items()})
            told.append(one.deliveries.bytes_left())
            given_out.append(told)
    assert given_out[0] == given_out[1]
