"""How wrong a scanner's clock is: from what the header says to the arrival."""

from __future__ import annotations

import time

import pytest

from stowgate.gateway.header_clock import offset

NOON = 1_750_000_000.0  # 2025-06-15 15:06:40 UTC


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ({0x0008002A: b"20250615150640+0000"}, 0),
        ({0x0008002A: b"20250615170640.250+0200 "}, 0),
        ({0x0008002A: b"20250615150610", 0x00080201: b"+0000"}, 30),
        ({0x00080022: b"20250615", 0x00080032: b"150700.00", 0x00080201: b"+0000"}, -20),
        ({0x00080023: b"20250614", 0x00080033: b"150640\0", 0x00080201: b"+0000"}, 86_400),
        ({0x00080023: b"20250615", 0x00080033: b"093640", 0x00080201: b"-0530"}, 0),
        ({0x0008002A: b"nonsense", 0x00080023: b"20250615", 0x00080033: b"150640", 0x00080201: b"+0000"}, 0),
    ],
)
def test_the_offset_is_what_lies_between_the_header_and_the_arrival(header: dict[int, bytes], seconds: int) -> None:
    assert offset(header.get, NOON) == seconds


@pytest.mark.parametrize(
    "header",
    [
        {},
        {0x00080022: b"20250615"},
        {0x00080022: b"20251315", 0x00080032: b"150640"},
        {0x00080022: b"Foster", 0x00080032: b"Foster"},
        {0x0008002A: b"19500101120000+0000"},
        {0x0008002A: b"00000101120000+0000"},
    ],
)
def test_a_header_that_does_not_say_or_cannot_be_meant_says_nothing(header: dict[int, bytes]) -> None:
    assert offset(header.get, NOON) is None


def test_without_a_zone_the_times_are_this_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert offset({0x0008002A: b"20250616000640"}.get, NOON) == 0
    finally:
        monkeypatch.undo()
        time.tzset()
