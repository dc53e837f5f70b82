"""The pydantic views: what they read, what they refuse, and that they never show a value."""

from __future__ import annotations

import traceback
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from stowgate.errors import Rejected
from stowgate.reasons import REASONS
from stowgate.validate.attributes import VIEWS, Attribute
from stowgate.validate.judge import problem
from stowgate.validate.models import CT, MODELS, Equipment, Image, Instance, Patient, Series, Study, View
from stowgate.validate.values import Finding, place
from tests.validate.sample import CT_SLICE, Sample, us


def test_a_patient_is_read_as_a_person_would_read_it() -> None:
    patient = Patient.of(CT_SLICE)
    assert patient.patient_name == "DOE^JANE"
    assert patient.patient_birth_date == date(1956, 3, 11)
    assert (patient.patient_sex, patient.patient_age, patient.patient_weight) == ("F", "067Y", 71.5)


def test_the_whole_slice_is_read() -> None:
    assert Study.of(CT_SLICE).study_date == date(2024, 1, 17)
    assert Series.of(CT_SLICE).series_number == 2
    assert Equipment.of(CT_SLICE).software_versions == ("1.0", "2.0")
    assert Instance.of(CT_SLICE).image_position_patient == (-250.0, -250.0, 12.5)
    image = Image.of(CT_SLICE)
    assert (image.rows, image.columns, image.bits_stored, image.pixel_spacing) == (4, 6, 12, (0.7, 0.7))
    assert (CT.of(CT_SLICE).kvp, CT.of(CT_SLICE).convolution_kernel) == (120.0, ("BONE",))


def test_a_legal_empty_type_2_value_is_fine() -> None:
    empty: dict[int, bytes | None] = dict.fromkeys((0x00100010, 0x00100020, 0x00100030, 0x00100040), b"")
    patient = Patient.of(CT_SLICE.but(empty))
    assert (patient.patient_name, patient.patient_id, patient.patient_birth_date, patient.patient_sex) == (None,) * 4


@pytest.mark.parametrize(
    ("view", "tag", "raw", "code"),
    [
        (Patient, 0x00100020, None, "missing_type_2"),
        (Patient, 0x00100020, b"x" * 66, "value_too_long"),
        (Patient, 0x00100030, b"19561301", "bad_date"),
        (Patient, 0x00100040, b"X ", "unknown_term"),
        (Patient, 0x00101010, b"67Y ", "bad_age"),
        (Patient, 0x00101010, b"151Y", "value_out_of_range"),
        (Patient, 0x00101010, b"999W", None),
        (Patient, 0x00101020, b"168 ", "value_out_of_range"),
        (Study, 0x0020000D, None, "missing_type_1"),
        (Study, 0x0020000D, b"", "missing_type_1"),
        (Study, 0x0020000D, b"1.02\0", "uid_leading_zero"),
        (Study, 0x0020000D, b"1.2 ", "bad_uid"),
        (Study, 0x00080030, b"25", "bad_time"),
        (Study, 0x00080030, b"1011", None),
        (Series, 0x00080060, b"", "missing_type_1"),
        (Series, 0x00080060, b"ct", "bad_code_string"),
        (Series, 0x00200011, b"2\\3 ", "value_multiplicity"),
        (Series, 0x00200060, b"", None),
        (Equipment, 0x00080070, b"a\\b ", "value_multiplicity"),
        (Instance, 0x00080018, None, "missing_instance_uid"),
        (Instance, 0x00080016, b"", "missing_sop_class"),
        (Instance, 0x00200032, b"1\\2 ", "value_multiplicity"),
        (Image, 0x00280010, b"\1", "value_multiplicity"),
        (Image, 0x00280100, us(65), "value_out_of_range"),
        (Image, 0x00280101, us(17), "bits_stored_exceed_allocated"),
        (Image, 0x00280008, b"0 ", "value_out_of_range"),
        (CT, 0x00180060, b"3000", "value_out_of_range"),
        (CT, 0x00281053, None, "missing_type_1"),
    ],
)
def test_a_view_says_what_keeps_it_from_being_made(
    view: type[View], tag: int, raw: bytes | None, code: str | None
) -> None:
    values = CT_SLICE.but({tag: raw})
    raws = [values.get(row.tag) for row in VIEWS[view.__name__]]
    assert view.problems(raws, values.codecs) == ((Finding(code, place(tag)),) if code else ())


def test_several_faults_are_all_told_in_the_order_of_the_tags() -> None:
    values = CT_SLICE.but({0x00100010: None, 0x00100030: b"never", 0x00101030: b"heavy"})
    found = Patient.problems([values.get(row.tag) for row in VIEWS["Patient"]], values.codecs)
    assert [finding.code for finding in found] == ["missing_type_2", "bad_date", "bad_number"]


def test_an_accented_name_is_measured_in_its_own_character_set() -> None:
    name = "Ä" * 64
    assert Patient.of(CT_SLICE.but({0x00100010: name.encode()}, codecs=("utf_8",))).patient_name == name
    assert Patient.of(CT_SLICE.but({0x00100010: name.encode("latin_1")})).patient_name == name


