"""A folder becomes a work list: every file belongs to a study or has a code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from stowgate.errors import Misconfigured
from stowgate.faces.cli import app
from stowgate.triage_run import triage_folder
from tests.analyse.phantoms import SPACING, head, seen, with_lens
from tests.builder import BIG_ENDIAN, EXPLICIT, el, small
from tests.pixels.sample import data_set, written

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


def test_a_script_gets_a_line_per_study_and_a_person_sees_its_folder(
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
    assert "35  Vandermeer  1 instance\n" in told.out and str(tmp_path) not in told.out + told.err
    assert told.err.startswith("1 study; 0 files have no say.")


def head_of(path: Path, study: str, *, blood: bool, **attributes: object) -> Path:
    """A slice of a head made of numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = with_lens(head(1)) if blood else head(1)
    stored = (seen(values).stored + 1024).astype(np.uint16)
    made = data_set(stored, StudyInstanceUID=study, PixelSpacing=[SPACING, SPACING], **attributes)
    return written(path, made)


def test_pictures_have_their_say_when_they_are_asked_for(tmp_path: Path) -> None:
    head_of(tmp_path / "a" / "1.dcm", STUDY, blood=False)
    head_of(tmp_path / "b" / "1.dcm", OTHER, blood=False)
    head_of(tmp_path / "b" / "2.dcm", OTHER, blood=True)
    found = triage_folder(tmp_path, pixels=True)
    assert [(one.study, one.level, one.reasons) for one in found.studies] == [
        (OTHER, "high", ("measured_hyperdense",)),
        (STUDY, "medium", ()),
    ]
    assert (found.left_out, found.unseen) == ({}, {})
    assert [one.score for one in triage_folder(tmp_path).studies] == [0, 0]


def test_one_frame_of_many_is_enough(tmp_path: Path) -> None:
    frames = np.stack([(seen(values).stored + 1024).astype(np.uint16) for values in (head(1), with_lens(head(1)))])
    written(tmp_path / "1.dcm", data_set(frames, StudyInstanceUID=STUDY, PixelSpacing=[SPACING, SPACING]))
    assert triage_folder(tmp_path, pixels=True).studies[0].reasons == ("measured_hyperdense",)


def test_a_picture_that_cannot_be_seen_changes_nothing_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = head_of(tmp_path / "whole.dcm", STUDY, blood=True, StudyDescription="trauma")
    short = data_set(np.zeros((64, 64), np.uint16), StudyInstanceUID=OTHER, StudyDescription="trauma")
    short.Rows = 128
    written(tmp_path / "short.dcm", short)
    placed(tmp_path, "no_picture.dcm", OTHER)
    found = triage_folder(tmp_path, pixels=True)
    assert whole.exists() and found.unseen == {"picture_cut_short": 1} and found.left_out == {}
    assert [(one.study, one.reasons) for one in found.studies] == [
        (STUDY, ("measured_hyperdense", "trauma_words")),
        (OTHER, ("trauma_words",)),
    ]
    monkeypatch.setattr("sys.argv", ["stowgate", "triage", str(tmp_path), "--pixels", "--json"])
    assert app.run() == 0
    told = capsys.readouterr()
    assert "1 picture (1 picture_cut_short) could not be seen." in told.err
    first = json.loads(told.out.splitlines()[0])
    assert set(first) == {"kind", "rank", "study", "source", "score", "level", "reasons", "instances"}
    assert first["reasons"] == ["measured_hyperdense", "trauma_words"]


def test_rules_of_ones_own_count_where_their_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    placed(tmp_path, "in/1.dcm", STUDY, "trauma")
    placed(tmp_path, "in/2.dcm", OTHER, "Knee")
    config = tmp_path / "stowgate.toml"
    config.write_text(
        '[[triage]]\nid = "trauma_words"\nscore = 0\n'
        '[[triage]]\nid = "knee"\nscore = 7\nbecause = "Knees first."\nwords = ["*knee*"]\n'
    )
    monkeypatch.setattr("sys.argv", ["stowgate", "triage", str(tmp_path / "in"), "-c", str(config)])
    assert app.run() == 0
    told = capsys.readouterr().out
    assert "knee: Knees first." in told and "trauma" not in told
    assert told.index("   7  in") < told.index("   0  in")


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as raised:
        triage_folder(tmp_path / "nowhere")
    assert (raised.value.code, raised.value.place) == ("no_input", str(tmp_path / "nowhere"))
