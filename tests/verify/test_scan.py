"""The audit tells where identity is left in any folder, by place and code and never by value."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from stowgate.dicom.source import ByteSource, MemorySource
from stowgate.errors import Rejected
from stowgate.policy import Option, Policy
from stowgate.reasons import REASONS
from stowgate.verify.scan import Finding, scan_file, scan_folder
from tests.verify.sample import IMPLICIT, INSTANCE, VALUES, File, Sample, items_of

US = b"1.2.840.10008.5.1.4.1.1.6.1"


def findings(file: File, policy: Policy | None = None) -> list[tuple[str, str]]:
    found = scan_file(MemorySource(file.encode()), policy or Policy())
    assert not [value for value in VALUES if value.casefold() in repr(found).casefold()]
    return [(one.code, one.place) for one in found]


def test_our_own_output_holds_nothing() -> None:
    assert findings(Sample().clean) == []
    assert findings(Sample(syntax=IMPLICIT).clean) == []


def test_an_original_is_full_of_findings() -> None:
    found = findings(Sample().raw)
    assert ("scan_preamble", "preamble") in found
    assert ("scan_meta", "(0002,0016)") in found
    assert ("scan_marks", "(0012,0062)") in found
    assert ("scan_group", "(6000,0022)") in found
    assert ("scan_private", "(0029,0010)") in found
    assert ("scan_uid", "(0008,0018)") in found
    assert ("scan_uid", "(0008,1140)[0].(0008,1155)") in found
    assert ("scan_date", "(0010,0030)") in found
    assert ("scan_attribute", "(0010,0010)") in found
    assert ("scan_attribute", "(0040,0275)") in found
    assert not [place for _, place in found if place in ("(0018,0060)", "(0008,0060)", "(0020,0013)", "(0008,0016)")]


def _set(tag: int, vr: bytes, value: bytes) -> Callable[[File], None]:
    return lambda file: file.top.__setitem__(tag, (vr, value))


def _nested(file: File) -> None:
    items_of(file.top, 0x00081140, 0x0040A170)[0][0x00080104] = (b"LO", b"call 0171/4711-11 or a@b.org")


def _ultrasound(file: File) -> None:
    file.top[0x00080016] = (b"UI", US)


def _instance(file: File) -> None:
    file.meta[0x00020003] = (b"UI", INSTANCE)


LEFT = {
    "a patient id that is no pseudonym": (_set(0x00100020, b"LO", b"PID-4711"), "scan_attribute", "(0010,0020)"),
    "a physician": (_set(0x00080090, b"PN", b"HOUSE"), "scan_attribute", "(0008,0090)"),
    "a study time": (_set(0x00080030, b"TM", b"101112"), "scan_date", "(0008,0030)"),
    "an unlisted date": (_set(0x00143076, b"DA", b"20200101"), "scan_date", "(0014,3076)"),
    "a foreign UID": (_set(0x00200052, b"UI", b"1.2.3"), "scan_uid", "(0020,0052)"),
    "an unknown attribute": (_set(0x00109998, b"LO", b"x "), "scan_unknown", "(0010,9998)"),
    "an overlay": (_set(0x60000022, b"LO", b"x "), "scan_group", "(6000,0022)"),
    "a private element": (_set(0x00290010, b"LO", b"ACME"), "scan_private", "(0029,0010)"),
    "contacts in a nested text": (_nested, "scan_text", "(0008,1140)[0].(0040,A170)[0].(0008,0104)"),
    "a date in a text": (_set(0x00080070, b"LO", b"as of 17.01.2024"), "scan_text", "(0008,0070)"),
    "a mark that is missing": (_set(0x00120062, b"CS", b"NO"), "scan_marks", "(0012,0062)"),
    "text in the picture": (_set(0x00280301, b"CS", b"YES"), "scan_burned_in", "(7FE0,0010)"),
    "a report as a picture": (_set(0x00080008, b"CS", b"DERIVED\\SECONDARY\\REPORT"), "scan_burned_in", "(7FE0,0010)"),
    "an ultrasound": (_ultrasound, "scan_burned_in", "(7FE0,0010)"),
    "an instance in the meta": (_instance, "scan_uid", "(0002,0003)"),
}


@pytest.mark.parametrize("left", LEFT.values(), ids=LEFT)
def test_what_is_left_is_told(left: tuple[Callable[[File], None], str, str]) -> None:
    spoil, code, place = left
    file = Sample().clean
    spoil(file)
    if code == "scan_text" and place == "(0008,0070)":
        assert findings(file) == []  # makers write versions like this
        file.top[0x00181400] = file.top[0x00181210] = (b"SH", b"as of 17.01.2024")
        place = "(0018,1210)"
    assert (code, place) in findings(file)


def test_what_the_policy_retains_is_not_told() -> None:
    file = Sample().clean
    file.top[0x00100040] = (b"CS", b"F")
    file.top[0x00101010] = (b"AS", b"067Y")
    file.top[0x00081010] = (b"SH", b"TRUCK 7")
    kept = Policy(options=frozenset({Option.PATIENT_CHARACTERISTICS}), station_name="TRUCK 7")
    assert [place for _, place in findings(file)] == ["(0008,1010)", "(0010,0040)", "(0010,1010)"]
    assert findings(file, kept) == []
    file.top[0x00101010] = (b"AS", b"095Y")
    assert findings(file, kept) == [("scan_age", "(0010,1010)")]


def test_moved_dates_are_not_told_when_dates_were_to_be_moved() -> None:
    file = Sample().clean
    file.top[0x00080020] = (b"DA", b"20231122")
    assert findings(file) == [("scan_date", "(0008,0020)")]
    assert findings(file, Policy(options=frozenset({Option.MODIFIED_DATES}))) == []


def test_what_cannot_be_followed_is_told_and_not_taken_for_clean() -> None:
    for data in (b"", b"plain text", Sample().clean.encode()[:-3], bytes(200)):
        assert scan_file(MemorySource(data)) == (Finding("not_scanned", ""),)


def test_odd_encodings_are_scanned_once_they_are_normalised() -> None:
    plain = Sample().raw
    odd = MemorySource(plain.preamble + b"DICM but deflated")

    def normalise(source: ByteSource) -> ByteSource:
        assert source is odd
        return MemorySource(File(plain.top, plain.meta).encode())

    def refuse(source: ByteSource) -> ByteSource:
        raise Rejected("cannot_normalise")

    found = scan_file(odd, normalise=normalise)
    assert Finding("scan_attribute", "(0010,0010)") in found
    assert Finding("scan_preamble", "preamble") in found
    assert scan_file(odd, normalise=refuse) == (Finding("not_scanned", ""),)


def test_a_folder_is_scanned_file_by_file(tmp_path: Path) -> None:
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / "b" / "clean.dcm").write_bytes(Sample().clean.encode())
    (tmp_path / "b" / "c" / "raw.dcm").write_bytes(Sample().raw.encode())
    (tmp_path / "a.txt").write_text("MULLER")
    (tmp_path / "link.dcm").symlink_to(tmp_path / "b" / "clean.dcm")
    (tmp_path / "linked").symlink_to(tmp_path / "b")
    os.mkfifo(tmp_path / "pipe")
    found = {audit.path.relative_to(tmp_path).as_posix(): audit.findings for audit in scan_folder(tmp_path)}
    assert list(found) == ["a.txt", "link.dcm", "linked", "pipe", "b/clean.dcm", "b/c/raw.dcm"]
    not_scanned = (Finding("not_scanned", ""),)
    assert [found[name] for name in ("a.txt", "link.dcm", "linked", "pipe")] == [not_scanned] * 4
    assert found["b/clean.dcm"] == ()
    assert len(found["b/c/raw.dcm"]) > 20


def test_an_audit_shows_no_path(tmp_path: Path) -> None:
    (tmp_path / "MULLER.dcm").write_bytes(Sample().raw.encode())
    (audit,) = scan_folder(tmp_path)
    assert "MULLER" not in repr(audit)


def test_every_code_of_the_audit_has_its_sentence() -> None:
    codes = {code for _, code, _ in LEFT.values()} | {"scan_age", "scan_meta", "scan_preamble"}
    assert codes == {code for code in REASONS if code.startswith("scan_")}