def test_bytes_that_are_no_text_are_a_finding() -> None:
    values = CT_SLICE.but({0x00100010: b"\xff\xfe"}, codecs=("utf_8",))
    assert Patient.problems([values.get(row.tag) for row in VIEWS["Patient"]], ("utf_8",)) == (
        Finding("bad_text", "(0010,0010)"),
    )


def test_neither_printing_a_view_nor_its_failure_shows_a_value() -> None:
    assert repr(Patient.of(CT_SLICE)) == "Patient()"
    assert "DOE" not in str(Patient.of(CT_SLICE))
    secret = bytes(reversed(b"TERCES"))
    faulty = CT_SLICE.but({0x00100030: secret, 0x00100040: secret})
    with pytest.raises(Rejected) as caught:
        Patient.of(faulty)
    assert (caught.value.code, caught.value.place) == ("bad_date", "(0010,0030)")
    assert "SECRET" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


def test_a_view_cannot_be_changed_and_takes_no_strangers() -> None:
    patient = Patient.of(CT_SLICE)
    with pytest.raises(ValidationError, match="frozen"):
        patient.patient_id = "other"
    with pytest.raises(ValidationError):
        Equipment(manufacturer="ACME", patient_id="4711")  # type: ignore[call-arg]


def test_text_is_taken_as_well_as_raw_bytes() -> None:
    assert Equipment(manufacturer="ACMÉ", software_versions="1\\2").software_versions == ("1", "2")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", VIEWS)
def test_every_model_has_exactly_the_fields_of_its_table(name: str) -> None:
    assert list(MODELS[name].model_fields) == [row.name for row in VIEWS[name]]


_PIECES: dict[str, list[bytes]] = {
    "UI": [b"1.2.840.10008.5.1.4.1.1.2", b"1.2.3\0", b"1.02", b"1." + b"9" * 70, b"1.2 "],
    "DA": [b"20240117", b"20240229", b"20240230", b"2024.01.17", b"20240117 "],
    "TM": [b"101112.5", b"1011", b"10:11", b"99"],
    "DT": [b"20240117101112.5+0100 ", b"2024", b"2024013210"],
    "AS": [b"067Y", b"200Y", b"67Y"],
    "CS": [b"M ", b"YES ", b"RGB ", b"R\\L ", b"lower", b"SEVENTEEN_LETTERS", b"00", b"SE\\GR ", b"2D"],
    "DS": [b"1", b"0.5\\0.5 ", b"1\\0\\0\\0\\1\\0 ", b"-3", b"abc", b"1e400", b"1\\\\2 ", b"0" * 18],
    "IS": [b"1 ", b"1\\1 ", b"-7", b"4294967296", b"x"],
    "US": [us(0), us(1), us(16), us(300), b"\1", us(1) + us(2)],
    "text": [b"ACME", "Bj\xf6rk".encode("latin_1"), b"\x1b$B;3\x1b(B", b"line\nfeed", b"x" * 200, b"a\\b ", b"a^b=c"],
}


def _raw(row: Attribute) -> st.SearchStrategy[bytes | None]:
    pieces = _PIECES.get(row.vr, _PIECES["text"])
    return st.one_of(st.sampled_from([*pieces, *pieces, b"", b"  ", b"\0"]), st.none(), st.binary(max_size=24))


def _raws(name: str) -> st.SearchStrategy[tuple[bytes | None, ...]]:
    return st.tuples(*map(_raw, VIEWS[name]))


@settings(max_examples=250, deadline=None)
@given(
    st.data(), st.sampled_from(sorted(VIEWS)), st.sampled_from([("latin_1",), ("utf_8",), ("latin_1", "iso2022_jp")])
)
def test_the_rows_alone_and_pydantic_say_the_same(data: st.DataObject, name: str, codecs: tuple[str, ...]) -> None:
    raws = data.draw(_raws(name))
    by_row = [
        Finding(code, place(row.tag))
        for row, raw in zip(VIEWS[name], raws, strict=True)
        if (code := problem(row, raw, codecs))
    ]
    by_model = [finding for finding in MODELS[name].problems(raws, codecs) if finding.code not in MODELS[name].whole]
    assert by_row == by_model
    assert all(REASONS[finding.code].fate in ("finding", "quarantined") for finding in by_model)


@settings(max_examples=100, deadline=None)
@given(st.data(), st.sampled_from(sorted(VIEWS)))
def test_a_view_can_be_made_of_everything_without_a_problem(data: st.DataObject, name: str) -> None:
    rows = VIEWS[name]
    raws = [
        raw if problem(row, raw, ("latin_1",)) is None else CT_SLICE.get(row.tag)
        for row, raw in zip(rows, data.draw(_raws(name)), strict=True)
    ]
    values = Sample({row.tag: raw for row, raw in zip(rows, raws, strict=True) if raw is not None})
    if not MODELS[name].problems(raws, values.codecs):
        made = MODELS[name].of(values)
        assert set(made.model_dump()) == {row.name for row in rows}
