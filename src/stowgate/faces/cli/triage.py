"""`stowgate triage`: the studies of a folder in order of urgency, each with its reasons."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated

import typer

from stowgate.faces.cli.exits import Exit
from stowgate.faces.cli.show import say


def triage(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder or file with DICOM files.", exists=True)],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line per study.")] = False,
) -> int:
    """Say which study to look at first, and why: by priority and words of the request. It is no diagnosis."""
    from stowgate.analyse.triage import rules
    from stowgate.triage_run import triage_folder

    found = triage_folder(folder)
    because = {rule.id: rule.because for rule in rules()}
    for rank, one in enumerate(found.studies, 1):
        alias = hashlib.sha256(one.study.encode()).hexdigest()[:12]
        if as_json:
            line = {"kind": "study", "rank": rank, "study": one.study, "source": str(found.folders[one.study]),
                    "score": one.score, "level": one.level, "reasons": list(one.reasons),
                    "instances": one.instances}  # fmt: skip
            typer.echo(json.dumps(line))
            continue
        typer.echo(f"{rank:>4}  {one.level:<6} {one.score:>4}  study {alias}  {one.instances:,} instances")
        for reason in one.reasons:
            typer.echo(f"{'':>12} {reason}: {because[reason]}")
    left = sum(found.left_out.values())
    codes = ", ".join(f"{count:,} {code}" for code, count in sorted(found.left_out.items()))
    why = f" ({codes})" if codes else ""
    say(f"{len(found.studies):,} studies; {left:,} files have no say{why}. This is no diagnosis.")
    return Exit.DONE
