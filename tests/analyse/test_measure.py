"""One frame in numbers: each means what it says, on phantoms whose numbers are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from stowgate.analyse.intensity import Intensity
from stowgate.analyse.measure import measure
from tests.analyse.simulated_fleet import abdomen, head

CHANCE = np.random.default_rng(3)
BODY = head(256, 2, CHANCE)


def ct(values: np.ndarray, noise: float = 5.0, **more: object) -> Intensity:
    """Hounsfield units as a scanner stores them, with noise."""
    drawn = np.random.default_rng(5).normal(0, noise, values.shape)
    stored = np.clip(np.rint(values + drawn + 1024), 0, 4095).astype(np.int16)
    return Intensity(stored, 1.0, -1024.0, "HU", modality="CT", **more)  # type: ignore[arg-type]


def test_levels_are_those_of_the_phantom() -> None:
    of = measure(ct(BODY))
    assert abs(of.level - 34) < 3 and abs(of.air + 1000) < 2
    assert 800 < of.peak < 950 and abs(of.density - BODY[BODY > -400].mean()) < 3
    assert abs(of.coverage - (BODY > -400).mean()) < 0.01
    assert (of.dead_rows, of.dead_columns, of.missing) == (0, 0, 0.0)


@pytest.mark.parametrize("noise", [3.0, 8.0, 20.0])
def test_noise_is_measured_beside_edges_and_in_air(noise: float) -> None:
    of = measure(ct(abdomen(256, 2, CHANCE), noise))
    assert abs(of.noise / noise - 1) < 0.15
    assert abs(of.air_noise / noise - 1) < 0.25


@pytest.mark.parametrize("noise", [3.0, 8.0])
def test_the_more_it_is_blurred_the_less_sharp_it_is(noise: float) -> None:
    sharp = [measure(ct(ndimage.gaussian_filter(BODY, sigma), noise)).sharpness for sigma in (0.0, 0.8, 1.2, 2.0, 3.0)]
    assert sharp == sorted(sharp, reverse=True) and sharp[0] > 1.2 * sharp[2]


def test_slope_and_intercept_count() -> None:
    plain = measure(ct(BODY))
    stored = ct(BODY).stored
    doubled = measure(Intensity((stored * 2).astype(np.int16), 0.5, -1024.0, "HU", modality="CT"))
    assert doubled.as_dict() == pytest.approx(plain.as_dict(), rel=1e-4, abs=1e-4)


def test_a_ring_stands_out_and_a_round_phantom_alone_does_not() -> None:
    y, x = np.ogrid[:256, :256]
    radius = np.hypot(y - 127.5, x - 127.5)
    round_ = np.where(radius < 100, 0.0, -1000.0)
    assert measure(ct(round_)).ring < 0.3
    ring = round_ + 40.0 * ((radius > 50) & (radius < 51.5))
    assert measure(ct(ring)).ring > 0.7


def test_a_line_that_stands_out_is_told_by_its_direction() -> None:
    row = BODY.copy()
    row[120] += 60
    of = measure(ct(row))
    assert of.row_stripe > 0.9 > of.column_stripe
    turned = measure(ct(row.T))
    assert turned.column_stripe > 0.9 > turned.row_stripe


@pytest.mark.parametrize("turn", [0, 1])
def test_stripes_that_return_stand_out_as_one_does(turn: int) -> None:
    striped = BODY.copy()
    striped[::4] += 60
    of = measure(ct(np.rot90(striped, turn).copy()))
    found, other = (of.row_stripe, of.column_stripe) if not turn else (of.column_stripe, of.row_stripe)
    assert found > 0.93 > other


@pytest.mark.parametrize("turn", [0, 1])
def test_the_flat_top_of_a_couch_is_no_stripe_and_a_stripe_above_it_is(turn: int) -> None:
    couch = abdomen(256, 2, CHANCE)
    couch[230:233] = [[-750.0], [-620.0], [-700.0]]
    couch[233:250] = -990.0
    of = measure(ct(np.rot90(couch, turn).copy()))
    assert max(of.row_stripe, of.column_stripe) < 0.6
    couch[120] += 60
    of = measure(ct(np.rot90(couch, turn).copy()))
    assert max(of.row_stripe, of.column_stripe) > 0.9


def test_dead_lines_count_in_the_body_and_not_beside_it() -> None:
    of = ct(BODY)
    of.stored[100:103] = 0
    of.stored[2] = 0
    assert (measure(of).dead_rows, measure(of).dead_columns) == (3, 0)
    turned = Intensity(of.stored.T.copy(), 1.0, -1024.0, "HU", modality="CT")
    assert (measure(turned).dead_rows, measure(turned).dead_columns) == (0, 3)


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_a_field_that_ends_in_the_body_is_missing_its_rest(turn: int) -> None:
    stored = np.rot90(ct(BODY).stored, turn).copy()
    stored[:110] = 0
    whole = Intensity(np.rot90(stored, -turn), 1.0, -1024.0, "HU", modality="CT")
    assert measure(whole).missing == pytest.approx(110 / 256, abs=0.01)


def test_zeroes_about_a_body_are_nothing_that_is_missing() -> None:
    stored = ct(BODY).stored
    stored[:30] = 0
    assert measure(Intensity(stored, 1.0, -1024.0, "HU", modality="CT")).missing == 0.0


@pytest.mark.parametrize(
    "stored",
    [
        np.zeros((64, 64), np.uint16),
        np.full((1, 1), 7, np.int32),
        np.zeros((3, 500), np.uint8),
        np.zeros((0, 0), np.uint8),
        np.eye(70, dtype=np.uint8),
        np.full((64, 64), 1e30, np.float32),
    ],
)
@pytest.mark.filterwarnings("error")
def test_whatever_comes_is_numbers_that_are_finite_or_left_out(stored: np.ndarray) -> None:
    for unit in ("HU", "stored"):
        found = measure(Intensity(stored, unit=unit)).as_dict()  # type: ignore[arg-type]
        assert all(np.isfinite(value) for value in found.values())


@pytest.mark.filterwarnings("error")
def test_padding_is_no_part_of_the_picture() -> None:
    of = ct(BODY)
    padded = of.stored.copy()
    padded[:, :40] = -2000
    valid = padded != -2000
    found = measure(Intensity(padded, 1.0, -1024.0, "HU", valid, modality="CT"))
    assert found.low > -1100 and abs(found.level - 34) < 3
    nothing = measure(Intensity(padded, 1.0, -1024.0, "HU", np.zeros_like(valid), modality="CT"))
    assert "density" not in nothing.as_dict()


def test_a_large_picture_is_measured_on_some_of_its_lines_and_says_the_same() -> None:
    large = measure(Intensity(np.kron(ct(BODY).stored, np.ones((6, 6), np.int16)), 1.0, -1024.0, "HU", modality="CT"))
    small = measure(ct(BODY))
    for name in ("level", "density", "coverage", "air"):
        assert getattr(large, name) == pytest.approx(getattr(small, name), rel=0.06, abs=3)
