"""Hours and bandwidth through the week, in rclone's words; and the bucket that keeps to them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowgate.outbox.timetable import DAY, WEEK, Allowance, Bandwidth, bandwidth_of, hours_of, spend

MINUTE = st.integers(0, WEEK - 1)
TIMES = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
DAY_NAMES = st.sampled_from(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"])
RATES = st.sampled_from(["off", "512K", "10M", "64", "1.5M", "300B", "1G", "512K:1M"])
KIB, MIB = 1 << 10, 1 << 20


def at(day: int, hour: int, minute: int = 0) -> int:
    return day * DAY + hour * 60 + minute


@pytest.mark.parametrize(
    ("text", "rate"),
    [("512K", 512 * KIB), ("64", 64 * KIB), ("2M", 2 * MIB), ("1.5M", 1.5 * MIB), ("300B", 300), ("off", None),
     ("10M:1M", 10 * MIB), ("512Ki", None), ("0", None), ("10MiB", 10 * MIB)],
)  # fmt: skip
def test_a_rate_alone_holds_always(text: str, rate: float | None) -> None:
    if text == "512Ki":
        with pytest.raises(ValueError, match="rate"):
            bandwidth_of(text)
        return
    assert {bandwidth_of(text).at(minute) for minute in range(0, WEEK, 97)} == {rate}


def test_a_timetable_changes_every_day_at_its_times_and_wraps_over_midnight() -> None:
    table = bandwidth_of("08:00,512K 20:00,off")
    for day in range(7):
        assert table.at(at(day, 7, 59)) is None
        assert table.at(at(day, 8)) == table.at(at(day, 19, 59)) == 512 * KIB
        assert table.at(at(day, 20)) is table.at(at(day, 23, 59)) is None


def test_a_timetable_of_the_week_holds_from_each_entry_to_the_next() -> None:
    table = bandwidth_of("Mon-00:00,512 Fri-23:59,10M Sat-10:00,1M Sun-20:00,off")
    assert table.at(at(0, 0)) == table.at(at(4, 23, 58)) == 512 * KIB
    assert table.at(at(4, 23, 59)) == table.at(at(5, 9, 59)) == 10 * MIB
    assert table.at(at(6, 19)) == MIB
    assert table.at(at(6, 23)) is None


def test_nothing_said_is_no_limit() -> None:
    assert bandwidth_of("") == Bandwidth()
    assert Bandwidth().at(5) is None


@given(st.lists(st.tuples(st.one_of(st.just(""), DAY_NAMES), TIMES, RATES), min_size=1, max_size=6), MINUTE)
def test_whatever_the_timetable_the_rate_is_that_of_the_latest_entry_before(
    entries: list[tuple[str, str, str]], minute: int
) -> None:
    text = " ".join(f"{day}-{time},{rate}" if day else f"{time},{rate}" for day, time, rate in entries)
    table = bandwidth_of(text)
    looked = minute
    while looked not in dict(table.steps):  # minute by minute backwards through the week
        looked = (looked - 1) % WEEK
    assert table.at(minute) == dict(table.steps)[looked]


@pytest.mark.parametrize("text", ["fast", "08:00", "25:00,1M", "08:00,512X", "08:00 512K", "Mo-08:00,1M", "1M 2M", ","])
def test_what_is_no_timetable_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be|has a rate"):
        bandwidth_of(text)


def test_hours_over_midnight_belong_to_the_day_they_begin_on() -> None:
    night = hours_of(("Mon-Fri 20:00-06:00",))
    assert night.is_open(at(0, 20)) and night.is_open(at(1, 5, 59))
    assert not night.is_open(at(1, 6)) and not night.is_open(at(0, 5))
    assert night.is_open(at(5, 5, 59)), "Friday's night ends on Saturday"
    assert not night.is_open(at(5, 21))
    assert night.minutes_until_open(at(5, 6)) == 2 * DAY + 14 * 60


def test_whole_days_and_daily_hours() -> None:
    both = hours_of(("Sat-Sun", "12:00-13:00"))
    assert both.is_open(at(6, 23, 59)) and both.is_open(at(2, 12, 30))
    assert not both.is_open(at(2, 13))
    assert hours_of(("Sat-Mon",)).is_open(at(0, 3)), "days may wrap over the end of the week"


def test_without_hours_it_is_always_open() -> None:
    assert hours_of(()).is_open(1234) and hours_of(()).minutes_until_open(1234) == 0


@given(DAY_NAMES, DAY_NAMES, TIMES, TIMES, MINUTE)
def test_when_it_opens_next_is_the_first_open_minute(first: str, last: str, begin: str, end: str, minute: int) -> None:
    hours = hours_of((f"{first}-{last} {begin}-{end}",))
    wait = hours.minutes_until_open(minute)
    assert hours.is_open((minute + wait) % WEEK)
    assert not any(hours.is_open((minute + n) % WEEK) for n in range(0, int(wait), 7))


@pytest.mark.parametrize("text", ["", " ", "night", "Mon-", "20:00", "20:00-25:00", "Mon 20:00", "Mon-Fri-Sun"])
def test_what_are_no_hours_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="hours"):
        hours_of((text,))


@given(st.floats(1e3, 1e8), st.lists(st.tuples(st.integers(1, 1 << 20), st.floats(0, 2)), min_size=1, max_size=60))
def test_no_more_than_the_rate_goes_through_but_for_a_quarter_of_a_second(
    rate: float, sends: list[tuple[int, float]]
) -> None:
    allowance, now, sent = Allowance(), 0.0, 0
    for size, idle in sends:
        now += idle
        allowance, wait = spend(allowance, rate, size, now)
        now += wait
        sent += size
        assert sent <= rate * (now + 0.25) * 1.000001 + 1


def test_a_steady_stream_keeps_to_the_rate() -> None:
    allowance, now = Allowance(), 0.0
    for _ in range(1000):
        allowance, wait = spend(allowance, 1e6, 10_000, now)
        now += wait
    assert 9.5 < now <= 10.0
