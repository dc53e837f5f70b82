"""One-dimensional k-means on a histogram, to the optimum: in one dimension clusters are intervals between cuts.

Three clusters, which is what pictures mostly get, start on a coarse grid and go on by Lloyd's steps; then whole regions
of cuts are ruled out, because an interval never costs less than a part of it. More of them are found by dynamic
programming over the distinct values (Wang and Song, "Ckmeans.1d.dp", The R Journal 3/2, 2011), each stage divided and
conquered, because best cuts never go back. The sum of squares of any interval follows from three prefix sums.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Real = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
Cuts = list[int]
_GRID = 32
"""Points of the start: half of them spread over the values, half over the pixels."""
_ROUNDS = 200
_SPLIT = 6
"""Parts that a region of cuts is split into, each way, until it is one place."""
_CLOSE = 5e-7
"""How much of its cost a clustering may be beside the optimum."""


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

    def centre(self, start: int, end: int) -> float:
        """The mean of a run, counted from `origin`."""
        return float((self.sum[end] - self.sum[start]) / (self.count[end] - self.count[start]))


def best_cuts(values: Real, weights: Real, k: int) -> Cuts:
    """Where the classes after the first begin, as indices of `values`; fewer where there are fewer distinct values.

    values -- distinct and rising; weights -- pixels of each, above zero
    """
    k = min(k, len(values))
    if k == 1:
        return []
    runs = Intervals(values, weights)
    if k == 2:
        places = np.arange(1, len(values))
        return [1 + int((runs.cost(0, places) + runs.cost(places, len(values))).argmin())]
    return _two_cuts(runs) if k == 3 else _by_stages(runs, k)


def _two_cuts(runs: Intervals) -> Cuts:
    """Three clusters: no pair of cuts is left out but by a bound that says it is no better."""
    edges = _grid(runs)
    best = _lloyd(runs, _on_grid(runs, edges))
    least = runs.whole(best)
    low, high = edges[1:-1], np.maximum(edges[2:] - 1, edges[1:-1])  # regions of places for one cut
    first, second = (one.ravel() for one in np.meshgrid(np.arange(len(low)), np.arange(len(low)), indexing="ij"))
    boxes = np.stack([low[first], high[first], low[second], high[second]])
    boxes = boxes[:, boxes[3] > boxes[0]]
    while boxes.shape[1]:
        boxes = boxes[:, _bound(runs, boxes) < least * (1 - _CLOSE)]
        single = (boxes[0] == boxes[1]) & (boxes[2] == boxes[3])
        pairs, boxes = boxes[:, single], boxes[:, ~single]
        if pairs.shape[1]:  # their bound is their cost
            at = int(_bound(runs, pairs).argmin())
            best = [int(pairs[0, at]), int(pairs[2, at])]
            least = runs.whole(best)
        boxes = _split(boxes)
    return best


def _bound(runs: Intervals, boxes: Places) -> Real:
    """What no pair of cuts in a box costs less than: of the places where a cut may be, nothing is counted."""
    low, high, other_low, other_high = boxes
    inner = runs.cost(np.minimum(high, other_low), np.maximum(high, other_low))
    inner = np.where(other_low > high, inner, 0.0)
    return runs.cost(0, low) + inner + runs.cost(np.maximum(other_high, low), len(runs.values))


def _split(boxes: Places) -> Places:
    """Each in up to 36 parts; those in which the second cut cannot come after the first are dropped."""
    if not boxes.shape[1]:
        return boxes
    sides = [_parts(boxes[at], boxes[at + 1]) for at in (0, 2)]
    (low, high), (other_low, other_high) = sides
    shape = (boxes.shape[1], _SPLIT, _SPLIT)
    found = np.stack([
        np.broadcast_to(low[:, :, None], shape).ravel(),
        np.broadcast_to(high[:, :, None], shape).ravel(),
        np.broadcast_to(other_low[:, None, :], shape).ravel(),
        np.broadcast_to(other_high[:, None, :], shape).ravel(),
    ])  # fmt: skip
    return found[:, (found[0] <= found[1]) & (found[2] <= found[3]) & (found[3] > found[0])]


def _parts(low: Places, high: Places) -> tuple[Places, Places]:
    """From `low` to `high`, both included, in equal parts; some are empty where there are fewer places."""
    step = -(-(high - low + 1) // _SPLIT)
    starts = low[:, None] + step[:, None] * np.arange(_SPLIT)[None, :]
    return starts, np.minimum(starts + step[:, None] - 1, high[:, None])


def _grid(runs: Intervals) -> Places:
    """Indices from 0 to the end, both included; all of them where they are few."""
    size = len(runs.values)
    if size <= _GRID:
        return np.arange(size + 1)
    spread = np.searchsorted(runs.values, np.linspace(runs.values[0], runs.values[-1], _GRID // 2)[1:])
    shares = np.searchsorted(runs.count, np.linspace(0, runs.count[-1], _GRID // 2)[1:-1])
    return np.unique(np.concatenate(([0, 1], spread, shares, [size])))


def _on_grid(runs: Intervals, edges: Places) -> Cuts:
    """The best pair of cuts there."""
    inner = edges[1:-1]
    between = runs.cost(inner[:, None], np.maximum(inner[None, :], inner[:, None]))
    total = runs.cost(0, inner)[:, None] + between + runs.cost(inner, len(runs.values))[None, :]
    total[np.tril_indices(len(inner), 0)] = np.inf
    at = int(total.argmin())
    return [int(inner[at // len(inner)]), int(inner[at % len(inner)])]


def _lloyd(runs: Intervals, cuts: Cuts) -> Cuts:
    """Cuts half way between the means, until none moves."""
    for _ in range(_ROUNDS):
        ends = [0, *cuts, len(runs.values)]
        centres = [runs.centre(start, end) for start, end in pairwise(ends)]
        middles = [(low + high) / 2 for low, high in pairwise(centres)]
        moved = [int(at) for at in np.searchsorted(runs.values, middles, side="right")]
        if moved == cuts or any(low >= high for low, high in pairwise([0, *moved, len(runs.values)])):
            break
        cuts = moved
    return cuts


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
    size = len(before) - 1
    best, cut = before.copy(), np.zeros(size + 1, np.intp)
    waiting = [(1, size, 0, size - 1)]
    while waiting:
        first, last, low, high = waiting.pop()
        middle = (first + last) // 2
        places = np.arange(low, min(high, middle - 1) + 1)
        through = before[places] + runs.cost(places, middle)
        at = int(through.argmin())
        best[middle], cut[middle] = through[at], places[at]
        if first < middle:
            waiting.append((first, middle - 1, low, int(places[at])))
        if middle < last:
            waiting.append((middle + 1, last, int(places[at]), high))
    return best, cut
