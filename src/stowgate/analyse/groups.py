"""Scanners that are alike: k-means over what is usual for each, with as many groups as there really are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stowgate.analyse.features import Floats

FEWEST, MOST = 4, 6
_LEAST = 0.4
"""Robust standard deviations of the whole protocol below which no scatter of one scanner is believed."""
CLEAR = 0.6
"""Mean silhouette (Rousseeuw 1987) below which there is one group: normal scatter reaches 0.5 with a few scanners."""


@dataclass(frozen=True, slots=True)
class Group:
    """Scanners that are alike; `silhouette` of the division that they come from, 1 is clear."""

    scanners: tuple[str, ...]
    silhouette: float


@dataclass(frozen=True, slots=True, eq=False)
class Shift:
    """How far a scanner is off the middle of all scanners', by feature of `FEATURES`: the mean over its protocols.

    spreads  -- in what images of one scanner differ
    units    -- in the unit of the feature, or in logarithms of it
    scanners -- how many there are to compare: of two nobody can say which one is off, their shifts are mirrors
    """

    spreads: Floats
    units: Floats
    scanners: int


def shifts_of(scanners: Sequence[str], protocols: Sequence[str], deviations: Floats, away: Floats) -> dict[str, Shift]:
    """By scanner; protocols in which there are only two count where there is no other.

    deviations, away -- images x features in robust standard deviations, and in units; NaN where they do not compare
    """
    found: dict[str, list[Shift]] = {}
    who, what = np.array(scanners), np.array(protocols)
    for protocol in sorted(set(protocols)):
        places = {name: (what == protocol) & (who == name) for name in sorted(set(who[what == protocol]))}
        places = {name: at for name, at in places.items() if at.sum() >= FEWEST}
        if len(places) < 2:
            continue
        own = {name: deviations[at] for name, at in places.items()}
        medians = {name: np.median(rows, axis=0) for name, rows in own.items()}
        within = np.median([np.median(abs(rows - medians[name]), axis=0) for name, rows in own.items()], axis=0)
        spreads = _off(medians)
        units = _off({name: np.median(away[at], axis=0) for name, at in places.items()})
        for name, spread in spreads.items():
            shift = Shift(spread / np.maximum(1.4826 * within, _LEAST), units[name], len(places))
            found.setdefault(name, []).append(shift)
    return {name: _mean(shifts) for name, shifts in found.items()}


def _off(medians: Mapping[str, Floats]) -> dict[str, Floats]:
    middle = np.median(list(medians.values()), axis=0)
    return {name: np.nan_to_num(median - middle) for name, median in medians.items()}


def _mean(shifts: Sequence[Shift]) -> Shift:
    most = max(shift.scanners for shift in shifts)
    sure = [shift for shift in shifts if shift.scanners >= min(most, 3)]
    return Shift(
        np.mean([one.spreads for one in sure], axis=0), np.mean([one.units for one in sure], axis=0), most
    )  # fmt: skip


def groups_of(usual: Mapping[str, Shift]) -> tuple[Group, ...]:
    """The groups of scanners, by how far each is off: one where there is no structure, none of none."""
    names = sorted(usual)
    whole = (Group(tuple(names), 0.0),) if names else ()
    if len(names) < FEWEST:
        return whole
    points = np.clip(np.array([usual[name].spreads for name in names]), -30, 30)
    if float(np.ptp(points, axis=0).max()) < 2.0:  # nobody differs by more than scans do
        return whole
    score, labels = max((_divided(points, k) for k in range(2, min(MOST, len(names) - 1) + 1)), key=lambda one: one[0])
    if score < CLEAR:
        return whole
    found = (tuple(name for name, label in zip(names, labels, strict=True) if label == one) for one in set(labels))
    return tuple(Group(members, score) for members in sorted(found))


def _divided(points: Floats, k: int) -> tuple[float, list[int]]:
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    labels = KMeans(k, n_init=10, random_state=0).fit_predict(points)
    if len(set(labels)) < 2:
        return -1.0, [0] * len(points)
    return float(silhouette_score(points, labels)), [int(label) for label in labels]
