"""How every ledger of a gateway goes by the numbers that headers tell of; SQLite and its memory twin alike."""

from __future__ import annotations

import pytest

from stowgate.lifecycle import State
from stowgate.store.custody import Custody
from stowgate.store.expected import MOST, MOST_SERIES, Told
from stowgate.store.study import Completed
from tests.store.custody_sample import Hands, coming, ended, hex32

STUDY = hex32(1, 4)
IDLE = {"ct": 30.0, "drop": 60.0}


def known(ledger: Custody) -> list[tuple[int | None, int, bool]]:
    """Of each study and source: how many it has, how many are missing, whether it is complete."""
    return [(study.expected, study.missing, study.complete) for study in ledger.studies()]


def of(series: int) -> str:
    return hex32(series, 9)


def test_a_study_that_is_all_there_is_complete_at_once(ledger: Custody) -> None:
    ledger.receive([coming(1, told=Told(3)), coming(2, told=Told(3))])
    assert ledger.complete_studies(IDLE) == []
    assert known(ledger) == [(3, 1, False)]
    ledger.receive([coming(3, told=Told(3))])
    assert ledger.complete_studies(IDLE) == [Completed(STUDY, "ct")]
    assert known(ledger) == [(3, 0, True)]
    assert ledger.complete_studies(IDLE) == [], "told once"


def test_it_takes_no_idle_time_of_a_source_that_has_none(ledger: Custody) -> None:
    ledger.receive([coming(1, told=Told(1))])
    assert ledger.complete_studies({}) == [Completed(STUDY, "ct")]


def test_one_that_came_to_rest_with_less_is_complete_and_its_shortage_is_told(ledger: Custody, hands: Hands) -> None:
    ledger.receive([coming(1, told=Told(5)), coming(2)])
    hands.monotonic += 30
    assert ledger.complete_studies(IDLE) == [Completed(STUDY, "ct", 3)]
    assert known(ledger) == [(5, 3, True)]
    assert ledger.complete_studies(IDLE) == [], "told once"


def test_a_shortage_is_known_until_somebody_was_told_whatever_happens_between(ledger: Custody, hands: Hands) -> None:
    ledger.receive([coming(1, told=Told(5)), coming(2, study=hex32(2, 4), told=Told(3)), coming(3, study=hex32(3, 4))])
    assert ledger.shortages() == []
    hands.monotonic += 30
    ledger.complete_studies(IDLE)
    assert ledger.shortages() == [Completed(STUDY, "ct", 4), Completed(hex32(2, 4), "ct", 2)]
    ledger.shortages_told([STUDY, hex32(9, 4)])
    assert ledger.shortages() == [Completed(hex32(2, 4), "ct", 2)]
    ledger.shortages_told([])
    ledger.receive([coming(4, study=hex32(2, 4))])
    assert ledger.shortages() == [], "one more came, so that is not true any more"


def test_what_comes_later_is_taken_opens_it_again_and_makes_it_whole(ledger: Custody, hands: Hands) -> None:
    ledger.receive([coming(1, told=Told(2))])
    hands.monotonic += 30
    assert ledger.complete_studies(IDLE) == [Completed(STUDY, "ct", 1)]
    assert ledger.receive([coming(2)]) == [""]
    assert known(ledger) == [(2, 0, False)]
    assert ledger.complete_studies(IDLE) == [Completed(STUDY, "ct")]
    assert ledger.counts()["ct"][State.RECEIVED] == 2


def test_a_number_that_more_than_came_refutes_is_not_gone_by(ledger: Custody, hands: Hands) -> None:
    """A study that was complete too early waits for its idle time from then on, and does not open and shut."""
    ledger.receive([coming(1, told=Told(1))])
    assert ledger.complete_studies(IDLE) == [Completed(STUDY, "ct")]
    for n in (2, 3):
        ledger.receive([coming(n, told=Told(1))])
        assert ledger.complete_studies(IDLE) == []
        assert known(ledger) == [(None, 0, False)]
    hands.monotonic += 30
    assert ledger.complete_studies(IDLE) == [Completed(STUDY, "ct")]


@pytest.mark.parametrize("numbers", [(2, 3), (3, 2), (3, None), (None, 3)])
def test_of_headers_that_differ_the_highest_number_counts(
    ledger: Custody, numbers: tuple[int | None, int | None]
) -> None:
    ledger.receive([coming(n, told=Told(number)) for n, number in enumerate(numbers)])
    assert known(ledger) == [(3, 1, False)]
    assert ledger.complete_studies(IDLE) == []
    ledger.receive([coming(7)])
    assert ledger.complete_studies(IDLE) == [Completed(STUDY, "ct")]


def test_copies_what_was_rejected_and_the_same_instance_once_more_are_none_of_them(ledger: Custody) -> None:
    ledger.receive([coming(1, told=Told(2)), coming(2, 1, 1, told=Told(2)), coming(3, code="not_dicom")])
    assert ledger.receive([coming(4, 1, 9, told=Told(2))]) == [""], "the same instance with other content"
    assert ledger.complete_studies(IDLE) == []
    assert known(ledger) == [(2, 1, False)]
    ledger.receive([coming(5)])
    assert ledger.complete_studies(IDLE) == [Completed(STUDY, "ct")]


def test_what_was_taken_from_the_gateway_had_come_all_the_same(ledger: Custody) -> None:
    ledger.receive([coming(1, told=Told(2))])
    ledger.lease("w", 1)
    assert not ledger.end([ended(1, State.HELD)])
    assert not ledger.move([hex32(1)], State.DROPPED)
    assert ledger.receive([coming(3, 1, 1, told=Told(2))]) == [""], "sent again"
    assert known(ledger) == [(2, 1, False)]
    ledger.receive([coming(2)])
    assert ledger.complete_studies(IDLE) == [Completed(STUDY, "ct")]


