"""Numbers have a unit only where the header really says so."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset

from stowgate.analyse.intensity import Intensity, intensity_of, of_array
from stowgate.pixels.read import of_dataset
from tests.pixels.sample import data_set

STORED = np.array([[0, 1024], [1064, 2000]], np.uint16)


def of(dataset: FileDataset, frame: int = 0) -> Intensity:
    opened = of_dataset(dataset)
    return intensity_of(opened.image, opened.frame(frame), frame)


def test_computed_tomography_without_a_rescale_type_is_in_hounsfield_units() -> None:
    found = of(data_set(STORED))
    assert found.unit == "HU"
    assert found.values.tolist() == [[-1024, 0], [40, 976]]


@pytest.mark.parametrize(
    ("attributes", "unit"),
    [
        ({"RescaleType": "HU"}, "HU"),
        ({"RescaleType": "HU", "Modality": "XA"}, "HU"),
        ({"RescaleType": "US"}, "stored"),
        ({"RescaleType": "Z_EFF"}, "stored"),
        ({"Modality": "MR"}, "stored"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "stored"),
        ({"RescaleSlope": 0}, "stored"),
    ],
)
def test_elsewhere_the_unit_is_what_the_header_says(attributes: dict[str, object], unit: str) -> None:
    assert of(data_set(STORED, **attributes)).unit == unit


def test_a_slope_of_zero_does_not_make_every_pixel_the_same() -> None:
    assert of(data_set(STORED, RescaleSlope=0)).values.tolist() == STORED.tolist()


def test_padding_is_no_part_of_the_picture() -> None:
    signed = np.array([[-2000, 5], [-1999, 7]], np.int16)
    dataset = data_set(signed, PixelPaddingValue=-2000, PixelPaddingRangeLimit=-1999)
    valid = of(dataset).valid
    assert valid is not None
    assert valid.tolist() == [[False, True], [False, True]]
    assert of(data_set(signed, PixelPaddingValue=99)).valid is None


def test_a_modality_lut_is_followed() -> None:
    dataset = data_set(np.array([[0, 1, 2, 9]], np.uint16))
    del dataset.RescaleSlope, dataset.RescaleIntercept
    item = Dataset()
    item.LUTDescriptor, item.LUTData, item.ModalityLUTType = [3, 0, 16], [100, 300, 900], "OD"
    dataset.ModalityLUTSequence = [item]
    found = of(dataset)
    assert (found.values.tolist(), found.unit) == ([[100, 300, 900, 900]], "stored")


def test_functional_groups_of_a_frame_go_before_the_shared_ones() -> None:
    def group(intercept: float, spacing: float) -> Dataset:
        groups, rescale, measures = Dataset(), Dataset(), Dataset()
        rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = 1, intercept, "HU"
        measures.PixelSpacing = [spacing, spacing]
        groups.PixelValueTransformationSequence, groups.PixelMeasuresSequence = [rescale], [measures]
        return groups

    dataset = data_set(np.stack([STORED, STORED]))
    dataset.SharedFunctionalGroupsSequence = [group(-1, 2)]
    assert of(dataset, 1).values[0, 0] == -1
    dataset.PerFrameFunctionalGroupsSequence = [group(-10, 3), group(-20, 4)]
    assert [of(dataset, frame).values[0, 0] for frame in (0, 1)] == [-10, -20]
    assert of(dataset, 1).spacing == (4, 4)


def test_colours_come_as_their_luminance() -> None:
    array = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    dataset = data_set(array[..., 0], SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    dataset.PixelData = array.tobytes()
    assert of(dataset).values.tolist() == [[76, 150, 29, 255]]


class TestUptake:
    """The recipe of the Quantitative Imaging Biomarkers Alliance for SUV by body weight."""

    @staticmethod
    def positron(**changed: object) -> FileDataset:
        drug = Dataset()
        drug.RadionuclideTotalDose, drug.RadionuclideHalfLife = 370e6, 6586.2
        drug.RadiopharmaceuticalStartTime = "100000"
        dataset = data_set(
            np.array([[1000, 5000]], np.uint16), Modality="PT", Units="BQML", DecayCorrection="START", PatientWeight=70,
            RescaleIntercept=0, SeriesDate="20200101", SeriesTime="110000", AcquisitionDate="20200101",
            AcquisitionTime="110005", RadiopharmaceuticalInformationSequence=[drug],
        )  # fmt: skip
        for keyword, value in changed.items():
            setattr(dataset, keyword, value)
        return dataset

    def test_it_is_activity_by_the_dose_that_was_left_and_the_weight(self) -> None:
        found = of(self.positron())
        left = 370e6 * 0.5 ** (datetime.timedelta(hours=1).total_seconds() / 6586.2)
        assert found.unit == "SUV"
        assert found.values[0].tolist() == pytest.approx([1000 * 70_000 / left, 5000 * 70_000 / left], rel=1e-5)

    def test_a_dose_that_counts_from_its_injection_has_not_decayed(self) -> None:
        found = of(self.positron(DecayCorrection="ADMIN"))
        assert found.values[0, 0] == pytest.approx(1000 * 70_000 / 370e6, rel=1e-5)

    @pytest.mark.parametrize(
        "missing", [{"PatientWeight": None}, {"Units": "CNTS"}, {"DecayCorrection": "NONE"}, {"SeriesTime": ""},
                    {"AcquisitionTime": "105900"}, {"RadiopharmaceuticalInformationSequence": []}]
    )  # fmt: skip
    def test_where_something_is_missing_the_values_have_no_unit(self, missing: dict[str, object]) -> None:
        assert of(self.positron(**missing)).unit == "stored"

    def test_values_that_are_uptake_already_are_left_alone(self) -> None:
        found = of(self.positron(Units="GML"))
        assert (found.unit, found.values[0, 0]) == ("SUV", 1000)


def test_an_array_of_ones_own_has_rows_and_columns() -> None:
    assert of_array(STORED, "HU").unit == "HU"
    with pytest.raises(ValueError, match="rows and columns"):
        of_array(np.zeros(3))
