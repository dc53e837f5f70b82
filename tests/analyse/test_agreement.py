"""Overlap and distance of two masks are what their definitions say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stowgate.analyse.agreement import agreement


def box(low: int, high: int) -> np.ndarray:
    mask = np.zeros((4, 20, 20), bool)
    mask[1:3, low:high, low:high] = True
    return mask


def test_the_same_is_one_and_no_distance() -> None:
    found = agreement(box(5, 10), box(5, 10), (3.0, 1.0, 1.0))
    assert (found.dice, found.hausdorff, found.hausdorff_95) == (1.0, 0.0, 0.0)


def test_a_shift_is_measured_in_millimetres_along_its_axis() -> None:
    one, other = np.zeros((9, 9), bool), np.zeros((9, 9), bool)
    one[2, 2] = other[2, 5] = True
    assert agreement(one, other, (1.0, 0.5)).hausdorff == 1.5
    assert agreement(one, other, (1.0, 0.5)).dice == 0.0
    assert agreement(one.T, other.T, (4.0, 1.0)).hausdorff == 12.0


def test_overlap_is_twice_what_is_shared_by_the_sum_of_both() -> None:
    one, other = box(4, 10), box(6, 10)
    assert agreement(one, other, (1.0, 1.0, 1.0)).dice == pytest.approx(2 * 32 / (72 + 32))


def test_one_far_point_counts_for_the_whole_distance_and_not_for_95_of_100() -> None:
    one, other = box(2, 18), box(2, 18)
    other[1, 19, 19] = True
    found = agreement(one, other, (1.0, 1.0, 1.0))
    assert found.hausdorff > 1
    assert found.hausdorff_95 == 0.0


def test_empty_masks_agree_with_each_other_and_with_nothing_else() -> None:
    nothing = np.zeros((4, 20, 20), bool)
    assert agreement(nothing, nothing, (1.0, 1.0, 1.0)).dice == 1.0
    found = agreement(nothing, box(5, 10), (1.0, 1.0, 1.0))
    assert (found.dice, found.hausdorff, found.hausdorff_95) == (0.0, math.inf, math.inf)


def test_masks_of_two_shapes_are_no_pair() -> None:
    with pytest.raises(ValueError, match="one shape"):
        agreement(np.zeros((2, 2), bool), np.zeros((2, 3), bool), (1.0, 1.0))
