"""Dates move by whole days or not at all, and nobody is older than 90."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowgate.deident.dates import age, shift_da, shift_dt

days = st.integers(min_value=-3640, max_value=-7)
dates = st.dates(date(1700, 1, 1), date(9998, 12, 31))
times = st.sampled_from(["", "07", "0730", "073000", "073000.5", "073000.123456"])
zones = st.sampled_from(["", "+0000", "-0500", "+1400", "-1200", "+0545"])


@pytest.mark.parametrize(
    ("value", "moved"),
    [
        (b"20240301", b"20240223"),
        (b"20000101", b"19991225"),
        (b"20240307\\20240308", b"20240229\\20240301 "),
        (b"20240307\\\\20240308 ", b"20240229\\\\20240301"),
        (b"20240307 \\ 20240308", b"20240229\\20240301 "),
        (b"20240307\0\0", b"20240229"),
        (b"2024.03.07", b"2024.02.29"),
        (b"", b""),
        (b"  ", b""),
    ],
)
def test_a_full_date_moves_by_whole_days(value: bytes, moved: bytes) -> None:
    assert shift_da(value, -7) == moved


@pytest.mark.parametrize(
    "value",
    [
        b"2024",
        b"202403",
        b"20240230",
        b"20241301",
        b"20240000",
        b"20240101-20240201",
        b"20240101-",
        b"-20240101",
        b"2024-01-01",
        b"2024.0101",
        b"202401.01 ",
        b"2024.1.1",
        b"16991231",
        b"00010101",
        b"99990101",
        b"99991231",
        b"00000000",
        b"01/02/24",
        b"20240101\\2024",
        b"20240101\\DOE",
        b"202401012",
        b"2024 101",
        b"+2240101",
        b"2024\xb20101",
        b"DOE^JOHN",
    ],
)
def test_what_is_no_full_date_is_refused(value: bytes) -> None:
    assert shift_da(value, -7) is None
    assert value.count(b"\\") or shift_dt(value, -7) is None


def test_a_date_that_would_leave_the_calendar_is_refused() -> None:
    assert shift_da(b"17000101", -1700 * 366) is None
    assert shift_da(b"99981231", 366 * 10) is None


@given(dates, dates, days)
def test_intervals_stay_as_they_were(first: date, second: date, offset: int) -> None:
    moved = shift_da(f"{first.isoformat()}\\{second.isoformat()}".replace("-", "").encode(), offset)
    assert moved is not None
    one, two = (date.fromisoformat(part.decode()) for part in moved.strip().split(b"\\"))
    assert two - one == second - first
    assert one - first == timedelta(offset)
    assert not len(moved) % 2


@given(dates, days)
def test_a_shift_can_be_taken_back(day: date, offset: int) -> None:
    value = day.isoformat().replace("-", ".").encode()
    moved = shift_da(value, offset)
    assert moved is not None
    assert moved != value
    assert moved[4:5] == moved[7:8] == b"."
    if date.fromisoformat(moved.decode().replace(".", "-")).year >= 1700:
        assert shift_da(moved, -offset) == value


@given(dates, times, zones, days)
def test_only_the_date_of_a_datetime_moves(day: date, time: str, zone: str, offset: int) -> None:
    written = day.isoformat().replace("-", "")
    moved = shift_dt(f"{written}{time}{zone}".encode(), offset)
    assert moved is not None
    assert not len(moved) % 2
    day_moved = shift_da(written.encode(), offset)
    assert day_moved is not None
    assert moved.rstrip() == day_moved + f"{time}{zone}".encode()


@pytest.mark.parametrize(
    "value",
    [
        b"20240101 JOHN",
        b"202401010",
        b"20240101073000.",
        b"20240101073000.1234567",
        b"20240101-20240201",
        b"20240101-2024",
        b"20240101+1401",
        b"20240101-1201",
        b"20240101+0060",
        b"20240101+00",
        b"2024-0500",
        b"202401-0500",
        b"2024.01.01",
        b"20240101T0730",
        b"20240101073000\\2024",
        b"20240101073000+0000-0500",
        b"20240101\n",
    ],
)
def test_what_is_no_full_datetime_is_refused(value: bytes) -> None:
    assert shift_dt(value, -7) is None


def test_every_value_of_a_datetime_moves() -> None:
    assert shift_dt(b"20240307\\20240308101112-0500 ", -7) == b"20240229\\20240301101112-0500"


@given(st.binary(max_size=24), days)
def test_no_bytes_break_it_and_a_result_is_never_longer_than_its_source(value: bytes, offset: int) -> None:
    for verb in (shift_da, shift_dt):
        moved = verb(value, offset)
        assert moved is None or (not len(moved) % 2 and len(moved) <= len(value) + 1)


@pytest.mark.parametrize(
    ("value", "capped"),
    [
        (b"045Y", b"045Y"),
        (b"089Y", b"089Y"),
        (b"090Y", b"090Y"),
        (b"091Y", b"090Y"),
        (b"999Y", b"090Y"),
        (b"999M", b"999M"),
        (b"012W", b"012W"),
        (b"003D", b"003D"),
        (b"091Y\\010M", b"090Y\\010M "),
        (b"045Y  ", b"045Y"),
        (b"", b""),
    ],
)
def test_ages_over_89_become_90(value: bytes, capped: bytes) -> None:
    assert age(value) == capped


@pytest.mark.parametrize("value", [b"45Y", b"45", b"045", b"045y", b"4.5Y", b"1080M", b"045Y\\old", b" 45Y", b"-45Y"])
def test_what_is_no_age_is_refused(value: bytes) -> None:
    assert age(value) is None
