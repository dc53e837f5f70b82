"""Workers by measured line speed: as many as bring something, one where more bring nothing."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from stowgate.outbox.crew import FIRST, LONGEST, SLOW, Crew, crowded, interrupted, looked

Line = Callable[[int, float], float]


def worked(crew: Crew, line: Line, seconds: float, begin: float = 0.0, step: float = 20.0) -> tuple[Crew, list[int]]:
    """A crew that is busy on a line of `line(workers, now)` bytes/s, looked at every few seconds; its sizes."""
    taken, sizes, now = crew.taken, [], begin
    while now < begin + seconds:
        crew = looked(crew, now, taken)
        sizes.append(crew.size)
        taken += int(line(crew.size, now) * step)
        now += step
    return crew, sizes


def shared(rate: float, each: float) -> Line:
    """A line of `rate`, of which one connection gets `each` at most."""
    return lambda workers, _: min(rate, workers * each)


@settings(max_examples=30, deadline=None)
@given(st.floats(2e3, 1e9), st.integers(2, 16))
def test_on_a_line_that_one_worker_fills_there_is_one_nearly_always(rate: float, most: int) -> None:
    _, sizes = worked(Crew(most), shared(rate, rate), 100_000)
    assert set(sizes[:1]) == {1} and set(sizes) <= {1, 2}
    assert sizes.count(2) < len(sizes) * 0.25
    assert sizes[-1] in (1, 2)


@settings(max_examples=30, deadline=None)
@given(st.floats(1e5, 1e8), st.integers(1, 16), st.integers(1, 12))
def test_workers_that_each_bring_as_much_as_the_first_are_all_used(each: float, most: int, worth: int) -> None:
    _, sizes = worked(Crew(most), shared(worth * each, each), 40 * LONGEST / 10)
    last = sizes[len(sizes) // 2 :]
    wanted = min(most, worth, 7)
    assert all(wanted - 1 <= size <= max(min(most, worth), 1) + 1 for size in last)
    assert sum(size >= wanted for size in last) > len(last) * 0.6


@given(st.lists(st.tuples(st.integers(0, 10**9), st.floats(0, 100), st.sampled_from("liic")), max_size=200))
def test_whatever_is_measured_there_is_at_least_one_and_never_more_than_allowed(
    told: list[tuple[int, float, str]],
) -> None:
    crew, now, taken = Crew(5), 0.0, 0
    for more, seconds, kind in told:
        now, taken = now + seconds, taken + more
        crew = {"l": looked(crew, now, taken), "i": interrupted(crew), "c": crowded(crew, now)}[kind]
        assert 1 <= crew.size <= 5 and crew.trial in (-1, 0, 1)
        assert 1 <= crew.size - crew.trial <= 5
        assert FIRST <= crew.wait <= LONGEST


def test_on_a_slow_link_there_is_one() -> None:
    _, sizes = worked(Crew(16), shared(SLOW * 0.9, SLOW * 0.9), 100_000)
    assert set(sizes) == {1}


def test_a_line_that_gets_slow_sends_workers_home() -> None:
    quick, _ = worked(Crew(4), shared(4e6, 1e6), 600)
    assert quick.size - min(quick.trial, 0) in (3, 4)
    slow, sizes = worked(quick, shared(1e5, 1e5), 8 * LONGEST, begin=600)
    assert slow.size - slow.trial == 1 and sizes[-1] in (1, 2)


def test_what_was_interrupted_is_measured_anew_and_a_trial_is_off() -> None:
    crew, _ = worked(Crew(4), shared(1e6, 1e6), 25)
    assert crew.trial == 1 and crew.size == 2
    assert interrupted(crew) == interrupted(interrupted(crew))
    assert (interrupted(crew).size, interrupted(crew).trial) == (1, 0)
    assert looked(interrupted(crew), 1000.0, 10**12).size == 1, "the bytes of before do not count"


def test_a_place_that_takes_no_more_callers_is_left_in_peace_for_an_hour() -> None:
    crew, _ = worked(Crew(4), shared(4e6, 1e6), 100)
    fewer = crowded(crew, 100.0)
    assert fewer.trial == 0 and fewer.size == (crew.size - 1 if crew.trial >= 0 else crew.size)
    _, sizes = worked(fewer, shared(4e6, 1e6), LONGEST - 100, begin=110.0)
    assert max(sizes) <= fewer.size


def test_one_that_may_be_alone_stays_alone() -> None:
    _, sizes = worked(Crew(1), shared(4e6, 1e6), 5000)
    assert set(sizes) == {1}
