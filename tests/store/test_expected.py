"""What follows of the numbers in headers: never surer than they are, and nothing of one that was refuted."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowgate.store.expected import MOST_SERIES, NOTHING, Expected, Series, Told, expected, higher

NUMBER = st.one_of(st.none(), st.integers(1, 6))
EACH = st.lists(st.builds(Series, st.integers(1, 6), NUMBER), min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("instances", "series", "each", "follows"),
    [
        (None, None, [Series(3)], None),
        (5, None, [Series(3)], Expected(5, whole=True)),
        (3, None, [Series(3)], Expected(3, whole=True)),
        (2, None, [Series(3)], None),  # more came than it says: nothing is built on it
        (None, None, [Series(3, 5)], Expected(5, whole=False)),  # one series is all there, others may follow
        (None, None, [Series(3, 5), Series(1)], Expected(6, whole=False)),
        (None, None, [Series(3, 2)], None),
        (None, 2, [Series(3, 5)], Expected(6, whole=False)),  # the second has one at least
        (None, 2, [Series(3, 5), Series(1, 4)], Expected(9, whole=True)),
        (None, 2, [Series(3, 5), Series(1)], Expected(6, whole=False)),
        (None, 2, [Series(3, 2), Series(1, 4)], Expected(7, whole=False)),
        (None, 1, [Series(3, 5), Series(1, 4)], Expected(9, whole=False)),  # there are more series than it says
        (None, 1, [Series(3), Series(1)], None),
        (None, 1, [Series(3)], Expected(3, whole=False)),
        (4, None, [Series(3, 9)], Expected(9, whole=True)),  # of two that differ the higher
        (12, 1, [Series(3, 9)], Expected(12, whole=True)),
        (2, 1, [Series(3, 9)], Expected(9, whole=True)),
        (2, None, [Series(3, 9)], Expected(9, whole=False)),
    ],
)
def test_what_follows(instances: int | None, series: int | None, each: list[Series], follows: Expected | None) -> None:
    assert expected(sum(one.there for one in each), instances, series, each) == follows


@given(NUMBER, NUMBER, EACH)
def test_a_study_never_has_less_than_came(instances: int | None, series: int | None, each: list[Series]) -> None:
    there = sum(one.there for one in each)
    follows = expected(there, instances, series, each)
    assert follows is None or follows.least >= there


@given(NUMBER, NUMBER, EACH)
def test_it_is_whole_only_when_every_number_that_still_can_be_true_is_reached(
    instances: int | None, series: int | None, each: list[Series]
) -> None:
    there = sum(one.there for one in each)
    follows = expected(there, instances, series, each)
    if follows and follows.whole and follows.least == there:
        assert instances is None or instances <= there
        assert series is None or series <= len(each)
        assert all(one.told is None or one.told <= one.there for one in each)


@given(NUMBER, NUMBER, EACH, st.lists(st.integers(0, 3), max_size=8))
def test_what_was_refuted_does_not_become_true_by_more_that_tell_nothing(
    instances: int | None, series: int | None, each: list[Series], more: list[int]
) -> None:
    """The ledger relies on it, and works nothing out for them."""
    found = []
    for at in (None, *more):
        if at is not None:
            each = [*each, Series(1)] if at >= len(each) else each
            each = [Series(one.there + 1, one.told) if n == at else one for n, one in enumerate(each)]
        found.append(expected(sum(one.there for one in each), instances, series, each))
    assert not any(before is None and after is not None for before, after in pairwise(found))


def test_a_study_of_a_great_many_series_goes_by_its_own_number_alone() -> None:
    each = [Series(1, 2)] * (MOST_SERIES + 1)
    assert expected(len(each), None, len(each), each) is None
    assert expected(len(each), 5_000, None, each) == Expected(5_000, whole=True)


def test_of_two_numbers_the_higher_is_gone_by() -> None:
    assert [higher(*pair) for pair in ((None, None), (None, 2), (2, None), (2, 3), (3, 2))] == [None, 2, 2, 3, 3]


def test_a_header_that_says_nothing_says_nothing() -> None:
    assert not NOTHING
    assert all((Told(1), Told(series=1), Told(in_series=1)))
