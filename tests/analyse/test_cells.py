"""Cells are means of their pixels, and shapes on them are what they are called."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowgate.analyse.cells import Cells, cells_of, enclosed, hull, pieces
from stowgate.analyse.intensity import Intensity


def test_a_cell_is_the_mean_of_its_pixels_in_the_unit_of_the_slice() -> None:
    stored = np.arange(128 * 130, dtype=np.int16).reshape(128, 130)
    cells = cells_of(Intensity(stored, 2.0, -1024.0, "HU", spacing=(0.5, 0.5)), 1.0)
    assert cells and cells.values.shape == (64, 65) and cells.spacing == (1.0, 1.0) and cells.area == 1.0
    assert cells.values[3, 4] == pytest.approx(stored[6:8, 8:10].mean() * 2 - 1024)


@pytest.mark.parametrize("spacing", [None, (0.0, 1.0), (float("inf"), 1.0), (float("nan"), 1.0), (1e-9, 1e-9)])
def test_without_a_size_there_are_no_cells(spacing: tuple[float, float] | None) -> None:
    assert cells_of(Intensity(np.zeros((64, 64), np.int16), spacing=spacing), 1.0) is None


def test_what_touches_the_edge_is_not_enclosed() -> None:
    mask = np.zeros((9, 9), bool)
    mask[0, 4] = mask[3:5, 3:5] = mask[7, 8] = True
    numbered, sizes = enclosed(mask)
    assert sizes.tolist().count(0) == 3 and sizes[numbered[3, 3]] == 4
    assert sorted(pieces(mask)[1].tolist()) == [0, 1, 1, 4]


def test_the_box_around_something_has_a_margin_within_the_picture() -> None:
    mask = np.zeros((9, 9), bool)
    mask[0:2, 4:6] = True
    assert Cells(np.zeros((9, 9), np.float32), (1.0, 1.0)).around(mask) == (slice(0, 3), slice(3, 7))


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=12))
def test_a_hull_is_convex_in_each_row_and_holds_what_it_is_of_and_no_more_than_needed(
    points: list[tuple[int, int]],
) -> None:
    mask = np.zeros((20, 20), bool)
    for row, column in points:
        mask[row, column] = True
    found = hull(mask)
    assert (found | ~mask).all(), "all of it is inside"
    assert (np.diff(np.pad(found, ((0, 0), (1, 1))).astype(np.int8)) == 1).sum(axis=1).max() <= 1
    assert (hull(found) ^ found).sum() <= found.any(axis=1).sum(), "of a hull it is the same but for rounding"
    if points:
        rows, columns = np.nonzero(found)
        assert (rows.min(), columns.min()) == (min(r for r, _ in points), min(c for _, c in points))
        assert (rows.max(), columns.max()) == (max(r for r, _ in points), max(c for _, c in points))


def test_the_hull_of_a_ring_is_a_disc() -> None:
    rows, columns = np.indices((60, 60)) - 30
    away = np.hypot(rows, columns)
    ring, disc = (away < 25) & (away > 20), away < 25
    assert (hull(ring) ^ disc).sum() < 0.03 * disc.sum()
    assert not hull(np.zeros((5, 5), bool)).any()
