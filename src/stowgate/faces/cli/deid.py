"""`stowgate deid` as Typer reads it; `everyday` reads most command lines of it sooner."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stowgate.faces.cli import cleaning
from stowgate.faces.cli.send import send
from stowgate.faces.cli.unit import DEFAULT

MANIFESTS = (".csv", ".json", ".xml")


def deid(
    inputs: Annotated[list[Path], typer.Argument(metavar="IN...", help="Files and folders to take in.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="OUT", help="Folder of the clean objects.")] = None,
    dest: Annotated[
        str, typer.Option(metavar="NAME", help="Instead of OUT: a [[dest]] of a gateway, as `stowgate send` does it.")
    ] = "",
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
    if dest:
        _refuse_beside_dest(
            out=out, profile=profile, retain=retain, clean=clean, state=state, report=report, manifest=manifest,
            dry_run=dry_run, limit=limit, verbose=verbose,
        )  # fmt: skip
        return send(inputs, dest, as_json=as_json, quiet=quiet, config=config or DEFAULT)
    if out is None:
        raise typer.BadParameter("is needed, or --dest", param_hint="-o OUT")
    if manifest and manifest.suffix.lower() not in MANIFESTS:
        raise typer.BadParameter("a manifest ends in .csv, .json or .xml", param_hint="--manifest")
    return cleaning.clean(
        cleaning.Asked(
            inputs, out, profile, retain, clean, config, state, report, manifest, as_json, dry_run, limit, workers,
            quiet, verbose,
        )
    )  # fmt: skip


def _refuse_beside_dest(**given: object) -> None:
    """What goes to a destination is cleaned as its configuration says, and lies in the spool meanwhile."""
    named = [name.replace("_", "-") for name, value in given.items() if value]
    if named:
        why = "the gateway's configuration says how it is cleaned, and its spool keeps it until it has arrived"
        raise typer.BadParameter(f"does not go together with --dest: {why}", param_hint=f"--{named[0]}")
