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
from stowgate.faces.cli.unit import DEFAULT, AsJson, Config, has_run, settings_of, spool_of
from stowgate.faces.counting import as_written

if TYPE_CHECKING:
    from stowgate.observe.audit_check import Verdict
    from stowgate.settings import Settings

app = typer.Typer(help="The audit log: show it, verify it, export it.", no_args_is_help=True)


def _key(settings: Settings) -> bytes:
    """What the chain is made with. Misconfigured: "no_spool" before the first run, "audit_broken" where it is gone."""
    from stowgate.faces.held import project_key
    from stowgate.observe.audit import LOG

    spool = spool_of(settings)
    if not has_run(spool):
        raise Misconfigured("no_spool", str(spool))
    if not (spool / LOG).is_file():
        raise Misconfigured("audit_broken", f"{spool}: the log is gone")
    return project_key(settings, spool).sub(b"audit")


_FAULTS = {
    "edited": "record {n} was edited",
    "dropped": "record {n} was taken away",
    "reordered": "record {n} was moved elsewhere",
    "truncated": "it was cut short before record {n}",
    "anchor_missing": "what vouches for record {n}, the last one, is gone",
}


def _exit_of(verdict: Verdict) -> Exit:
    """The exit code; says what is wrong, if anything is."""
    if not verdict.fault:
        return Exit.DONE
    fault = _FAULTS[verdict.fault].format(n=verdict.number)
    sound = verdict.records - (verdict.fault == "anchor_missing")
    say(
        f"audit_broken: {fault}; the {sound} before it are sound. Keep the spool as it is and find out who had access "
        "to it."
    )
    return Exit.AUDIT_BROKEN


@app.command("show")
def show(
    config: Config = DEFAULT,
    as_json: AsJson = False,
    last: Annotated[int, typer.Option(min=1, help="How many of the newest records.")] = 50,
) -> int:
    """The newest records, oldest first; up to the first broken one, and that is said."""
    from collections import deque

    from stowgate.observe.audit_check import export as records
    from stowgate.observe.audit_check import verify as checked

    settings = settings_of(config)
    spool, key = spool_of(settings), _key(settings)
    newest = deque(records(spool, key, "json"), last)
    for line in newest:
        told = json.loads(line)
        if as_json:
            typer.echo(json.dumps(told))
        else:
            rest = " ".join(filter(None, [told["source"], told["code"], *told["ids"][:3]]))
            typer.echo(f"{told['n']:>7}  {when(told['at'])}  {told['actor']:<12} {told['kind']:<18} {rest}".rstrip())
    return _exit_of(checked(spool, key))


@app.command("verify")
def verify(
    config: Config = DEFAULT,
    at_least: Annotated[int, typer.Option(min=0, help="Number of a record that is known from elsewhere.")] = 0,
) -> int:
    """Follow the chain from its first record; name the first that is not what was written."""
    from stowgate.observe.audit_check import verify as checked

    settings = settings_of(config)
    verdict = checked(spool_of(settings), _key(settings), at_least)
    if not verdict.fault:
        typer.echo(as_written(verdict.records))
    return _exit_of(verdict)


@app.command("export")
def export(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="Standard output if none is named.")] = None,
    config: Config = DEFAULT,
    form: Annotated[Literal["json", "csv"], typer.Option("--format", help="Lines of JSON, or a table.")] = "json",
) -> int:
    """Copy the records, up to the first broken one, and that is said."""
    from stowgate.observe.audit_check import export as records
    from stowgate.observe.audit_check import verify as checked

    settings = settings_of(config)
    spool, key = spool_of(settings), _key(settings)
    lines = records(spool, key, form)
    if file is None:
        for line in lines:
            sys.stdout.write(line)
        return _exit_of(checked(spool, key))
    try:
        with file.open("x", encoding="utf-8") as out:
            while group := list(islice(lines, 1000)):
                out.writelines(group)
    except FileExistsError:
        raise Misconfigured("output_exists", str(file)) from None
    except OSError as error:
        raise Misconfigured(disk_code(error, "output_unwritable"), str(file)) from None
    return _exit_of(checked(spool, key))
