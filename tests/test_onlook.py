"""A batch that looks at what it made: findings stand where findings stand, and nothing else changes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from stowgate.faces.cli import app
from tests.gateway.test_looking_on_the_way import instance
from tests.look.test_looker import BODY

LOOK = "[look]\nquality = true\nurgency = true\nfleet = true\n"


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A study of ten slices, one of them blank, with a gap of two; and a text."""
    folder = tmp_path / "scans"
    folder.mkdir()
    for n in (*range(5), *range(7, 12)):
        pixels = np.zeros_like(BODY) if n == 3 else np.roll(BODY, n, 1)
        (folder / f"{n:02}.dcm").write_bytes(instance(pixels, n, 5.0 * n))
    (folder / "notes.txt").write_text("nothing of the kind")
    return folder


def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *words: object) -> int:
    monkeypatch.setattr("sys.argv", ["stowgate", "deid", *map(str, words), "--state", str(tmp_path / "state")])
    return int(app.run())


def test_what_is_seen_stands_in_the_manifest_and_the_report_and_the_objects_are_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], scans: Path, tmp_path: Path
) -> None:
    config = tmp_path / "stowgate.toml"
    config.write_text(LOOK)
    manifest, report = tmp_path / "m.json", tmp_path / "r.html"
    looked, plain = tmp_path / "looked", tmp_path / "plain"
    asked = (scans, "-o", looked, "-c", config, "--manifest", manifest, "--report", report, "--json")
    code = run(monkeypatch, tmp_path, *asked)
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (summary["received"], summary["cleaned"]) == (11, 10)
    assert "picture_blank" in manifest.read_text("utf-8")
    page = report.read_text("utf-8")
    assert "picture_blank" in page and "slices_missing" in page and "before it is deleted there" in page
    assert run(monkeypatch, tmp_path, scans, "-o", plain, "-q") == code
    assert sorted(path.read_bytes() for path in looked.rglob("*.dcm")) == sorted(
        path.read_bytes() for path in plain.rglob("*.dcm")
    )


def test_a_dry_run_makes_nothing_that_could_be_looked_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], scans: Path, tmp_path: Path
) -> None:
    config, report = tmp_path / "stowgate.toml", tmp_path / "r.html"
    config.write_text(LOOK)
    run(monkeypatch, tmp_path, scans, "-o", tmp_path / "out", "-c", config, "-n", "--report", report)
    assert "picture_blank" not in report.read_text("utf-8")
    capsys.readouterr()


def test_several_workers_look_side_by_side_and_tell_of_each_input_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], scans: Path, tmp_path: Path
) -> None:
    config = tmp_path / "stowgate.toml"
    config.write_text(LOOK)
    run(monkeypatch, tmp_path, scans, "-o", tmp_path / "out", "-c", config, "--json", "--workers", 3)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    sources = [line["source"] for line in lines if line["kind"] == "item"]
    assert len(sources) == len(set(sources)) == 11
