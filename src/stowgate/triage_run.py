"""Studies of a folder in order of urgency: headers, and pictures if asked for, are read once; codes alone are kept."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from stowgate.analyse.triage import DESCRIPTIONS, Coded, Measure, Rule, Urgent, ranked, rules, words_fit
from stowgate.dicom.limits import DEFAULT
from stowgate.dicom.scanner import Buffer, Scan, scan
from stowgate.dicom.source import ByteSource, FileSource
from stowgate.errors import Misconfigured, Rejected
from stowgate.outbox.routing import PRIORITIES, priority_of, text_of
from stowgate.pipeline import in_plain_encoding

if TYPE_CHECKING:
    from stowgate.pixels.frames import Pictures


@dataclass(frozen=True, slots=True)
class Triage:
    """The studies, the most urgent first, and how many files had no say.

    folders  -- the common folder of each study's files, by Study Instance UID: a path may carry a name
    left_out -- files by the code of why they have no say
    unseen   -- files by the code of why their picture was not seen; their header has its say
    """

    studies: tuple[Urgent, ...]
    folders: dict[str, Path] = field(repr=False)
    left_out: dict[str, int]
    unseen: dict[str, int] = field(default_factory=dict)


def triage_folder(folder: Path | str, table: Sequence[Rule] | None = None, *, pixels: bool = False) -> Triage:
    """What `stowgate triage` does. Every file is accounted for: it belongs to a study, or has a code.

    table  -- rules, by default the shipped ones
    pixels -- look at the pictures of CT as well, in a child with limits; needs the extra stowgate[image]
    Raises `Misconfigured` "no_input" where there is no such folder.
    """
    if not os.path.exists(folder):
        raise Misconfigured("no_input", str(folder))
    chosen = rules() if table is None else table
    coded: list[Coded] = []
    folders: dict[str, Path] = {}
    left_out: dict[str, int] = {}
    with ExitStack() as held:
        scratch = Path(held.enter_context(TemporaryDirectory(prefix="stowgate-")))
        reader = _Reader(chosen, scratch, held.enter_context(_decoder()) if pixels else None)
        for path in files_below(Path(folder)):
            try:
                one = reader.read(path)
            except Rejected as refused:
                left_out[refused.code] = left_out.get(refused.code, 0) + 1
                continue
            coded.append(one)
            folders[one.study] = _common(folders.get(one.study), path.parent)
    return Triage(tuple(ranked(coded, chosen)), folders, left_out, reader.unseen)


def _decoder() -> Pictures:
    from stowgate.pixels.frames import Pictures

    return Pictures()


class _Reader:
    """Reads one file after the other."""

    def __init__(self, table: Sequence[Rule], scratch: Path, pictures: Pictures | None) -> None:
        self._table, self._scratch, self._pictures = table, scratch, pictures
        self._buffer = Buffer()
        self.unseen: dict[str, int] = {}

    def read(self, path: Path) -> Coded:
        """What is kept of a file. Raises `Rejected` for one that has no say."""

        def codes(source: ByteSource) -> Coded:
            return _codes(scan(source, DEFAULT, self._buffer), self._table)

        with FileSource(path) as source:
            one = in_plain_encoding(source, DEFAULT, self._scratch, codes)
        if self._pictures is None or one.modality != "CT":
            return one
        try:
            return replace(one, measured=_measured(path, self._pictures))
        except Rejected as refused:
            if refused.code != "no_picture":
                self.unseen[refused.code] = self.unseen.get(refused.code, 0) + 1
            return one


def _measured(path: Path, pictures: Pictures) -> tuple[Measure, ...]:
    """What is above its limit in one of the frames, all of which have to be seen: half a look is none."""
    from stowgate.analyse.intensity import intensity_of
    from stowgate.analyse.measured import measured

    image = pictures.open(path)
    found = [measured(intensity_of(image, array, at), at) for at, array in enumerate(pictures.frames())]
    return tuple(dict.fromkeys(one.id for one in found if one and one.finding))


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


def below(paths: Sequence[Path], folder: Path) -> str:
    """The one file, or the common folder of several, as it is called below a folder; it may carry a name."""
    place = paths[0] if len(paths) == 1 else Path(os.path.commonpath([path.parent for path in paths]))
    return place.name if place == folder else str(place.relative_to(folder))


def _codes(found: Scan, table: Sequence[Rule]) -> Coded:
    study = found.text(0x0020000D)
    if not study:
        raise Rejected("no_study")
    descriptions = [text_of(found.get(tag) or b"") for tag in DESCRIPTIONS]
    priority = priority_of(found.get(tag) or b"" for tag in PRIORITIES)
    return Coded(study, found.text(0x00080060), priority, words_fit(table, descriptions))


def _common(known: Path | None, folder: Path) -> Path:
    return folder if known is None else Path(os.path.commonpath([known, folder]))
