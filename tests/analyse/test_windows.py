"""Windows are the standard's to the last of 256 steps, and which one is meant is never guessed twice."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.pixels import apply_voi, apply_windowing

from stowgate.analyse.intensity import Intensity, of_array
from stowgate.analyse.windows import Chosen, choose, presets, show
from stowgate.errors import Misconfigured
from stowgate.pixels.image import Lut, Voi, VoiFunction, Window

FUNCTIONS: tuple[VoiFunction, ...] = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


def reference(values: np.ndarray, window: Window, function: VoiFunction) -> np.ndarray:
    """pydicom's own windowing in double precision; its output range is that of Bits Stored, here 8."""
    dataset = Dataset()
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsStored, dataset.PixelRepresentation = 8, 0
    dataset.WindowCenter, dataset.WindowWidth = window.centre, window.width
    dataset.VOILUTFunction = function
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
    return apply_windowing(values.astype(np.float64), dataset)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32"])
@given(centre=st.integers(-2000, 3000), width=st.integers(1, 5000), seed=st.integers(0, 99))
def test_a_window_equals_a_reference_in_floating_point(
    function: VoiFunction, dtype: str, centre: int, width: int, seed: int
) -> None:
    if function == "LINEAR" and width == 1:
        width = 2  # pydicom divides by zero there
    bounds = np.iinfo(dtype)
    drawn = np.random.default_rng(seed).integers(max(bounds.min, -3000), min(bounds.max, 4000), (16, 16), endpoint=True)
    array = drawn.astype(dtype)
    window = Window(float(centre), float(width))
    expected = np.clip(reference(array, window, function), 0, 255)
    exact = (1 / (1 + np.exp(-4 * (array - window.centre) / window.width))) * 255 if function == "SIGMOID" else expected
    assert np.abs(show(of_array(array), Chosen("asked", window, function)) - exact).max() <= 0.5 + 1e-9


def test_hounsfield_units_come_before_the_window() -> None:
    stored = np.array([[0, 1024, 1064, 1104, 2000]], np.uint16)
    intensity = Intensity(stored, 1.0, -1024.0, "HU")
    assert show(intensity, choose(intensity, preset="brain")).tolist() == [[0, 0, 129, 255, 255]]


def test_a_slope_that_is_no_whole_number_is_not_rounded_before_the_window() -> None:
    stored = np.arange(0, 4096, dtype=np.uint16).reshape(64, 64)
    intensity = Intensity(stored, 0.37, -500.5, "HU")
    exact = np.clip((stored * 0.37 - 500.5 - 49.5) / 399 + 0.5, 0, 1) * 255
    assert np.abs(show(intensity, choose(intensity, preset="soft_tissue")) - exact).max() <= 0.5 + 1e-9


def test_a_window_of_one_step_is_a_threshold() -> None:
    intensity = of_array(np.array([[9, 10, 11]], np.int16))
    assert show(intensity, Chosen("asked", Window(10.5, 1.0))).tolist() == [[0, 0, 255]]


def test_monochrome1_is_the_other_way_round() -> None:
    intensity = of_array(np.array([[0, 100, 255]], np.uint8))
    chosen = Chosen("asked", Window(127.5, 255.0), "LINEAR_EXACT")
    assert show(intensity, chosen).tolist() == [[0, 100, 255]]
    assert show(intensity, chosen, inverse=True).tolist() == [[255, 155, 0]]


def test_a_voi_lut_is_followed_and_its_ends_hold_beyond_them() -> None:
    lut = Lut(10, 16, (0, 0x8000, 0xFFFF))
    stored = np.array([[0, 10, 11, 12, 50]], np.int16)
    dataset = Dataset()
    dataset.BitsStored, dataset.PixelRepresentation = 16, 1
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [3, 10, 16], [0, 0x8000, 0xFFFF]
    dataset.VOILUTSequence = [item]
    expected = np.rint(apply_voi(stored, dataset) / 0xFFFF * 255)
    assert show(of_array(stored), choose(of_array(stored), Voi(luts=(lut,)))).tolist() == expected.tolist()


def test_floating_point_pixels_and_very_wide_ones_are_shown_too() -> None:
    for array in (np.array([[0.0, 0.5, 1.0]]), np.array([[0, 1 << 30, 1 << 31]], np.uint32)):
        top = float(array.max())
        shown = show(of_array(array), Chosen("asked", Window(top / 2, top), "LINEAR_EXACT"))
        assert shown.tolist() == [[0, 128, 255]]


def test_an_empty_picture_stays_empty() -> None:
    assert show(of_array(np.zeros((0, 4), np.int16)), Chosen("asked", Window(0, 10))).shape == (0, 4)


