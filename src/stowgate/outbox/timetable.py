"""Hours in which a destination is sent to, and the bandwidth through the week: texts read once, then pure look-ups."""

from __future__ import annotations

import re
from dataclasses import dataclass

DAY, WEEK = 1440, 10_080
"""Minutes. A minute of the week counts from Monday 00:00 on, local time."""

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY = f"(?:{'|'.join(DAYS)})"
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d"
_HOURS = re.compile(rf"(?:({_DAY})(?:-({_DAY}))?)? ?(?:({_TIME})-({_TIME}|24:00))?", re.IGNORECASE)
_RATE = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)([BKMGTP]?)(?:i?B)?", re.IGNORECASE)
_SHIFT = {"B": 1, "": 1 << 10, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50}
_ENTRY = re.compile(rf"(?:({_DAY})-)?({_TIME}),(\S+)", re.IGNORECASE)

Rate = float | None
"""Bytes each second; None: as fast as the line is."""


@dataclass(frozen=True, slots=True)
class Hours:
    """Spans of the week in which something is sent, as (first minute, minutes). Without one it is always."""

    spans: tuple[tuple[int, int], ...] = ()

    def is_open(self, minute: float) -> bool:
        """Whether things are sent at this minute of the week."""
        return not self.spans or any((minute - first) % WEEK < length for first, length in self.spans)

    def minutes_until_open(self, minute: float) -> float:
        """Minutes until things are sent; 0 when they are now."""
        if self.is_open(minute):
            return 0.0
        return min((first - minute) % WEEK for first, _ in self.spans)


def hours_of(texts: tuple[str, ...]) -> Hours:
    """ "Mon-Fri 20:00-06:00", "Sat-Sun", "12:00-13:00": a time beyond midnight ends on the next day.

    Raises ValueError for what is none of these.
    """
    return Hours(tuple(span for text in texts for span in _spans(text)))


def _spans(text: str) -> list[tuple[int, int]]:
    found = _HOURS.fullmatch(text.strip())
    if found is None or not text.strip():
        raise ValueError('must be hours such as "Mon-Fri 20:00-06:00", "Sat-Sun" or "12:00-13:00"')
    first, last, begin, end = found.groups()
    start, stop = (_minute(begin), _minute(end)) if begin else (0, DAY)
    length = (stop - start) % DAY or DAY
    return [(day * DAY + start, length) for day in _days(first, last)]


def _days(first: str | None, last: str | None) -> list[int]:
    if not first:
        return list(range(7))
    begin = _day(first)
    return [(begin + n) % 7 for n in range((_day(last or first) - begin) % 7 + 1)]


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """The rate through the week, as (minute of the week, rate), ascending; each holds until the next."""

    steps: tuple[tuple[int, Rate], ...] = ()

    def at(self, minute: float) -> Rate:
        """The rate at this minute of the week; before the first step that of the last one."""
        if not self.steps:
            return None
        before = [rate for at, rate in self.steps if at <= minute]
        return before[-1] if before else self.steps[-1][1]


def bandwidth_of(text: str) -> Bandwidth:
    """What rclone takes after --bwlimit: "512K", "off", "08:00,512K 20:00,off", "Mon-00:00,512K Sat-10:00,off".

    K, M, G are powers of 1024, bytes each second; a number alone is in KiB. Of "UP:DOWN" the first part counts.
    Raises ValueError for what is none of these.
    """
    parts = text.split()
    if not parts:
        return Bandwidth()
    if len(parts) == 1 and "," not in parts[0]:
        return Bandwidth(((0, _rate(parts[0])),))
    steps: dict[int, Rate] = {}
    for part in parts:
        found = _ENTRY.fullmatch(part)
        if found is None:
            raise ValueError('must be a rate such as "512K", or a timetable such as "08:00,512K 20:00,off"')
        days = [_day(found[1])] if found[1] else range(7)
        steps |= {day * DAY + _minute(found[2]): _rate(found[3]) for day in days}
    return Bandwidth(tuple(sorted(steps.items())))


def _rate(text: str) -> Rate:
    up = text.partition(":")[0] if not re.fullmatch(_TIME, text) else ""
    if up.lower() == "off":
        return None
    found = _RATE.fullmatch(up)
    if found is None:
        raise ValueError('has a rate that is none; write "512K", "2M" or "off"')
    return float(found[1]) * _SHIFT[found[2].upper()] or None


def _minute(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


def _day(text: str) -> int:
    return DAYS.index(text.capitalize())


@dataclass(frozen=True, slots=True)
class Allowance:
    """A bucket of bytes that fills at the rate: what may be sent at once after a pause is a quarter of a second's."""

    filled: float = 0.0
    at: float = 0.0


_BURST = 0.25


def spend(allowance: Allowance, rate: float, size: int, now: float) -> tuple[Allowance, float]:
    """The bucket after `size` bytes were taken from it, and the seconds to wait before they are sent."""
    filled = min(rate * _BURST, allowance.filled + max(0.0, now - allowance.at) * rate) - size
    return Allowance(filled, now), max(0.0, -filled / rate)
