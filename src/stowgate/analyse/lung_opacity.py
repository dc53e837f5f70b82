"""How much of both lung fields is poorly or not aerated, in one CT slice. A measurement, no diagnosis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from stowgate.analyse.cells import Cells, Mask, cells_of, enclosed, hull, opened, pieces
from stowgate.analyse.intensity import Intensity


def lung_opacity(one: Intensity, rule: Mapping[str, float]) -> tuple[Mask, Mask, Cells] | None:
    """What of the lung fields is poorly or not aerated, both fields, and the cells of both.

    A field is the hull of the air on one side, without what lies between it and the middle: heart and hilum are none.
    one  -- a slice in Hounsfield units
    rule -- tables/measured.toml has each limit with its why
    None where there are no two fields, and near the diaphragm, where gas of the bowel lies beside them.
    """
    cells = cells_of(one, rule["cell"])
    air = None if cells is None else _air(cells, rule)
    if cells is None or air is None:
        return None
    box = cells.around(air)
    cells, air = cells.cut(box), air[box]
    if air.shape[1] * cells.spacing[1] < rule["width"]:
        return None
    halves = list(_halves(air, rule, cells.steps(rule["bump"])))
    if any(half.sum() * cells.area < rule["field"] for half, _ in halves):
        return None
    fields = np.logical_or.reduce([hull(half) & beyond for half, beyond in halves])
    dense = opened(fields & (cells.values > rule["lowest"]), cells.steps(rule["vessel"]))
    domes = _domes(dense, cells, rule)
    if domes.sum() > rule["bases"] * fields.sum():
        return None
    return dense & ~domes, fields & ~domes, cells


def _air(cells: Cells, rule: Mapping[str, float]) -> Mask | None:
    """Airy spaces within the body that are large enough and no mere gas."""
    from scipy import ndimage

    numbered, sizes = enclosed(cells.values < rule["lowest"])
    large = np.flatnonzero(sizes * cells.area >= rule["space"])
    if not len(large):
        return None
    means = np.asarray(ndimage.mean(cells.values, numbered, large))
    lungs = np.zeros(len(sizes), bool)
    lungs[large[means > rule["gas"]]] = True
    return lungs[numbered] if lungs.any() else None


def _halves(air: Mask, rule: Mapping[str, float], bump: int) -> Iterator[tuple[Mask, Mask]]:
    """The air on each side, and where its field can be: outside of heart and hilum.

    bump -- rows; what bends the inner border of a field over fewer of them is no heart
    """
    filled = np.flatnonzero(air.any(axis=0))
    centre, reach = (filled[0] + filled[-1]) / 2, (filled[-1] - filled[0]) * rule["middle"]
    near = np.flatnonzero(abs(np.arange(air.shape[1]) - centre) <= reach)
    counts = air[:, near].sum(axis=0)
    line = round(float(near[counts == counts.min()].mean()))  # the two may touch: where they do so least
    left, right = np.zeros_like(air), np.zeros_like(air)
    left[:, :line], right[:, line:] = air[:, :line], air[:, line:]
    yield left, _beyond(left[:, ::-1], air.shape[1] - line, bump)[:, ::-1]
    yield right, _beyond(right, line, bump)


def _beyond(half: Mask, line: int, bump: int) -> Mask:
    """Where is more of a half than its inner border, which begins at column `line` at the earliest."""
    from scipy import ndimage

    depth = np.where(half.any(axis=1), half.argmax(axis=1), half.shape[1])
    filled = np.flatnonzero(half.any(axis=1))
    if len(filled):
        within = slice(filled[0], filled[-1] + 1)
        depth[within] = ndimage.grey_opening(depth[within], bump, mode="nearest")
    found: Mask = np.arange(half.shape[1]) >= np.maximum(depth, line)[:, None]
    return found


def _domes(dense: Mask, cells: Cells, rule: Mapping[str, float]) -> Mask:
    """Large smooth things: near the diaphragm lung surrounds liver and stomach, which no single slice tells apart."""
    numbered, sizes = pieces(dense)
    found = np.zeros_like(dense)
    for number in np.flatnonzero(sizes * cells.area >= rule["dome"]):
        piece = numbered == number
        box = cells.around(piece)
        if np.median(cells.values[piece]) >= rule["solid"] and sizes[number] >= rule["smooth"] * hull(piece[box]).sum():
            found |= piece
    return found
