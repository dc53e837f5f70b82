"""`stowgate deid`: folders in, a clean tree out, and what became of every input."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from stowgate.batch import Settled
from stowgate.errors import Misconfigured
from stowgate.faces.cli.exits import Exit, of_items
from stowgate.faces.cli.show import progress, say
from stowgate.folder_run import Opened, Request, Tally, opened
from stowgate.lifecycle import State
from stowgate.reasons import REASONS

_STATE = {State.HELD: "quarantined", State.DUPLICATE: "already_done"}
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
    from stowgate.faces.cli.asked import policy_and_settings

    policy, chosen = policy_and_settings(config, profile, retain, clean)
    request = Request(
        inputs, out, policy, state or chosen.state, "", chosen.layout, workers, limit, dry_run, chosen.limits
    )
    tally = Tally()
    with opened(request) as run, _relatives(out, manifest) as note:
        if run.key_file and not quiet:
            say(f"A project key was made: {run.key_file}. Back this up: without it no more objects join these.")
        shown = _shown(run, tally, request, as_json, quiet, verbose)
        for settled in shown:
            note(settled)
        note.finish(run)
    if report:
        _write_report(report, tally, run, request)
    if as_json:
        typer.echo(json.dumps({"kind": "summary", **tally.line()}))
    elif not quiet:
        _say_summary(tally, run, request)
    return of_items(tally.worst.values())
