"""Overrides as they are typed: every form is understood, and what makes no sense is refused in plain words."""

from __future__ import annotations

import pytest

from stowgate.deident.overrides import accepted, fits, path_of
from stowgate.errors import Misconfigured
from stowgate.policy import Override
from tests.deident import rule_checks


def one(target, action="keep", value=None):
    (made,) = accepted([Override(target, action, value)])
    return made.target


def refused(target, action="keep", value=None):
    with pytest.raises(Misconfigured) as caught:
        accepted([Override(target, action, value)])
    return caught.value


def test_what_would_break_a_type_is_refused_and_nothing_else():
    assert rule_checks.overrides_do_not_break_types() == []


@pytest.mark.parametrize("typed", ["StudyDescription", "(0008,1030)", "00081030", "0008,1030", " StudyDescription "])
def test_an_attribute_is_named_by_keyword_or_tag(typed):
    assert one(typed) == "00081030"


@pytest.mark.parametrize(
    "typed",
    [
        "RequestAttributesSequence/ScheduledProcedureStepID",
        "(0040,0275)/(0040,0009)",
        "00400275/ScheduledProcedureStepID",
        "RequestAttributesSequence / 0040,0009",
    ],
)
def test_a_path_goes_through_sequences(typed):
    assert one(typed) == "00400275/00400009"
    assert path_of(typed) == (0x00400275, 0x00400009)


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        ("0019,SIEMENS MR HEADER,0C", "0019,SIEMENS MR HEADER,0C"),
        ("(0019,SIEMENS MR HEADER,0c)", "0019,SIEMENS MR HEADER,0C"),
        ("0019,SIEMENS MR HEADER ,xx0C", "0019,SIEMENS MR HEADER,0C"),
        ("7e01,HOLOGIC, Inc.,02", "7E01,HOLOGIC, Inc.,02"),
        ("0011,A/B,01", "0011,A/B,01"),
    ],
)
def test_a_private_attribute_is_named_by_group_creator_and_low_byte(typed, canonical):
    assert one(typed) == canonical


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("PatientsShoeSize", "unknown_attribute"),
        ("(0008,103)", "unknown_attribute"),
        ("00083FFF", "unknown_attribute"),
        ("", "unknown_attribute"),
        ("RequestAttributesSequence/", "unknown_attribute"),
        ("0018,CREATOR,01", "unknown_attribute"),
        ("0007,CREATOR,01", "unknown_attribute"),
        ("FFFF,CREATOR,01", "unknown_attribute"),
        ("0019, ,01", "unknown_attribute"),
        ("00191001", "private_needs_creator"),
        ("RequestAttributesSequence/00191001", "private_needs_creator"),
        ("PatientName/PatientID", "override_not_a_sequence"),
        ("PatientIdentityRemoved", "override_fixed"),
        ("DeidentificationMethodCodeSequence", "override_fixed"),
        ("SpecificCharacterSet", "override_fixed"),
        ("SOPClassUID", "override_fixed"),
        ("OverlayData", "override_fixed"),
        ("CurveData", "override_fixed"),
        ("60020022", "override_fixed"),
        ("DigitalSignaturesSequence", "override_fixed"),
        ("OriginalAttributesSequence", "override_fixed"),
        ("OriginalAttributesSequence/ModifyingSystem", "override_fixed"),
        ("TransferSyntaxUID", "override_fixed"),
        ("00100000", "override_fixed"),
    ],
)
def test_a_target_that_makes_no_sense_is_refused(typed, code):
    assert refused(typed).code == code


def test_a_misspelt_keyword_is_answered_with_the_one_meant():
    error = refused("StudyDescripton")
    assert error.code == "unknown_attribute"
    assert "did you mean StudyDescription?" in str(error)


def test_an_unknown_action_is_refused():
    assert refused("StudyDescription", "hide").code == "override_action"


@pytest.mark.parametrize("action", ["keep", "remove", "empty"])
def test_only_replacing_takes_a_value(action):
    assert refused("StudyDescription", action, "X").code == "override_value"


