"""Classes of intensities: as good as the exact optimum, ordered, named, and there for every picture."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stowgate.analyse.clusters import DISCLAIMER, Clusters, Histogram, clusters, histogram_of, joined
from stowgate.analyse.intensity import Intensity, Unit, intensity_of, of_array
from stowgate.errors import Rejected
from stowgate.pixels.frames import Pictures
from tests.shared import real_files


def optimum(values: np.ndarray, weights: np.ndarray, k: int) -> float:
    """The least sum of squares there is: dynamic programming over every distinct value, each row by halves.

    The best last cut never goes back as more values are taken in (Wang and Song, 2011), so the cut of the middle
    bounds those of either half.
    """
    values = values - np.average(values, weights=weights)
    count, total, square = (np.concatenate(([0.0], np.cumsum(weights * values**power))) for power in (0, 1, 2))

    def cost(start: np.ndarray, end: int) -> np.ndarray:
        held = count[end] - count[start]
        return square[end] - square[start] - (total[end] - total[start]) ** 2 / np.maximum(held, 1e-300)

    def row(before: np.ndarray) -> np.ndarray:
        found = before.copy()

        def solve(first: int, last: int, low: int, high: int) -> None:
            if first > last:
                return
            middle = (first + last) // 2
            starts = np.arange(low, min(high, middle - 1) + 1)
            through = before[starts] + cost(starts, middle)
            at = low + int(through.argmin())
            found[middle] = through.min()
            solve(first, middle - 1, low, at)
            solve(middle + 1, last, at, high)

        solve(1, len(before) - 1, 0, len(before) - 2)
        return found

    size = len(values)
    best = np.array([0.0, *(float(cost(np.array([0]), end)[0]) for end in range(1, size + 1))])
    for _ in range(min(k, size) - 1):
        best = row(best)
    return float(best[-1])


def by_trying_all(values: np.ndarray, weights: np.ndarray, k: int) -> float:
    """What the oracle itself is held to: every way to cut."""
    size = len(values)

    def apart(start: int, end: int) -> float:
        mean = np.average(values[start:end], weights=weights[start:end])
        return float((weights[start:end] * (values[start:end] - mean) ** 2).sum())

    ways = combinations(range(1, size), min(k, size) - 1)
    return min(sum(apart(*ends) for ends in pairwise((0, *cuts, size))) for cuts in ways)


def is_optimal(found: Clusters, counted: Histogram, k: int, slope: float = 1.0) -> bool:
    """Within 1e-6 of the optimum, and what the sums of the oracle itself are rounded by."""
    away = counted.values - np.average(counted.values, weights=counted.counts)
    rounding = 1e-13 * float((counted.counts * away**2).sum())
    least = optimum(counted.values, counted.counts, k)
    return found.sse <= (least * (1 + 1e-6) + rounding) * slope**2


def histogram(spikes: dict[int, int]) -> Histogram:
    """Of pixels by value."""
    order = sorted(spikes)
    return Histogram(np.array(order, np.float64), np.array([spikes[value] for value in order], np.float64))


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
    assert is_optimal(clusters(intensity, k), histogram_of(intensity), k)


@settings(max_examples=60)
@given(
    spikes=st.dictionaries(st.integers(0, 65_535), st.integers(1, 10**6), min_size=1, max_size=300),
    k=st.integers(1, 16),
)
def test_no_histogram_of_lone_spikes_is_cut_worse_than_the_optimum(spikes: dict[int, int], k: int) -> None:
    counted = histogram(spikes)
    found = clusters(of_array(np.zeros((1, 1))), k, counted)
    assert is_optimal(found, counted, k)
    assert len(found.classes) == min(k, len(spikes))


@pytest.mark.parametrize("peaks", [2, 4, 5, 6, 8])
@pytest.mark.parametrize("k", [3, 7])
def test_peaks_of_one_height_at_one_distance_have_many_best_cuts_and_one_of_them_is_found(peaks: int, k: int) -> None:
    values = np.arange(4000.0)
    shape = sum(np.exp(-(((values - (at + 0.5) * 4000 / peaks) / 30) ** 2)) for at in range(peaks))
    counted = Histogram(values, np.ceil(1e4 * shape + 1))
    assert is_optimal(clusters(of_array(np.zeros((1, 1))), k, counted), counted, k)


@settings(max_examples=60)
@given(spikes=st.dictionaries(st.integers(-50, 50), st.integers(1, 99), min_size=1, max_size=9), k=st.integers(1, 5))
def test_the_oracle_is_as_good_as_trying_everything(spikes: dict[int, int], k: int) -> None:
    counted = histogram(spikes)
    best = by_trying_all(counted.values, counted.counts, k)
    assert optimum(counted.values, counted.counts, k) == pytest.approx(best, rel=1e-9, abs=1e-6)


@pytest.fixture(scope="module")
def real_pictures() -> list[tuple[str, Intensity, Histogram]]:
    """First frames of every file that can be seen, each histogram once: one slice comes in many transfer syntaxes."""
    found: dict[bytes, tuple[str, Intensity, Histogram]] = {}
    with Pictures() as pictures:
        for file in real_files():
            try:
                image = pictures.open(file.path)
                intensity = intensity_of(image, pictures.frame(0))
            except Rejected:
                continue
            counted = histogram_of(intensity)
            scale = replace(intensity, stored=np.zeros((1, 1), np.int16), valid=None)  # not 300 pictures in memory
            found.setdefault(counted.values.tobytes() + counted.counts.tobytes(), (file.name, scale, counted))
    return list(found.values())


@pytest.mark.parametrize("k", [2, 3, 5])
def test_no_real_picture_is_cut_worse_than_the_optimum(
    k: int, real_pictures: list[tuple[str, Intensity, Histogram]]
) -> None:
    assert len(real_pictures) >= 40
    worse = [
        name
        for name, scale, counted in real_pictures
        if len(counted.values) and not is_optimal(clusters(scale, k, counted), counted, k, scale.slope)
    ]
    assert not worse


def test_tissues_of_a_head_are_named_and_in_order() -> None:
    found = clusters(head(), 4)
    assert [one.name for one in found.classes] == ["air", "fat", "soft tissue", "bone"]
    assert [one.centre for one in found.classes] == pytest.approx([-1000, -90, 35, 900], abs=2)
    assert sum(one.fraction for one in found.classes) == pytest.approx(1)
    assert found.unit == "HU"
    assert 0.9 < found.score <= 1


@settings(max_examples=60)
@given(
    spikes=st.dictionaries(st.integers(-2000, 4000), st.integers(1, 50), min_size=1, max_size=60),
    k=st.integers(1, 16),
    unit=st.sampled_from(["HU", "SUV", "stored"]),
)
def test_classes_cover_the_range_without_gaps_in_order_with_names_of_their_own(
    spikes: dict[int, int], k: int, unit: Unit
) -> None:
    stored = np.repeat(list(spikes), list(spikes.values())).astype(np.int16)[None, :]
    found = clusters(of_array(stored, unit), k)
    assert [one.upper for one in found.classes[:-1]] == [one.lower for one in found.classes[1:]]
    assert (found.classes[0].lower, found.classes[-1].upper) == (stored.min(), stored.max())
    assert all(one.lower <= one.centre <= one.upper for one in found.classes)
    assert sum(one.fraction for one in found.classes) == pytest.approx(1)
    assert len({one.name for one in found.classes}) == len(found.classes)
    assert 0 <= found.score <= 1


@settings(max_examples=40)
@given(
    spikes=st.dictionaries(st.integers(0, 3000), st.integers(1, 50), min_size=2, max_size=60),
    slope=st.sampled_from([-2.0, -1.0, 0.5, 1.0, 3.0]),
    intercept=st.sampled_from([-1024.0, 0.0, 0.25]),
)
def test_a_scale_moves_the_classes_and_changes_nothing_else(
    spikes: dict[int, int], slope: float, intercept: float
) -> None:
    stored = np.repeat(list(spikes), list(spikes.values())).astype(np.int16)[None, :]
    plain, scaled = clusters(of_array(stored)), clusters(Intensity(stored, slope, intercept))
    moved = sorted((one.centre * slope + intercept, one.fraction) for one in plain.classes)
    assert [(one.centre, one.fraction) for one in scaled.classes] == [pytest.approx(one) for one in moved]
    assert scaled.sse == pytest.approx(plain.sse * slope**2)
    assert scaled.score == pytest.approx(plain.score)


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


def test_what_is_no_number_is_in_no_class() -> None:
    intensity = of_array(np.array([[np.nan, 1.0, 1.0, 9.0, np.inf]]))
    found = clusters(intensity, 2)
    assert [one.fraction for one in found.classes] == pytest.approx([2 / 3, 1 / 3])
    assert found.labels(intensity).tolist() == [[255, 0, 0, 1, 255]]
    nothing = of_array(np.full((3, 3), np.nan))
    assert clusters(nothing).classes == ()
    assert set(clusters(nothing).labels(nothing).ravel()) == {255}


def test_false_and_true_are_two_classes() -> None:
    assert [one.centre for one in clusters(of_array(np.array([[False, True]]))).classes] == [0, 1]


@pytest.mark.parametrize("wrong", [None, np.zeros((3, 3)), "a.dcm"])
def test_what_has_no_intensities_is_told_what_has(wrong: object) -> None:
    with pytest.raises(TypeError, match="of_array"):
        clusters(wrong)  # type: ignore[arg-type]
