"""Classes of intensities: as good as the exact optimum, ordered, named, and there for every picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stowgate.analyse.clusters import DISCLAIMER, Clusters, clusters, histogram_of, joined
from stowgate.analyse.intensity import Intensity, intensity_of, of_array
from stowgate.errors import Rejected
from stowgate.pixels.frames import Pictures
from tests.shared import pydicom_files, shared_files


def optimum(values: np.ndarray, weights: np.ndarray, k: int) -> float:
    """The least sum of squares there is: dynamic programming over every distinct value (Wang and Song, 2011)."""
    values = values - np.average(values, weights=weights)
    count, total, square = (np.concatenate(([0.0], np.cumsum(weights * values**power))) for power in (0, 1, 2))

    def cost(start: np.ndarray, end: int) -> np.ndarray:
        held = count[end] - count[start]
        return square[end] - square[start] - (total[end] - total[start]) ** 2 / np.maximum(held, 1e-300)

    size = len(values)
    best = np.array([0.0, *(float(cost(np.array([0]), end)[0]) for end in range(1, size + 1))])
    for _ in range(min(k, size) - 1):
        best = np.array([np.inf, *((best[:end] + cost(np.arange(end), end)).min() for end in range(1, size + 1))])
    return float(best[-1])


def excess(found: Clusters, intensity: Intensity, k: int) -> float:
    """How much worse than the optimum, as a part of it."""
    counted = histogram_of(intensity)
    least = optimum(counted.values, counted.counts, k) * intensity.slope**2
    return (found.sse - least) / max(least, 1e-6 * counted.counts.sum() * intensity.slope**2)


def head(seed: int = 1) -> Intensity:
    """Air, fat, brain and bone, noisy, in Hounsfield units."""
    random = np.random.default_rng(seed)
    stored = np.full((128, 128), -1000.0)
    stored[16:112, 16:112], stored[24:104, 24:104], stored[30:98, 30:98] = -90, 900, 35
    return Intensity((stored + random.normal(0, 12, stored.shape) + 1024).astype(np.int16), 1.0, -1024.0, "HU")


@settings(max_examples=150)
@given(
    peaks=st.lists(
        st.tuples(st.integers(-1000, 3000), st.integers(1, 300), st.integers(1, 500)), min_size=1, max_size=9
    ),
    k=st.integers(1, 7),
    seed=st.integers(0, 1000),
)
def test_no_histogram_is_cut_worse_than_the_optimum(peaks: list[tuple[int, int, int]], k: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    drawn = np.concatenate([random.normal(centre, width, number) for centre, width, number in peaks])
    intensity = of_array(drawn.astype(np.int16)[None, :])
    assert excess(clusters(intensity, k), intensity, k) <= 1e-6


@pytest.mark.parametrize("k", [2, 3, 5])
def test_no_real_picture_is_cut_worse_than_the_optimum(k: int) -> None:
    seen, worst = 0, 0.0
    with Pictures() as pictures:
        for file in [*pydicom_files(), *shared_files()[::3]]:
            try:
                image = pictures.open(file.path)
                intensity = intensity_of(image, pictures.frame(0))
            except Rejected:
                continue
            if len(histogram_of(intensity).values) > 3000:
                continue  # the exact solver takes too long; the drawn ones above have such ranges
            seen, worst = seen + 1, max(worst, excess(clusters(intensity, k), intensity, k))
    assert seen >= 40
    assert worst <= 1e-6


def test_tissues_of_a_head_are_named_and_in_order() -> None:
    found = clusters(head(), 4)
    assert [one.name for one in found.classes] == ["air", "fat", "soft tissue", "bone"]
    assert [one.centre for one in found.classes] == pytest.approx([-1000, -90, 35, 900], abs=2)
    assert sum(one.fraction for one in found.classes) == pytest.approx(1)
    assert found.unit == "HU"
    assert 0.9 < found.score <= 1


def test_classes_cover_the_range_without_gaps() -> None:
    found = clusters(head(), 5)
    assert [one.upper for one in found.classes[:-1]] == [one.lower for one in found.classes[1:]]
    assert len({one.name for one in found.classes}) == 5


def test_labels_are_the_classes_of_the_pixels() -> None:
    intensity = head()
    found = clusters(intensity, 4)
    labels = found.labels(intensity)
    for number, one in enumerate(found.classes):
        inside = intensity.values[labels == number]
        assert inside.size / labels.size == pytest.approx(one.fraction)
        assert inside.mean() == pytest.approx(one.centre, abs=0.01)
        assert one.lower <= inside.min() <= inside.max() <= one.upper


def test_elsewhere_than_in_hounsfield_units_classes_have_numbers() -> None:
    assert [one.name for one in clusters(of_array(np.arange(100).reshape(10, 10)), 3).classes] == [
        "class 1", "class 2", "class 3",
    ]  # fmt: skip


def test_a_slope_below_zero_turns_the_order() -> None:
    stored = np.array([[0] * 5 + [100] * 5 + [200] * 2], np.int16)
    intensity = Intensity(stored, -1.0, 0.0, "stored")
    found = clusters(intensity, 3)
    assert [one.centre for one in found.classes] == [-200, -100, 0]
    assert found.labels(intensity).tolist() == [[2] * 5 + [1] * 5 + [0] * 2]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "float32"])
def test_a_constant_picture_is_one_class(dtype: str) -> None:
    found = clusters(of_array(np.full((6, 5), 7, dtype)), 3)
    assert [(one.centre, one.fraction) for one in found.classes] == [(pytest.approx(7, abs=1e-3), 1.0)]
    assert (found.sse, found.score) == (0.0, 0.0)


def test_a_picture_of_nothing_but_padding_has_no_class() -> None:
    nothing = Intensity(np.zeros((3, 3), np.int16), valid=np.zeros((3, 3), bool))
    found = clusters(nothing)
    assert (found.classes, found.sse, found.score) == ((), 0.0, 0.0)
    assert found.labels(nothing).tolist() == [[255] * 3] * 3


def test_padding_takes_no_part() -> None:
    stored = np.array([[-2000, 0, 0, 100, 100, 200]], np.int16)
    found = clusters(Intensity(stored, valid=stored != -2000), 3)
    assert [one.centre for one in found.classes] == [0, 100, 200]
    assert [one.fraction for one in found.classes] == [0.4, 0.4, 0.2]


def test_fewer_values_give_fewer_classes_and_k_has_bounds() -> None:
    two = of_array(np.array([[1, 1, 5]], np.int16))
    assert len(clusters(two, 8).classes) == 2
    for wrong in (0, -1, 17):
        with pytest.raises(ValueError, match="1 to 16"):
            clusters(two, wrong)


def test_fractions_and_very_wide_ranges_are_counted_too() -> None:
    random = np.random.default_rng(5)
    wide = np.concatenate([random.normal(m, 0.01, 300) for m in (0.1, 0.5, 0.9)]).reshape(30, 30)
    for array in (wide, (wide * (1 << 30)).astype(np.int64), (wide * 1e9).astype(np.uint32)):
        found = clusters(of_array(array), 3)
        assert [one.fraction for one in found.classes] == pytest.approx([1 / 3] * 3)
        assert found.score > 0.95


def test_a_series_is_cut_as_one_picture_of_all_its_frames() -> None:
    frames = [head(seed) for seed in (1, 2, 3)]
    whole = of_array(np.concatenate([one.stored for one in frames]))
    together = clusters(frames[0], 3, joined(histogram_of(one) for one in frames))
    alone = clusters(Intensity(whole.stored, 1.0, -1024.0, "HU"), 3)
    assert together == alone


def test_order_of_pixels_and_an_offset_change_nothing() -> None:
    intensity = head()
    shuffled = np.random.default_rng(3).permutation(intensity.stored.ravel()).reshape(intensity.stored.shape)
    assert clusters(of_array(shuffled)) == clusters(of_array(intensity.stored))
    moved = clusters(of_array(intensity.stored + 100))
    assert [one.centre - 100 for one in moved.classes] == pytest.approx(
        [one.centre for one in clusters(of_array(intensity.stored)).classes]
    )


def test_scripts_get_the_keys_they_rely_on() -> None:
    said = clusters(head(), 3).as_json()
    assert list(said) == ["classes", "unit", "sse", "score"]
    assert list(said["classes"][0]) == ["name", "lower", "upper", "centre", "fraction"]
    assert "no diagnosis" in DISCLAIMER
