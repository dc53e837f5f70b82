"""Faults that one picture shows by itself: each is found, and no real picture is called bad for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stowgate.analyse.measure import Measured, measure
from stowgate.analyse.quality import exposure, findings, is_judged
from stowgate.errors import Rejected
from stowgate.look.looker import Looker
from stowgate.pixels.image import Acquisition, Image
from tests.analyse.simulated_fleet import FAULTS, HELD_OUT, _image, scans
from tests.shared import SHARED, needs_shared

CT = Image("CT", "1.2.840.10008.5.1.4.1.1.2", "", 512, 512, 1, 1, "MONOCHROME2", 16, 16, signed=True)
ALONE = {
    "dead_rows": "picture_dead_lines", "half_field": "picture_part_missing", "black": "picture_blank",
    "saturated": "picture_saturated", "rings": "picture_rings",
}  # fmt: skip
"""Faults that need nothing to be compared with."""


def codes(image: Image, of: Measured) -> tuple[str, ...]:
    return tuple(finding.code for finding in findings(image, of))


@pytest.mark.no_cover
@pytest.mark.parametrize("fault", ALONE)
def test_a_fault_that_shows_by_itself_is_found(fault: str) -> None:
    bad = [one for one in scans(HELD_OUT[0], 60, fault=fault, share=1.0) if one.fault]
    found = [ALONE[fault] in codes(_image(one), measure(one.intensity)) for one in bad]
    least = 0.9 if fault == "half_field" else 0.95  # of a skull full of air the fleet tells the rest
    assert len(found) >= 40 and sum(found) >= least * len(found)


@pytest.mark.no_cover
def test_healthy_scans_are_called_bad_at_most_once_in_a_hundred() -> None:
    found = [codes(_image(one), measure(one.intensity)) for one in scans(HELD_OUT[1], 300)]
    assert sum(bool(one) for one in found) <= 3, found


def healthy() -> Measured:
    (one,) = scans(5, 1)
    return measure(one.intensity)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"dead_columns": 2}, "picture_dead_lines"),
        ({"missing": 0.4}, "picture_part_missing"),
        ({"at_high": 0.02}, "picture_saturated"),
        ({"noise": 150.0}, "picture_noisy"),
        ({"ring": 0.8}, "picture_rings"),
        ({"column_stripe": 0.97}, "picture_stripes"),
        ({"spread": 0.0}, "picture_blank"),
    ],
)
def test_each_number_beyond_its_threshold_is_its_own_finding_with_evidence(change: dict[str, float], code: str) -> None:
    of = replace(healthy(), **change)  # type: ignore[arg-type]
    (found,) = findings(CT, of, 3)
    assert (found.code, found.frame) == (code, 3)
    assert all(np.isfinite(value) for value in found.evidence.values()) and found.evidence


MG = replace(CT, modality="MG", bits_stored=12)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"at_high": 0.2, "at_low": 0.3}, "picture_saturated"),
        ({"at_high": 0.3, "at_low": 0.2}, "picture_saturated"),
        ({"at_high": 0.004, "at_low": 0.6}, ""),
        ({"at_high": 0.6, "at_low": 0.004}, ""),
        ({"spread": 50.0}, "picture_flat"),
        ({"missing": 0.4}, "picture_part_missing"),
        ({"row_stripe": 0.97}, "picture_stripes"),
    ],
)
def test_of_projection_the_background_may_be_at_either_end_and_the_body_at_none(
    change: dict[str, float], code: str
) -> None:
    of = replace(healthy(), **{"at_high": 0.0, "at_low": 0.0, **change})  # type: ignore[arg-type]
    assert "".join(codes(MG, of)) == code


@pytest.mark.parametrize("modality", ["DX", "CR"])
def test_a_field_that_was_collimated_lacks_nothing(modality: str) -> None:
    assert codes(replace(MG, modality=modality), replace(healthy(), missing=0.4)) == ()


@pytest.mark.parametrize(
    "image",
    [
        replace(CT, acquisition=Acquisition(image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"))),
        replace(CT, sop_class="1.2.840.10008.5.1.4.1.1.7"), replace(CT, modality="US"), replace(CT, rows=16),
        replace(CT, photometric="RGB", samples=3), replace(CT, photometric="PALETTE COLOR"),
    ],
)  # fmt: skip
def test_what_no_scanner_made_of_a_body_is_not_judged(image: Image) -> None:
    assert not is_judged(image) and findings(image, replace(healthy(), spread=0.0)) == ()


@pytest.mark.parametrize(
    ("of", "code"),
    [
        (Acquisition(deviation_index=4.0), "exposure_high"),
        (Acquisition(deviation_index=-3.5), "exposure_low"),
        (Acquisition(exposure_index=900.0, target_exposure_index=300.0), "exposure_high"),
        (Acquisition(exposure_index=100.0, target_exposure_index=300.0), "exposure_low"),
        (Acquisition(deviation_index=2.9, exposure_index=900.0, target_exposure_index=300.0), ""),
        (Acquisition(exposure_index=300.0), ""),
        (Acquisition(exposure_index=-5.0, target_exposure_index=300.0), ""),
        (Acquisition(deviation_index=float("nan")), ""),
        (Acquisition(), ""),
    ],
)
def test_exposure_is_judged_by_what_the_header_says(of: Acquisition, code: str) -> None:
    assert "".join(finding.code for finding in exposure(of)) == code


def files(below: str) -> Iterator[Path]:
    assert SHARED is not None
    yield from sorted(path for path in (SHARED / "data" / below).rglob("*") if path.is_file())


def judged(looker: Looker, path: Path) -> tuple[str, ...]:
    """Codes of a file; nothing where there is no picture."""
    try:
        return looker.look(path).codes
    except Rejected:
        return ()


KNOWN = {"highdicom__dx_image.dcm": "exposure_low", "presidio__0_ORIGINAL_compressed.dcm": "exposure_low"}
"""Real files that have what their headers say: Deviation Indices below -3."""


@needs_shared
@pytest.mark.no_cover
@pytest.mark.parametrize(
    "below",
    ["modality", "series", "syntax", "private_tags", "overlay_lut", "charsets", "burned_in",
     "../annotated/ct_lung_tumour_rtstruct_4dlung", "../annotated/ct_organs_totalsegmentator",
     "../annotated/ct_liver_seg_dcmqi"],
)  # fmt: skip
def test_no_real_picture_is_called_bad_for_nothing(below: str) -> None:
    with Looker() as looker:
        found = {path.name: set(judged(looker, path)) - {KNOWN.get(path.name, "")} for path in files(f"dicom/{below}")}
    assert len(found) >= 5
    assert {name: codes for name, codes in found.items() if codes} == {}


@needs_shared
def test_lossless_versions_of_one_picture_have_equal_findings_and_numbers() -> None:
    lossy = ("JPEGProcess1T", "JPEG2000TransferS", "JPEGLSLossy")
    versions = [
        path for path in files("dicom/syntax/same_ct_15_syntaxes") if not any(word in path.name for word in lossy)
    ]
    numbers = []
    with Looker() as looker:
        for path in versions:
            with suppress(Rejected):
                seen = looker.look(path)
                numbers.append((seen.codes, dict(seen.features)))
    assert len(numbers) >= 8
    assert all(one == numbers[0] for one in numbers)


def test_every_fault_of_the_simulation_is_in_its_table() -> None:
    assert set(ALONE) < set(FAULTS)
