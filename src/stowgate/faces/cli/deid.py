"""`stowgate deid` as Typer reads it; `everyday` reads most command lines of it sooner."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stowgate.faces.cli import cleaning

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
    return cleaning.clean(
        cleaning.Asked(
            inputs, out, profile, retain, clean, config, state, report, manifest, as_json, dry_run, limit, workers,
            quiet, verbose,
        )
    )  # fmt: skip
