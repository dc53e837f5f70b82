"""How much of what a skull encloses is as dense as fresh blood, in one CT slice. A measurement, no diagnosis."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from stowgate.analyse.cells import Cells, Mask, cells_of, enclosed, pieces
from stowgate.analyse.intensity import Intensity


def hyperdense(one: Intensity, rule: Mapping[str, float]) -> tuple[Mask, Mask, Cells] | None:
    """What is as dense as fresh blood, the space that it was looked for in, and the cells of both.

    one  -- a slice in Hounsfield units
    rule -- tables/measured.toml has each limit with its why
    None where no skull of a sensible size encloses something as dense as a brain.
    """
    cells = cells_of(one, rule["cell"])
    space = None if cells is None else _space(cells, rule)
    if cells is None or space is None:
        return None
    box = cells.around(space)
    cells, space = cells.cut(box), space[box]
    smooth, inner = _inner(cells, space, rule)
    if not _is_brain(smooth[inner], rule):
        return None
    lowest = max(rule["lowest"], float(np.median(smooth[inner])) + rule["above_usual"])
    dense = _thick(inner & (smooth >= lowest) & (smooth <= rule["highest"]))
    numbered, sizes = pieces(dense)
    return (sizes * cells.area >= rule["piece"])[numbered], inner, cells


def _space(cells: Cells, rule: Mapping[str, float]) -> Mask | None:
    """The largest space that bone surrounds, once its openings are bridged; at half the resolution, which is enough."""
    from scipy import ndimage

    bone = cells.values > rule["bone"]
    if bone.sum() * cells.area < rule["skull_least"] / 10:  # the bone around such a space alone has as much
        return None
    steps = max(1, cells.steps(rule["bridged"]) // 2)
    coarse = np.pad(_halved(bone), steps)
    numbered, sizes = enclosed(~ndimage.binary_closing(coarse, iterations=steps))
    largest = int(sizes.argmax())
    if not rule["skull_least"] <= sizes[largest] * cells.area * 4 <= rule["skull_most"]:
        return None
    found = (numbered == largest)[steps:-steps, steps:-steps]
    whole = np.zeros(bone.shape, bool)
    whole[: found.shape[0] * 2, : found.shape[1] * 2] = found.repeat(2, axis=0).repeat(2, axis=1)
    return whole


def _halved(mask: Mask) -> Mask:
    """Where one of four is."""
    rows, columns = mask.shape[0] // 2 * 2, mask.shape[1] // 2 * 2
    even = mask[:rows, :columns]
    found: Mask = even[::2, ::2] | even[1::2, ::2] | even[::2, 1::2] | even[1::2, 1::2]
    return found


def _inner(cells: Cells, space: Mask, rule: Mapping[str, float]) -> tuple[npt.NDArray[np.float32], Mask]:
    """Means of nine cells, and the space without what may be half bone or half calcium."""
    from scipy import ndimage

    smooth = ndimage.uniform_filter(cells.values, 3)
    partial = ndimage.binary_dilation(smooth > rule["partial"], iterations=cells.steps(rule["margin"]))
    return smooth, space & ~partial


def _is_brain(values: npt.NDArray[np.float32], rule: Mapping[str, float]) -> bool:
    if not len(values):
        return False
    floor, usual = np.percentile(values, (5, 50))
    return bool(floor >= rule["floor"] and rule["usual_least"] <= usual <= rule["usual_most"])


def _thick(mask: Mask) -> Mask:
    """Without what is a cell or two thin, as the sickle between the halves of a brain is."""
    from scipy import ndimage

    found: Mask = ndimage.binary_opening(mask)
    return found
