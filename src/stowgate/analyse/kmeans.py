"""One-dimensional k-means on a histogram, to the optimum: in one dimension clusters are intervals between cuts.

Three clusters, which is what pictures mostly get, are two cuts, and the best place for either moves up with the other:
what goes best with the ends of a range of first cuts bounds the second ones, and so on in turn, until so few pairs are
left that all are tried. More clusters are found by dynamic programming over the distinct values (Wang and Song,
"Ckmeans.1d.dp", The R Journal 3/2, 2011), each stage divided and conquered for the same reason. The sum of squares of
any interval follows from three prefix sums.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Real = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
Cuts = list[int]
Box = tuple[int, int, int, int]
"""Of pairs of cuts: the first and last place of the first cut, then of the second, all included."""
_GRID = 32
"""Places of the start."""
_FEW = 2_000
"""Pairs of cuts that are tried one and all."""


class Intervals:
    """Sums of squares of runs of distinct, rising values that stand for `weights` pixels each."""

    def __init__(self, values: Real, weights: Real) -> None:
        self.origin = float(np.average(values, weights=weights))  # keeps the sums of squares small, so exact
        moved = values - self.origin
        zero = np.zeros(1)
        self.values = moved
        self.count = np.concatenate((zero, np.cumsum(weights)))
        self.sum = np.concatenate((zero, np.cumsum(weights * moved)))
        self.square = np.concatenate((zero, np.cumsum(weights * moved * moved)))

    def cost(self, start: Any, end: Any) -> Real:
        """The sum of squares about the mean of each run from `start` to before `end`, 0 for an empty one."""
        count = self.count[end] - self.count[start]
        total = self.sum[end] - self.sum[start]
        found: Real = self.square[end] - self.square[start] - total * total / np.maximum(count, 1)
        return np.maximum(found, 0.0)

    def whole(self, cuts: Cuts) -> float:
        """The sum of squares of a clustering."""
        ends = [0, *cuts, len(self.values)]
        return float(self.cost(np.array(ends[:-1]), np.array(ends[1:])).sum())


def best_cuts(values: Real, weights: Real, k: int) -> Cuts:
    """Where the classes after the first begin, as indices of `values`; fewer where there are fewer distinct values.

    values -- distinct and rising; weights -- pixels of each, above zero
    """
    k = min(k, len(values))
    if k == 1:
        return []
    runs = Intervals(values, weights)
    if k == 2:
        return [1 + _best_between(runs, (0, len(values)), slice(1, len(values)), last=False)]
    return _two_cuts(runs) if k == 3 else _by_stages(runs, k)


def _two_cuts(runs: Intervals) -> Cuts:
    """Three clusters: boxes that hold pairs of cuts are narrowed, ruled out or halved until none is left."""
    size = len(runs.values)
    edges = _grid(runs)
    best = _best_pair(runs, edges, edges)
    least = runs.whole(best)
    waiting: list[Box] = [(1, size - 2, 2, size - 1)]
    while waiting:
        box = _narrowed(runs, waiting.pop())
        if box is None or _bound(runs, box) >= least:
            continue
        if _area(box) > _FEW:
            waiting += _halves(box)
            continue
        pair = _best_pair(runs, np.arange(box[0], box[1] + 1), np.arange(box[2], box[3] + 1))
        best = min(best, pair, key=runs.whole)
        least = runs.whole(best)
    return best


def _area(box: Box) -> int:
    return (box[1] - box[0] + 1) * (box[3] - box[2] + 1)


def _narrowed(runs: Intervals, box: Box) -> Box | None:
    """The part of a box that holds its best pair, None where no pair is in order.

    Intervals obey the quadrangle inequality: the best second cut moves up with the first one and the other way round,
    so what goes best with the ends of one side bounds the other.
    """
    low, other_high = box[0], box[3]
    high, other_low = min(box[1], other_high - 1), max(box[2], low + 1)
    if low > high or other_low > other_high:
        return None
    before = 2 * _area(box) + 1
    while _FEW < (area := _area((low, high, other_low, other_high))) <= before / 2:
        before = area
        other_low, other_high = sorted(  # sorted, because of two that are equal rounding may choose either
            _best_second(runs, first, other_low, other_high, last=first == high) for first in (low, high)
        )
        low, high = sorted(
            _best_first(runs, low, high, second, last=second == other_high) for second in (other_low, other_high)
        )
    return low, high, other_low, other_high


def _best_second(runs: Intervals, first: int, low: int, high: int, *, last: bool) -> int:
    """Of the places from `low` to `high` after the first cut; the first or the last one of equals."""
    start = max(low, first + 1)
    return start + _best_between(runs, (first, len(runs.values)), slice(start, high + 1), last=last)


def _best_first(runs: Intervals, low: int, high: int, second: int, *, last: bool) -> int:
    """Of the places from `low` to `high` before the second cut; the first or the last one of equals."""
    return low + _best_between(runs, (0, second), slice(low, min(high + 1, second)), last=last)


def _best_between(runs: Intervals, ends: tuple[int, int], places: slice, *, last: bool) -> int:
    """Which of these places cuts a run in two that cost least: least squares within are most squares of the means."""
    count, total, (start, end) = runs.count[places], runs.sum[places], ends
    below, above = total - runs.sum[start], runs.sum[end] - total
    gain = below * below / (count - runs.count[start]) + above * above / (runs.count[end] - count)
    return len(gain) - 1 - int(gain[::-1].argmax()) if last else int(gain.argmax())


def _best_pair(runs: Intervals, first: Places, second: Places) -> Cuts:
    """Of all pairs of these places, in which the second comes after the first; there has to be one."""
    count, total = runs.count, runs.sum
    held = count[None, second] - count[first, None]
    gain = total[None, second] - total[first, None]
    gain *= gain
    gain /= np.maximum(held, 1)
    gain += (total[first] ** 2 / count[first])[:, None]
    gain += ((total[-1] - total[second]) ** 2 / (count[-1] - count[second]))[None, :]
    gain[held <= 0] = -np.inf
    at = int(gain.argmax())
    return [int(first[at // len(second)]), int(second[at % len(second)])]


def _bound(runs: Intervals, box: Box) -> float:
    """What no pair of cuts in a box costs less than: of the places where a cut may be, nothing is counted."""
    low, high, other_low, other_high = box
    starts, ends = (0, high, other_high), (low, max(high, other_low), len(runs.values))
    return float(runs.cost(np.array(starts), np.array(ends)).sum())


def _halves(box: Box) -> tuple[Box, Box]:
    """Of its longer side."""
    low, high, other_low, other_high = box
    if high - low >= other_high - other_low:
        middle = (low + high) // 2
        return (low, middle, other_low, other_high), (middle + 1, high, other_low, other_high)
    middle = (other_low + other_high) // 2
    return (low, high, other_low, middle), (low, high, middle + 1, other_high)


def _grid(runs: Intervals) -> Places:
    """Places for a cut, half of them spread over the values, half over the pixels; all of them where they are few."""
    size = len(runs.values)
    if size <= _GRID:
        return np.arange(1, size)
    spread = np.searchsorted(runs.values, np.linspace(runs.values[0], runs.values[-1], _GRID // 2)[1:])
    shares = np.searchsorted(runs.count, np.linspace(0, runs.count[-1], _GRID // 2)[1:-1])
    return np.unique(np.clip(np.concatenate((spread, shares)), 1, size - 1))


def _by_stages(runs: Intervals, k: int) -> Cuts:
    """Any number of clusters: the best of the first j values in one more cluster than before, for every j."""
    size = len(runs.values)
    best, came = runs.cost(0, np.arange(size + 1)), []
    for _ in range(k - 1):
        best, cut = _stage(runs, best)
        came.append(cut)
    at, cuts = size, []
    for cut in reversed(came):
        at = int(cut[at])
        cuts.append(at)
    return sorted(set(cuts) - {0})


def _stage(runs: Intervals, before: Real) -> tuple[Real, Places]:
    """Every other end first, and so on: each is sought between the cuts of its neighbours, all of a level at once."""
    size = len(before) - 1
    best, cut = before.copy(), np.zeros(size + 1, np.intp)
    step = 1 << (size.bit_length() - 1)
    while step:
        ends = np.arange(step, size + 1, 2 * step)
        after = np.where(ends + step <= size, cut[np.minimum(ends + step, size)], size)
        low, high = cut[ends - step], np.minimum(after, ends - 1)
        lengths = high - low + 1
        starts = np.cumsum(lengths) - lengths
        places = np.arange(int(lengths.sum())) + np.repeat(low - starts, lengths)
        through = before[places] + runs.cost(places, np.repeat(ends, lengths))
        best[ends] = np.minimum.reduceat(through, starts)
        least = np.flatnonzero(through == np.repeat(best[ends], lengths))
        cut[ends] = places[least[np.searchsorted(least, starts)]]
        step //= 2
    return best, cut
