"""`stowgate scan`: audits any folder for identity that was left, by place and code, never by value."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from stowgate.dicom.limits import DEFAULT
from stowgate.dicom.normalise import normalise
from stowgate.dicom.source import FileSource
from stowgate.faces.cli.asked import policy_and_settings
from stowgate.faces.cli.exits import Exit
from stowgate.policy import Policy
from stowgate.reasons import REASONS
from stowgate.standard.dictionary import keyword_of
from stowgate.verify.scan import Audit, scan_file, scan_folder
from stowgate.wording import counted


def scan(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder or file to audit.", exists=True)],
    retain: Annotated[list[str] | None, typer.Option(help="Option whose data may be there; repeatable.")] = None,
    clean: Annotated[list[str] | None, typer.Option(help="Option whose data may be there; repeatable.")] = None,
    config: Annotated[Path | None, typer.Option("-c", "--config", help="stowgate.toml to judge by.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line per finding, then a summary.")] = False,
) -> int:
    """Say where identity is left in a folder of DICOM files. Leaves with 3 when anything was found."""
    policy, _ = policy_and_settings(config, None, retain, clean)
    places: Counter[tuple[str, str]] = Counter()
    files = found_in = 0
    for audit in _audits(folder, policy):
        files += 1
        found_in += bool(audit.findings)
        for finding in audit.findings:
            places[finding.code, finding.place] += 1
            if as_json:
                line = {"kind": "finding", "source": str(audit.path), "code": finding.code, "place": finding.place}
                typer.echo(json.dumps(line))
    if as_json:
        summary = {"kind": "summary", "files": files, "with_findings": found_in, "findings": places.total()}
        typer.echo(json.dumps(summary))
    else:
        _say(places, files, found_in)
    return Exit.PARTLY if places else Exit.DONE


def _audits(folder: Path, policy: Policy) -> Iterator[Audit]:
    with TemporaryDirectory(prefix="stowgate-") as scratch:
        if folder.is_file():
            with FileSource(folder) as source:
                found = scan_file(source, policy, lambda odd: normalise(odd, DEFAULT, Path(scratch)))
            yield Audit(folder, found)
        else:
            yield from scan_folder(folder, policy, lambda odd: normalise(odd, DEFAULT, Path(scratch)))


def _say(places: Counter[tuple[str, str]], files: int, found_in: int) -> None:
    """Places and codes for a person, most frequent first; paths and values are not shown."""
    codes = sorted({code for code, _ in places}, key=lambda code: -sum(n for (c, _), n in places.items() if c == code))
    for code in codes:
        typer.echo(f"{code}: {REASONS[code].sentence}")
        for (_, where), count in sorted(((key, n) for key, n in places.items() if key[0] == code), key=lambda p: -p[1]):
            typer.echo(f"  {count:>7,} x {where}  {_keyword(where)}".rstrip())
    typer.echo(f"{counted(files, 'file')}, {f'{found_in:,} with something left' if places else 'nothing left'}.")


def _keyword(where: str) -> str:
    """The keyword of the last tag of a path, "" for parts of the file and private tags."""
    found = re.search(r"\(([0-9A-F]{4}),([0-9A-F]{4})\)$", where)
    return keyword_of(int("".join(found.groups()), 16)) or "" if found else ""
