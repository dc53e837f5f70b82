"""A slice on a coarser grid, where shapes are told apart sooner: cells of some millimetres, pieces, hulls."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from stowgate.analyse.intensity import Intensity

Mask = npt.NDArray[np.bool_]
_FEWEST = 32
"""Rows and columns of cells; in a smaller picture nothing has a shape."""


@dataclass(frozen=True, slots=True)
class Cells:
    """The mean of each cell, in the unit of the slice.

    values  -- rows x columns
    spacing -- millimetres between rows, between columns
    """

    values: npt.NDArray[np.float32] = field(repr=False)
    spacing: tuple[float, float]

    @property
    def area(self) -> float:
        """Square millimetres of one."""
        return self.spacing[0] * self.spacing[1]

    def steps(self, millimetres: float) -> int:
        """Cells that make up a length, at least one."""
        return max(1, round(millimetres / max(self.spacing)))

    def around(self, mask: Mask) -> tuple[slice, slice]:
        """The box of rows and columns in which a mask has something, and one cell more on each side."""
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        return _reach(rows), _reach(columns)

    def cut(self, box: tuple[slice, slice]) -> Cells:
        """What lies in a box."""
        return Cells(self.values[box], self.spacing)


def _reach(places: npt.NDArray[np.intp]) -> slice:
    return slice(max(0, int(places[0]) - 1), int(places[-1]) + 2)


def cells_of(one: Intensity, millimetres: float) -> Cells | None:
    """Cells of about that size; None where the spacing is not known or the picture is too small."""
    if one.spacing is None or not all(0 < apart < math.inf for apart in one.spacing):
        return None
    step = max(1, round(millimetres / max(one.spacing)))
    rows, columns = (length // step for length in one.stored.shape)
    if min(rows, columns) < _FEWEST:
        return None
    values = np.zeros((rows, columns), np.float32)
    for first in range(step):
        for second in range(step):
            values += one.stored[first : rows * step : step, second : columns * step : step]
    values *= np.float32(one.slope / step**2)
    values += np.float32(one.intercept)
    return Cells(values, (one.spacing[0] * step, one.spacing[1] * step))


def pieces(mask: Mask) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Connected pieces by number, and how many cells each has; number 0, which is none of them, has 0."""
    from scipy import ndimage

    numbered, _ = ndimage.label(mask)
    sizes = np.bincount(numbered.ravel())
    sizes[0] = 0
    return numbered, sizes


def enclosed(mask: Mask) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """The same of those pieces that do not touch the edge of the picture; the others have 0 cells."""
    numbered, sizes = pieces(mask)
    for edge in (numbered[0], numbered[-1], numbered[:, 0], numbered[:, -1]):
        sizes[edge] = 0
    return numbered, sizes


def opened(mask: Mask, steps: int) -> Mask:
    """What is wider than twice the steps."""
    from scipy import ndimage

    found: Mask = ndimage.binary_opening(mask, np.ones((3, 3), bool), iterations=steps)
    return found


def hull(mask: Mask) -> Mask:
    """The smallest convex shape around all of a mask; of nothing, nothing."""
    whole = np.zeros_like(mask)
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return whole
    first = mask[rows].argmax(axis=1)
    last = mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)
    span, columns = np.arange(rows[0], rows[-1] + 1), np.arange(mask.shape[1])
    left = np.interp(span, *_side(rows.tolist(), first.tolist(), 1))
    right = np.interp(span, *_side(rows.tolist(), last.tolist(), -1))
    whole[span] = (columns >= np.rint(left)[:, None]) & (columns <= np.rint(right)[:, None])
    return whole


def _side(rows: list[int], columns: list[int], sign: int) -> tuple[list[int], list[int]]:
    """Rows and columns of the corners of a hull on its left (1) or right (-1), by Andrew's monotone chain."""
    corners: list[tuple[int, int]] = []
    for row, column in zip(rows, columns, strict=True):
        while len(corners) > 1 and sign * _turn(corners[-2], corners[-1], (row, column)) <= 0:
            corners.pop()
        corners.append((row, column))
    return [row for row, _ in corners], [column for _, column in corners]


def _turn(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> int:
    """Above 0 where the way from a over b to c bends towards higher columns."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
