"""Fleet quality of a folder: every file is looked at once, then all of them are judged together."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
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
from stowgate.triage_run import files_below


@dataclass(frozen=True, slots=True)
class Quality:
    """What `stowgate qc` says.

    studies     -- by code: how many studies have it as a whole
    left_out    -- files by the code of why they were not looked at
    not_grouped -- by what headers do not say: how many images could not be told apart by it
    """

    verdict: Verdict
    studies: Mapping[str, int] = field(default_factory=dict)
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
    studies: dict[str, list[Member]] = {}
    left_out, not_grouped = Counter[str](), Counter[str]()
    with Crew(workers) as crew:
        files = ((path, path) for path in files_below(Path(folder)))
        for number, (path, seen) in enumerate(crew.each(files), 1):
            done(number)
            if isinstance(seen, str):
                left_out[seen] += 1
                continue
            scan = scan_of_file(str(path), seen)
            scans.append(scan)
            not_grouped.update(_not_grouped(seen, scan))
            studies.setdefault(seen.header.study, []).append(member_of(seen))
    codes = Counter(code for members in studies.values() for code in {one.code for one in findings(members)})
    return Quality(judge(scans, baseline), dict(codes), dict(left_out), dict(not_grouped))


def _not_grouped(seen: Looked, scan: Scan) -> tuple[str, ...]:
    """What the header does not say."""
    absent = not_grouped_by(seen.image)
    absent = absent if scan.scanner != UNKNOWN else ("scanner", *absent)
    return absent if scan.when is not None else (*absent, "time")
