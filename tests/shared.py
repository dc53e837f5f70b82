"""Where the tests find real files: the project's shared folder, when it is beside the checkout, and pydicom's own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest


def _shared() -> Path | None:
    named = os.environ.get("STOWGATE_SHARED")
    places = [Path(named)] if named else [Path(__file__).resolve().parents[2] / "shared"]
    return next((place for place in places if (place / "standard").is_dir()), None)


SHARED: Path | None = _shared()
"""The shared folder (standard/, data/dicom/, ...), or None where this checkout stands alone."""

needs_shared = pytest.mark.skipif(
    SHARED is None,
    reason="the shared folder is not beside this checkout: set STOWGATE_SHARED to run the checks on its files",
)


@dataclass(frozen=True)
class RealFile:
    """A file somebody else made. `name` is short and stable: a test id, and the key of expectations."""

    name: str
    path: Path

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def read(self) -> bytes:
        return self.path.read_bytes()


def _under(root: Path, prefix: str, skip: frozenset[str]) -> list[RealFile]:
    found = sorted(p for p in root.rglob("*") if p.is_file() and p.suffix not in skip and "__pycache__" not in p.parts)
    return [RealFile(f"{prefix}/{p.relative_to(root).as_posix()}", p) for p in found]


@cache
def pydicom_files() -> tuple[RealFile, ...]:
    """The files that come inside the pydicom package: objects, file-sets, palettes, and a few that are no DICOM."""
    import pydicom.data

    root = Path(pydicom.data.__file__).parent
    return tuple(_under(root, "pydicom", frozenset({".py", ".pyc"})))


@cache
def shared_files() -> tuple[RealFile, ...]:
    """The corpus of the shared folder without its manifest and README; empty where there is none."""
    if SHARED is None:
        return ()
    root = SHARED / "data" / "dicom"
    return tuple(_under(root, "shared", frozenset({".md", ".csv"})))


def real_files() -> tuple[RealFile, ...]:
    """All of them, pydicom's first."""
    return pydicom_files() + shared_files()
