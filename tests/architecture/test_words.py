"""Nothing in the repository points at one machine, at a package registry, or at the way it was written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, tracked

HERE = Path(__file__).resolve()
TEXT = [path for path in tracked() if path != HERE and b"\0" not in path.read_bytes()[:4096]]

_HOSTS = re.compile(
    r"\b(?:(?:test|upload)\.)?pypi\.(?:org|python\.org)|\bfiles\.pythonhosted\.|\bregistry\.[a-z]+|\bcrates\.io"
    r"|\b(?:deb|security|snapshot)\.debian\.org|\bproxy\.golang\.|--(?:extra-)?index-url[= ]\S|\bPIP_INDEX_URL\b",
    re.IGNORECASE,
)
_MACHINE = re.compile(r"(?<![\w./~-])/(?:home|Users|root|work|workspace)/(?!some(?:one|body)\b)\w")
_MAKING = re.compile(
    r"\bco-authored-by:|\bgenerated (?:with|by) (?:an? )?(?:ai|assistant|model|agent)\b|\blanguage model|\bai assistant"
    r"|\bchat ?bot|\bas an ai\b",
    re.IGNORECASE,
)


def hits(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}"
        for path in TEXT
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]


@pytest.mark.parametrize(
    ("pattern", "example"),
    [
        (_HOSTS, "see files." + "pythonhosted.org/x"),
        (_MACHINE, 'open("/ho' + 'me/smith/x")'),
        (_MAKING, "Co-authored" + "-by: x"),
    ],
    ids=["registry hosts", "paths of one machine", "how it was written"],
)
def test_no_file_holds(pattern: re.Pattern[str], example: str) -> None:
    assert pattern.search(example), "the pattern finds nothing any more"
    assert len(TEXT) > 100
    assert hits(pattern) == []


def test_the_path_of_this_checkout_stands_in_no_file() -> None:
    assert hits(re.compile(re.escape(str(ROOT)) + r"(?![\w-])")) == []


def test_no_file_is_large_but_the_tables() -> None:
    large = [p for p in tracked() if p.stat().st_size > 400_000 and "tables" not in p.parts]
    assert [str(path.relative_to(ROOT)) for path in large] == []


def test_no_pixel_or_patient_file_is_committed() -> None:
    """Real objects come with pydicom or lie in the shared folder; synthetic ones are made by the builder."""
    assert [p.name for p in tracked() if p.suffix in (".dcm", ".dicom") or p.read_bytes()[128:132] == b"DICM"] == []
