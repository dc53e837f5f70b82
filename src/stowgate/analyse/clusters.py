"""Tissue classes of a picture: its intensities in a few ordered, named classes. It shows; it does not segment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from stowgate.analyse.intensity import Intensity, Unit
from stowgate.analyse.kmeans import best_cuts

DISCLAIMER = "This is a picture of intensities, no segmentation and no diagnosis."
MOST = 16
"""Classes that can still be told apart, by name or by colour."""
_BINS = 1 << 16
_WIDEST = 1 << 20
"""Range of stored whole numbers that are counted one by one; wider ones, and fractions, in 65,536 bins."""
_TISSUES = (
    (-850.0, "air"),
    (-300.0, "lung"),
    (-25.0, "fat"),
    (130.0, "soft tissue"),
    (2000.0, "bone"),
    (float("inf"), "metal"),
)
"""Below so many Hounsfield units a class has this name (Radiopaedia, "Hounsfield unit"), by its centre."""


@dataclass(frozen=True, slots=True)
class Class:
    """One of them: from `lower` to `upper` in the unit, about `centre`; `fraction` of the pixels is in it."""

    name: str
    lower: float
    upper: float
    centre: float
    fraction: float


@dataclass(frozen=True, slots=True)
class Clusters:
    """Classes from the darkest to the brightest, without gaps between them.

    sse   -- sum of the squared distances of all pixels from the centre of their class, in the unit squared
    score -- simplified silhouette (Hruschka, de Castro and Campello, 2004): 1 where every pixel lies at its centre and
             far from the others, 0 where there is nothing to tell apart; exact, because it is taken on the histogram
    """

    classes: tuple[Class, ...]
    unit: Unit
    sse: float
    score: float
    limits: tuple[float, ...] = field(default=(), repr=False)
    """Stored values at which the second, third, ... class begins, in stored order."""
    falls: bool = field(default=False, repr=False)
    """Whether values fall as stored ones rise."""

    def as_json(self) -> dict[str, Any]:
        """What scripts rely on."""
        keys = ("name", "lower", "upper", "centre", "fraction")
        classes = [{key: getattr(one, key) for key in keys} for one in self.classes]
        return {"classes": classes, "unit": self.unit, "sse": self.sse, "score": self.score}

    def labels(self, intensity: Intensity) -> npt.NDArray[np.uint8]:
        """Rows x columns: the number of each pixel's class, from 0; 255 where Pixel Padding says there is none."""
        stored = intensity.stored
        found = np.zeros(stored.shape, np.uint8)
        for limit in self.limits:
            found += stored >= limit
        if self.falls and self.classes:
            found = (len(self.classes) - 1 - found).astype(np.uint8)
        if intensity.valid is not None:
            found[~intensity.valid] = 255
        return found


@dataclass(frozen=True, slots=True)
class Histogram:
    """Distinct stored values in rising order and how many pixels have each."""

    values: npt.NDArray[np.float64]
    counts: npt.NDArray[np.float64]


def histogram_of(intensity: Intensity) -> Histogram:
    """Of one frame, without what is padding. Fractions, and very wide ranges, are counted in 65,536 bins."""
    stored = intensity.stored if intensity.valid is None else intensity.stored[intensity.valid]
    if stored.dtype.kind == "f":
        stored = stored[np.isfinite(stored)]
    if not stored.size:
        return Histogram(np.zeros(0), np.zeros(0))
    if stored.dtype.kind in "iu" and stored.dtype.itemsize <= 2 and stored.dtype.isnative:
        return _of_small(stored)
    low, high = stored.min(), stored.max()
    if stored.dtype.kind in "iu" and int(high) - int(low) < _WIDEST:
        counted = np.bincount((stored.astype(np.int64) - int(low)).ravel())
        present = np.flatnonzero(counted)
        return Histogram(present.astype(np.float64) + float(low), counted[present].astype(np.float64))
    counted, edges = np.histogram(stored.astype(np.float64), _BINS, (float(low), float(high)))
    present = np.flatnonzero(counted)
    middles = np.asarray((edges[present] + edges[present + 1]) / 2, np.float64)
    return Histogram(middles.astype(np.float64), counted[present].astype(np.float64))


