"""The notebook runs from top to bottom with no file of its own, in under a minute, and is what its tool writes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "demo_walkthrough.ipynb"


@pytest.fixture(scope="module")
def tool() -> Any:
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import make_notebook

        return make_notebook
    finally:
        sys.path.remove(str(ROOT / "tools"))


def test_its_cells_are_those_of_the_tool_and_it_shows_what_they_made(tool: Any) -> None:
    kept = json.loads(NOTEBOOK.read_text("utf-8"))
    written = tool.notebook()
    assert ["".join(cell["source"]) for cell in kept["cells"]] == [cell.source for cell in written.cells]
    pictures = [output for cell in kept["cells"] for output in cell.get("outputs", ()) if "data" in output]
    assert sum("image/jpeg" in output["data"] for output in pictures) == 7


def test_it_names_no_machine() -> None:
    text = NOTEBOOK.read_text("utf-8")
    assert not any(word in text for word in ("/home/", "/root/", "/tmp/", "/work/", "Traceback"))


def test_it_runs_from_top_to_bottom_in_an_empty_folder(
    tool: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nbclient import NotebookClient

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    whole = tool.notebook()
    NotebookClient(whole, timeout=60, kernel_name="python3").execute()
    said = [output.text for cell in whole.cells for output in cell.get("outputs", ()) if output.output_type == "stream"]
    fleet = next(text for text in said if "outliers" in text)
    assert "CT3 40 images, 16 outliers scanner_outliers scanner_drifts" in fleet
    assert "CT1 40 images, 1 outliers\n" in fleet and "CT4 40 images, 1 outliers\n" in fleet
    assert any("the same, to the byte: True" in text for text in said)
    assert list(tmp_path.iterdir()) == []
