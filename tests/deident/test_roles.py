"""Every attribute that could carry identity and is not in Table E.1-1 has one reviewed role."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from stowgate.deident.roles import KINDS, RISKY_VRS, TABLE, role_of
from stowgate.standard import dictionary, profile
from stowgate.standard.load import table
from tests.shared import SHARED, needs_shared

ROWS: list[list[str]] = json.loads(TABLE.read_text("utf-8"))["rows"]
KIND_OF = {keyword: kind for _, keyword, kind, _ in ROWS}
DICTIONARY: dict[str, str] = table("dictionary")["rows"]

INSTANCES = [
    "MultiFrameSourceSOPInstanceUID",
    "SOPInstanceUIDOfConcatenationSource",
    "ReferencedFiducialUID",
    "TargetFrameOfReferenceUID",
    "VolumeFrameOfReferenceUID",
    "TableFrameOfReferenceUID",
    "EquipmentFrameOfReferenceUID",
    "RadiopharmaceuticalAdministrationEventUID",
    "AssertionUID",
    "ReferencedAssertionUID",
    "ReferencedColorPaletteInstanceUID",
    "ModelGroupUID",
    "CreatorVersionUID",
]


def a_tag(digits: str) -> int:
    return int(digits.replace("x", "2"), 16)


def risky(rows: Mapping[str, str]) -> set[str]:
    """Tags or masks of a dictionary whose values could carry identity, and that Table E.1-1 does not list."""
    return {
        digits
        for digits, row in rows.items()
        if row.split("|")[0] in RISKY_VRS and profile.row_of(a_tag(digits)) is None
    }


def without_role(rows: Mapping[str, str]) -> set[str]:
    return {digits for digits in risky(rows) if role_of(a_tag(digits)) is None}


def test_every_risky_attribute_the_table_does_not_list_has_a_role() -> None:
    assert without_role(DICTIONARY) == set()


def test_an_attribute_that_a_new_edition_adds_is_missed_until_somebody_reviews_it() -> None:
    added = {"0018FFF0": "LO|1|NameOfTheTechnician||Name of the Technician", "0018FFF2": "US|1|Harmless||Harmless"}
    assert without_role({**DICTIONARY, **added}) == {"0018FFF0"}


def test_no_attribute_has_two_roles_or_one_it_does_not_need() -> None:
    tags = [tag for tag, *_ in ROWS]
    assert len(tags) == len(set(tags))
    assert set(tags) == risky(DICTIONARY)


@needs_shared
def test_the_attributes_are_those_the_research_lists() -> None:
    assert SHARED is not None
    lists = json.loads((SHARED / "standard" / "unlisted_risky.json").read_text("utf-8"))
    listed = {row[0]: row[1] for rows in lists.values() if isinstance(rows, list) for row in rows}
    assert {tag: keyword for tag, keyword, *_ in ROWS} == listed


def test_the_table_is_sorted_and_its_keywords_are_those_of_the_dictionary() -> None:
    assert [tag for tag, *_ in ROWS] == sorted(tag for tag, *_ in ROWS)
    for tag, keyword, *_ in ROWS:
        assert dictionary.keyword_of(a_tag(tag)) == keyword


def test_every_role_is_of_a_known_kind_and_says_why_in_one_short_phrase() -> None:
    assert {kind for *_, kind, _ in ROWS} == set(KINDS)
    for tag, _, _, reason in ROWS:
        assert 10 <= len(reason) <= 80, tag
        assert not reason.endswith("."), tag


def test_a_kind_fits_the_value_representation() -> None:
    fitting = {
        "ae": {"AE"},
        "person": {"PN"},
        "temporal": {"DA", "TM", "DT"},
        "uid_instance": {"UI"},
        "uid_definition": {"UI"},
        "bulk": {"OB", "OB/OW"},
        "url": {"UR", "ST"},
    }
    for tag, _, kind, _ in ROWS:
        vr = dictionary.vr_of(a_tag(tag))
        if kind in fitting:
            assert vr in fitting[kind], tag
        if vr in ("UI", "AE", "PN"):
            assert kind in fitting, tag


@pytest.mark.parametrize("keyword", INSTANCES)
def test_a_uid_that_names_an_instance_is_mapped(keyword: str) -> None:
    assert KIND_OF[keyword] == "uid_instance"


@pytest.mark.parametrize(
    "keyword",
    ["SOPClassUID", "CodingSchemeUID", "ContextUID", "MappingResourceUID", "AvailableTransferSyntaxUID"],
)
def test_a_uid_that_names_a_definition_stays(keyword: str) -> None:
    assert KIND_OF[keyword] == "uid_definition"


@pytest.mark.parametrize(
    "keyword",
    [
        "Manufacturer",
        "ManufacturerModelName",
        "SoftwareVersions",
        "ConvolutionKernel",
        "SequenceName",
        "ReceiveCoilName",
        "CodeValue",
        "CodeMeaning",
        "CodingSchemeDesignator",
        "Radiopharmaceutical",
        "ReconstructionMethod",
        "RescaleType",
        "DeidentificationMethod",
        "SegmentAlgorithmName",
    ],
)
def test_what_equipment_and_vocabularies_say_is_technical(keyword: str) -> None:
    assert KIND_OF[keyword] == "technical"


@pytest.mark.parametrize(
    "keyword",
    [
        "BeamName",
        "SegmentLabel",
        "RTImageLabel",
        "ContentDescription",
        "TextValue",
        "DocumentTitle",
        "PatientBirthDateInAlternativeCalendar",
        "PlacerOrderNumberProcedure",
        "ContactDisplayName",
        "RadiationMachineName",
        "AcquisitionProtocolName",
        "NTPSourceAddress",
        "EncryptedContent",
        "Signature",
        "BoardingPassID",
        "ComponentWelderIDs",
        "OverlayLabel",
    ],
)
def test_what_people_type_and_what_singles_out_is_the_operators(keyword: str) -> None:
    assert KIND_OF[keyword] == "operator"


def test_the_day_a_device_was_calibrated_never_moves_with_a_patient() -> None:
    assert KIND_OF["DateOfGainCalibration"] == KIND_OF["TimeOfGainCalibration"] == "operator"


def test_repeating_groups_answer_for_every_even_group() -> None:
    for group in range(0x6000, 0x6100, 2):
        assert role_of(group << 16 | 0x0022) == role_of(0x60000022)
    label, picture, coding = role_of(0x601E1500), role_of(0x7F020010), role_of(0x002804A2)
    assert label is not None
    assert label.kind == "operator"
    assert picture is not None
    assert picture.kind == "bulk"
    assert coding is not None
    assert coding.kind == "technical"


@pytest.mark.parametrize(
    "tag",
    [
        0x00100010,  # listed in Table E.1-1
        0x00280010,  # a number
        0x00080060,  # a code
        0x00091070,  # private
        0x60010022,  # private, though it looks like an overlay
        0x7F010010,  # private, though it looks like pixels
        0x60000023,
        0x002804A1,
        0x00280402,  # an attribute of its own under the mask (0028,04x2)
        0x12345678,  # unknown
    ],
)
def test_an_attribute_without_reviewed_role_has_none(tag: int) -> None:
    assert role_of(tag) is None
