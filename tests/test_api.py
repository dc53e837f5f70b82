"""The library's front door: a data set or a folder in, a clean one out, the input as it was."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, Sequence, dcmread, dcmwrite
from pydicom.dataelem import DataElement
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

import stowgate
from stowgate.deident.profile import policy_from
from stowgate.errors import Misconfigured, Rejected
from stowgate.lifecycle import State
from stowgate.objects import Change
from stowgate.policy import Override, Policy
from stowgate.vault.key import Key
from tests.builder import (
    BASIC_TEXT_SR,
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    RLE,
    US,
    Element,
    Fragments,
    dataset,
    el,
    item,
    small,
)
from tests.shared import pydicom_files

KEY = bytes(range(32))


def state_of(data_set: Dataset) -> list[Any]:
    """All there is to see of a data set, at every depth: tags, VRs, values and the file meta information."""
    return [_elements(getattr(data_set, "file_meta", Dataset())), _elements(data_set)]


def _elements(data_set: Dataset) -> list[Any]:
    return [(int(e.tag), e.VR, [_elements(i) for i in e.value] if e.VR == "SQ" else str(e.value)) for e in data_set]


def digest(data_set: Dataset) -> str:
    out = io.BytesIO()
    dcmwrite(out, data_set, enforce_file_format=False)
    return hashlib.sha256(out.getvalue()).hexdigest()


def read(*more: Element, **how: Any) -> Dataset:
    """A small object as pydicom reads it; a fresh one at every call."""
    return dataset(small(*more, **how))


# ------------------------------------------------------------------------------------------------- one data set


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED])
def test_the_result_is_clean_and_the_input_is_untouched(syntax: str) -> None:
    given = read(syntax=syntax)
    before, seen = digest(read(syntax=syntax)), state_of(read(syntax=syntax))
    result = stowgate.deidentify(given, key=KEY)
    assert digest(given) == before
    assert state_of(given) == seen
    assert result.dataset.PatientName != given.PatientName
    assert result.dataset.PatientIdentityRemoved == "YES"
    assert result.dataset.SOPInstanceUID.startswith("2.25.")
    assert bytes(result.dataset.PixelData) == read().PixelData
    assert "PatientAge" not in result.dataset or result.dataset.PatientAge == ""


def test_nothing_of_the_input_is_shared_with_the_result() -> None:
    """Ambiguous VRs are settled, and the meta information is corrected, in a copy only."""
    nested = item(el("ReferencedSOPInstanceUID", "1.2.3"), el("ReferencedSOPClassUID", "1.2.840.10008.5.1.4.1.1.2"))
    given = read(el("PixelPaddingValue", 63, "US"), el("ReferencedImageSequence", nested), syntax=IMPLICIT)
    given.file_meta.MediaStorageSOPInstanceUID = "1.2.3.999"
    given.file_meta.ImplementationVersionName = "SENDER_1"
    kept = deepcopy(given)
    result = stowgate.deidentify(given, key=KEY)
    assert state_of(given) == state_of(kept)
    assert given.file_meta.MediaStorageSOPInstanceUID == "1.2.3.999"
    result.dataset.PatientName = "Changed^Later"
    result.dataset.PixelPaddingValue = 1
    result.dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    assert state_of(given) == state_of(kept)


def test_a_data_set_made_in_memory_is_taken_like_a_file() -> None:
    """Without file meta information, with values of Python's own types."""
    made = Dataset()
    for element in read():
        made.add(element)
    made.RequestAttributesSequence = Sequence([Dataset()])
    made.RequestAttributesSequence[0].RequestedProcedureDescription = "for Mrs Vandermeer"
    assert not hasattr(made, "file_meta")
    kept = deepcopy(made)
    result = stowgate.deidentify(made, key=KEY)
    assert result.dataset.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert "Vandermeer" not in str(result.dataset)
    assert not hasattr(made, "file_meta")
    assert _elements(made) == _elements(kept)


def test_it_says_the_same_as_the_bytes_of_the_file_would() -> None:
    policy = policy_from("basic", (), ())
    by_bytes = dcmread(io.BytesIO(stowgate.deidentify_bytes(small(), policy, KEY)))
    assert state_of(stowgate.deidentify(read(), key=KEY).dataset) == state_of(by_bytes)


def test_the_report_has_the_changes_with_new_values_only() -> None:
    report = stowgate.deidentify(read(), key=KEY).report
    assert all(isinstance(change, Change) for change in report.changes)
    by_place = {change.where: change for change in report.changes}
    assert (by_place["(0010,0010)"].action, by_place["(0010,0010)"].rule) == ("Z", "E.1-1")
    assert by_place["(0010,0010)"].why
    assert by_place["(0008,0018)"].value
    assert by_place["(0008,0018)"].value.startswith("2.25.")
    assert "(0008,0060)" not in by_place  # Modality stays as it is
    assert report.policy == policy_from("basic", (), ()).digest
    assert sum(report.counts.values()) == len(report.changes)
    assert "Vandermeer" not in repr(report) + repr(report.changes)
    assert "19471113" not in repr(report.changes)


