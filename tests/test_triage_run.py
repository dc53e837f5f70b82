"""A folder becomes a work list: every file belongs to a study or has a code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stowgate.faces.cli import app
from stowgate.triage_run import triage_folder
from tests.builder import BIG_ENDIAN, EXPLICIT, el, small

STUDY, OTHER = "1.2.3.4", "1.2.3.5"


def placed(folder: Path, name: str, study: str, description: str = "", syntax: str = EXPLICIT) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    described = el("StudyDescription", description), el("StudyInstanceUID", study)
    path.write_bytes(small(*described, syntax=syntax))


def test_studies_come_in_order_with_their_reasons(tmp_path: Path) -> None:
    placed(tmp_path, "a/1.dcm", STUDY)
    placed(tmp_path, "b/1.dcm", OTHER, "CT Schlaganfall Vandermeer")
    placed(tmp_path, "b/2.dcm", OTHER)
    found = triage_folder(tmp_path)
    assert [(one.study, one.reasons, one.instances) for one in found.studies] == [
        (OTHER, ("stroke_words",), 2),
        (STUDY, (), 1),
    ]
    assert found.folders[OTHER] == tmp_path / "b"
    assert "Vandermeer" not in repr(found)


def test_files_without_a_say_are_counted_by_code(tmp_path: Path) -> None:
    placed(tmp_path, "a.dcm", STUDY)
    (tmp_path / "readme.txt").write_text("hello")
    (tmp_path / "cut.dcm").write_bytes((tmp_path / "a.dcm").read_bytes()[:-3])
    found = triage_folder(tmp_path)
    assert [one.instances for one in found.studies] == [1]
    assert found.left_out == {"not_dicom": 1, "truncated": 1}


def test_odd_encodings_have_their_say(tmp_path: Path) -> None:
    placed(tmp_path, "a.dcm", STUDY, "POLYTRAUMA", syntax=BIG_ENDIAN)
    assert triage_folder(tmp_path).studies[0].reasons == ("trauma_words",)


def test_a_script_gets_a_line_per_study_and_a_person_sees_no_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    placed(tmp_path, "Vandermeer/1.dcm", STUDY, "trauma")
    monkeypatch.setattr("sys.argv", ["stowgate", "triage", str(tmp_path), "--json"])
    assert app.run() == 0
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (line["rank"], line["score"], line["level"], line["reasons"]) == (1, 35, "medium", ["trauma_words"])
    monkeypatch.setattr("sys.argv", ["stowgate", "triage", str(tmp_path)])
    assert app.run() == 0
    told = capsys.readouterr()
    assert "A description names a trauma." in told.out
    assert "Vandermeer" not in told.out + told.err
