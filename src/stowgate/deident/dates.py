"""Moves dates by whole days and caps ages; whatever cannot be moved safely is refused, never guessed."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from functools import lru_cache

EARLIEST, LATEST = 1700, 9998
"""Years that are moved; 0001 and 9999 are how software says "no date"."""

_PADDING = b" \0"
_time_of_day = re.compile(rb"(?:\d\d(?:\d\d(?:\d\d(?:\.\d{1,6})?)?)?)?").fullmatch
_time = re.compile(rb"(?:\d\d(?::?\d\d(?::?\d\d(?:\.\d*)?)?)?)?").fullmatch
_zone = re.compile(rb"(.*?)([+-])(\d{4})", re.DOTALL).fullmatch
_ZONES = {b"-": 1200, b"+": 1400}
"""Offsets from UTC lie between -1200 and +1400 (PS3.5 6.2); anything beyond is the second half of a range."""


def shift_da(value: bytes, days: int) -> bytes | None:
    """A DA value (PS3.5 6.2), each of its values moved by `days`; None if one of them cannot be moved safely.

    Moved are full valid dates YYYYMMDD, and YYYY.MM.DD of ACR-NEMA with its dots, from 1700 to 9998. Not moved are
    partial dates, ranges and impossible days. Empty values stay empty. The result is trimmed and of even length.
    """
    return _each(value, days, _shift_date)


def shift_dt(value: bytes, days: int) -> bytes | None:
    """A DT value with its full date moved by `days`; time, fraction and offset from UTC stay as they are written.

    None for partial dates, ranges, impossible days and anything that is not a DT. Result as with `shift_da`.
    """
    return _each(value, days, _shift_datetime)


def is_time(value: bytes) -> bool:
    """Whether each value of a TM is a time of day or empty; colons of ACR-NEMA and long fractions are forgiven."""
    return all(_time(part.strip(_PADDING)) for part in value.split(b"\\"))


def age(value: bytes) -> bytes | None:
    """An AS value with ages over 89 years as 090Y; None if it is not nnnD, nnnW, nnnM or nnnY (PS3.5 6.2).

    Three digits of days, weeks or months never reach 90 years: 999M are 83.
    """
    return _each(value, 0, _cap_age)


def _each(value: bytes, days: int, one: Callable[[bytes, int], bytes | None]) -> bytes | None:
    if b"\\" not in value:
        moved = one(value.strip(_PADDING), days)
        return moved if moved is None or not len(moved) & 1 else moved + b" "
    parts = [one(part.strip(_PADDING), days) for part in value.split(b"\\")]
    whole = [part for part in parts if part is not None]
    if len(whole) < len(parts):
        return None
    joined = b"\\".join(whole)
    return joined + b" " * (len(joined) & 1)


@lru_cache(maxsize=1024)
def _shift_date(text: bytes, days: int) -> bytes | None:
    if not text:
        return b""
    dotted = len(text) == 10 and text[4:5] == text[7:8] == b"."
    digits = text[:4] + text[5:7] + text[8:] if dotted else text
    if len(digits) != 8 or not digits.isdigit():
        return None
    year = int(digits[:4])
    if not EARLIEST <= year <= LATEST:
        return None
    try:
        moved = date.fromordinal(date(year, int(digits[4:6]), int(digits[6:])).toordinal() + days)
    except (ValueError, OverflowError):
        return None
    form = "{:04d}.{:02d}.{:02d}" if dotted else "{:04d}{:02d}{:02d}"
    return form.format(moved.year, moved.month, moved.day).encode()


def _shift_datetime(text: bytes, days: int) -> bytes | None:
    moved = _shift_date(text[:8], days)
    if moved is None or not _is_rest_of_datetime(text[8:]):
        return None
    return moved + text[8:]


def _is_rest_of_datetime(text: bytes) -> bool:
    zoned = _zone(text)
    if zoned and (int(zoned[3]) > _ZONES[zoned[2]] or int(zoned[3]) % 100 > 59):
        return False
    return _time_of_day(zoned[1] if zoned else text) is not None


def _cap_age(text: bytes, _days: int) -> bytes | None:
    if not text:
        return b""
    if len(text) != 4 or not text[:3].isdigit() or text[3:] not in (b"D", b"W", b"M", b"Y"):
        return None
    return b"090Y" if text[3:] == b"Y" and int(text[:3]) >= 90 else text
