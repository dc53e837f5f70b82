"""`view` and `cluster`: a person gets a picture or one clear line, a script gets lines it can rely on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image as Pillow
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

from stowgate.faces.cli import app
from tests.pixels.sample import data_set, written


@pytest.fixture
def slice_of_three_tissues(tmp_path: Path) -> Path:
    """48 rows of 64 columns of air, water and bone as stored values with an intercept of -1024."""
    stored = np.zeros((48, 64), np.uint16)
    stored[:, 20:40], stored[:, 40:] = 1024, 2024
    return written(tmp_path / "ct.dcm", data_set(stored))


@pytest.fixture
def uptake(tmp_path: Path) -> Path:
    """A PET slice of 8 rows and 12 columns with all that SUV need, and a window in Bq/ml."""
    drug = Dataset()
    drug.RadionuclideTotalDose, drug.RadionuclideHalfLife = 370e6, 6586.2
    stored = np.linspace(0, 20000, 96).astype(np.uint16).reshape(8, 12)
    return written(
        tmp_path / "pet.dcm",
        data_set(
            stored, Modality="PT", Units="BQML", DecayCorrection="ADMIN", PatientWeight=70, RescaleIntercept=0,
            WindowCenter=8431, WindowWidth=15175, RadiopharmaceuticalInformationSequence=[drug],
        ),
    )  # fmt: skip


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr("sys.argv", ["stowgate", *map(str, words)])
    return app.run()


def shown(path: Path) -> np.ndarray:
    with Pillow.open(path) as picture:
        return np.asarray(picture)


class TestView:
    def test_a_preset_gives_an_8_bit_picture_of_exactly_rows_and_columns(
        self, monkeypatch: pytest.MonkeyPatch, slice_of_three_tissues: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "out.png"
        assert run(monkeypatch, "view", slice_of_three_tissues, "--preset", "bone", "-o", out) == 0
        pixels = shown(out)
        assert (pixels.shape, pixels.dtype) == ((48, 64), np.uint8)
        exact = np.clip((np.array([-1024, 0, 1000]) - 399.5) / 1799 + 0.5, 0, 1) * 255
        assert pixels[0, [0, 30, 50]].tolist() == np.rint(exact).tolist()

    def test_without_a_name_it_is_view_png(
        self, monkeypatch: pytest.MonkeyPatch, slice_of_three_tissues: Path, tmp_path: Path
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert run(monkeypatch, "view", slice_of_three_tissues) == 0
        assert shown(tmp_path / "view.png").shape == (48, 64)

    def test_colours_are_shown_as_they_are(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        out = tmp_path / "out.png"
        assert run(monkeypatch, "view", get_testdata_file("SC_rgb_rle.dcm"), "-o", out) == 0
        assert shown(out).shape == (100, 100, 3)

    def test_frames_are_counted_from_one(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        frames = np.stack([np.full((4, 5), value, np.uint16) for value in (0, 1024, 2024)])
        path, out = written(tmp_path / "mf.dcm", data_set(frames)), tmp_path / "out.png"
        values = []
        for number in (1, 2, 3):
            assert run(monkeypatch, "view", path, "--frame", number, "--preset", "bone", "-o", out) == 0
            values.append(int(shown(out)[0, 0]))
        assert values == sorted(set(values))
        assert run(monkeypatch, "view", path, "--frame", 4, "-o", out) == 3
        assert run(monkeypatch, "view", path, "--frame", 0, "-o", out) == 2

    def test_uptake_is_shown_by_the_window_of_its_header_and_named(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], uptake: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "out.png"
        assert run(monkeypatch, "view", uptake, "-o", out) == 0
        pixels = shown(out)
        assert (int(pixels.min()), int(pixels.max())) == (0, 255)
        assert 80 < pixels.mean() < 160
        assert "from the header, C 1.59 W 2.87 SUV" in capsys.readouterr().err

    def test_a_preset_for_what_is_not_in_hounsfield_units_names_the_unit(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], uptake: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "out.png"
        assert run(monkeypatch, "view", uptake, "--preset", "bone", "-o", out) == 0
        assert "presets are in Hounsfield units, this picture is in SUV" in capsys.readouterr().err
        magnetic = written(tmp_path / "mr.dcm", data_set(np.zeros((4, 4), np.uint16), Modality="MR"))
        assert run(monkeypatch, "view", magnetic, "--preset", "bone", "-o", out) == 0
        assert "this picture is in stored values" in capsys.readouterr().err

    def test_all_presets_are_refused_for_what_is_not_in_hounsfield_units(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], uptake: Path, tmp_path: Path
    ) -> None:
        magnetic = written(tmp_path / "mr.dcm", data_set(np.zeros((4, 4), np.uint16), Modality="MR"))
        for path in (uptake, magnetic):
            assert run(monkeypatch, "view", path, "--presets", "-o", tmp_path / "out.png") == 10
            assert capsys.readouterr().err.startswith("window_no_densities: ")
        assert not (tmp_path / "out.png").exists()

    @pytest.mark.parametrize(
        "words", [["--presets"], ["--preset", "bone"], ["--centre", "40", "--width", "80"], ["--centre", "40"]]
    )
    def test_a_window_of_colours_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str]
    ) -> None:
        out = tmp_path / "out.png"
        assert run(monkeypatch, "view", get_testdata_file("SC_rgb_rle.dcm"), *words, "-o", out) == 10
        assert capsys.readouterr().err.startswith("window_of_colour: ")
        assert not out.exists()

    def test_presets_without_a_file_are_listed(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        monkeypatch.chdir(tmp_path)
        config = tmp_path / "stowgate.toml"
        config.write_text('[[window]]\nname = "ear"\ncentre = 700\nwidth = 4000\n')
        assert run(monkeypatch, "view", "--presets", "-c", config) == 0
        rows = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert ["bone", "centre", "400", "width", "1800", "HU"] in rows
        assert rows[-1] == ["ear", "centre", "700", "width", "4000", "HU"]
        assert list(tmp_path.glob("*.png")) == []

    @pytest.mark.parametrize("words", [[], ["--preset", "bone"], ["--presets", "-o", "out.png"]])
    def test_without_a_file_there_is_nothing_to_look_at(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert run(monkeypatch, "view", *words) == 2
        assert "FILE" in capsys.readouterr().err

    def test_all_presets_stand_side_by_side(
        self, monkeypatch: pytest.MonkeyPatch, slice_of_three_tissues: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "all.png"
        assert run(monkeypatch, "view", slice_of_three_tissues, "--presets", "-o", out) == 0
        height, width = shown(out).shape[:2]
        assert 2 < width / height < 3  # nine of them in two rows, large enough to be read

    def test_the_line_says_which_frame_of_several_it_is(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], slice_of_three_tissues: Path,
        tmp_path: Path,
    ) -> None:  # fmt: skip
        path, out = written(tmp_path / "mf.dcm", data_set(np.zeros((10, 4, 5), np.uint16))), tmp_path / "out.png"
        assert run(monkeypatch, "view", path, "--frame", 3, "-o", out) == 0
        assert capsys.readouterr().err.startswith("4 x 5, frame 3 of 10, ")
        assert run(monkeypatch, "view", path, "--presets", "-o", out) == 0
        assert "frame 1 of 10" in capsys.readouterr().err
        assert run(monkeypatch, "view", slice_of_three_tissues, "-o", out) == 0
        assert "frame 1" not in capsys.readouterr().err

    def test_overlays_that_are_not_drawn_are_named(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        out = tmp_path / "out.png"
        drawn = data_set(np.zeros((4, 4), np.uint16))
        for group, said in ((0x6000, "its overlay is"), (0x6002, "its 2 overlays are")):
            drawn.add_new((group, 0x0010), "US", 4)
            assert run(monkeypatch, "view", written(tmp_path / "a.dcm", drawn), "-o", out) == 0
            assert f"; {said} not shown: " in capsys.readouterr().err

    def test_a_window_of_ones_own_is_found_by_its_name(
        self, monkeypatch: pytest.MonkeyPatch, slice_of_three_tissues: Path, tmp_path: Path
    ) -> None:
        config = tmp_path / "stowgate.toml"
        config.write_text('[[window]]\nname = "ear"\ncentre = 0\nwidth = 2\n')
        out = tmp_path / "out.png"
        assert run(monkeypatch, "view", slice_of_three_tissues, "--preset", "ear", "-c", config, "-o", out) == 0
        assert shown(out)[0, [0, 50]].tolist() == [0, 255]

    @pytest.mark.parametrize(
        ("words", "code", "said"),
        [
            (["--preset", "bonne"], 10, "soft_tissue"),
            (["--centre", "40"], 10, "window_incomplete"),
            (["--centre", "40", "--width", "0"], 10, "window_width"),
            (["--centre", "nan", "--width", "5"], 10, "window_not_finite"),
            (["--centre", "40", "--width", "inf"], 10, "window_not_finite"),
            (["--preset", "bone", "--centre", "40"], 10, "no width"),
            (["-o", "nowhere/out.png"], 2, "output_unwritable"),
            (["-o", "out.jpg"], 2, "output_not_png"),
            (["-o", "out.TIFF"], 2, "output_not_png"),
            (["-o", "."], 2, "output_unwritable"),
            (["-o", ""], 2, "output_unwritable"),
            (["-o", "/"], 2, "output_unwritable"),
        ],
    )
    def test_what_cannot_be_done_is_one_clear_line_and_no_picture(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], slice_of_three_tissues: Path,
        tmp_path: Path, words: list[str], code: int, said: str,
    ) -> None:  # fmt: skip
        monkeypatch.chdir(tmp_path)
        assert run(monkeypatch, "view", slice_of_three_tissues, *words) == code
        told = capsys.readouterr().err
        assert said in told
        assert told.count("\n") == 1
        assert list(tmp_path.rglob("*out*")) == list(tmp_path.rglob("*.png*")) == []

    def test_what_has_no_picture_says_so(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        assert run(monkeypatch, "view", get_testdata_file("rtplan.dcm"), "-o", tmp_path / "a.png") == 3
        assert "no_picture" in capsys.readouterr().err


class TestCluster:
    @pytest.mark.parametrize("words", [["-o", "."], ["-o", ""], ["-o", "", "--json"]])
    def test_a_place_that_is_no_file_is_said_before_anything_else(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], slice_of_three_tissues: Path,
        words: list[str],
    ) -> None:  # fmt: skip
        assert run(monkeypatch, "cluster", slice_of_three_tissues, *words) == 2
        told = capsys.readouterr()
        assert told.out == "" and told.err.startswith("output_unwritable: ")

    def test_a_script_gets_a_line_per_frame(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], slice_of_three_tissues: Path
    ) -> None:
        assert run(monkeypatch, "cluster", slice_of_three_tissues, "--json") == 0
        (line,) = map(json.loads, capsys.readouterr().out.splitlines())
        assert [one["name"] for one in line["classes"]] == ["air", "soft tissue", "bone"]
        assert [one["centre"] for one in line["classes"]] == [-1024, 0, 1000]
        assert [one["fraction"] for one in line["classes"]] == [0.3125, 0.3125, 0.375]
        assert (line["unit"], line["sse"], line["score"]) == ("HU", 0.0, 1.0)

    def test_every_frame_has_its_line(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = get_testdata_file("SC_rgb_rle_2frame.dcm")
        assert run(monkeypatch, "cluster", path, "--json", "-k", 2) == 0
        assert len(capsys.readouterr().out.splitlines()) == 2
        assert run(monkeypatch, "cluster", path, "--json", "--frame", 2) == 0
        assert len(capsys.readouterr().out.splitlines()) == 1

    def test_a_person_gets_a_picture_and_is_told_what_it_is_not(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], slice_of_three_tissues: Path,
        tmp_path: Path,
    ) -> None:  # fmt: skip
        out = tmp_path / "classes.png"
        assert run(monkeypatch, "cluster", slice_of_three_tissues, "-o", out) == 0
        told = capsys.readouterr()
        assert "no diagnosis" in told.err
        assert "soft tissue" in told.out
        assert shown(out).shape[1] > 500

    def test_what_has_no_picture_says_so(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(monkeypatch, "cluster", get_testdata_file("rtplan.dcm"), "--json") == 3
        assert "no_picture" in capsys.readouterr().err

    def test_the_slice_says_how_it_was_windowed(
        self, monkeypatch: pytest.MonkeyPatch, slice_of_three_tissues: Path, uptake: Path, tmp_path: Path
    ) -> None:
        titles: list[str] = []
        monkeypatch.setattr(
            "stowgate.analyse.plots_clusters.clusters_figure", lambda *given: titles.append(given[3]) or Figure()
        )
        for path in (slice_of_three_tissues, uptake, get_testdata_file("SC_rgb_rle.dcm")):
            assert run(monkeypatch, "cluster", path, "-o", tmp_path / "a.png") == 0
        assert titles == ["soft tissue, C 50 W 400 HU", "from the header, C 1.59 W 2.87 SUV", "colour"]

    def test_the_picture_is_there_although_nobody_reads_the_lines(
        self, slice_of_three_tissues: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "classes.png"
        read, write = os.pipe()
        os.close(read)
        command = [sys.executable, "-m", "stowgate", "cluster", str(slice_of_three_tissues), "-o", str(out)]
        done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
        os.close(write)
        assert shown(out).shape[1] > 500
        assert "internal_error" not in done.stderr and "Traceback" not in done.stderr