class TestWhichWindow:
    HU = Intensity(np.array([[0, 100]], np.int16), 1.0, 0.0, "HU", modality="CT")
    HEADER = Voi((Window(11, 22), Window(33, 44)), "SIGMOID")

    def test_what_is_asked_for_goes_before_everything(self) -> None:
        chosen = choose(self.HU, self.HEADER, centre=1, width=2, preset="bone")
        assert (chosen.origin, chosen.window) == ("asked", Window(1, 2))

    def test_then_a_preset_then_the_header_then_what_is_sensible(self) -> None:
        assert choose(self.HU, self.HEADER, preset="bone") == Chosen("preset", Window(400, 1800), preset="bone")
        assert choose(self.HU, self.HEADER) == Chosen("header", Window(11, 22), "SIGMOID")
        assert choose(self.HU) == Chosen("default", Window(50, 400), preset="soft_tissue")

    def test_the_four_that_everybody_knows_have_their_values(self) -> None:
        known = {"brain": (40, 80), "bone": (400, 1800), "lung": (-600, 1500), "soft_tissue": (50, 400)}
        assert {name: (presets()[name].centre, presets()[name].width) for name in known} == known
        assert {"mediastinum", "liver", "stroke", "subdural", "angio"} <= set(presets())

    @pytest.mark.parametrize(
        ("asked", "code"),
        [
            ({"centre": 40.0}, "window_incomplete"),
            ({"width": 40.0}, "window_incomplete"),
            ({"centre": 40.0, "width": 0.0}, "window_width"),
            ({"centre": 40.0, "width": -5.0}, "window_width"),
            ({"preset": "bonne"}, "window_unknown"),
            ({"centre": math.nan, "width": 5.0}, "window_not_finite"),
            ({"centre": 40.0, "width": math.nan}, "window_not_finite"),
            ({"centre": 40.0, "width": math.inf}, "window_not_finite"),
            ({"centre": -math.inf, "width": 5.0}, "window_not_finite"),
        ],
    )
    def test_what_cannot_be_meant_is_said(self, asked: dict[str, object], code: str) -> None:
        with pytest.raises(Misconfigured) as raised:
            choose(self.HU, **asked)  # type: ignore[arg-type]
        assert raised.value.code == code
        if code == "window_unknown":
            assert "soft_tissue" in str(raised.value)

    @pytest.mark.parametrize("name", ["Soft tissue", "soft-tissue", "SOFT_TISSUE", " soft  tissue "])
    def test_a_preset_is_known_however_it_is_spelt(self, name: str) -> None:
        assert choose(self.HU, preset=name) == Chosen("preset", Window(50, 400), preset="soft_tissue")
        own = {"inner-ear": Window(700, 4000)}
        assert choose(self.HU, preset="Inner Ear", named=own).preset == "inner-ear"

    @pytest.mark.parametrize(("asked", "missing"), [({"centre": 40.0}, "no width"), ({"width": 40.0}, "no centre")])
    def test_half_a_window_beside_a_preset_is_told_what_is_missing(self, asked: dict[str, float], missing: str) -> None:
        with pytest.raises(Misconfigured, match=rf"\({missing}\) Give both, or a preset without either"):
            choose(self.HU, preset="bone", **asked)  # type: ignore[arg-type]

    def test_a_header_without_a_usable_width_is_passed_over(self) -> None:
        assert choose(self.HU, Voi((Window(10, 0), Window(7, 9)))).window == Window(7, 9)
        assert choose(self.HU, Voi((Window(10, -1),))).origin == "default"

    def test_without_a_unit_all_but_the_ends_is_shown(self) -> None:
        intensity = of_array(np.arange(1000).reshape(10, 100))
        window = choose(intensity).window
        assert window is not None
        assert (window.centre, window.width) == pytest.approx((499.5, 989.0), abs=1)

    def test_a_constant_or_padded_picture_has_a_window_too(self) -> None:
        assert choose(of_array(np.full((4, 4), 7))).window is not None
        nowhere = Intensity(np.zeros((2, 2), np.int16), valid=np.zeros((2, 2), bool))
        assert show(nowhere, choose(nowhere)).tolist() == [[0, 0], [0, 0]]

    def test_presets_of_ones_own_go_beside_the_shipped_ones(self) -> None:
        named = {**presets(), "ear": Window(700, 4000)}
        assert choose(self.HU, preset="ear", named=named).window == Window(700, 4000)


class TestUptake:
    """Windows of a header are meant for what the Modality LUT gives (PS3.3 C.11.2), which SUV are a multiple of."""

    STORED = np.array([[0, 843, 8431, 16018, 30000]], np.uint16)
    PET = Intensity(STORED, 0.5 * 0.0002, 0.0, "SUV", modality="PT", uptake=0.0002)
    BQML = Intensity(STORED, 0.5, 0.0, "stored")

    @pytest.mark.parametrize("function", FUNCTIONS)
    def test_the_window_of_a_header_shows_the_same_picture_as_before_the_values_became_uptake(
        self, function: VoiFunction
    ) -> None:
        voi = Voi((Window(4000, 8000),), function)
        chosen = choose(self.PET, voi)
        assert chosen.window is not None and chosen.window.centre == pytest.approx(0.8, abs=0.001)
        assert np.array_equal(show(self.PET, chosen), show(self.BQML, choose(self.BQML, voi)))
        assert show(self.PET, chosen).max() > 200

    def test_so_does_a_table_of_a_header(self) -> None:
        voi = Voi(luts=(Lut(0, 8, tuple(range(256))),))
        pet, bqml = (
            Intensity(one.stored // 64, one.slope, 0.0, one.unit, uptake=one.uptake) for one in (self.PET, self.BQML)
        )
        assert np.array_equal(show(pet, choose(pet, voi)), show(bqml, choose(bqml, voi)))

    def test_without_a_window_it_is_0_to_5_and_what_is_asked_for_is_met_exactly(self) -> None:
        assert choose(self.PET).window == Window(2.5, 5.0)
        suv = Intensity(np.array([[0, 25, 50, 100]], np.uint16), 0.1, 0.0, "SUV")
        assert show(suv, choose(suv)).tolist() == [[0, 128, 255, 255]]
        assert show(suv, choose(suv, centre=0.25, width=0.5)).tolist() == [[0, 255, 255, 255]]
