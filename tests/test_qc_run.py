"""Fleet quality of a folder: every file is an image or has a code, and the odd ones are found."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from stowgate.errors import Misconfigured
from stowgate.faces.cli import app
from stowgate.qc_run import qc_folder
from tests.analyse.simulated_fleet import abdomen
from tests.pixels.sample import data_set, written

CHANCE = np.random.default_rng(8)
SLICES = [abdomen(96, n, CHANCE) for n in range(4)]


def scan(n: int, offset: float = 0.0) -> np.ndarray:
    """A healthy slice with its own noise, off by so many HU."""
    random = np.random.default_rng(n)
    values = SLICES[n % 4] + offset + random.normal(0, 6, (96, 96)) + 1024
    return np.clip(np.rint(values), 0, 4095).astype(np.uint16)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scanners with twenty scans each, one scan off by 80 HU, one blank; a text and a report beside them."""
    folder = tmp_path_factory.mktemp("fleet")
    for n in range(40):
        station, minutes = f"CT{n % 2}", f"{n // 60:02}{n % 60:02}"
        pixels = scan(n, 80.0 if n == 10 else 0.0) if n != 21 else np.zeros((96, 96), np.uint16)
        more = {"StationName": station, "BodyPartExamined": "ABDOMEN", "KVP": 118, "ConvolutionKernel": "B30f"}
        moment = {"AcquisitionDateTime": f"2026010112{minutes[2:]}00"}
        (folder / station).mkdir(exist_ok=True)
        written(folder / station / f"{n:02}.dcm", data_set(pixels, **more, **moment))
    (folder / "notes.txt").write_text("nothing of the kind")
    return folder


def test_every_file_is_an_image_or_has_a_code_and_the_odd_ones_are_found(fleet: Path) -> None:
    told: list[int] = []
    found = qc_folder(fleet, workers=2, done=told.append)
    assert told == list(range(1, 42))
    assert len(found.verdict.images) == 40 and found.left_out == {"no_picture": 1}
    odd = {Path(image.scan.source).name: image.reasons for image in found.verdict.images if image.outlier}
    assert set(odd) == {"10.dcm", "21.dcm"}
    assert odd["21.dcm"] == ("picture_blank",) and {"level_high", "air_high"} & set(odd["10.dcm"])
    (protocol,) = {image.scan.protocol for image in found.verdict.images}
    assert protocol == "CT ABDOMEN B30f 120kV 96x96" and found.not_grouped == {}
    assert [(one.scanner, one.images, one.alert) for one in found.verdict.scanners] == [
        ("CT0", 20, False),
        ("CT1", 20, False),
    ]


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr("sys.argv", ["stowgate", *map(str, words)])
    return app.run()


