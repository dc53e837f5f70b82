"""Scanners that change over time: cumulative sums (Page 1954), limited so that one image is no drift."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from stowgate.analyse.features import FEATURES, Floats, comparable

SLACK, DECISION, LIMIT = 1.25, 12.0, 4.0
"""In robust standard deviations: what is forgiven at each scan, the sum that alarms, the most that one scan counts.

A step of 4 deviations is found within 5 scans. Of healthy scanners of the tuning seeds none reached half of the sum.
"""
FIRST = 10
"""Scans that say what is usual for a scanner."""
LAST = 5
"""Scans that say how far it is off now."""
WATCHED = ("level", "density", "peak", "air", "noise", "sharpness", "spread", "exposure", "dose", "exposure_index")


@dataclass(frozen=True, slots=True)
class Drift:
    """One feature of one scanner that went away from what was usual.

    at -- number of the scan, in the order of time, at which it was noticed; began -- that from which the sum grew
    size -- by how much its last scans are off its first, in the unit of the feature; of one that is compared by its
            logarithm: so many times
    since -- seconds since 1970 at which the scan `began` was made, None where it is not known
    """

    scanner: str
    feature: str
    direction: int
    began: int
    at: int
    size: float = math.nan
    since: float | None = None


def drifts_of(
    scanner: str,
    deviations: Floats,
    away: Floats | None = None,
    times: Sequence[float | None] = (),
    unknown: Iterable[str] = (),
) -> list[Drift]:
    """All drifts of a scanner's scans, in the order of time.

    What is usual is what its first scans say, at most 2 deviations off the fleet; where scanners cannot be compared by
    a feature, it is what they say.
    deviations, away -- scans x features in robust standard deviations, and in units; times -- seconds since 1970
    unknown          -- what its headers do not say, as `features.not_grouped_by` names it
    """
    found = []
    can = comparable(unknown)
    for at, feature in enumerate(FEATURES):
        if feature.name in WATCHED and len(deviations) > 3:
            usual = float(np.median(deviations[:FIRST, at]))
            usual = float(np.clip(usual, -2, 2)) if can[at] else usual
            for direction, began, noticed in _alarms(deviations[:, at] - usual):
                size = math.nan if away is None else _size(away[:, at], feature.log)
                since = times[began] if times else None
                found.append(Drift(scanner, feature.name, direction, began, noticed, size, since))
    return sorted(found, key=lambda one: (one.at, one.feature))


def _size(away: Floats, log: bool) -> float:
    """The median of the last five scans against that of the first."""
    first, last = (some[np.isfinite(some)] for some in (away[:FIRST], away[-LAST:]))
    if not first.size or not last.size:
        return math.nan
    size = float(np.median(last) - np.median(first))
    return math.exp(size) if log else size


def _alarms(series: Floats) -> list[tuple[int, int, int]]:
    """Direction, begin and moment of the first alarm upwards and downwards."""
    found = []
    for sign in (1, -1):
        total, began = 0.0, 0
        for at, value in enumerate(np.clip(sign * series, -LIMIT, LIMIT)):
            total = max(0.0, total + float(value) - SLACK)
            if total == 0.0:
                began = at + 1
            if total > DECISION:
                found.append((sign, began, at))
                break
    return found
