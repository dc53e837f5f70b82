"""The front door to the picture takes a path, a data set or an array, and gives the same for all of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from stowgate.errors import Misconfigured, Rejected
from stowgate.imaging import opened, picture, seen
from stowgate.pixels.image import Window
from tests.pixels.sample import data_set, written

STORED = (np.arange(6 * 9, dtype=np.uint16) * 40).reshape(6, 9)


def test_a_path_and_a_data_set_are_one_picture(tmp_path: Path) -> None:
    dataset = data_set(STORED)
    path = written(tmp_path / "a.dcm", dataset)
    one, other = picture(path, preset="bone"), picture(dataset, preset="bone")
    assert np.array_equal(one.pixels, other.pixels)
    assert (one.chosen, one.unit) == (other.chosen, "HU")
    assert "PixelData" in dataset


def test_an_array_has_no_unit_and_no_header() -> None:
    found = seen(STORED)
    assert (found.intensity.unit, found.image, found.is_inverse) == ("stored", None, False)
    assert picture(STORED, centre=1000, width=2000).pixels.shape == (6, 9)


def test_monochrome1_is_shown_the_other_way_round() -> None:
    plain = picture(data_set(STORED), centre=0, width=2000).pixels.astype(int)
    inverse = picture(data_set(STORED, PhotometricInterpretation="MONOCHROME1"), centre=0, width=2000).pixels.astype(
        int
    )
    assert np.abs(plain + inverse - 255).max() <= 1


def test_colours_of_16_bits_keep_their_uppermost_8() -> None:
    array = np.array([[[0, 0x8000, 0xFFFF]]], np.uint16)
    found = picture(array)
    assert found.pixels.tolist() == [[[0, 0x80, 0xFF]]]
    assert found.chosen is None


def test_frames_come_one_by_one_with_their_number(tmp_path: Path) -> None:
    frames = np.stack([STORED, STORED + 1])
    for source in (data_set(frames), written(tmp_path / "a.dcm", data_set(frames))):
        with opened(source) as found:
            assert [(one.frame, int(one.array[0, 0])) for one in found] == [(0, 0), (1, 1)]
    assert seen(data_set(frames), 1).array[0, 0] == 1
    with pytest.raises(Rejected, match="fewer frames"):
        seen(data_set(frames), 2)


def test_a_picture_is_kept_as_exactly_its_rows_and_columns(tmp_path: Path) -> None:
    picture(data_set(STORED)).save(tmp_path / "a.png")
    with Pillow.open(tmp_path / "a.png") as kept:
        assert (kept.size, kept.mode) == ((9, 6), "L")


def test_windows_of_ones_own_go_beside_the_shipped_ones() -> None:
    named = {"ear": Window(700.0, 4000.0)}
    assert picture(data_set(STORED), preset="ear", named=named).chosen is not None
    assert picture(data_set(STORED), preset="bone", named=named).chosen is not None
    with pytest.raises(Misconfigured):
        picture(data_set(STORED), preset="ears", named=named)


class TestSegmentations:
    @pytest.mark.parametrize(
        ("kind", "more", "stored", "grey"),
        [
            ("BINARY", {}, [0, 1], [0, 255]),
            ("BINARY", {}, [0, 0], [0, 0]),
            ("BINARY", {}, [1, 1], [255, 255]),
            ("FRACTIONAL", {"MaximumFractionalValue": 200}, [0, 50, 200], [0, 64, 255]),
            ("FRACTIONAL", {}, [0, 51], [0, 51]),
            ("LABELMAP", {}, [0, 1, 4], [0, 64, 255]),
            ("LABELMAP", {}, [0, 0], [0, 0]),
        ],
    )
    def test_what_belongs_to_none_is_black_and_what_wholly_belongs_to_one_is_white(
        self, kind: str, more: dict[str, int], stored: list[int], grey: list[int]
    ) -> None:
        segments = []
        for number in (1, 4):
            segments.append(Dataset())
            segments[-1].SegmentNumber = number
        made = data_set(
            np.array([stored], np.uint8), Modality="SEG", SegmentationType=kind, SegmentSequence=segments, **more
        )
        del made.RescaleSlope, made.RescaleIntercept
        assert picture(made).pixels[0].tolist() == grey

    def test_one_bit_of_pydicoms_own_is_black_and_white(self) -> None:
        one = seen(get_testdata_file("liver_1frame.dcm"))
        shown = picture(one).pixels
        assert set(np.unique(shown)) == {0, 255}
        assert (shown > 0).sum() == one.array.sum()


def test_little_on_much_background_is_bright_on_black() -> None:
    stored = np.zeros((100, 100), np.uint16)
    stored[0, 0] = 40
    found = picture(stored).pixels
    assert (found[0, 0], found[1, 1]) == (255, 0)


class TestWhatCannotBeMeant:
    def test_a_file_that_is_not_there_is_said_so(self, tmp_path: Path) -> None:
        for ask in (picture, seen, lambda path: opened(path).__enter__()):
            with pytest.raises(Misconfigured, match="no such file") as raised:
                ask(tmp_path / "nowhere.dcm")
            assert (raised.value.code, raised.value.place) == ("no_input", str(tmp_path / "nowhere.dcm"))

    @pytest.mark.parametrize("source", [None, 5, [[1, 2]]])
    def test_what_is_no_source_is_told_what_one_is(self, source: object) -> None:
        with pytest.raises(TypeError, match="a path, a pydicom data set or an array"):
            picture(source)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("array", "error", "words"),
        [
            (np.zeros((4, 4), complex), TypeError, "array of numbers"),
            (np.full((4, 4), "a"), TypeError, "array of numbers"),
            (np.zeros(4), ValueError, "rows and columns"),
            (np.zeros((4, 4, 3)), TypeError, "whole numbers"),
            (np.zeros((4, 4, 3), bool), TypeError, "whole numbers"),
            (np.full((4, 4, 3), -1), ValueError, "from 0 to 255"),
            (np.full((4, 4, 3), 70000), ValueError, "from 0 to 255"),
        ],
    )
    def test_an_array_that_is_no_picture_is_told_why(
        self, array: np.ndarray, error: type[Exception], words: str
    ) -> None:
        with pytest.raises(error, match=words):
            picture(array)

    def test_false_and_true_are_black_and_white(self) -> None:
        assert picture(np.array([[False, True]])).pixels.tolist() == [[0, 255]]

    def test_colours_in_a_wider_type_are_the_colours_they_are(self) -> None:
        array = np.array([[[255, 128, 0]]])
        assert picture(array).pixels.tolist() == array.tolist()

    def test_what_is_no_number_is_padding_and_black(self) -> None:
        array = np.array([[np.nan, 1.0, 2.0, 3.0]])
        assert seen(array).intensity.valid is not None
        assert picture(array).pixels[0, [0, 1, 3]].tolist() == [0, 0, 255]
        assert picture(np.full((4, 4), np.nan)).pixels.tolist() == np.zeros((4, 4)).tolist()
