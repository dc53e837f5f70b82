"""`stowgate queue`: what waits, why, who has to act; hold, release, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from stowgate.errors import Misconfigured
from stowgate.faces.cli.show import when
from stowgate.faces.cli.unit import DEFAULT, AsJson, Config, Ids, act, settings_of, show, view_of
from stowgate.lifecycle import State

app = typer.Typer(help="What waits: list it, hold it, release it, export it.", no_args_is_help=True)

_WAITING = (State.RECEIVED, State.CLEANED, State.WAITING)
_COLUMNS = (("id", 32), ("source", 12), ("state", 11), ("modality", 8), ("who_acts", 11), ("reason", 0))


@app.command("list")
def list_(
    config: Config = DEFAULT,
    as_json: AsJson = False,
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many.")] = None,
) -> None:
    """One line for each item that waits or is held: id, state, reason, who has to act."""
    from itertools import islice

    from stowgate.questions import backlog_of, pages

    with view_of(settings_of(config)) as view:
        rows = (backlog_of(row) for row in pages(view, (*_WAITING, State.HELD)))
        show(islice(rows, limit), as_json, _COLUMNS, "Nothing waits.")


@app.command("show")
def show_(id: Annotated[str, typer.Argument(metavar="ID")], config: Config = DEFAULT, as_json: AsJson = False) -> None:
    """Everything that is known of one item: aliases, codes and what happened to it; no value of its header."""
    from dataclasses import asdict

    from stowgate.questions import story

    with view_of(settings_of(config)) as view:
        told = story(view, id.lower())
    if told is None:
        raise Misconfigured("unknown_item")
    happened = [{"at": event.at, "kind": event.kind, "code": event.code} for event in told.events]
    found: dict[str, Any] = {**asdict(told.row), "reason": told.reason, "who_acts": told.who_acts, "events": happened}
    if as_json:
        show([found], True, (), "")
        return
    found.pop("events")
    for name, value in found.items():
        if value not in ("", None):
            typer.echo(f"{name:<10} {when(value) if isinstance(value, float) else value}")
    for event in told.events:
        typer.echo(f"{when(event.at)}  {event.kind} {event.code}".rstrip())


@app.command("hold")
def hold(ids: Ids, config: Config = DEFAULT) -> int:
    """Keep waiting items from going on."""
    return act(config, "hold", ids)


@app.command("release")
def release(ids: Ids, config: Config = DEFAULT) -> int:
    """Let held items be judged again and go on."""
    return act(config, "release", ids)


@app.command("export")
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write to.")],
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID...]", help="Items; all that wait if none.")] = None,
    config: Config = DEFAULT,
) -> int:
    """Write clean objects into a folder: an act that is recorded. They stay in the queue."""
    from stowgate.questions import pages

    settings = settings_of(config)
    if not ids:
        with view_of(settings) as view:
            ids = [row.id for row in pages(view, (State.WAITING,))]
    return act(config, "export", ids, folder.expanduser())