def test_scripts_get_a_line_per_image_and_scanner_and_a_summary(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fleet: Path
) -> None:
    assert run(monkeypatch, "qc", fleet, "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["kind"] for line in lines] == ["image"] * 40 + ["scanner"] * 2 + ["summary"]
    image, scanner, summary = lines[0], lines[40], lines[-1]
    assert set(image) == {"kind", "source", "scanner", "protocol", "outlier", "reasons", "features"}
    assert Path(image["source"]).is_file() and image["outlier"] is False and image["features"]["noise"] > 0
    assert {"scanner": "CT0", "images": 20, "alert": False}.items() <= scanner.items()
    assert {"images": 40, "outliers": 2, "alerts": 0, "left_out": {"no_picture": 1}}.items() <= summary.items()


def test_a_person_gets_who_needs_somebody_a_page_and_tables(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fleet: Path, tmp_path: Path
) -> None:
    page, table, columns = tmp_path / "page.html", tmp_path / "t.csv", tmp_path / "t.parquet"
    assert run(monkeypatch, "qc", fleet, "-o", page, "--csv", table, "--parquet", columns) == 0
    said = capsys.readouterr()
    assert said.out.startswith(
        "Look at one picture. 40 images of 2 scanners; 2 unlike the rest. 1 of these shows a fault"
    )
    text = page.read_text("utf-8")
    assert "CT0" in text and "picture_blank" in text and text.count("data:image/png;base64,") == 3
    assert str(fleet) not in text and "http" not in text.replace("http-equiv", "")
    rows = list(csv.DictReader(table.open(newline="")))
    assert [row["number"] for row in rows] == [str(n) for n in range(1, 41)]
    assert len(rows) == 40 and sum(row["outlier"] == "True" for row in rows) == 2
    from pyarrow import parquet

    kept = parquet.read_table(columns)
    assert kept.column_names == list(rows[0]) and kept.num_rows == 40


def test_a_fleet_is_compared_with_what_was_saved_before(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fleet: Path, tmp_path: Path
) -> None:
    saved, later = tmp_path / "before.json", tmp_path / "later"
    assert run(monkeypatch, "qc", fleet, "--save-baseline", saved) == 0
    later.mkdir()
    more = {"StationName": "CT0", "BodyPartExamined": "ABDOMEN", "KVP": 120, "ConvolutionKernel": "B30f"}
    for n in range(3):
        written(later / f"{n}.dcm", data_set(scan(n, 120.0), **more))
    capsys.readouterr()
    assert run(monkeypatch, "qc", later, "--baseline", saved, "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["outlier"] for line in lines if line["kind"] == "image"] == [True] * 3
    assert lines[-1]["cannot"] == ["fleet_of_one"]


HEAD = {"StationName": "CT0", "BodyPartExamined": "ABDOMEN", "KVP": 120, "ConvolutionKernel": "B30f"}


def blank(path: Path, **more: object) -> None:
    path.parent.mkdir(exist_ok=True)
    written(path, data_set(np.zeros((96, 96), np.uint16), **{**HEAD, **more}))


def test_pictures_that_may_show_names_stand_in_no_report_and_none_does_if_one_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    blank(tmp_path / "in" / "burned.dcm", BurnedInAnnotation="YES")
    assert run(monkeypatch, "qc", tmp_path / "in", "-o", page) == 0
    assert "Some of the odd ones" not in page.read_text("utf-8")
    blank(tmp_path / "in" / "plain.dcm", BurnedInAnnotation="NO")
    assert run(monkeypatch, "qc", tmp_path / "in", "-o", page) == 0
    text = page.read_text("utf-8")
    assert "Some of the odd ones" in text and "may show names that are burned in" in text
    assert run(monkeypatch, "qc", tmp_path / "in", "-o", page, "--no-pictures") == 0
    assert "Some of the odd ones" not in page.read_text("utf-8")


def test_what_was_computed_is_no_picture_of_a_scanner(tmp_path: Path) -> None:
    blank(tmp_path / "seg.dcm", Modality="SEG")
    found = qc_folder(tmp_path, workers=1)
    assert (found.verdict.scanners, found.left_out) == ((), {"not_acquired": 1})


def test_studies_that_lack_something_are_named_by_their_folder(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "in" / "july").mkdir(parents=True)
    for n in (1, 2):
        written(
            tmp_path / "in" / "july" / f"{n}.dcm",
            data_set(scan(7), **HEAD, StudyInstanceUID="1.2", SeriesInstanceUID="1.3"),
        )
    assert run(monkeypatch, "qc", tmp_path / "in", "-o", tmp_path / "page.html") == 0
    said = capsys.readouterr().out
    assert "1 study, slices_twice" in said and "\n    july\n" in said
    text = (tmp_path / "page.html").read_text("utf-8")
    assert "1 study:" in text and ">july<" in text and str(tmp_path) not in text


def test_what_is_no_dicom_is_no_failure_and_what_may_be_some_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "t.txt").write_text("hello")
    assert run(monkeypatch, "qc", tmp_path / "t.txt") == 0
    assert "Nothing to judge" in capsys.readouterr().out
    short = data_set(np.zeros((96, 96), np.uint16), **HEAD)
    short.Rows = 192
    written(tmp_path / "short.dcm", short)
    assert run(monkeypatch, "qc", tmp_path / "short.dcm") == 3


@pytest.mark.parametrize("text", ["", "{}"])
def test_what_is_no_baseline_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fleet: Path, tmp_path: Path, text: str
) -> None:
    (tmp_path / "b.json").write_text(text)
    assert run(monkeypatch, "qc", fleet, "--baseline", tmp_path / "b.json") == 10
    said = capsys.readouterr()
    assert "bad_baseline" in said.err and len(said.err.strip().splitlines()) == 1 and not said.out


def test_an_empty_folder_is_nothing_to_judge(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(monkeypatch, "qc", tmp_path, "-o", tmp_path / "page.html") == 0
    assert "Nothing to judge" in capsys.readouterr().out
    assert "Nothing to judge" in (tmp_path / "page.html").read_text("utf-8")


@pytest.mark.parametrize("flag", ["-o", "--csv", "--parquet", "--save-baseline"])
def test_a_place_that_cannot_be_written_to_is_said_before_all_the_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fleet: Path, flag: str
) -> None:
    def looked(*_: object) -> None:
        raise AssertionError("nothing was to be looked at")

    monkeypatch.setattr("stowgate.qc_run.qc_folder", looked)
    for place in (".", "", str(fleet / "nowhere" / "a.csv")):
        assert run(monkeypatch, "qc", fleet, flag, place) == 2
        told = capsys.readouterr()
        assert told.err.startswith("output_unwritable: ") and told.err.count("\n") == 1 and told.out == ""


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as raised:
        qc_folder(tmp_path / "nowhere")
    assert (raised.value.code, raised.value.place) == ("no_input", str(tmp_path / "nowhere"))