def test_findings_are_codes() -> None:
    report = stowgate.deidentify(read(el("StudyDate", "yesterda")), key=KEY).report
    assert "bad_date" in report.findings


def test_the_same_key_gives_the_same_names_and_another_or_none_gives_others() -> None:
    ids = [stowgate.deidentify(read(), key=key).dataset.PatientID for key in (KEY, Key(KEY), bytes(32), None, None)]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4


def test_options_and_whole_policies_are_taken() -> None:
    kept = stowgate.deidentify(read(), key=KEY, retain=["patient-characteristics", "uids"])
    assert kept.dataset.PatientSex == "F"
    assert kept.dataset.SOPInstanceUID == "1.2.3.4.5.6.7"
    policy = Policy(overrides=(Override("00200010", "replace", "S1"),))
    assert stowgate.deidentify(read(), policy, KEY).dataset.StudyID == "S1"
    moved = stowgate.deidentify(read(), key=KEY, retain=["modified-dates"], clean=["descriptors"])
    assert len(moved.dataset.StudyDate) == 8
    assert moved.dataset.StudyDate != "20240131"


def test_the_issuer_keeps_equal_ids_of_two_hospitals_apart() -> None:
    ids = {stowgate.deidentify(read(), key=KEY, issuer=issuer).dataset.PatientID for issuer in ("", "NORTH", "SOUTH")}
    assert len(ids) == 3


def drop(*names: str) -> Callable[[], Dataset]:
    return lambda: read(drop=names)


REFUSED: list[tuple[str, Callable[[], Dataset]]] = [
    ("burned_in_risk", lambda: read(sop_class=US, modality="US")),
    ("structured_content", lambda: read(sop_class=BASIC_TEXT_SR, modality="SR", drop=["PixelData"])),
    ("unknown_sop_class", lambda: read(sop_class="1.2.840.113619.4.26")),
    ("missing_sop_class", drop("SOPClassUID")),
    ("missing_instance_uid", drop("SOPInstanceUID")),
    ("pixel_length_mismatch", lambda: read(el("PixelData", b"1234", "OW"))),
    ("bits_stored_exceed_allocated", lambda: read(el("BitsStored", 17))),
]


@pytest.mark.parametrize(("code", "make"), REFUSED)
def test_what_must_not_go_on_is_rejected_with_its_code(code: str, make: Callable[[], Dataset]) -> None:
    with pytest.raises(Rejected) as refused:
        stowgate.deidentify(make(), key=KEY)
    assert refused.value.code == code
    assert "Vandermeer" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_a_value_pydicom_complains_about_is_not_quoted_in_any_log(
    caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    given = read(el("InstanceNumber", "canary"), el("StudyDate", "canary"), el("PatientAge", "canary is very old"))
    report = stowgate.deidentify(given, key=KEY).report
    assert "bad_number" in report.findings
    assert caplog.text == ""
    assert list(recwarn) == []


def test_a_value_pydicom_cannot_write_is_refused_without_being_quoted() -> None:
    given = read()
    given.add(DataElement(0x00280010, "US", "canary"))
    with pytest.raises(Rejected) as refused:
        stowgate.deidentify(given, key=KEY)
    assert refused.value.code == "cannot_normalise"
    assert "canary" not in str(refused.value)
    assert refused.value.__suppress_context__


def test_a_wrong_option_or_key_is_said_before_anything_is_done() -> None:
    for wrong in ({"retain": ["nonsense"]}, {"clean": ["graphics"]}, {"profile": "best"}):
        with pytest.raises(Misconfigured):
            stowgate.deidentify(read(), key=KEY, **wrong)
    with pytest.raises(ValueError, match="32 bytes"):
        stowgate.deidentify(read(), key=b"short")


def test_compressed_frames_stay_as_they_are() -> None:
    frame = b"\1\0\0\0" + b"\x40\0\0\0" + bytes(56) + b"\x0f" + bytes(16) + b"\x0f" + bytes(16)
    pixels = el("PixelData", Fragments((b"", frame)), "OB")
    given = read(pixels, syntax=RLE)
    result = stowgate.deidentify(given, key=KEY)
    assert result.dataset.file_meta.TransferSyntaxUID == RLE
    assert result.dataset.PixelData == given.PixelData


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small.dcm", "MR_small_bigendian.dcm", "rtplan.dcm", "JPEG2000.dcm"]
)
def test_files_of_pydicom_pass_and_are_left_untouched(name: str) -> None:
    (path,) = (file.path for file in pydicom_files() if file.path.name == name)
    given, kept = dcmread(path), dcmread(path)
    try:
        result = stowgate.deidentify(given, key=KEY)
    except Rejected as refused:
        assert refused.code == "burned_in_risk"  # noqa: PT017  # the JPEG 2000 sample is a secondary capture
    else:
        assert result.dataset.PatientIdentityRemoved == "YES"
        assert str(kept.PatientName) not in str(result.dataset)
    assert digest(given) == digest(kept)
    assert state_of(given) == state_of(kept)


