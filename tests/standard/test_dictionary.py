"""The data dictionary: look-up, repeating groups, implicit VR, and agreement with pydicom's."""

from __future__ import annotations

import pytest
from pydicom.datadict import DicomDictionary, RepeatersDictionary

from stowgate.standard import dictionary

WITHOUT_VR = {0x00080202: "OB", 0x00189445: "OB", 0x00280020: "OB"}
"""Retired rows without a name and a VR in the standard, and what pydicom puts there."""
RENAMED_SINCE_2024D = {0x003A0320, 0x003A0325}


def test_a_row_is_found_by_tag_and_by_keyword():
    assert dictionary.entry(0x00100020) == (0x00100020, "PatientID", "LO", "1", "Patient ID", False)
    assert dictionary.tag_of("PatientID") == 0x00100020
    assert dictionary.keyword_of(0x00081030) == "StudyDescription"
    assert dictionary.name_of(0x00100010) == "Patient's Name"
    assert dictionary.vr_of(0x00280106) == "US/SS"


def test_keyword_and_tag_lead_to_each_other_for_every_row():
    for keyword in dictionary.keywords():
        assert dictionary.keyword_of(dictionary.tag_of(keyword)) == keyword


def test_unknown_tags_and_keywords_are_none():
    assert dictionary.vr_of(0x00100001) is None
    assert dictionary.entry(0x00100001) is None
    assert dictionary.keyword_of(0x00100001) is None
    assert dictionary.name_of(0x00100001) is None
    assert dictionary.tag_of("PatientsShoeSize") is None


@pytest.mark.parametrize(
    ("tag", "keyword"),
    [
        (0x60003000, "OverlayData"),
        (0x601E3000, "OverlayData"),
        (0x60FE0022, "OverlayDescription"),
        (0x50002500, "CurveLabel"),
        (0x50FE3000, "CurveData"),
        (0x7F020010, "VariablePixelData"),
        (0x7FE00010, "PixelData"),
        (0x00203142, "SourceImageIDs"),
        (0x00280410, "RowsForNthOrderCoefficients"),
        (0x10001235, "ShiftTableTriplet"),
        (0x10101234, "ZonalMap"),
    ],
)
def test_every_tag_of_a_repeating_group_has_the_row_of_its_mask(tag, keyword):
    assert dictionary.keyword_of(tag) == keyword


@pytest.mark.parametrize("tag", [0x60013000, 0x50010010, 0x7F030010, 0x00091001])
def test_odd_groups_are_private_and_have_no_row(tag):
    assert dictionary.vr_of(tag) is None


@pytest.mark.parametrize(
    ("tag", "vr"),
    [
        (0x7FE00010, b"OW"),
        (0x60003000, b"OW"),
        (0x54001010, b"OW"),
        (0x00280106, b"US"),
        (0x00283006, b"US"),
        (0x00281200, b"US"),
        (0x00100010, b"PN"),
        (0x00081140, b"SQ"),
        (0x00100000, b"UL"),
        (0x00090010, b"LO"),
        (0x000900FF, b"LO"),
        (0x00091001, b"UN"),
        (0x0009000F, b"UN"),
        (0x00100001, b"UN"),
        (0x00189445, b"UN"),
    ],
)
def test_the_implicit_vr_is_one_that_can_be_used(tag, vr):
    assert dictionary.implicit_vr(tag) == vr
    assert dictionary.implicit_vr(tag) == vr


def test_unknown_tags_do_not_fill_the_memory():
    before = len(dictionary._implicit)
    for element in range(0x3001, 0x3401):
        dictionary.implicit_vr(0x00120000 | element)
    assert len(dictionary._implicit) == before


def test_every_implicit_vr_is_a_vr():
    known = "AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV"
    assert {dictionary.implicit_vr(tag).decode() for tag in dictionary.tags()} <= set(known.split())


def test_the_vrs_agree_with_pydicom():
    different = {}
    for tag, (vr, *_) in DicomDictionary.items():
        ours = dictionary.vr_of(tag)
        theirs = "" if vr == "NONE" else "/".join(sorted(vr.split(" or ")))
        if tag >> 16 and (ours is None or "/".join(sorted(ours.split("/"))) != theirs):
            different[tag] = vr
    assert different == WITHOUT_VR


def test_the_keywords_agree_with_pydicom():
    rows = ((tag, keyword) for tag, (*_, keyword) in DicomDictionary.items() if tag >> 16)
    assert {tag for tag, keyword in rows if dictionary.keyword_of(tag) != keyword} == RENAMED_SINCE_2024D


def test_the_command_group_is_not_in_it():
    assert dictionary.vr_of(0x00000100) is None


def test_the_repeating_groups_agree_with_pydicom():
    for mask, (_, _, _, _, keyword) in RepeatersDictionary.items():
        if keyword:
            assert dictionary.keyword_of(dictionary.tag_of(keyword)) == keyword, mask
            assert f"{dictionary.tag_of(keyword):08X}"[:2] == mask[:2]