def test_replacing_needs_a_value():
    assert refused("StudyDescription", "replace").code == "override_value"


def test_a_private_attribute_cannot_be_replaced():
    assert refused("0019,SIEMENS MR HEADER,0C", "replace", "1").code == "override_value"


def test_naming_an_attribute_twice_is_refused_however_it_is_written():
    with pytest.raises(Misconfigured) as caught:
        accepted([Override("StudyDescription", "keep"), Override("(0008,1030)", "remove")])
    assert caught.value.code == "override_twice"


def test_the_order_in_which_they_are_typed_does_not_matter():
    some = [Override("StudyDescription", "keep"), Override("PatientID", "empty"), Override("0019,A,01", "keep")]
    assert accepted(some) == accepted(reversed(some))


@pytest.mark.parametrize(
    ("vr", "value"),
    [
        ("AE", "NODE 1"),
        ("AS", "030Y"),
        ("CS", "CHEST_1"),
        ("DA", "20240229"),
        ("DS", "-1.5e-3"),
        ("DS", ".5"),
        ("DT", "20240229"),
        ("DT", "20240229123000.5+0100"),
        ("IS", "-2147483648"),
        ("LO", "x" * 64),
        ("LT", "two\r\nlines \\ 1"),
        ("PN", "Doe^Jane=x=y"),
        ("SH", "x" * 16),
        ("ST", "x" * 1024),
        ("TM", "235959.123456"),
        ("TM", "12"),
        ("UC", "long"),
        ("UR", "https://example.org/a"),
        ("UT", "text"),
    ],
)
def test_a_value_of_the_right_form_fits(vr, value):
    assert fits(vr, value)


@pytest.mark.parametrize(
    ("vr", "value"),
    [
        ("AE", "x" * 17),
        ("AE", "   "),
        ("AS", "30Y"),
        ("AS", "030y"),
        ("CS", "lower"),
        ("CS", "x" * 17),
        ("DA", "20230229"),
        ("DA", "2024.02.29"),
        ("DA", "20240001"),
        ("DS", "1,5"),
        ("DS", "1" * 17),
        ("DT", "20230229"),
        ("DT", "2024022925"),
        ("DT", "20240229123000+2500"),
        ("IS", "2147483648"),
        ("IS", "1.5"),
        ("LO", "x" * 65),
        ("LO", "a\\b"),
        ("LO", "M\u00fcller"),
        ("LO", "tab\t"),
        ("LO", "line\n"),
        ("PN", "x" * 65),
        ("PN", "a=b=c=d"),
        ("SH", "x" * 17),
        ("ST", "x" * 1025),
        ("TM", "2460"),
        ("TM", "12:30"),
        ("UR", "two words"),
        ("LO", ""),
        ("UI", "1.2.3"),
        ("US", "1"),
        ("OB", "00"),
        ("SQ", "x"),
        ("UN", "x"),
        ("", "x"),
    ],
)
def test_a_value_of_another_form_does_not(vr, value):
    assert not fits(vr, value)


@pytest.mark.parametrize(
    ("target", "value", "code"),
    [
        ("StudyDescription", "TRIAL 7", None),
        ("StudyDescription", "x" * 65, "override_value"),
        ("StudyDate", "20200101", None),
        ("StudyDate", "01.01.2020", "override_value"),
        ("ImageType", "DERIVED", None),
        ("SOPInstanceUID", "1.2.3", "override_value"),
        ("Rows", "1", "override_value"),
        ("RequestAttributesSequence", "x", "override_value"),
        ("PatientName", "Nobody^None", None),
    ],
)
def test_a_replacement_has_to_fit_the_attribute(target, value, code):
    if code is None:
        assert one(target, "replace", value)
    else:
        assert refused(target, "replace", value).code == code


def test_messages_say_what_to_do():
    text = str(refused("PatientID", "remove"))
    assert "PatientID" in text
    assert "Replace it" in text
