"""What is measured in a slice: heads with blood and chests with clouds are noticed, healthy ones never."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from stowgate.analyse.intensity import Intensity
from stowgate.analyse.measured import MEASURERS, Measured, limits, measured
from stowgate.analyse.triage import CODES, Measure
from stowgate.errors import Rejected
from stowgate.imaging import opened
from stowgate.reasons import REASONS
from tests.analyse.phantoms import CHEST, chest, head, seen, with_lens, with_opacity
from tests.architecture.tree import ROOT
from tests.shared import SHARED, needs_shared, pydicom_files

SEEDS = range(6)


def found(one: Intensity) -> tuple[str, str]:
    """What was measured, and the code of its finding."""
    result = measured(one)
    return ("", "") if result is None else (result.id, result.finding.code if result.finding else "")


class TestHeads:
    @pytest.mark.parametrize("seed", SEEDS)
    def test_a_healthy_head_is_far_below_the_limit(self, seed: int) -> None:
        result = measured(seen(head(seed), seed=seed, noise=12))
        assert result and result.id == "hyperdense" and result.finding is None
        assert result.fraction < limits()["hyperdense"]["fraction"] / 5
        assert 9_000 < result.within < 25_000

    @pytest.mark.parametrize("seed", SEEDS)
    @pytest.mark.parametrize("density", [60, 65, 75])
    def test_a_lens_as_dense_as_fresh_blood_is_noticed(self, seed: int, density: float) -> None:
        result = measured(seen(with_lens(head(seed), density, seed=seed), seed=seed), frame=3)
        assert result and result.finding and result.finding.code == "hyperdense_share_high"
        assert result.finding.frame == 3
        assert result.finding.evidence["area_mm2"] == round(result.area)
        assert result.fraction == pytest.approx(result.area / result.within)

    def test_the_area_is_about_that_of_the_lens_without_the_rim_next_to_bone(self) -> None:
        lens = (with_lens(head(1), thick=20) - head(1)) > 0
        result = measured(seen(with_lens(head(1), thick=20)))
        assert result and 0.6 < result.area / (lens.sum() * 0.25) < 1

    @pytest.mark.parametrize("density", [40, 45, 130, 300])
    def test_what_is_less_or_more_dense_is_not(self, density: float) -> None:
        assert found(seen(with_lens(head(2), density))) == ("hyperdense", "")

    def test_a_brain_that_is_denser_all_over_is_not(self) -> None:
        values = head(3)
        assert found(seen(np.where((values > 0) & (values < 100), values + 14, values))) == ("hyperdense", "")

    def test_an_opening_in_the_skull_is_bridged_and_an_open_skull_is_none(self) -> None:
        values = with_lens(head(0))
        for width, expected in ((6, "hyperdense"), (60, "")):
            cut = values.copy()
            rows = slice(256 - width, 256 + width)
            bone = cut[:, 256 - width : 256 + width] > 1000
            cut[:, 256 - width : 256 + width][bone] = 40
            assert rows and found(seen(cut))[0] == expected

    @pytest.mark.parametrize("inside", [-1000, 0, 400])
    def test_a_skull_without_a_brain_is_none(self, inside: float) -> None:
        values = head(0)
        assert measured(seen(np.where((values > 0) & (values < 100), np.float32(inside), values))) is None

    def test_a_skull_of_no_sensible_size_is_none(self) -> None:
        for spacing in (0.2, 1.5):
            assert measured(seen(with_lens(head(0)), spacing=spacing)) is None


class TestChests:
    @pytest.mark.parametrize("seed", SEEDS)
    def test_a_healthy_chest_is_far_below_the_limit(self, seed: int) -> None:
        result = measured(seen(chest(seed), CHEST, seed, noise=25))
        assert result and result.id == "lung_opacity" and result.finding is None
        assert result.fraction < limits()["lung_opacity"]["fraction"] / 3

    @pytest.mark.parametrize("seed", SEEDS)
    @pytest.mark.parametrize("density", [-350, 20])
    def test_clouds_and_solid_parts_are_noticed(self, seed: int, density: float) -> None:
        values = with_opacity(chest(seed), density, seed)
        assert found(seen(values, CHEST, seed, noise=25)) == ("lung_opacity", "lung_opacity_share_high")

    def test_the_more_of_the_lungs_the_higher_the_share(self) -> None:
        shares = []
        for size in (12, 20, 34):
            result = measured(seen(with_opacity(chest(1), -300, 1, size), CHEST))
            assert result
            shares.append(result.fraction)
        assert shares == sorted(shares) and shares[0] < shares[-1] / 2

    def test_a_smooth_dome_in_the_middle_of_a_lung_is_no_opacity(self) -> None:
        from tests.analyse.phantoms import ellipse

        values = chest(0)
        values[ellipse((0, -75), (45, 32), CHEST)] = 55
        assert found(seen(values, CHEST)) == ("lung_opacity", "")

    def test_one_lung_is_no_pair(self) -> None:
        values = chest(0)
        values[:, 256:] = np.where(values[:, 256:] > -1000, 45, -1000)
        assert measured(seen(values, CHEST)) is None

    def test_gas_is_no_lung(self) -> None:
        values = chest(0)
        assert measured(seen(np.where(values == -820, np.float32(-1000), values), CHEST)) is None


class TestElsewhere:
    @pytest.mark.parametrize(
        "change", [{"unit": "stored"}, {"modality": "MR"}, {"spacing": None}, {"spacing": (0.0, 0.5)}]
    )
    def test_nothing_is_measured_in_what_is_no_ct_of_a_known_size(self, change: dict[str, object]) -> None:
        one = seen(with_lens(head(0)))
        assert measured(one) and measured(replace(one, **change)) is None  # type: ignore[arg-type]

    @pytest.mark.parametrize("shape", [(1, 1), (0, 0), (16, 16), (512, 3)])
    def test_a_picture_too_small_for_a_shape_holds_none(self, shape: tuple[int, int]) -> None:
        assert measured(Intensity(np.zeros(shape, np.int16), unit="HU", modality="CT", spacing=(1.0, 1.0))) is None

    @pytest.mark.parametrize("value", [-1000, 0, 50, 3000])
    def test_a_picture_of_one_value_holds_none(self, value: int) -> None:
        assert measured(seen(np.full((512, 512), value, np.float32), noise=0)) is None

    def test_the_same_slice_has_the_same_share_turned_over(self) -> None:
        one = seen(with_lens(head(4)))
        turned = replace(one, stored=one.stored[::-1, ::-1])
        first, second = measured(one), measured(turned)
        assert first and second and second.area == pytest.approx(first.area, rel=0.1)


def test_every_measure_that_a_rule_can_name_has_limits_and_a_code() -> None:
    assert set(MEASURERS) == set(get_args(Measure)) == set(limits())
    assert all("never a diagnosis" in REASONS[CODES[id]].advice for id in MEASURERS)


def shares(path: Path) -> Iterator[Measured | None]:
    try:
        with opened(path) as frames:
            yield from (measured(frame.intensity) for frame in frames)
    except Rejected:
        return


def noticed(paths: list[Path]) -> tuple[int, list[str]]:
    """How many slices held a structure, and the files in which something was noticed."""
    every = [(path, one) for path in paths for one in shares(path) if one]
    return len(every), [path.name for path, one in every if one.finding]


def test_nothing_is_noticed_in_the_samples_of_pydicom() -> None:
    paths = [
        file.path for file in pydicom_files() if "CT" in file.name or file.name.endswith(("693_J2KI.dcm", "J2KR.dcm"))
    ]
    assert len(paths) > 10 and noticed(paths)[1] == []


@needs_shared
def test_nothing_is_noticed_in_real_heads_chests_and_bellies() -> None:
    assert SHARED
    dicom, annotated = SHARED / "data" / "dicom", SHARED / "data" / "annotated"
    folders = (
        dicom / "series" / "ct_skull_incomplete",
        dicom / "series" / "ct_head_phantom_philips" / "axial_5mm",
        dicom / "syntax" / "encapsulation",
        annotated / "ct_liver_seg_dcmqi",
        annotated / "ct_lung_tumour_rtstruct_4dlung" / "ct",
        annotated / "ct_organs_totalsegmentator" / "dicom",
    )
    held, told = noticed([path for folder in folders for path in sorted(folder.iterdir()) if path.is_file()])
    assert held == 11 and told == []


@needs_shared
def test_nothing_is_noticed_where_bowel_lies_beside_the_lungs() -> None:
    assert SHARED
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        from score_measured import of_volume
    finally:
        sys.path.pop(0)
    volume = SHARED / "data" / "annotated" / "ct_organs_totalsegmentator" / "example_ct_sm.nii.gz"
    seen = [measured(one) for one in of_volume(volume)]
    assert len(seen) == 30 and not any(one and one.finding for one in seen)


@needs_shared
def test_blood_painted_into_real_heads_is_found_as_often_as_the_page_says() -> None:
    assert SHARED
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        from score_measured import HEADS, as_seen, slices, varied, with_blood
    finally:
        sys.path.pop(0)
    chance = np.random.default_rng(3)
    heads = [next(slices(SHARED / "data" / path)) for path in HEADS]
    plain = [measured(as_seen(one, varied(one, chance))) for one in heads for _ in range(4)]
    painted = [
        measured(as_seen(one, with_blood(one, varied(one, chance), 20, chance)[0])) for one in heads for _ in range(4)
    ]
    assert [one.finding for one in plain if one and one.finding] == []
    assert sum(one is not None and one.finding is not None for one in painted) >= 7