def test_an_implicit_meta_object_is_not_needed() -> None:
    given = read()
    given.file_meta = FileMetaDataset()
    assert stowgate.deidentify(given, key=KEY).dataset.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert list(given.file_meta) == []


# ------------------------------------------------------------------------------------------------- folders


def test_a_folder_gives_a_report_whose_summary_adds_up_and_prints_a_few_lines(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.dcm").write_bytes(small())
    (tmp_path / "in" / "us.dcm").write_bytes(small(sop_class=US, modality="US", uid="1.2.9"))
    (tmp_path / "in" / "note").write_text("x")
    seen = []
    report = stowgate.deidentify_folder(tmp_path / "in", tmp_path / "out", state=tmp_path / "state", each=seen.append)
    summary = report.summary()
    assert (summary.received, summary.cleaned, summary.held, summary.rejected, summary.missing) == (3, 1, 1, 1, 0)
    assert summary.modalities == {"CT": 1}
    assert summary.reasons == {"burned_in_risk": 1, "not_dicom": 1}
    assert summary.policy == policy_from("basic", (), ()).digest
    assert "3 received = 1 cleaned + 1 held" in str(summary)
    assert [one.item.state for one in seen] == [State.CLEANED, State.REJECTED, State.HELD]
    (written,) = (one.output for one in seen if one.output)
    assert written.is_file()
    assert str(tmp_path / "in") not in repr(seen)  # printing what a run says must not name an input
    again = stowgate.deidentify_folder([tmp_path / "in"], str(tmp_path / "out"), state=str(tmp_path / "state"))
    assert again.summary().already_done == 1


def test_a_folder_is_only_rehearsed_in_a_dry_run(tmp_path: Path) -> None:
    (tmp_path / "1.dcm").write_bytes(small())
    report = stowgate.deidentify_folder(tmp_path / "1.dcm", tmp_path / "out", state=tmp_path / "state", dry_run=True)
    assert report.summary().cleaned == 1
    assert report.summary().dry_run
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.dcm"]


def test_a_folder_without_a_state_uses_the_persons_own(tmp_path: Path) -> None:
    (tmp_path / "1.dcm").write_bytes(small())
    stowgate.deidentify_folder(tmp_path / "1.dcm", tmp_path / "out", layout="{instance}.dcm", workers=2, limit=1)
    (written,) = (tmp_path / "out").iterdir()
    assert written.suffix == ".dcm"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"inputs": "missing"}, "no_input"),
        ({"layout": "../{instance}.dcm"}, "bad_layout"),
        ({"layout": "{patient_name}/{instance}.dcm"}, "bad_layout"),
        ({"layout": "{patient}.dcm"}, "bad_layout"),
        ({"retain": ["nonsense"]}, "unknown_option"),
        ({"out": "in"}, "output_is_input"),
    ],
)
def test_a_folder_run_that_cannot_be_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any], code: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    Path("in/1.dcm").write_bytes(small())
    with pytest.raises(Misconfigured) as refused:
        stowgate.deidentify_folder(**{"inputs": "in", "out": "out", "state": "state"} | wrong)
    assert refused.value.code == code
    assert sorted(str(path) for path in Path().rglob("*")) == ["in", "in/1.dcm"]


def test_importing_the_package_costs_nothing() -> None:
    code = "import sys, stowgate; print([m for m in sys.modules if m.startswith(('stowgate.', 'pydicom', 'sqlite3'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError):
        _ = stowgate.nonsense


def test_what_the_gate_stops_is_gone_before_anybody_hears_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise Rejected("gate_token")

    monkeypatch.setattr("stowgate.verify.gate.check", stopped)
    (tmp_path / "1.dcm").write_bytes(small())
    left: list[Path] = []
    stowgate.deidentify_folder(
        tmp_path / "1.dcm",
        tmp_path / "out",
        state=tmp_path / "state",
        each=lambda _: left.extend(path for path in (tmp_path / "out").rglob("*") if path.is_file()),
    )
    assert left == []
