"""Traces: read from text, looked up, summed; and the profiles that come with them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowgate.link.lane import Lane
from stowgate.link.profiles import PROFILES, Profile
from stowgate.link.trace import Span, State, Trace, cycle, trace_of

TEXT = """
# seconds  kbit/s  ms   state
0          2000    80   up     # in town
12         300     350  up
16         -       0    down
18         -       0    reset
20         end
"""


def test_a_trace_is_read_and_begins_anew_at_its_end() -> None:
    trace = trace_of(TEXT)
    assert trace.at(0) == Span(0, 250_000.0, 0.08)
    assert trace.at(15.9) == Span(12, 37_500.0, 0.35)
    assert trace.at(17) == Span(16, None, 0.0, State.DOWN)
    assert trace.at(19.9).state is State.RESET
    assert trace.at(20).at == 0 and trace.at(32).at == 12


def test_without_an_end_the_last_line_stays() -> None:
    assert trace_of("0 - 0 up\n5 1 2 down").at(1e6) == Span(5, 125.0, 0.002, State.DOWN)


@pytest.mark.parametrize(
    "text",
    ["", "# nothing", "1 2 3 up", "0 0 3 up", "0 2 3 sideways", "0 2 3", "0 2 3 up\n0 2 3 up", "0 2 3 up\nx end",
     "0 -1 3 up", "0 nan 3 up", "0 inf 3 up", "end", "0 end"],
)  # fmt: skip
def test_what_is_no_trace_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="trace"):
        trace_of(text)


@given(st.floats(0, 1e4), st.floats(0, 1e4), st.floats(1, 100), st.floats(0, 0.9))
def test_the_open_seconds_are_those_in_which_it_is_up(begin: float, more: float, period: float, part: float) -> None:
    trace = cycle(1.0, 0.0, period, period * part)
    open_ = trace.open_seconds(begin, begin + more)
    assert -1e-6 <= open_ <= more + 1e-6
    assert trace.open_seconds(0, period * 7) == pytest.approx(7 * period * (1 - part))


@given(st.sampled_from(sorted(PROFILES)), st.lists(st.tuples(st.integers(0, 5000), st.floats(0, 3)), max_size=50))
def test_a_lane_lets_nothing_through_before_its_turn_and_no_faster_than_its_rate(
    name: str, pieces: list[tuple[int, float]]
) -> None:
    profile = PROFILES[name]
    lane, twin = (Lane(profile, profile.trace.at, 7) for _ in range(2))
    now = before = 0.0
    for size, pause in pieces:
        now += pause
        through = lane.through(size, now)
        rate = profile.trace.at(now).rate
        assert through >= max(now, before) + (size / rate if rate else 0.0) - 1e-6
        assert lane.late(now) >= 0
        assert (twin.through(size, now), twin.late(now) >= 0) == (through, True), "the same seed, the same link"
        before = through


def test_a_stall_holds_back_and_loses_nothing() -> None:
    profile = Profile(Trace((Span(0.0, 1000.0),)), stalls=1.0, stall=5.0)
    assert Lane(profile, profile.trace.at, 1).through(1000, 0.0) == 6.0
