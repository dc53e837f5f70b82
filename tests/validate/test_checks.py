"""The table of checks, and what an object as a whole is judged to be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stowgate.dicom.budget import OddEncoding
from stowgate.dicom.charset import codecs_of
from stowgate.dicom.limits import Limits
from stowgate.dicom.scanner import Buffer, scan
from stowgate.dicom.source import MemorySource
from stowgate.errors import Rejected
from stowgate.reasons import REASONS
from stowgate.validate import checks
from stowgate.validate.checks import CHECKS, Check, check, check_rest, gravest, rest_of
from stowgate.validate.models import MODELS
from stowgate.validate.values import Finding, place
from tests.shared import RealFile, real_files
from tests.validate.sample import CT_SLICE, EQUIPMENT, INSTANCE, Sample, us

Change = dict[int, bytes | None]

BREAKING: dict[tuple[str, int], tuple[Change, dict[str, object]]] = {
    ("missing_sop_class", 0x00080016): ({0x00080016: None}, {}),
    ("missing_instance_uid", 0x00080018): ({0x00080018: b"  "}, {}),
    ("pixel_length_mismatch", 0x7FE00010): ({}, {"pixel_length": 47}),
    ("bits_stored_exceed_allocated", 0x00280101): ({0x00280101: us(17)}, {}),
    ("sop_class_differs", 0x00020002): ({}, {"media_sop_class": "1.2.840.10008.5.1.4.1.1.4"}),
    ("instance_uid_differs", 0x00020003): ({}, {"media_instance": "1.2.3.5"}),
    ("private_transfer_syntax", 0x00020010): ({}, {"transfer_syntax": "1.2.840.113619.5.2"}),
    ("no_patient_id", 0x00100020): ({0x00100020: b""}, {}),
    ("born_after_study", 0x00100030): ({0x00100030: b"20240118"}, {}),
    ("unknown_modality", 0x00080060): ({0x00080060: b"XX"}, {}),
    ("modality_differs", 0x00080060): ({0x00080060: b"MR"}, {}),
    ("missing_type_1", 0x00200032): ({0x00200032: None}, {}),
    ("bad_orientation", 0x00200037): ({0x00200037: b"1\\0\\0\\1\\0\\0 "}, {}),
    ("no_rows_or_columns", 0x00280010): ({0x00280010: us(0)}, {"pixel_length": 0}),
    ("no_rows_or_columns", 0x00280011): ({0x00280011: us(0)}, {"pixel_length": 0}),
    ("high_bit_differs", 0x00280102): ({0x00280102: us(15)}, {}),
    ("samples_differ", 0x00280002): ({0x00280004: b"RGB "}, {}),
    ("missing_type_1", 0x00280006): ({0x00280002: us(3), 0x00280004: b"RGB "}, {"pixel_length": 144}),
    ("no_pixel_data", 0x7FE00010): ({}, {"pixel_length": None}),
    ("rescale_slope_zero", 0x00281053): ({0x00281053: b"0 "}, {}),
    ("window_width_not_positive", 0x00281051): ({0x00281051: b"400\\-1 "}, {}),
    ("spacing_not_positive", 0x00280030): ({0x00280030: b"0.7\\0 "}, {}),
    ("spacing_not_positive", 0x00181164): ({0x00181164: b"-0.7\\0.7"}, {}),
}
"""How to break a sound CT slice so that one row of the table speaks."""


def _broken(row: Check) -> Sample:
    elements, attributes = BREAKING[row.code, row.place]
    return CT_SLICE.but(elements, **attributes)


def _by_elements(row: Check) -> bool:
    """Whether what breaks a row may differ among objects that share the rest: elements, and the announced UID."""
    return not BREAKING[row.code, row.place][1].keys() - {"media_instance"}


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    checks._steady.cache_clear()
    checks._remembered.cache_clear()


def _ids(row: Check) -> str:
    return f"{row.code}-{row.place:08X}"


def test_a_sound_slice_has_no_finding() -> None:
    assert check(CT_SLICE) == ()
    assert not any(row.broken(CT_SLICE) for row in CHECKS)


@pytest.mark.parametrize("row", CHECKS, ids=_ids)
def test_each_row_speaks_when_it_is_broken(row: Check) -> None:
    assert row.broken(_broken(row))
    assert Finding(row.code, place(row.place)) in check(_broken(row))


@pytest.mark.parametrize("row", CHECKS, ids=_ids)
def test_the_severity_of_a_row_is_the_fate_of_its_code(row: Check) -> None:
    assert (row.severity == "quarantine") == (REASONS[row.code].fate == "quarantined")
    assert row.severity == "quarantine" or REASONS[row.code].fate == "finding"


@pytest.mark.parametrize("row", CHECKS, ids=_ids)
@pytest.mark.parametrize("broken", [True, False])
def test_a_row_reads_no_more_than_it_declares(row: Check, broken: bool) -> None:
    asked: set[int] = set()

    class Watched(Sample):
        def get(self, tag: int, /) -> bytes | None:
            asked.add(tag)
            return super().get(tag)

    plain = _broken(row) if broken else CT_SLICE
    row.broken(Watched(**vars(plain)))
    assert asked <= set(row.reads)


@pytest.mark.parametrize("row", [row for row in CHECKS if _by_elements(row)], ids=_ids)
@pytest.mark.parametrize("more", [set(), {0x00080018, 0x00200032, 0x00280101}])
def test_looking_at_the_rest_of_an_object_finds_as_much_as_looking_at_all_of_it(row: Check, more: set[int]) -> None:
    broken = _broken(row)
    rest = rest_of(CT_SLICE, {*row.reads, *more})
    assert rest is not None
    assert set(check_rest(broken, rest)) == set(check(broken))
    assert check_rest(CT_SLICE, rest) == ()


def test_a_finding_that_all_share_is_told_of_each_and_a_faulty_module_has_no_rest() -> None:
    shared = CT_SLICE.but({0x00280102: us(3)})
    rest = rest_of(shared, {0x00200032})
    assert rest is not None
    assert check_rest(shared, rest) == check(shared) != ()
    grave = shared.but({0x00200032: b"1\\2 "})
    assert set(check_rest(grave, rest)) == set(check(grave)) > set(check(shared))
    assert rest_of(CT_SLICE.but({0x00100030: b"soon"}), {0x00200032}) is None


def test_only_what_makes_an_object_incomplete_or_impossible_quarantines() -> None:
    assert [row.code for row in CHECKS if row.severity == "quarantine"] == [
        "missing_sop_class",
        "missing_instance_uid",
        "pixel_length_mismatch",
        "bits_stored_exceed_allocated",
        "no_pixel_data",
    ]


def test_everything_at_once_comes_in_one_order_grave_ones_first_and_each_once() -> None:
    worst = CT_SLICE.but(
        {0x00080018: None, 0x00100020: None, 0x00280101: us(17), 0x00280030: b"0\\0 ", 0x00100030: b"soon"},
        pixel_length=1,
    )
    assert check(worst) == (
        Finding("pixel_length_mismatch", "(7FE0,0010)"),
        Finding("bits_stored_exceed_allocated", "(0028,0101)"),
        Finding("missing_instance_uid", "(0008,0018)"),
        Finding("no_patient_id", "(0010,0020)"),
        Finding("high_bit_differs", "(0028,0102)"),
        Finding("spacing_not_positive", "(0028,0030)"),
        Finding("missing_type_2", "(0010,0020)"),
        Finding("bad_date", "(0010,0030)"),
    )
    assert gravest(check(worst)) == Finding("pixel_length_mismatch", "(7FE0,0010)")
    assert gravest(check(CT_SLICE.but({0x00100020: None}))) is None


def test_bits_stored_beyond_allocated_is_told_once_by_table_and_model_alike() -> None:
    found = check(CT_SLICE.but({0x00280101: us(17), 0x00280102: us(16), 0x00280103: None}))
    assert [finding.code for finding in found] == ["bits_stored_exceed_allocated", "missing_type_1"]
    for model in MODELS.values():
        assert {(code, tag) for code, tag in model.whole.items()} <= {(row.code, row.place) for row in CHECKS}


def test_a_wrong_length_matters_for_native_pixels_only() -> None:
    assert check(CT_SLICE.but(pixel_length=None, encapsulated=True, transfer_syntax="1.2.840.10008.1.2.4.90")) == ()


def test_an_object_without_pixels_is_not_asked_for_rows() -> None:
    plan = "1.2.840.10008.5.1.4.1.1.481.5"
    no_image = {tag: raw for tag, raw in CT_SLICE.raw.items() if tag >> 16 not in (0x0018, 0x0028)}
    values = Sample(no_image, media_sop_class=plan, pixel_length=None)
    assert check(values.but({0x00080016: plan.encode() + b"\0", 0x00080060: b"RTPLAN"})) == ()


def test_a_palette_is_not_asked_for_a_patient() -> None:
    palette = "1.2.840.10008.5.1.4.39.1"
    values = Sample(INSTANCE | EQUIPMENT, media_sop_class=palette, pixel_length=None)
    assert [f.code for f in check(values.but({0x00080016: palette.encode()}))] == ["no_patient_id"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(sorted(BREAKING)), max_size=4))
def test_what_is_remembered_never_changes_the_judgement(faults: list[tuple[str, int]]) -> None:
    elements: Change = {}
    attributes: dict[str, object] = {}
    for fault in faults:
        elements |= BREAKING[fault][0]
        attributes |= BREAKING[fault][1]
    values = CT_SLICE.but(elements, **attributes)
    check(CT_SLICE), check(CT_SLICE.but({0x00080018: b"1.2.3.7\0"}))
    remembered = check(values), check(values)
    checks._steady.cache_clear()
    checks._remembered.cache_clear()
    assert remembered == (check(values), check(values))


def test_slices_of_one_series_are_judged_once_but_for_what_differs() -> None:
    for number in range(20):
        uid = f"1.2.3.{number}"
        assert (
            check(CT_SLICE.but({0x00080018: uid.encode(), 0x00200013: str(number).encode()}, media_instance=uid)) == ()
        )
    assert checks._steady.cache_info().misses == 1
    found = check(CT_SLICE.but({0x00080018: b"1.2.3.01"}, media_instance="1.2.3.01"))
    assert found == (Finding("uid_leading_zero", "(0008,0018)"),)


def test_a_sound_object_costs_no_pydantic_and_a_faulty_one_does() -> None:
    program = """if True:
        import sys
        from dataclasses import replace
        from stowgate.validate.checks import check
        from tests.validate.sample import CT_SLICE
        assert check(CT_SLICE) == ()
        print("pydantic" in sys.modules, "pydicom" in sys.modules, "numpy" in sys.modules)
        assert check(CT_SLICE.but({0x00100040: b"X "}))[0].code == "unknown_term"
        print("pydantic" in sys.modules)
    """
    path = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], env=path, capture_output=True, check=True)
    assert done.stdout.split() == [b"False", b"False", b"False", b"True"]


def test_nothing_that_is_said_holds_a_value() -> None:
    secret = bytes(reversed(b"TERCES"))
    values = replace(
        CT_SLICE, raw=dict.fromkeys(CT_SLICE.raw, secret), media_sop_class="SECRET", transfer_syntax="SECRET"
    )
    found = check(values)
    assert len(found) > 30
    assert "SECRET" not in repr(found)


def _judge(file: RealFile) -> tuple[Finding, ...] | None:
    try:
        found = scan(MemorySource(file.read()), Limits(), Buffer())
        found.codecs = codecs_of(found.get(0x00080005) or b"")
        return check(found)
    except (Rejected, OddEncoding):
        return None


def test_real_files_are_judged_without_a_crash_and_few_are_quarantined() -> None:
    """Those that are: pictures with bytes missing or left over, and objects without UIDs."""
    judged = {file.name: found for file in real_files() if (found := _judge(file)) is not None}
    grave = {name.rsplit("/", 1)[1]: found[0].code for name, found in judged.items() if gravest(found)}
    assert len(judged) > 50
    assert grave.pop("MR_small_padded.dcm") == "pixel_length_mismatch"
    assert grave.pop("MR_truncated.dcm", "truncated") in ("pixel_length_mismatch", "truncated")
    bare = [name for name, code in grave.items() if code == "no_pixel_data"]  # test objects made without a picture
    assert len(grave) - len(bare) < len(judged) / 6
    assert sum(not found for found in judged.values()) > len(judged) / 4
    charsets = {name: found for name, found in judged.items() if "/charset" in name}
    assert charsets
    assert not any(finding.code == "bad_text" for found in charsets.values() for finding in found)
