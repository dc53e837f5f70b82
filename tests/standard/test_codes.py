"""CID 7050, whose order is easy to get wrong."""

from __future__ import annotations

import pytest

from stowgate.standard import codes
from stowgate.standard.profile import OPTION_COLUMNS

CID_7050 = {
    "113100": "Basic Application Confidentiality Profile",
    "113101": "Clean Pixel Data Option",
    "113102": "Clean Recognizable Visual Features Option",
    "113103": "Clean Graphics Option",
    "113104": "Clean Structured Content Option",
    "113105": "Clean Descriptors Option",
    "113106": "Retain Longitudinal Temporal Information Full Dates Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113108": "Retain Patient Characteristics Option",
    "113109": "Retain Device Identity Option",
    "113110": "Retain UIDs Option",
    "113111": "Retain Safe Private Option",
    "113112": "Retain Institution Identity Option",
}


def test_the_codes_are_those_of_cid_7050():
    found = codes.deidentification_methods()
    assert {value: code.meaning for value, code in found.items()} == CID_7050
    assert list(found) == sorted(found)
    assert {code.scheme for code in found.values()} == {"DCM"}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("rtnSafePriv", "113111"),
        ("rtnUIDs", "113110"),
        ("rtnDevId", "113109"),
        ("rtnInstId", "113112"),
        ("rtnPatChars", "113108"),
        ("rtnLongFullDates", "113106"),
        ("rtnLongModifDates", "113107"),
        ("cleanDesc", "113105"),
        ("cleanStructCont", "113104"),
        ("cleanGraph", "113103"),
    ],
)
def test_each_option_column_has_its_code(column, value):
    assert codes.code_of_column(column) == value


def test_every_option_column_of_table_e_1_1_has_a_code():
    assert {codes.code_of_column(column) for column in OPTION_COLUMNS} <= set(CID_7050)


def test_meanings_are_looked_up_by_code():
    assert codes.meaning_of(codes.BASIC_PROFILE) == CID_7050["113100"]
    with pytest.raises(KeyError):
        codes.meaning_of("113199")


def test_the_purpose_of_a_de_identifying_device():
    assert codes.deidentifying_equipment() == ("109104", "DCM", "De-identifying Equipment", "")
