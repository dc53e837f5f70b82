"""Who is next and when to try again: pure functions; time and chance are arguments, so nothing here ever waits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum
from math import sqrt


class Urgency(IntEnum):
    """The three priorities that DICOM knows (PS3.7 9.3.1.1)."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2


@dataclass(frozen=True, slots=True)
class Line:
    """What waits of one study for one destination at one urgency.

    number -- ascending in the order in which lines began: the older, the smaller
    turns  -- that it has had, counted as if it had been there from the destination's first turn on
    """

    number: int
    urgency: Urgency
    turns: int = 0


SHARE = 8
"""Of so many turns one is the least urgent's: what is urgent all day long must not keep the rest for ever."""


def from_below(turn: int) -> bool:
    """Whether this turn of a destination, counted from 0, is the least urgent's."""
    return turn % SHARE == SHARE - 1


def next_line(lines: Iterable[Line], below: bool = False) -> Line | None:
    """The one whose turn it is: the most urgent, of these one with the fewest turns, of these the oldest.

    So a study of four views waits for one turn of each older study, however large that is, and none starves.
    below -- the least urgent instead, see `from_below`
    """
    sign = 1 if below else -1
    return min(lines, key=lambda line: (sign * line.urgency, line.turns, line.number), default=None)


def entering(turns: int, latest: int) -> int:
    """The turns of a line in which something gets ready again, when the one served last had had `latest` of them.

    Whoever was away has not saved up turns.
    """
    return max(turns, latest)


CAP, LEAST, _BASE = 600.0, 2.0, 2.0
"""Seconds between two tries: ten minutes at most, two at least, however fast a link comes and goes."""

_LONGEST_HINT = 86_400.0
"""A peer that asks for more than a day is asked again after one."""


def pause(failures: int, chance: float, after: float | None = None) -> float:
    """Seconds until the next try after so many failures in a row: full jitter below a doubling bound.

    chance -- from 0 to 1
    after  -- what the peer asked for (Retry-After): never less, a little more so that not all come at once
    """
    if after is not None:
        return max(LEAST, min(after, _LONGEST_HINT) * (1 + chance / 10))
    return max(LEAST, chance * min(CAP, _BASE * 2.0 ** min(failures, 16)))


@dataclass(frozen=True, slots=True)
class Link:
    """How it stands with the way to one destination. Times are monotonic seconds.

    failures  -- tries that failed one after the other; 0 while it works
    tried     -- when the last try failed
    until     -- when the next one is due
    code      -- why the last one failed
    bidden    -- the peer itself said when to come again, so the return of the link does not hurry
    reachable -- whether the place could be reached when somebody looked last
    """

    failures: int = 0
    tried: float = float("-inf")
    until: float = float("-inf")
    code: str = ""
    bidden: bool = False
    reachable: bool = True

    def may_try(self, now: float) -> bool:
        """Whether a try is due."""
        return now >= self.until


def failed(link: Link, now: float, chance: float, code: str, after: float | None = None) -> Link:
    """After a try that the network or the peer let fail. There is no last try."""
    if not link.may_try(now) and link.failures:
        return link  # another worker ran into the same outage
    return Link(link.failures + 1, now, now + pause(link.failures + 1, chance, after), code, after is not None)


def seen(link: Link, now: float, *, reachable: bool) -> Link:
    """After somebody looked whether the place can be reached: when it has come back, the next try is due at once."""
    back = reachable and not link.reachable and link.failures and not link.bidden
    due = max(now, link.tried + LEAST) if back else link.until
    return replace(link, reachable=reachable, until=min(link.until, due) if back else link.until)


_SELDOM = 10.0
"""Seconds between two looks at a place that is there and takes nothing, at most. Some nodes take ten callers at a time,
and keep the place of one that only looks for half a minute."""


def until_look(found: int, least: float) -> float:
    """Seconds until the next look, after so many that found the place there; one that is away may be back soon."""
    return max(least, min(least * 2.0 ** min(found, 8), _SELDOM))


def hurried(link: Link, now: float) -> Link:
    """After a person said "now"."""
    return replace(link, until=min(link.until, now))


def sampled(number: int, chance: float) -> list[int]:
    """Of so many instances that are there, the places of those that are read again: one in a hundred, one at least.

    chance -- from 0 up to 1: where it begins
    """
    first = int(chance * number)
    return sorted((first + step) % number for step in range(0, number, 100)) if number else []


LEAST_PARCEL, MOST_PARCEL = 1 << 18, 64 << 20
_LONGEST_PARCEL, _ANSWER = 10.0, 0.1
"""Seconds that a parcel takes at most, and that nothing goes out while its answer is waited for."""

UNBROKEN = 60.0
"""Seconds that a line of which nothing is known yet is taken to hold."""


def parcel_bytes(rate: float, holds: float = UNBROKEN) -> int:
    """Bytes that are handed over together on a line of `rate` bytes/s that holds for so many seconds between breaks.

    What is half sent at a break is sent again, half a parcel of p seconds each time; each parcel costs the wait for its
    answer, w. The sum of both losses, p / 2 / holds + w / p, is least at sqrt(2 * w * holds). What was acknowledged is
    written down after each parcel, so this is also what a power cut makes the peer ask for twice.
    """
    seconds = min(_LONGEST_PARCEL, sqrt(2 * _ANSWER * max(0.0, holds)))
    return int(min(MOST_PARCEL, max(LEAST_PARCEL, rate * seconds)))
