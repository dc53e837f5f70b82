"""How many workers a line is worth: as many as raise what is measured to get through, tried one at a time; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

WINDOW, ENOUGH = 15.0, 4 << 20
"""A measurement is over after so many seconds and so many bytes: what sits in the sockets must not count for much."""

SETTLE = 10.0
"""Seconds after a change in which nothing is measured: parcels under way are those of before."""

WORTH, SAME = 1.15, 0.95
"""What one more has to bring to stay, and what must be left without one for it to go."""

SLOW = 32_000.0
"""Bytes each second below which no more are tried: each of them would have an object half sent for a long time."""

FIRST, LONGEST = 60.0, 3600.0
"""Seconds until the next trial after one that brought nothing; doubled each time up to an hour."""

_NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class Crew:
    """The workers of one destination. Times are monotonic seconds, `taken` counts bytes that ever went out.

    most   -- that there may be
    size   -- that work
    trial  -- 1 or -1 while one more or fewer is tried, else 0
    known  -- bytes/s before the trial
    since, taken -- when the measurement began, and the count then
    settled      -- when it may begin
    turn   -- which way the next trial goes
    wait, until -- seconds of rest after a trial in vain, and when that of now ends
    """

    most: int = 1
    size: int = 1
    trial: int = 0
    known: float = 0.0
    since: float = _NEVER
    taken: int = 0
    settled: float = _NEVER
    turn: int = 1
    wait: float = FIRST
    until: float = _NEVER


def looked(crew: Crew, now: float, taken: int) -> Crew:
    """After a look at the count while everybody was busy."""
    if now < crew.settled:
        return crew
    if crew.since == _NEVER:
        return replace(crew, since=now, taken=taken)
    if now - crew.since < WINDOW or taken - crew.taken < ENOUGH:
        return crew
    rate = (taken - crew.taken) / (now - crew.since)
    if crew.trial:
        return _judged(crew, rate, now, taken)
    return _tried(crew, rate, now, taken)


def _judged(crew: Crew, rate: float, now: float, taken: int) -> Crew:
    """A trial that brought something stays, and the next goes the same way at once; else all is as it was."""
    good = rate >= crew.known * (WORTH if crew.trial > 0 else SAME)
    if good:
        return replace(crew, trial=0, turn=crew.trial, wait=FIRST, until=now, since=now, taken=taken)
    back = replace(interrupted(crew), settled=now + SETTLE)
    return replace(back, turn=-crew.trial, until=now + crew.wait, wait=min(LONGEST, crew.wait * 2))


def _tried(crew: Crew, rate: float, now: float, taken: int) -> Crew:
    anew = replace(crew, since=now, taken=taken)
    if now < crew.until:
        return anew
    for step in (crew.turn, -crew.turn):
        if 1 <= crew.size + step <= crew.most and (step < 0 or rate >= SLOW):
            return replace(crew, size=crew.size + step, trial=step, known=rate, since=_NEVER, settled=now + SETTLE)
    return anew


def interrupted(crew: Crew) -> Crew:
    """The line broke, or somebody had nothing to do: what was measured says nothing."""
    return replace(crew, size=crew.size - crew.trial, trial=0, since=_NEVER)


def crowded(crew: Crew, now: float) -> Crew:
    """The place takes no more callers than it has: one fewer, and no more are tried for an hour."""
    fewer = interrupted(crew) if crew.trial > 0 else replace(interrupted(crew), size=max(1, crew.size - 1))
    return replace(fewer, turn=-1, until=now + LONGEST, wait=LONGEST)
