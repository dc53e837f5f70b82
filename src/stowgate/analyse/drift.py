"""Scanners that change over time: cumulative sums (Page 1954), limited so that one image is no drift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stowgate.analyse.features import FEATURES, Floats

SLACK, DECISION, LIMIT = 1.25, 12.0, 4.0
"""In robust standard deviations: what is forgiven at each scan, the sum that alarms, the most that one scan counts.

A step of 4 deviations is found within 5 scans. Of healthy scanners of the tuning seeds none reached half of the sum.
"""
FIRST = 10
"""Scans that say what is usual for a scanner."""
WATCHED = ("level", "density", "peak", "air", "noise", "sharpness", "spread", "exposure", "dose", "exposure_index")


@dataclass(frozen=True, slots=True)
class Drift:
    """One feature of one scanner that went away from what was usual.

    at -- number of the scan, in the order of time, at which it was noticed; began -- that from which the sum grew
    """

    scanner: str
    feature: str
    direction: int
    began: int
    at: int


def drifts_of(scanner: str, deviations: Floats) -> list[Drift]:
    """All drifts of a scanner's scans, in the order of time; images x features in robust standard deviations."""
    found = []
    for at, feature in enumerate(FEATURES):
        if feature.name in WATCHED and len(deviations) > 3:
            usual = float(np.clip(np.median(deviations[:FIRST, at]), -2, 2))
            found += [Drift(scanner, feature.name, *one) for one in _alarms(deviations[:, at] - usual)]
    return sorted(found, key=lambda one: (one.at, one.feature))


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
