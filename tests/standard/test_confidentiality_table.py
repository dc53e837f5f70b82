"""Table E.1-1 as it is looked up: codes, masks, option columns."""

from __future__ import annotations

from collections import Counter

import pytest

from stowgate.policy import EDITION
from stowgate.standard import profile
from stowgate.standard.profile import ROWS, row_of

CODES = {"X", "Z", "D", "U", "X/Z", "X/D", "X/Z/D", "Z/D", "X/Z/U*"}


def test_every_code_is_one_the_standard_defines():
    assert {row.basic for row in ROWS} == CODES
    assert {code for row in ROWS for code in row.options.values()} == {"K", "C"}
    assert {column for row in ROWS for column in row.options} == set(profile.OPTION_COLUMNS)


def test_the_table_has_the_rows_and_codes_that_were_counted_in_the_standard():
    assert len(ROWS) == 657
    assert len({row.tag for row in ROWS}) == 657
    assert Counter(row.basic for row in ROWS) == {
        "X": 417, "D": 93, "U": 55, "Z": 42, "X/D": 23, "X/Z": 11, "X/Z/D": 8, "Z/D": 6, "X/Z/U*": 2,
    }  # fmt: skip
    assert Counter((column, code) for row in ROWS for column, code in row.options.items()) == {
        ("rtnLongFullDates", "K"): 169,
        ("rtnLongModifDates", "C"): 169,
        ("cleanDesc", "C"): 141,
        ("rtnUIDs", "K"): 60,
        ("rtnDevId", "K"): 48,
        ("rtnDevId", "C"): 11,
        ("rtnPatChars", "K"): 14,
        ("rtnPatChars", "C"): 5,
        ("rtnInstId", "K"): 10,
        ("cleanStructCont", "C"): 4,
        ("cleanGraph", "C"): 4,
        ("rtnSafePriv", "C"): 1,
    }


def test_the_policy_names_the_edition_that_ships():
    assert profile.EDITION == EDITION


@pytest.mark.parametrize(
    ("tag", "name", "basic", "options"),
    [
        (0x00100010, "Patient's Name", "Z", {}),
        (0x00100020, "Patient ID", "Z/D", {}),
        (0x00080018, "SOP Instance UID", "U", {"rtnUIDs": "K"}),
        (0x00080020, "Study Date", "Z", {"rtnLongFullDates": "K", "rtnLongModifDates": "C"}),
        (0x00081030, "Study Description", "X", {"cleanDesc": "C"}),
        (0x00181000, "Device Serial Number", "X/Z/D", {"rtnDevId": "K"}),
        (0x00080080, "Institution Name", "X/Z/D", {"rtnInstId": "K"}),
        (0x00101010, "Patient's Age", "X", {"rtnPatChars": "K"}),
        (0x3004007F, "Dose Calculation Model Name", "X", {"cleanDesc": "C"}),
    ],
)
def test_well_known_rows_read_as_in_the_standard(tag, name, basic, options):
    row = row_of(tag)
    assert (row.name, row.basic, dict(row.options)) == (name, basic, options)


def test_every_even_curve_and_overlay_group_falls_under_its_mask():
    for group in range(0x5000, 0x5100, 2):
        assert row_of(group << 16 | 0x2500).name == "Curve Data"
    for group in range(0x6000, 0x6100, 2):
        assert row_of(group << 16 | 0x3000).name == "Overlay Data"
        assert row_of(group << 16 | 0x4000).name == "Overlay Comments"
        assert row_of(group << 16 | 0x0022) is None


@pytest.mark.parametrize("tag", [0x00091001, 0x50010010, 0x60013000, 0xFFFF0010, 0x00110010])
def test_odd_groups_fall_under_the_row_of_private_attributes(tag):
    assert row_of(tag).name == "Private Attributes"
    assert row_of(tag).basic == "X"


def test_an_attribute_that_is_not_listed_has_no_row():
    assert row_of(0x00280010) is None
    assert row_of(0x12345678) is None
