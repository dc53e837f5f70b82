"""Images unlike their like: by the largest robust deviation, and by robust covariance (ADR 0024)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stowgate.analyse.features import FEATURES, Floats

FARTHEST = 5.0
"""Of one feature, in robust standard deviations: 2 healthy images of 1,000 of the tuning seeds are beyond."""
APART = 9.5
"""Robust Mahalanobis distance: 2 of 1,000 are beyond, in fleets of 30 to 250 images of a protocol."""
FEWEST = 8
"""Images of a protocol below which nobody is unlike the rest: there is no rest."""
_FEWEST_TOGETHER = 60
"""Images from which on a covariance of so many features means something."""
_LIMIT = 30.0
_BLUNT = 0.3
"""Variance that is added to each feature: none is believed to hang together with others more closely than that."""
_TO_SIGMA, _SHARE, _TO_SIGMA_OF_SHARE = 1.4826, 0.15, 2.073
_BELIEVED = 5.0
"""Images of a scanner for which its own habit counts half."""
_HABIT = 2.0
"""Standard deviations by which a healthy scanner may differ from its like."""


@dataclass(frozen=True, slots=True)
class Centre:
    """What is usual for a protocol, feature by feature of `FEATURES`: NaN where it has none.

    number -- images that it rests on
    """

    middle: tuple[float, ...]
    scale: tuple[float, ...]
    number: int

    def deviations(self, values: Floats) -> Floats:
        """Images x features in standard deviations; 0 where there is nothing to compare."""
        with np.errstate(invalid="ignore"):
            found = (values - np.array(self.middle)) / np.array(self.scale)
        return np.where(np.isfinite(found), found, 0.0)


def centre_of(values: Floats) -> Centre:
    """Median and robust scale of images x features.

    The scale is what 70 % in the middle say, but 1 to 3 times what the median deviation says: slices of several kinds
    widen it, a sixth of bad images does not.
    """
    middle, scale = [], []
    for column, feature in zip(values.T, FEATURES, strict=True):
        there = column[np.isfinite(column)]
        if there.size < max(3, len(column) // 2):
            middle.append(np.nan)
            scale.append(np.nan)
            continue
        median = float(np.median(there))
        least = max(feature.least, 0.0 if feature.log else 0.003 * abs(median))
        deviation = max(_TO_SIGMA * float(np.median(abs(there - median))), least)
        low, high = np.quantile(there, (_SHARE, 1 - _SHARE))
        middle.append(median)
        scale.append(float(np.clip((high - low) / _TO_SIGMA_OF_SHARE, deviation, 3 * deviation)))
    return Centre(tuple(middle), tuple(scale), len(values))


def habit_of(deviations: Floats, can: npt.NDArray[np.bool_] | None = None) -> Floats:
    """By how much one scanner's images usually differ, feature by feature; the fewer they are, the less it counts.

    can -- by feature: whether scanners can be compared by it; where not, images are compared with their scanner's alone
    """
    number = len(deviations)
    usual: Floats = np.median(deviations, axis=0)
    habit: Floats = np.clip(usual, -_HABIT, _HABIT) * number / (number + _BELIEVED)
    return habit if can is None else np.where(can, habit, usual)


def together(deviations: Floats) -> Floats:
    """Robust Mahalanobis distance of each image (minimum covariance determinant); zeros where there are too few."""
    limited = np.clip(deviations, -_LIMIT, _LIMIT)
    used = limited.std(axis=0) > 1e-9
    if len(limited) < _FEWEST_TOGETHER or used.sum() < 2:
        return np.zeros(len(limited))
    from sklearn.covariance import MinCovDet

    points = limited[:, used]
    fitted = MinCovDet(random_state=0, support_fraction=0.8).fit(points)
    away = points - fitted.location_
    precision = np.linalg.inv(fitted.covariance_ + _BLUNT * np.eye(points.shape[1]))
    found: Floats = np.sqrt(np.einsum("ij,jk,ik->i", away, precision, away))
    return found


def reasons(deviations: Floats, distance: float) -> tuple[str, ...]:
    """Codes of one image, the farthest feature first; none where it is like the rest."""
    far = np.flatnonzero(abs(deviations) > FARTHEST)
    if not far.size and distance <= APART:
        return ()
    order = sorted(far, key=lambda at: -abs(deviations[at]))
    codes = [FEATURES[at].high if deviations[at] > 0 else FEATURES[at].low for at in order]
    return tuple(dict.fromkeys(codes)) or ("features_apart",)
