"""Labels of a volume: by Hounsfield ranges and connected components, or by classes of intensity."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from stowgate.analyse.agreement import agreement
from stowgate.analyse.segment import SEGMENTERS, HounsfieldRanges, IntensityClasses, Volume
from tests.architecture.tree import ROOT
from tests.shared import SHARED, needs_shared


def disc(rows: int, columns: int, row: int, column: int, radius: float) -> np.ndarray:
    y, x = np.ogrid[:rows, :columns]
    return (y - row) ** 2 + (x - column) ** 2 <= radius**2


def chest() -> tuple[Volume, dict[str, np.ndarray]]:
    """Twelve slices of 2 mm: a trunk with two lungs, a spine with marrow, bowel gas and a table below it."""
    shape = (96, 128)
    trunk, spine = disc(*shape, 45, 64, 40), disc(*shape, 70, 64, 8)
    lungs = disc(*shape, 40, 45, 13) | disc(*shape, 40, 83, 13)
    gas = disc(*shape, 62, 84, 5)
    flat = np.full(shape, -1000.0, np.float32)
    flat[90:93, 10:118] = 200  # the table
    flat[trunk], flat[lungs], flat[gas] = 40, -820, -990
    flat[spine], flat[disc(*shape, 70, 64, 5)] = 700, 90
    noise = np.random.default_rng(2).normal(0, 10, (12, *shape)).astype(np.float32)
    truth = {"body": trunk, "lung": lungs, "bone": spine, "gas": gas}
    whole = {name: np.broadcast_to(mask, (12, *shape)) for name, mask in truth.items()}
    return Volume(flat[None] + noise, (2.0, 2.0, 2.0), "HU", "CT"), whole


def test_body_lung_and_bone_of_a_phantom_are_found_and_the_table_is_not() -> None:
    volume, truth = chest()
    labels = HounsfieldRanges().segment(volume)
    assert labels.names == ("air", "soft tissue", "lung", "bone", "gas")
    assert agreement(labels.map > 0, truth["body"], volume.spacing).dice > 0.99
    assert agreement(labels.mask("lung"), truth["lung"], volume.spacing).dice > 0.97
    assert agreement(labels.mask("bone"), truth["bone"], volume.spacing).dice > 0.97
    assert agreement(labels.mask("gas"), truth["gas"], volume.spacing).dice > 0.97
    assert not labels.map[:, 88:].any()


def skull() -> tuple[Volume, np.ndarray]:
    """Eight slices of 5 mm: scalp, skull and brain, and a thin rest that the head lies in and touches."""
    shape = (128, 128)
    flat = np.full(shape, -1000.0, np.float32)
    rest = disc(*shape, 62, 64, 62) & ~disc(*shape, 62, 64, 57.5) & (np.arange(128) > 70)[:, None]
    scalp, brain = disc(*shape, 76, 64, 48), disc(*shape, 76, 64, 38)
    flat[scalp], flat[disc(*shape, 76, 64, 43)], flat[brain] = 50, 900, 35
    flat[rest & ~scalp] = 100
    assert (rest & disc(*shape, 76, 64, 49)).any()
    return Volume(np.stack([flat] * 8), (5.0, 2.0, 2.0), "HU", "CT"), brain


def test_what_a_skull_surrounds_is_no_bone() -> None:
    volume, brain = skull()
    labels = HounsfieldRanges().segment(volume)
    assert (labels.map[:, brain] == labels.names.index("soft tissue")).mean() > 0.99
    assert agreement(labels.mask("bone"), volume.values == 900, volume.spacing).dice > 0.97


def test_a_thin_rest_that_the_head_touches_is_no_part_of_the_body() -> None:
    volume, _ = skull()
    labels = HounsfieldRanges().segment(volume)
    rest = volume.values == 100
    away = rest & ~disc(128, 128, 76, 64, 54)  # 12 mm from the head; what lies against it cannot be told from it
    assert away.any()
    assert not labels.map[away].any()
    assert (labels.map[~rest & (volume.values > -300)] > 0).mean() > 0.99


def test_ranges_are_for_hounsfield_units_alone() -> None:
    with pytest.raises(ValueError, match="Hounsfield"):
        HounsfieldRanges().segment(Volume(np.zeros((1, 2, 2), np.float32)))


@pytest.mark.parametrize("level", [-1000.0, 40.0, 1000.0])
def test_a_volume_of_one_value_is_no_trouble(level: float) -> None:
    labels = HounsfieldRanges().segment(Volume(np.full((3, 8, 8), level, np.float32), unit="HU"))
    assert labels.map.shape == (3, 8, 8)
    assert len(np.unique(labels.map)) == 1


def test_classes_know_intensities_and_no_places() -> None:
    volume, _ = chest()
    labels = IntensityClasses(3).segment(volume)
    assert labels.names == ("air", "soft tissue", "bone")
    assert labels.mask("bone")[:, 92].any() or labels.mask("soft tissue")[:, 92].any()  # the table counts, too


def test_every_member_makes_labels_of_the_same_shape() -> None:
    volume, _ = chest()
    for make in SEGMENTERS.values():
        labels = make().segment(volume)
        assert labels.map.shape == volume.values.shape
        assert int(labels.map.max()) < len(labels.names)


@needs_shared
def test_the_scores_against_masks_of_others_are_not_below_what_the_page_says() -> None:
    assert SHARED is not None
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        from score_segmenters import scores, second_table, shares, table
    finally:
        sys.path.pop(0)
    found, inside = list(scores(SHARED / "data" / "annotated")), list(shares(SHARED / "data" / "annotated"))
    dice = {(one.picture, one.segmenter, one.what): one.found.dice for one in found}
    assert dice["trunk, model's masks", "HounsfieldRanges", "lung"] > 0.95
    assert dice["trunk, model's masks", "HounsfieldRanges", "bone"] > 0.78
    assert dice["one vertebra, people's masks", "HounsfieldRanges", "bone"] > 0.6
    assert {one.what: one.part > 0.98 for one in inside} == {"all organs": True, "liver": True}
    page = (ROOT / "docs" / "explanation" / "segmenters.md").read_text("utf-8")
    assert table(found) in page
    assert second_table(inside) in page
