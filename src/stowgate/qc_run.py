"""Fleet quality of a folder: every file is looked at once, then all of them are judged together."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stowgate.analyse.baseline import Baseline
from stowgate.analyse.features import not_grouped_by
from stowgate.analyse.fleet import Scan, Verdict, judge
from stowgate.analyse.series_quality import Member, findings
from stowgate.errors import Misconfigured
from stowgate.look.crew import Crew
from stowgate.look.fleet import UNKNOWN, scan_of_file
from stowgate.look.looked import Looked
from stowgate.look.study import member_of
from stowgate.triage_run import below, files_below

_COMPUTED = frozenset(("SEG", "RTDOSE", "RTSTRUCT", "PR", "KO", "REG"))
_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.66.", "1.2.840.10008.5.1.4.1.1.30", "1.2.840.10008.5.1.4.1.1.481.2"
)  # fmt: skip
"""Segmentation and its like, Parametric Map, RT Dose."""
_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
"""Secondary Capture, of one frame or several."""


@dataclass(frozen=True, slots=True)
class Quality:
    """What `stowgate qc` says.

    studies     -- by code: how many studies have it as a whole
    places      -- by code: where these studies are, below the folder that was asked about: a path may carry a name
    private     -- paths of pictures that may have words in them: nobody shows them
    left_out    -- files by the code of why they were not looked at
    not_grouped -- by what headers do not say: how many images could not be told apart by it
    """

    verdict: Verdict
    studies: Mapping[str, int] = field(default_factory=dict)
    places: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    private: frozenset[str] = field(default=frozenset(), repr=False)
    left_out: Mapping[str, int] = field(default_factory=dict)
    not_grouped: Mapping[str, int] = field(default_factory=dict)


def qc_folder(
    folder: Path | str,
    baseline: Baseline | None = None,
    workers: int = 0,
    done: Callable[[int], None] = lambda _: None,
) -> Quality:
    """Look at every file below a folder, judge them. Every file is accounted for: it is an image, or has a code.

    Raises `Misconfigured` "no_input" where there is no such folder.

    workers -- processes that look, 0 for as many as there are processors; done -- told how many files were looked at
    """
    if not os.path.exists(folder):
        raise Misconfigured("no_input", str(folder))
    scans: list[Scan] = []
    studies: dict[str, list[tuple[Path, Member]]] = {}
    private: set[str] = set()
    left_out, not_grouped = Counter[str](), Counter[str]()
    with Crew(workers) as crew:
        files = ((path, path) for path in files_below(Path(folder)))
        for number, (path, seen) in enumerate(crew.each(files), 1):
            done(number)
            code = seen if isinstance(seen, str) else _no_scan(seen)
            if isinstance(seen, str) or code:
                left_out[code] += 1
                continue
            scan = scan_of_file(str(path), seen)
            scans.append(scan)
            private.update([str(path)] if _may_have_words(seen) else [])
            not_grouped.update(_not_grouped(seen, scan))
            studies.setdefault(seen.header.study, []).append((path, member_of(seen)))
    where = _places(studies.values(), Path(folder))
    codes = {code: len(some) for code, some in where.items()}
    places = {code: tuple(dict.fromkeys(some)) for code, some in where.items()}  # two studies may lie in one folder
    return Quality(
        judge(scans, baseline), codes, places, frozenset(private), dict(left_out), dict(not_grouped)
    )  # fmt: skip


def _places(studies: Iterable[Sequence[tuple[Path, Member]]], folder: Path) -> dict[str, tuple[str, ...]]:
    """By code: the folder, or the one file, of each study that has it."""
    found: dict[str, list[str]] = {}
    for study in studies:
        for code in dict.fromkeys(one.code for one in findings([member for _, member in study])):
            found.setdefault(code, []).append(below([path for path, _ in study], folder))
    return {code: tuple(sorted(where)) for code, where in found.items()}


def _no_scan(seen: Looked) -> str:
    """The code of what no scanner made: segmentations, doses, maps."""
    return "not_acquired" if seen.image.modality in _COMPUTED or seen.image.sop_class.startswith(_CLASSES) else ""


def _may_have_words(seen: Looked) -> bool:
    """Words burned in are said by the header, and usual in ultrasound and in what is a capture of a screen."""
    is_capture = seen.image.sop_class.startswith(_CAPTURE)
    return seen.header.burned_in or is_capture or seen.image.modality in ("US", "SC", "OT", "ES", "XC", "GM")


def _not_grouped(seen: Looked, scan: Scan) -> tuple[str, ...]:
    """What the header does not say."""
    absent = not_grouped_by(seen.image)
    absent = absent if scan.scanner != UNKNOWN else ("scanner", *absent)
    return absent if scan.when is not None else (*absent, "time")
