"""How many instances a study will have, by what headers say of it: pure, and never surer than they make it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST = 100_000
"""A number of instances or series beyond it is none of one study."""
MOST_SERIES = 1_000
"""Of a study of more series it is not worked out what each of them lacks."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one header says; None where it says nothing, or nothing that can be true.

    instances -- Number of Study Related Instances (0020,1208)
    series    -- Number of Study Related Series (0020,1206)
    in_series -- Number of Series Related Instances (0020,1209), of the series of this object
    """

    instances: int | None = None
    series: int | None = None
    in_series: int | None = None

    def __bool__(self) -> bool:
        """Whether it says anything."""
        return (self.instances, self.series, self.in_series) != (None, None, None)


NOTHING = Told()
"""What most headers say."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series: how many instances of it came, and the highest number that headers gave for it."""

    there: int
    told: int | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """A study has `least` instances at least; `whole`: when they are there, that is all of it."""

    least: int
    whole: bool


def higher(one: int | None, other: int | None) -> int | None:
    """Of two numbers that headers gave for the same thing the one to go by: waiting does less harm than not waiting."""
    return max((number for number in (one, other) if number is not None), default=None)


def expected(there: int, instances: int | None, series: int | None, each: Sequence[Series]) -> Expected | None:
    """What follows of all that headers said; None where they said nothing, or nothing that still can be true.

    A number is refuted when more has come than it says. Then nothing is built on it: such a study waits for its idle
    time, as if no header had said anything.

    there             -- how many instances of the study came, each once
    instances, series -- the highest numbers that headers gave for the study
    each              -- its series; more than `MOST_SERIES` are not looked at
    """
    each = each if len(each) <= MOST_SERIES else ()
    if instances is not None and instances < there:
        instances = None
    if series is not None and (series < len(each) or not each):
        series = None
    told = [one.told for one in each if one.told is not None and one.there <= one.told]
    if instances is None and series is None and not told:
        return None
    unseen = series - len(each) if series is not None else 0  # each of them has one instance at least
    least = sum(max(one.there, one.told or 0) for one in each) + unseen
    by_series = series is not None and not unseen and len(told) == len(each)
    return Expected(max(least, there, instances or 0), instances is not None or by_series)
