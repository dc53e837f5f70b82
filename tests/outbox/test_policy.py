"""Who is next and when to try again: nobody starves, nothing is given up, nobody storms."""

from __future__ import annotations

import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from stowgate.outbox.policy import (
    CAP,
    LEAST,
    LEAST_PARCEL,
    MOST_PARCEL,
    Line,
    Link,
    Urgency,
    entering,
    failed,
    from_below,
    hurried,
    next_line,
    parcel_bytes,
    pause,
    sampled,
    seen,
)

CHANCE = st.floats(0, 1)
LINES = st.lists(st.builds(Line, st.integers(1, 50), st.sampled_from(Urgency), st.integers(0, 5)), max_size=12)


@given(LINES)
def test_the_most_urgent_goes_first_then_who_had_the_fewest_turns_then_the_oldest(lines: list[Line]) -> None:
    chosen = next_line(lines)
    if chosen is None:
        assert not lines
        return
    for other in lines:
        assert (-chosen.urgency, chosen.turns, chosen.number) <= (-other.urgency, other.turns, other.number)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_studies_of_any_size_take_turns_so_a_small_one_is_never_behind_all_of_a_large_one(sizes: list[int]) -> None:
    lines = {n: Line(n, Urgency.MEDIUM) for n in range(len(sizes))}
    left = dict(enumerate(sizes))
    done_at, turns = {}, 0
    while left:
        line = next_line(lines[n] for n in left)
        assert line
        turns += 1
        lines[line.number] = replace(line, turns=line.turns + 1)
        left[line.number] -= 1
        if not left[line.number]:
            del left[line.number]
            done_at[line.number] = turns
    for n, size in enumerate(sizes):
        assert done_at[n] <= sum(min(size, other) for other in sizes), "one turn of each other for each of its own"


@given(st.integers(0, 100), st.integers(0, 100))
def test_whoever_was_away_has_not_saved_up_turns(turns: int, latest: int) -> None:
    assert entering(turns, latest) == max(turns, latest)


@given(st.integers(0, 10**9), CHANCE)
def test_a_pause_is_never_longer_than_ten_minutes_nor_shorter_than_two_seconds(failures: int, chance: float) -> None:
    assert LEAST <= pause(failures, chance) <= CAP


@given(st.integers(0, 20))
def test_pauses_are_spread_over_their_whole_length(failures: int) -> None:
    assert pause(failures, 0.0) == LEAST
    assert pause(failures, 1.0) == max(LEAST, min(CAP, 2.0 ** (failures + 1)))


@given(st.integers(1, 9), CHANCE, st.floats(0, 1e9))
def test_what_a_peer_asks_for_is_respected_up_to_a_day(failures: int, chance: float, after: float) -> None:
    assert min(after, 86_400) <= pause(failures, chance, after) <= max(LEAST, 86_400 * 1.1)


@given(st.lists(st.tuples(st.floats(0, 1000), CHANCE), min_size=1, max_size=200))
def test_running_out_of_tries_does_not_exist(outage: list[tuple[float, float]]) -> None:
    link, now = Link(), 0.0
    for passed, chance in outage:
        now = max(now + passed, link.until)
        assert link.may_try(now)
        link = failed(link, now, chance, "peer_unreachable")
        assert now + LEAST <= link.until <= now + CAP
    assert link.failures == len(outage)


def test_several_workers_in_one_outage_count_as_one_failure() -> None:
    first = failed(Link(), 100.0, 1.0, "peer_unreachable")
    assert failed(first, 100.5, 1.0, "peer_unreachable") == first


def test_when_the_link_returns_the_next_try_is_due_at_once() -> None:
    link = Link()
    for _ in range(12):
        link = failed(link, link.until if link.failures else 0.0, 1.0, "peer_unreachable")
    away = seen(link, link.tried + 60, reachable=False)
    assert away.until == link.until
    back = seen(away, link.tried + 65, reachable=True)
    assert back.may_try(link.tried + 65)


def test_a_place_that_could_be_reached_all_along_is_not_asked_sooner_for_it() -> None:
    link = failed(Link(failures=9), 100.0, 1.0, "peer_busy")
    assert seen(link, 110.0, reachable=True).until == link.until


def test_a_peer_that_said_when_to_come_is_not_hurried_by_its_link() -> None:
    link = failed(Link(), 100.0, 0.5, "peer_busy", after=120)
    back = seen(seen(link, 110, reachable=False), 115, reachable=True)
    assert back.until == link.until >= 220


@given(st.lists(st.tuples(st.floats(0, 3), st.booleans(), CHANCE), max_size=100))
def test_a_link_that_flaps_brings_no_storm_of_tries(flaps: list[tuple[float, bool, float]]) -> None:
    link, now, tries = Link(), 0.0, []
    for passed, reachable, chance in flaps:
        now += passed
        link = seen(link, now, reachable=reachable)
        if link.may_try(now):
            tries.append(now)
            link = failed(link, now, chance, "peer_unreachable")
    assert all(later - earlier >= LEAST for earlier, later in itertools.pairwise(tries))


def test_a_person_may_say_now() -> None:
    assert hurried(failed(Link(), 100.0, 1.0, "peer_busy", after=3600), 101.0).may_try(101.0)


@given(st.floats(0, 1e12), st.floats(0, 1e9))
def test_a_parcel_is_ten_seconds_worth_of_the_line_at_most_within_bounds(rate: float, holds: float) -> None:
    assert LEAST_PARCEL <= parcel_bytes(rate, holds) <= MOST_PARCEL
    assert parcel_bytes(512 * 1024, 10_000) == 5 << 20
    assert parcel_bytes(rate, holds) <= parcel_bytes(rate, holds + 1)


@given(st.floats(1, 300), st.floats(0.5, 9))
def test_no_other_parcel_loses_less_to_breaks_and_answers_together(holds: float, other: float) -> None:
    rate = 1e6

    def lost(seconds: float) -> float:
        return seconds / 2 / holds + 0.1 / seconds

    assert lost(parcel_bytes(rate, holds) / rate) <= lost(other) + 1e-6


class TestShare:
    """Who is less urgent waits longer, and not for ever."""

    def test_one_turn_in_eight_is_the_least_urgent_s(self) -> None:
        assert [turn for turn in range(24) if from_below(turn)] == [7, 15, 23]

    @given(st.lists(st.sampled_from(Urgency), min_size=1, max_size=20))
    def test_from_below_the_least_urgent_is_next_and_among_these_all_is_as_before(
        self, urgencies: list[Urgency]
    ) -> None:
        lines = [Line(number, urgency) for number, urgency in enumerate(urgencies)]
        least = [line for line in lines if line.urgency is min(urgencies)]
        assert next_line(lines, below=True) == next_line(least)


class TestSample:
    """Which of those that are there are read again."""

    @given(number=st.integers(0, 5_000), chance=st.floats(0, 1, exclude_max=True))
    def test_one_in_a_hundred_of_any_number_and_one_at_least(self, number: int, chance: float) -> None:
        found = sampled(number, chance)
        assert len(set(found)) == len(found) == -(-number // 100)
        assert all(0 <= place < number for place in found)

    def test_chance_decides_which(self) -> None:
        assert {sampled(10, n / 100)[0] for n in range(100)} == set(range(10))
