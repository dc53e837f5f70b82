"""Studies of a folder in order of urgency: each header is read once, and codes alone are kept of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from stowgate.analyse.triage import Coded, Rule, Urgent, ranked, rules, words_fit
from stowgate.dicom.limits import DEFAULT
from stowgate.dicom.scanner import Buffer, Scan, scan
from stowgate.dicom.source import ByteSource, FileSource
from stowgate.errors import Rejected
from stowgate.outbox.routing import priority_of
from stowgate.pipeline import in_plain_encoding

_DESCRIPTIONS = (0x00081030, 0x0008103E, 0x00321060, 0x00401002, 0x00081080, 0x00400254)
"""Study, Series, Requested Procedure Description; Reason for the Procedure, Admitting Diagnoses, Performed one."""
_PRIORITIES = (0x0032000C, 0x00401003)
"""Study Priority ID, Requested Procedure Priority."""


@dataclass(frozen=True, slots=True)
class Triage:
    """The studies, the most urgent first, and how many files had no say.

    folders -- the common folder of each study's files, by Study Instance UID: a path may carry a name
    left_out -- files by the code of why they have no say
    """

    studies: tuple[Urgent, ...]
    folders: dict[str, Path] = field(repr=False)
    left_out: dict[str, int]


def triage_folder(folder: Path | str, table: Sequence[Rule] | None = None) -> Triage:
    """What `stowgate triage` does. Every file is accounted for: it belongs to a study, or has a code."""
    chosen = rules() if table is None else table
    coded: list[Coded] = []
    folders: dict[str, Path] = {}
    left_out: dict[str, int] = {}
    buffer = Buffer()
    with TemporaryDirectory(prefix="stowgate-") as scratch:
        for path in files_below(Path(folder)):
            try:
                one = _coded(path, chosen, buffer, Path(scratch))
            except Rejected as refused:
                left_out[refused.code] = left_out.get(refused.code, 0) + 1
                continue
            coded.append(one)
            folders[one.study] = _common(folders.get(one.study), path.parent)
    return Triage(tuple(ranked(coded, chosen)), folders, left_out)


def files_below(folder: Path) -> Iterator[Path]:
    """Files below, in order; links are not followed."""
    if folder.is_file():
        yield folder
        return
    for place, below, names in os.walk(folder):
        below.sort()
        for name in sorted(names):
            path = Path(place, name)
            if path.is_file() and not path.is_symlink():
                yield path


def _coded(path: Path, table: Sequence[Rule], buffer: Buffer, scratch: Path) -> Coded:
    def read(source: ByteSource) -> Coded:
        return _codes(scan(source, DEFAULT, buffer), table)

    with FileSource(path) as source:
        return in_plain_encoding(source, DEFAULT, scratch, read)


def _codes(found: Scan, table: Sequence[Rule]) -> Coded:
    study = found.text(0x0020000D)
    if not study:
        raise Rejected("no_study")
    descriptions = [(found.get(tag) or b"").decode("utf-8", "replace") for tag in _DESCRIPTIONS]
    priority = priority_of(found.get(tag) or b"" for tag in _PRIORITIES)
    return Coded(study, found.text(0x00080060), priority, words_fit(table, descriptions))


def _common(known: Path | None, folder: Path) -> Path:
    return folder if known is None else Path(os.path.commonpath([known, folder]))
