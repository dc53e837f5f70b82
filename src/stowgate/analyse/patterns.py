"""Lines and rings of one frame: dead ones, missing ones, and those that stand out of their neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from stowgate.analyse.intensity import Intensity

Values = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
TO_SIGMA = 1.4826
"""Median absolute deviation to standard deviation of a normal distribution."""
LEAST = 64
"""Pixels below which a number says nothing."""

_AIR_HU = -850.0
"""Below is air, and the foam of a couch is not."""


def lines(of: Intensity, body: Mask, step: int) -> tuple[int, int, float]:
    """Dead rows, dead columns, and how much of one side is missing."""
    stored = of.stored
    if min(stored.shape) < 8:
        return 0, 0, 0.0
    still_rows, still_columns = _still(stored), _still(stored.T)
    if still_rows.all():
        return 0, 0, 0.0
    missing = max(_missing(still_rows, body, step), _missing(still_columns, body.T, step))
    return _dead(still_rows, body, step), _dead(still_columns, body.T, step), missing


def _still(stored: npt.NDArray[Any]) -> Mask:
    """Rows of one value: those of which every eighth pixel is alike are looked at whole."""
    some = stored[:, ::8]
    still: Mask = some.max(axis=1) == some.min(axis=1)
    alike = stored[still]
    still[still] = (alike == alike[:, :1]).all(axis=1)
    return still


def _dead(still: Mask, body: Mask, step: int) -> int:
    """Still lines, in runs of at most 8, on both sides of which the same body goes on."""
    live = np.flatnonzero(~still)
    dead = 0
    steps = np.diff(live)
    for at in np.flatnonzero((steps > 1) & (steps <= 9)):
        before, behind = (min(int(line) // step, len(body) - 1) for line in live[at : at + 2])
        dead += int(steps[at]) - 1 if (body[before] & body[behind]).mean() > 0.05 else 0
    return dead


def _missing(still: Mask, body: Mask, step: int) -> float:
    """The share that is still at one side and not at the other, where it ends in the middle of the body."""
    live = np.flatnonzero(~still)
    before, behind = int(live[0]), int(len(still) - 1 - live[-1])
    if before == behind:
        return 0.0
    edge = live[0] if before > behind else live[-1]
    filled = body.mean(axis=1)
    end = filled[min(int(edge) // step, len(filled) - 1)]
    return abs(before - behind) / len(still) if end > max(0.05, 0.5 * filled.max()) else 0.0


def patterns(of: Intensity, values: Values, body: Mask) -> tuple[float, float, float]:
    """Rows, columns and rings that stand out of their neighbours."""
    if min(values.shape) < 32 or np.count_nonzero(body) < LEAST:
        return float("nan"), float("nan"), float("nan")
    is_ct = of.unit == "HU"
    where: Mask = values > values.min(initial=np.inf) if is_ct else body  # rings go on through air
    up_down, in_rows, of_rows = _against_neighbours(values[:, ::2], where[:, ::2])
    left_right, in_columns, of_columns = _against_neighbours(values[::2].T, where[::2].T)
    if is_ct:  # the top of a couch is a line in air, and no stripe
        in_rows &= ~_thin(values[:, ::2], body[:, ::2])
        in_columns &= ~_thin(values[::2].T, body[::2].T)
    scale = min(of_rows, of_columns)  # stripes that return widen the scale of their own direction
    rows, columns = _standing_out(up_down, in_rows, scale), _standing_out(left_right, in_columns, scale)
    return rows, columns, _ring(values, where, scale) if is_ct else float("nan")


def _thin(values: Values, body: Mask) -> Mask:
    """Of CT, neither body on both sides nor air throughout: a plate, or an edge; what a stripe crosses is even."""
    air = values < _AIR_HU
    through_air: Mask = air[2:-2] & air[:-4] & air[4:]
    return ~(through_air | (body[:-4] & body[4:]))


def _against_neighbours(values: Values, body: Mask) -> tuple[Values, Mask, float]:
    """Each pixel less the mean of those two lines away, where these are alike: no edge is near; and its scale."""
    difference: Values = values[2:-2] - (values[:-4] + values[4:]) * np.float32(0.5)
    some = difference[::4, ::3][body[2:-2:4, ::3]]
    scale = float(TO_SIGMA * np.median(abs(some))) if some.size >= LEAST else 0.0
    even: Mask = abs(values[:-4] - values[4:]) < np.float32(4 * scale)
    return difference, even & body[2:-2], scale


def _standing_out(difference: Values, where: Mask, scale: float) -> float:
    """Of the row that stands out most of its neighbours, how much it does."""
    limited = np.clip(difference, -2 * scale, 2 * scale) * where
    number = where.sum(axis=1)
    enough = number >= max(LEAST, where.shape[1] // 8)
    if not enough.any() or not scale:
        return float("nan")
    return float((abs(limited.sum(axis=1)[enough]) / number[enough]).max() / (2 * scale))


def _ring(values: Values, body: Mask, scale: float) -> float:
    """The circle about the centre that stands out most, on every second row."""
    if not scale:
        return float("nan")
    up, down, left, right = values[:-4:2, 2:-2], values[4::2, 2:-2], values[2:-2:2, :-4], values[2:-2:2, 4:]
    limit = np.float32(4 * scale)
    beside = body[:-4:2, 2:-2] & body[4::2, 2:-2]  # a dark circle in air is cut off at the least value, as padding is
    some = beside & (abs(up - down) < limit) & (abs(left - right) < limit)
    difference = (values[2:-2:2, 2:-2] - (up + down + left + right) * np.float32(0.25))[some]
    at = _radii((values.shape[0] - 4, values.shape[1] - 4))[::2][some]
    number = np.bincount(at)
    total = np.bincount(at, np.clip(difference, -2 * scale, 2 * scale))
    radius = np.arange(number.size)
    enough = (number >= LEAST // 2) & (number > radius * 0.6) & (radius > 3)
    return float((abs(total[enough]) / number[enough]).max() / (2 * scale)) if enough.any() else float("nan")


_KNOWN: dict[tuple[int, ...], npt.NDArray[np.int64]] = {}


def _radii(shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Whole pixels from the centre, kept for the last size: the frames of a series have one."""
    if shape not in _KNOWN:
        _KNOWN.clear()
        rows, columns = ((np.arange(size) - (size - 1) / 2) ** 2 for size in shape)
        _KNOWN[shape] = np.rint(np.sqrt(rows[:, None] + columns)).astype(np.int64)
    return _KNOWN[shape]
