"""`stowgate check`: everything that could keep a gateway from its promises, in one go."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from stowgate.faces.cli.exits import Exit, of_error
from stowgate.faces.cli.unit import DEFAULT, Config
from stowgate.wording import counted

_SIGNS = {"ok": "ok     ", "warning": "WARNING", "problem": "PROBLEM"}


def check(
    config: Config = DEFAULT, as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False
) -> int:
    """Look at disk, fsync, clock, keys, ports, sources and profile; say what is wrong, what it means, what to do."""
    from stowgate.faces.checkup import checkup
    from stowgate.settings import load

    worst: Exit = Exit.DONE
    problems = warnings = 0
    for one in checkup(load(config), config.absolute().parent):
        if one.mark == "problem":
            problems += 1
            worst = worst or of_error(one.code)
        warnings += one.mark == "warning"
        if as_json:
            typer.echo(json.dumps(asdict(one)))
            continue
        typer.echo(f"{_SIGNS[one.mark]}  {one.what:<20} {one.said}")
        for more in filter(None, (one.means, one.fix)):
            typer.echo(f"{'':<30}{more}")
    if not as_json:
        typer.echo(_sum(problems, warnings))
    return worst


def _sum(problems: int, warnings: int) -> str:
    if problems:
        found = f"{counted(problems, 'problem')} and {counted(warnings, 'warning')}"
        return f"{found}. Nothing was changed, and nothing was lost."
    return f"No problem, {counted(warnings, 'warning')}: it can run." if warnings else "Everything is as it should be."
