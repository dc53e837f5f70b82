"""The manifest: what its rows say, in which formats, and that a spreadsheet runs nothing in it."""

from __future__ import annotations

import csv
import json
import tracemalloc
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowgate.errors import Misconfigured, Rejected, Temporary
from stowgate.verify.manifest import COLUMNS, FORMATS, Row, row_of, write_manifest
from tests.builder import IMPLICIT, el, small

ROW = Row(
    output="A1/2.25.1/2.25.2/2.25.3.dcm",
    patient_id="7QK2M9",
    study_instance_uid="2.25.1",
    series_instance_uid="2.25.2",
    sop_instance_uid="2.25.3",
    sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
    sop_class="CT Image Storage",
    modality="CT",
    transfer_syntax_uid="1.2.840.10008.1.2.1",
    rows=512,
    columns=512,
    number_of_frames=1,
    study_date="20190214",
    series_number="3",
    instance_number="17",
    bytes=531_002,
    policy="ab" * 32,
    findings=("no_patient_id", "bad_date"),
)
NO_IMAGE = replace(ROW, rows=None, columns=None, findings=())


def _csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _xml(path: Path) -> list[dict[str, str]]:
    root = ET.parse(path).getroot()  # noqa: S314  we have just written it
    return [{cell.tag: cell.text or "" for cell in row} for row in root]


def _json(path: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(path.read_text("utf-8"))
    return found


def test_a_csv_has_one_line_per_object_under_the_columns(tmp_path: Path) -> None:
    write_manifest([ROW, NO_IMAGE], tmp_path / "clean.csv")
    first, second = _csv(tmp_path / "clean.csv")
    assert tuple(first) == COLUMNS
    assert (first["output"], first["rows"], first["bytes"]) == (ROW.output, "512", "531002")
    assert first["findings"] == "no_patient_id bad_date"
    assert (second["rows"], second["findings"]) == ("", "")


def test_a_json_is_one_array_with_numbers_as_numbers(tmp_path: Path) -> None:
    write_manifest([ROW, NO_IMAGE], tmp_path / "clean.json")
    assert _json(tmp_path / "clean.json") == [
        {**asdict(ROW), "findings": ["no_patient_id", "bad_date"]},
        {**asdict(NO_IMAGE), "findings": []},
    ]


def test_an_xml_has_one_element_per_column(tmp_path: Path) -> None:
    write_manifest([ROW, NO_IMAGE], tmp_path / "clean.XML")
    first, second = _xml(tmp_path / "clean.XML")
    assert tuple(first) == COLUMNS
    assert (first["sop_class"], first["findings"], second["columns"]) == (
        "CT Image Storage",
        "no_patient_id bad_date",
        "",
    )


@pytest.mark.parametrize("suffix", FORMATS)
def test_no_objects_give_an_empty_but_valid_manifest(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"clean{suffix}"
    write_manifest([], path)
    assert {".csv": _csv, ".json": _json, ".xml": _xml}[suffix](path) == []


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_a_spreadsheet_gets_nothing_to_execute(tmp_path: Path, start: str) -> None:
    evil = replace(ROW, series_number=f'{start}HYPERLINK("http://evil")', instance_number="-1")
    write_manifest([evil], tmp_path / "clean.csv")
    (row,) = _csv(tmp_path / "clean.csv")
    assert row["series_number"] == f"'{evil.series_number}"
    assert row["instance_number"] == "'-1"


@given(st.text(max_size=30), st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_whatever_a_value_holds_the_formats_stay_whole(
    tmp_path_factory: pytest.TempPathFactory, one: str, two: str
) -> None:
    one = one.encode("utf-8", "replace").decode()
    rows = [replace(ROW, series_number=one, modality=two), ROW]
    folder = tmp_path_factory.mktemp("formats")
    for suffix in FORMATS:
        write_manifest(iter(rows), folder / f"clean{suffix}")
    assert _json(folder / "clean.json")[0]["series_number"] == one
    assert [row["output"] for row in _xml(folder / "clean.xml")] == [ROW.output] * 2
    assert [row["output"] for row in _csv(folder / "clean.csv")] == [ROW.output] * 2
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in _csv(folder / "clean.csv")[0].values())


def test_another_suffix_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        write_manifest([ROW], tmp_path / "clean.xlsx")
    assert caught.value.code == "manifest_format"
    assert list(tmp_path.iterdir()) == []


def test_a_failure_half_way_leaves_the_old_manifest_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "clean.csv"
    path.write_text("old")

    def rows() -> Iterator[Row]:
        yield ROW
        raise Rejected("unreadable")

    with pytest.raises(Rejected):
        write_manifest(rows(), path)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("clean.csv", "old")]


def test_a_folder_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(Temporary) as caught:
        write_manifest([ROW], tmp_path / "nowhere" / "clean.csv")
    assert caught.value.code == "cannot_write"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("suffix", FORMATS)
def test_memory_does_not_grow_with_the_rows(tmp_path: Path, suffix: str) -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        write_manifest((replace(ROW, instance_number=str(n)) for n in range(count)), tmp_path / f"clean{suffix}")
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(10)
    assert peak(4000) < peak(400) + 50_000


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", IMPLICIT])
def test_a_row_is_read_from_the_file_itself(tmp_path: Path, syntax: str) -> None:
    path = tmp_path / "x.dcm"
    path.write_bytes(small(el("NumberOfFrames", "1"), syntax=syntax))
    row = row_of(path, "a/x.dcm", "ff", ("bad_date",))
    assert (row.output, row.policy, row.findings, row.bytes) == ("a/x.dcm", "ff", ("bad_date",), path.stat().st_size)
    assert (row.patient_id, row.modality, row.sop_class) == ("PID-480026", "CT", "CT Image Storage")
    assert (row.study_instance_uid, row.sop_instance_uid) == ("1.2.3.4.5.6", "1.2.3.4.5.6.7")
    assert (row.rows, row.columns, row.number_of_frames) == (4, 4, 1)
    assert (row.study_date, row.series_number, row.instance_number) == ("20240131", "3", "17")
    assert row.transfer_syntax_uid == syntax


def test_an_object_without_an_image_has_a_row_too(tmp_path: Path) -> None:
    path = tmp_path / "x.dcm"
    image = ("Rows", "Columns", "PixelData", "SeriesNumber", "Modality")
    path.write_bytes(small(drop=image, sop_class="1.2.3.4"))
    row = row_of(path, "x.dcm", "ff")
    assert (row.rows, row.columns, row.number_of_frames) == (None, None, 1)
    assert (row.sop_class, row.sop_class_uid, row.series_number, row.modality) == ("", "1.2.3.4", "", "")


def test_a_damaged_file_is_rejected_and_not_guessed_at(tmp_path: Path) -> None:
    path = tmp_path / "x.dcm"
    path.write_bytes(small()[:-5])
    with pytest.raises(Rejected) as caught:
        row_of(path, "x.dcm", "ff")
    assert caught.value.code == "gate_structure"
