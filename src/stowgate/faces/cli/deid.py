"""`stowgate deid`: folders in, a clean tree out, and what became of every input."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Annotated, Self

import typer

from stowgate.batch import Settled
from stowgate.faces.cli.asked import policy_and_settings
from stowgate.faces.cli.exits import of_items
from stowgate.faces.cli.show import check_writable, progress, say, write_whole
from stowgate.folder_run import FolderRun, Request, count_inputs, opened
from stowgate.lifecycle import State
from stowgate.reasons import REASONS
from stowgate.verify.manifest import Row, row_of, write_manifest
from stowgate.verify.report import render_html, summary_lines

_STATE = {State.HELD: "quarantined"}
MANIFESTS = (".csv", ".json", ".xml")


def deid(
    inputs: Annotated[list[Path], typer.Argument(metavar="IN...", help="Files and folders to take in.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="OUT", help="Folder of the clean objects.")],
    profile: Annotated[str | None, typer.Option(help="Confidentiality profile.", show_default="basic")] = None,
    retain: Annotated[list[str] | None, typer.Option(help="Option that keeps something; repeatable.")] = None,
    clean: Annotated[list[str] | None, typer.Option(help="Option that cleans something; repeatable.")] = None,
    config: Annotated[Path | None, typer.Option("-c", "--config", help="stowgate.toml to use.")] = None,
    state: Annotated[Path | None, typer.Option(help="State folder: key and ledger. Keep it private.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report of the run.")] = None,
    manifest: Annotated[Path | None, typer.Option(help="Write a list of the clean objects: .csv, .json, .xml.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line per input, then a summary.")] = False,
    dry_run: Annotated[bool, typer.Option("-n", "--dry-run", help="Say what would happen; write nothing.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Take at most this many inputs.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Threads that work side by side.")] = 1,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only errors.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="One line per input, by id and code.")] = False,
) -> int:
    """De-identify files and folders into a clean tree, and say what became of each one."""
    if manifest and manifest.suffix.lower() not in MANIFESTS:
        raise typer.BadParameter("a manifest ends in .csv, .json or .xml", param_hint="--manifest")
    check_writable(report, manifest)
    policy, chosen = policy_and_settings(config, profile, retain, clean)
    request = Request(
        inputs, out, policy, state or chosen.state, chosen.key, chosen.layout, workers, limit, dry_run, chosen.limits
    )
    with opened(request) as run, Outputs(manifest) as outputs:
        if run.key_file and not quiet:
            say(f"A project key was made: {run.key_file}. Back this up: without it no more objects join these.")
        for settled in _watched(run, request, as_json or quiet or verbose):
            outputs.note(settled)
            if as_json:
                typer.echo(json.dumps(_line(settled)))
            elif verbose:
                typer.echo(f"{settled.item.id}  {settled.item.state:<12} {settled.item.code or ''}")
        if manifest:
            write_manifest(outputs.rows(policy.digest), manifest)
        summary = run.report().summary()
    if report:
        write_whole(report, render_html(summary))
    if as_json:
        typer.echo(json.dumps({"kind": "summary", **run.tally.line()}))
    elif not quiet:
        typer.echo("\n".join(summary_lines(summary)))
    return of_items(run.tally.worst.values())


def _watched(run: FolderRun, request: Request, plainly: bool) -> Iterator[Settled]:
    """The run, with a bar or lines about how far it is unless something else is printed."""
    if plainly:
        return run.settled()
    total = count_inputs(request) if sys.stderr.isatty() else None
    return progress(run.settled(), run.tally, total)


def _line(settled: Settled) -> dict[str, str | None]:
    """One input for scripts. A hold is quarantined with the code that names what is missing."""
    item = settled.item
    state = "already_done" if settled.already_done else _STATE.get(item.state, str(item.state))
    return {
        "kind": "item",
        "source": settled.source,
        "output": None if settled.output is None else str(settled.output),
        "state": state,
        "code": item.code,
        "reason": REASONS[item.code].sentence if item.code else None,
    }


class Outputs:
    """The clean objects of a run, noted on disk so that a manifest of a million needs no memory."""

    def __init__(self, manifest: Path | None) -> None:
        self._notes: IO[str] = TemporaryFile("w+", encoding="utf-8") if manifest else StringIO()  # noqa: SIM115
        self._wanted = manifest is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._notes.close()

    def note(self, settled: Settled) -> None:
        """Remember an object for the manifest; one that stands there since an earlier run counts too."""
        if self._wanted and settled.output and settled.item.state is State.CLEANED:
            relative = [str(settled.output), settled.relative, *settled.item.findings]
            self._notes.write(json.dumps(relative) + "\n")

    def rows(self, policy: str) -> Iterator[Row]:
        """What the manifest says of each, read from the clean files themselves."""
        self._notes.seek(0)
        for line in self._notes:
            path, relative, *findings = json.loads(line)
            if os.path.exists(path):
                yield row_of(Path(path), relative, policy, tuple(findings))