def test_what_has_no_instance_or_no_study_counts_for_nothing(ledger: Custody) -> None:
    ledger.receive([coming(1, told=Told(2)), coming(2, study="", told=Told(1))])
    nameless = [coming(n, content=n, told=Told(1), series=of(n)) for n in (3, 4)]
    ledger.receive([type(one)(**{**_fields(one), "instance": ""}) for one in nameless])
    assert known(ledger) == [(2, 1, False)]


def _fields(one: object) -> dict[str, object]:
    return {name: getattr(one, name) for name in one.__slots__}  # type: ignore[attr-defined]


class TestSeries:
    def test_series_that_are_all_there_make_a_study_whose_series_are_all_there(self, ledger: Custody) -> None:
        two = {"series": of(1), "told": Told(series=2, in_series=2)}
        one = {"series": of(2), "told": Told(series=2, in_series=1)}
        ledger.receive([coming(1, **two)])
        assert known(ledger) == [(3, 2, False)]
        ledger.receive([coming(2, **two)])
        assert known(ledger) == [(3, 1, False)]
        assert ledger.complete_studies(IDLE) == []
        ledger.receive([coming(3, **one)])
        assert ledger.complete_studies(IDLE) == [Completed(STUDY, "ct")]

    def test_one_of_them_that_is_longer_makes_up_for_none_that_is_short(self, ledger: Custody, hands: Hands) -> None:
        ledger.receive([coming(n, series=of(1), told=Told(series=2, in_series=2)) for n in (1, 2, 3)])
        ledger.receive([coming(4, series=of(2), told=Told(series=2, in_series=2))])
        assert ledger.complete_studies(IDLE) == []
        hands.monotonic += 30
        assert ledger.complete_studies(IDLE) == [Completed(STUDY, "ct", 1)]

    def test_a_series_alone_makes_no_study_complete_and_its_shortage_is_told(
        self, ledger: Custody, hands: Hands
    ) -> None:
        ledger.receive([coming(n, series=of(n % 2), told=Told(in_series=2)) for n in range(3)])
        assert known(ledger) == [(4, 1, False)]
        ledger.receive([coming(3, series=of(1))])
        assert known(ledger) == [(4, 0, False)]
        assert ledger.complete_studies(IDLE) == []
        ledger.receive([coming(4, series=of(5), told=Told(in_series=9))])
        hands.monotonic += 30
        assert ledger.complete_studies(IDLE) == [Completed(STUDY, "ct", 8)]

    def test_objects_that_name_no_series_are_counted_together(self, ledger: Custody) -> None:
        ledger.receive([coming(n, told=Told(series=1, in_series=2)) for n in (1, 2)])
        assert ledger.complete_studies(IDLE) == [Completed(STUDY, "ct")]

    def test_a_great_many_series_are_let_be(self, ledger: Custody) -> None:
        number = MOST_SERIES + 2
        ledger.receive([coming(n, series=of(n), told=Told(in_series=2)) for n in range(number)])
        assert known(ledger) == [(None, 0, False)]
        ledger.receive([coming(number, series=of(number), told=Told(instances=2 * number))])
        assert known(ledger) == [(2 * number, number - 1, False)]


class TestSources:
    def test_a_study_that_comes_from_two_is_counted_once(self, ledger: Custody) -> None:
        ledger.receive([coming(1, told=Told(2)), coming(2, 1, 1, source="drop", told=Told(2))])
        assert known(ledger) == [(2, 1, False), (2, 1, False)]
        ledger.receive([coming(3, source="drop")])
        assert ledger.complete_studies({}) == [Completed(STUDY, "ct")]
        assert known(ledger) == [(2, 0, True), (2, 0, True)]

    def test_its_shortage_is_told_when_nothing_more_comes_from_either(self, ledger: Custody, hands: Hands) -> None:
        ledger.receive([coming(1, told=Told(4)), coming(2, source="drop")])
        hands.monotonic += 30
        assert ledger.complete_studies(IDLE) == [Completed(STUDY, "ct")], "the other may still bring the rest"
        hands.monotonic += 30
        assert ledger.complete_studies(IDLE) == [Completed(STUDY, "drop", 2)]

    def test_one_without_an_idle_time_is_not_waited_for(self, ledger: Custody, hands: Hands) -> None:
        ledger.receive([coming(1, told=Told(4)), coming(2, source="send"), coming(3, source="never")])
        hands.monotonic += 30
        assert ledger.complete_studies(IDLE | {"never": float("inf")}) == [Completed(STUDY, "ct", 1)]

    def test_studies_are_counted_apart(self, ledger: Custody) -> None:
        ledger.receive([coming(1, told=Told(1)), coming(2, study=hex32(2, 4), told=Told(2))])
        assert ledger.complete_studies({}) == [Completed(STUDY, "ct")]


@pytest.mark.parametrize("number", [0, -1, MOST + 1])
@pytest.mark.parametrize("what", ["instances", "series", "in_series"])
def test_a_number_that_no_study_can_have_is_a_mistake_of_the_caller(ledger: Custody, what: str, number: int) -> None:
    with pytest.raises(ValueError, match="a number that a study can have"):
        ledger.receive([coming(1, told=Told(**{what: number}))])


def test_the_largest_numbers_are_taken(ledger: Custody) -> None:
    ledger.receive([coming(1, told=Told(MOST, MOST, MOST))])
    assert known(ledger) == [(2 * MOST - 1, 2 * MOST - 2, False)]
