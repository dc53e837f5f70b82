"""`stowgate scan`: audits any folder for identity that was left, by place and code, never by value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from stowgate.faces.cli.exits import Exit
from stowgate.faces.cli.show import say


def scan(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder (or file) to audit.", exists=True)],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line per finding, then a summary.")] = False,
) -> int:
    """Say where identity is left in a folder of DICOM files. Leaves with 3 when anything was found."""
    from collections import Counter

    from stowgate.audit import audit

    codes: Counter[str] = Counter()
    files = 0
    for files, source, findings in audit(folder):
        for finding in findings:
            codes[finding.code] += 1
            if as_json:
                line = {"kind": "finding", "source": source, "code": finding.code, "place": finding.place}
                typer.echo(json.dumps(line))
    if as_json:
        typer.echo(json.dumps({"kind": "summary", "files": files, "findings": codes.total()}))
    return Exit.PARTLY if codes else Exit.DONE
