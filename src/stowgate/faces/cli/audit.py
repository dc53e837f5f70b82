"""`stowgate audit`: who did what, whether the record was tampered with, and copies of it."""

from __future__ import annotations

import json
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stowgate.errors import Misconfigured, disk_code
from stowgate.faces.cli.exits import Exit
from stowgate.faces.cli.show import say, when
from stowgate.faces.cli.unit import DEFAULT, AsJson, Config, settings_of, spool_of

if TYPE_CHECKING:
    from stowgate.settings import Settings

app = typer.Typer(help="The audit log: show it, verify it, export it.", no_args_is_help=True)


def _key(settings: Settings) -> bytes:
    """What the chain is made with. Misconfigured("no_spool") before the first run."""
    from stowgate.observe.audit import LOG
    from stowgate.vault.folder import KEY
    from stowgate.vault.key import load

    if not (spool_of(settings) / LOG).exists():
        raise Misconfigured("no_spool", str(spool_of(settings)))
    return load(settings.state.key or f"file:{spool_of(settings) / KEY}").sub(b"audit")


@app.command("show")
def show(
    config: Config = DEFAULT,
    as_json: AsJson = False,
    last: Annotated[int, typer.Option(min=1, help="How many of the newest records.")] = 50,
) -> None:
    """The newest records, oldest first."""
    from collections import deque

    from stowgate.observe.audit_check import export as records

    settings = settings_of(config)
    newest = deque(records(spool_of(settings), _key(settings), "json"), last)
    for line in newest:
        told = json.loads(line)
        if as_json:
            typer.echo(json.dumps(told))
        else:
            rest = " ".join(filter(None, [told["source"], told["code"], *told["ids"][:3]]))
            typer.echo(f"{told['n']:>7}  {when(told['at'])}  {told['actor']:<12} {told['kind']:<18} {rest}")


@app.command("verify")
def verify(
    config: Config = DEFAULT,
    at_least: Annotated[int, typer.Option(min=0, help="Number of a record that is known from elsewhere.")] = 0,
) -> int:
    """Follow the chain from its first record; name the first that is not what was written."""
    from stowgate.observe.audit_check import verify as checked

    settings = settings_of(config)
    verdict = checked(spool_of(settings), _key(settings), at_least)
    if verdict.fault:
        say(
            f"audit_broken: record {verdict.number} was {verdict.fault.replace('_', ' ')}; the {verdict.records} "
            "before it are sound. Keep the spool as it is and find out who had access to it."
        )
        return Exit.AUDIT_BROKEN
    typer.echo(f"{verdict.records} records, all as they were written.")
    return Exit.DONE


@app.command("export")
def export(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="Standard output if none is named.")] = None,
    config: Config = DEFAULT,
    form: Annotated[Literal["json", "csv"], typer.Option("--format", help="Lines of JSON, or a table.")] = "json",
) -> None:
    """Copy the records, up to the first broken one."""
    from stowgate.observe.audit_check import export as records

    settings = settings_of(config)
    lines = records(spool_of(settings), _key(settings), form)
    if file is None:
        for line in lines:
            sys.stdout.write(line)
        return
    try:
        with file.open("x", encoding="utf-8") as out:
            while group := list(islice(lines, 1000)):
                out.writelines(group)
    except OSError as error:
        raise Misconfigured(disk_code(error, "output_unwritable"), str(file)) from None
