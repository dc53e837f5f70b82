"""What is installed is complete: tables, vocabularies, SQL, templates, licence and notice travel in the wheel."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGE, ROOT, tracked


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    built = subprocess.run([*command, "-w", folder, ROOT], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[-2000:]
    (wheel,) = Path(folder).glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_every_file_of_the_package_is_in_the_wheel(names: set[str]) -> None:
    wanted = {p.relative_to(ROOT / "src").as_posix() for p in tracked() if p.is_relative_to(PACKAGE)}
    assert {"stowgate/py.typed", "stowgate/standard/NOTICE.md"} <= wanted
    assert any(name.endswith(".sql") for name in wanted)
    assert any("/tables/" in name and name.endswith(".json") for name in wanted)
    assert wanted - names == set()


def test_the_wheel_holds_nothing_else_but_its_licences(names: set[str]) -> None:
    beside = {name for name in names if not name.startswith("stowgate/")}
    assert all(".dist-info/" in name for name in beside)
    assert {name.rsplit("/")[-1] for name in beside if "/licenses/" in name} == {"LICENSE", "NOTICE.md"}
    assert not any("__pycache__" in name or name.endswith((".pyc", ".dcm")) for name in names)