def _of_small(stored: npt.NDArray[Any]) -> Histogram:
    """Of at most 16 bits: every value has its place, and what is not below zero is counted as it is."""
    low = int(stored.min())
    counted = np.bincount((stored.ravel().astype(np.int64) - low) if low < 0 else stored.ravel())
    present = np.flatnonzero(counted)
    return Histogram(present.astype(np.float64) + min(low, 0), counted[present].astype(np.float64))


def joined(histograms: Iterable[Histogram]) -> Histogram:
    """That of a series: the pixels of all its frames together."""
    every = list(histograms)
    values, where = np.unique(np.concatenate([one.values for one in every] or [np.zeros(0)]), return_inverse=True)
    counts = np.bincount(where, np.concatenate([one.counts for one in every] or [np.zeros(0)]))
    return Histogram(values, counts.astype(np.float64))


def clusters(intensity: Intensity, k: int = 3, histogram: Histogram | None = None) -> Clusters:
    """At most k classes of one frame, or of the histogram of a series in the scale of one of its frames.

    k -- 1 to 16, `ValueError` for others; fewer classes come out where there are fewer distinct values
    Raises `TypeError` for what is no `Intensity`.
    """
    if not isinstance(intensity, Intensity):
        raise TypeError("classes are made of what intensity.of_array or imaging.seen(...).intensity gives")
    if not 1 <= k <= MOST:
        raise ValueError(f"k is a number from 1 to {MOST}")
    counted = histogram_of(intensity) if histogram is None else histogram
    if not len(counted.values):
        return Clusters((), intensity.unit, 0.0, 0.0)
    cuts = best_cuts(counted.values, counted.counts, k)
    limits = tuple(float((counted.values[at - 1] + counted.values[at]) / 2) for at in cuts)
    return _described(intensity, counted, cuts, limits)


def _described(intensity: Intensity, counted: Histogram, cuts: list[int], limits: tuple[float, ...]) -> Clusters:
    ends = [0, *cuts, len(counted.values)]
    total = float(counted.counts.sum())
    runs = [slice(start, end) for start, end in pairwise(ends)]
    centres = [float(np.average(counted.values[run], weights=counted.counts[run])) for run in runs]
    edges = [float(counted.values[0]), *limits, float(counted.values[-1])]
    falls, slope = intensity.slope < 0, intensity.slope

    def scaled(value: float) -> float:
        return value * slope + intensity.intercept

    rows = []
    for number, run in enumerate(runs):
        ordered = sorted((scaled(edges[number]), scaled(edges[number + 1])))
        rows.append((ordered[0], ordered[1], scaled(centres[number]), float(counted.counts[run].sum()) / total))
    rows = rows[::-1] if falls else rows
    names = _names([row[2] for row in rows], intensity.unit)
    classes = tuple(Class(name, *row) for name, row in zip(names, rows, strict=True))
    own = np.repeat(centres, [run.stop - run.start for run in runs])
    sse = float((counted.counts * (counted.values - own) ** 2).sum()) * slope * slope
    return Clusters(classes, intensity.unit, sse, _score(counted, np.array(centres), own), limits, falls)


def _names(centres: list[float], unit: Unit) -> list[str]:
    """By Hounsfield units; two of one name are counted; elsewhere all are."""
    if unit != "HU":
        return [f"class {number}" for number in range(1, len(centres) + 1)]
    plain = [next(name for below, name in _TISSUES if centre < below) for centre in centres]
    often, count = Counter(plain), Counter[str]()
    names = []
    for name in plain:
        count[name] += 1
        names.append(f"{name} {count[name]}" if often[name] > 1 else name)
    return names


def _score(counted: Histogram, centres: npt.NDArray[np.float64], own: npt.NDArray[np.float64]) -> float:
    if len(centres) < 2:
        return 0.0
    number = np.searchsorted(centres, own)
    below = np.abs(counted.values - centres[np.maximum(number - 1, 0)])
    above = np.abs(counted.values - centres[np.minimum(number + 1, len(centres) - 1)])
    other = np.where(number == 0, above, np.where(number == len(centres) - 1, below, np.minimum(below, above)))
    mine = np.abs(counted.values - own)
    return float(np.average((other - mine) / np.maximum(np.maximum(other, mine), 1e-300), weights=counted.counts))
