"""One-dimensional k-means on a histogram: a start on a coarse grid, then exact steps on prefix sums until it stands.

In one dimension clusters are intervals, so a clustering is a list of cuts (Wang and Song, "Ckmeans.1d.dp", The R
Journal 3/2, 2011). The sum of squares of any interval follows from three prefix sums.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Real = npt.NDArray[np.float64]
Cuts = list[int]
_GRID = 128
"""Points of the start: half of them spread over the values, half over the pixels."""
_STARTS = 4
"""Different starts that are followed to their end for three clusters, two cuts being few enough to try all pairs."""
_ROUNDS = 200


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

    def cost(self, start: npt.ArrayLike, end: npt.ArrayLike) -> Real:
        """The sum of squares about the mean of each run from `start` to before `end`, 0 for an empty one."""
        count = self.count[end] - self.count[start]
        total = self.sum[end] - self.sum[start]
        found = self.square[end] - self.square[start] - total * total / np.where(count > 0, count, 1)
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
    if k == len(values):
        return list(range(1, k))
    followed = [_settled(runs, start) for start in _starts(runs, k)]
    return min(followed, key=runs.whole)


def _starts(runs: Intervals, k: int) -> list[Cuts]:
    """Good clusterings whose cuts lie on the grid."""
    grid = _grid(runs, k)
    if k == 3:
        return _pairs(runs, grid)
    costs = runs.cost(grid[:, None], grid[None, :])
    costs[np.tril_indices(len(grid), 0)] = np.inf  # an interval has something in it
    return [_by_stages(grid, costs, k)]


def _grid(runs: Intervals, k: int) -> npt.NDArray[np.intp]:
    """Indices from 0 to the end, both included; all of them where they are few."""
    size = len(runs.values)
    if size <= max(_GRID, k):
        return np.arange(size + 1)
    half = max(_GRID, 4 * k) // 2
    spread = np.searchsorted(runs.values, np.linspace(runs.values[0], runs.values[-1], half)[1:])
    shares = np.searchsorted(runs.count, np.linspace(0, runs.count[-1], half)[1:-1])
    return np.unique(np.concatenate(([0], spread, shares, [size])))


def _pairs(runs: Intervals, grid: npt.NDArray[np.intp]) -> list[Cuts]:
    """The best pairs of cuts, each the best one of its surroundings."""
    inner = grid[1:-1]
    first, last = runs.cost(0, inner), runs.cost(inner, len(runs.values))
    total = first[:, None] + runs.cost(inner[:, None], inner[None, :]) + last[None, :]
    total[np.tril_indices(len(inner), 0)] = np.inf
    padded = np.pad(total, 1, constant_values=np.inf)
    around = np.minimum.reduce([padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]])
    valleys = np.flatnonzero((total <= around) & np.isfinite(total))
    chosen = valleys[np.argsort(total.ravel()[valleys], kind="stable")[:_STARTS]]
    return [[int(inner[at // len(inner)]), int(inner[at % len(inner)])] for at in chosen]


def _by_stages(grid: npt.NDArray[np.intp], costs: Real, k: int) -> Cuts:
    """The best cuts on the grid, by dynamic programming over the number of classes."""
    best, came = costs[0], []
    for _ in range(k - 1):
        through = best[:, None] + costs
        came.append(through.argmin(axis=0))
        best = through.min(axis=0)
    at, cuts = len(grid) - 1, []
    for step in reversed(came):
        at = int(step[at])
        cuts.append(int(grid[at]))
    return cuts[::-1]


def _settled(runs: Intervals, cuts: Cuts) -> Cuts:
    """Lloyd's steps until none moves; then each cut to its best place between its neighbours, and so on."""
    for _ in range(_ROUNDS):
        cuts = _lloyd(runs, cuts)
        moved = _polished(runs, cuts)
        if moved == cuts:
            break
        cuts = moved
    return cuts


def _lloyd(runs: Intervals, cuts: Cuts) -> Cuts:
    for _ in range(_ROUNDS):
        ends = [0, *cuts, len(runs.values)]
        centres = [runs.centre(start, end) for start, end in zip(ends, ends[1:], strict=False)]
        middles = [(low + high) / 2 for low, high in zip(centres, centres[1:], strict=False)]
        moved = [int(at) for at in np.searchsorted(runs.values, middles, side="right")]
        if moved == cuts or any(low >= high for low, high in zip([0, *moved], [*moved, len(runs.values)], strict=True)):
            break
        cuts = moved
    return cuts


def _polished(runs: Intervals, cuts: Cuts) -> Cuts:
    """Each cut where the two classes beside it cost least together."""
    found = list(cuts)
    for at in range(len(found)):
        low = found[at - 1] if at else 0
        high = found[at + 1] if at + 1 < len(found) else len(runs.values)
        places = np.arange(low + 1, high)
        together = runs.cost(low, places) + runs.cost(places, high)
        best = int(together.argmin())
        now = together[found[at] - low - 1]
        if together[best] < now - 1e-12 * max(1.0, float(now)):
            found[at] = int(places[best])
    return found
