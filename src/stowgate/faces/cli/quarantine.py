"""`stowgate quarantine`: what is damaged, hostile, stopped or held for a decision; release, export, drop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stowgate.faces.cli.exits import Exit
from stowgate.faces.cli.queue import show_
from stowgate.faces.cli.unit import DEFAULT, AsJson, Config, Ids, act, confirmed, settings_of, show, view_of
from stowgate.lifecycle import State
from stowgate.wording import counted

app = typer.Typer(help="What is quarantined: list it, release it, export it, drop it.", no_args_is_help=True)
app.command("show")(show_)

_COLUMNS = (("id", 32), ("source", 12), ("state", 11), ("modality", 8), ("reason", 0))
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@app.command("list")
def list_(
    config: Config = DEFAULT,
    as_json: AsJson = False,
    rejected: Annotated[
        bool, typer.Option("--rejected", help="What was refused, too; whoever sent it has it still.")
    ] = False,
) -> None:
    """One line for each quarantined item, with what happened and what to do about it."""
    from stowgate.questions import quarantined

    states = (State.QUARANTINED, State.REJECTED) if rejected else (State.QUARANTINED,)
    with view_of(settings_of(config)) as view:
        nothing = "Nothing is quarantined, and nothing was refused." if rejected else "Nothing is quarantined."
        show(quarantined(view, states), as_json, _COLUMNS, nothing)


@app.command("release")
def release(ids: Ids, config: Config = DEFAULT) -> int:
    """Let items be judged again, once what was wrong has been mended."""
    return act(config, "quarantine_release", ids)


@app.command("export")
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write to; keep it private.")],
    ids: Ids,
    config: Config = DEFAULT,
    yes: Yes = False,
) -> int:
    """Write the identified originals of items into a folder. They say who the patient is."""
    if not yes and not confirmed("These files say who the patient is. Write them?", "Nothing was written."):
        return Exit.USAGE
    return act(config, "quarantine_export", ids, folder.expanduser())


@app.command("drop")
def drop(ids: Ids, config: Config = DEFAULT, yes: Yes = False) -> int:
    """Give items up: their objects are deleted for good, their rows stay and count."""
    if not yes and not confirmed(
        f"Delete the objects of {counted(len(ids), 'item')} for good?", "Nothing was deleted."
    ):
        return Exit.USAGE
    return act(config, "drop", ids)
