"""`stowgate queue`: what waits, why, who has to act; hold, release, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from stowgate.errors import Misconfigured
from stowgate.faces.cli.exits import Exit
from stowgate.faces.cli.show import say, when
from stowgate.faces.cli.unit import DEFAULT, AsJson, Config, Ids, act, confirmed, settings_of, show, span_of, view_of
from stowgate.faces.known import known
from stowgate.lifecycle import State
from stowgate.wording import counted

app = typer.Typer(help="What waits: list it, hold it, release it, export it.", no_args_is_help=True)

NOWHERE = "It is clean and waits for a destination."
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

    from stowgate.faces.cli.dest import opens
    from stowgate.questions import backlog

    settings = settings_of(config)
    with view_of(settings) as view:
        rows = backlog(view, (*_WAITING, State.HELD), opens(settings))
        show(islice(rows, limit), as_json, _COLUMNS, "Nothing waits.")


@app.command("show")
def show_(id: Annotated[str, typer.Argument(metavar="ID")], config: Config = DEFAULT, as_json: AsJson = False) -> None:
    """Everything that is known of one item: aliases, codes and what happened to it; no value of its header."""
    from dataclasses import asdict

    from stowgate.faces.cli.dest import opens
    from stowgate.questions import story
    from stowgate.questions_delivery import state_of, waits

    settings = settings_of(config)
    with view_of(settings) as view:
        told, places = story(view, id.lower()), view.deliveries.destinations()
    if told is None:
        raise Misconfigured("unknown_item")
    happened = [{"at": event.at, "kind": event.kind, "code": event.code} for event in told.events]
    found: dict[str, Any] = {**asdict(told.row), "reason": told.reason, "who_acts": told.who_acts, "events": happened}
    found["deliveries"] = [
        {**asdict(way), "urgency": way.urgency.name.lower(), "reason": why, "next_try": next_try, "who_acts": who}
        for way in told.ways
        for why, next_try, who in [waits(way, places.get(way.destination), opens(settings)(way.destination))]
    ]
    if as_json:
        show([found], True, (), "")
        return
    found.pop("events")
    ways = found.pop("deliveries")
    found["state"] = state_of(told.row)
    for name, value in found.items():
        if value not in ("", None, ()):
            typer.echo(f"{name:<10} {_told(value)}")
    for way in ways:
        moves = f" Next move {when(way['next_try'])}." if way["next_try"] else ""
        urgency = f" Its urgency is {way['urgency']}." if way["state"] == "queued" else ""
        stands = f"{way['state']}, evidence {way['evidence'] or 'none'}"
        typer.echo(f"to {way['destination']}: {stands}. {way['reason']}{urgency}{moves}")
    for event in told.events:
        typer.echo(f"{when(event.at)}  {event.kind} {event.code}".rstrip())


def _told(value: object) -> object:
    if isinstance(value, tuple):
        return ", ".join(value)
    return when(value) if isinstance(value, float) else value


@app.command("hold")
def hold(ids: Ids, config: Config = DEFAULT) -> int:
    """Keep waiting items from going on."""
    return act(config, "hold", ids)


@app.command("release")
def release(ids: Ids, config: Config = DEFAULT) -> int:
    """Let held items be judged again and go on."""
    return act(config, "release", ids)


@app.command("retry")
def retry(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID...]", help="Items; all that wait if none.")] = None,
    now: Annotated[bool, typer.Option("--now", help="Try at once, whatever was agreed about the next time.")] = False,
    config: Config = DEFAULT,
) -> int:
    """Let what waits for its time be tried, and what was refused be sent again."""
    from stowgate.questions import backlog

    settings = settings_of(config)
    if not ids:
        with view_of(settings) as view:
            on_its_way = backlog(view, (State.WAITING,))
            ids = [row.id for row in on_its_way if row.reason != NOWHERE]
    return act(config, "retry_now" if now else "retry", ids)


@app.command("export")
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write to.")],
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID...]", help="Items; all that wait if none.")] = None,
    profile: Annotated[str, typer.Option(metavar="NAME", help="Those of this [[profile]], not those by [deid].")] = "",
    config: Config = DEFAULT,
) -> int:
    """Write clean objects of one recipient into a folder: an act that is recorded. They stay in the queue."""
    from stowgate.questions import pages

    settings = settings_of(config)
    if profile:
        known(profile, "profile", settings.profile)
    if not ids:
        with view_of(settings) as view:
            ids = [row.id for row in pages(view, (State.WAITING,)) if not row.delivered]
    return act(config, "export", ids, folder.expanduser(), profile)


@app.command("purge")
def purge(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID...]", help="Items; all that may go if none.")] = None,
    older: Annotated[str, typer.Option(help="Only what has lain there for so long, such as 12h or 30d.")] = "0h",
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Say what would go; delete nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: Config = DEFAULT,
) -> int:
    """Delete here what is proved to be at its destinations: an act that is recorded. Rows stay, and count."""
    import time

    from stowgate.questions_delivery import purgeable

    settings = settings_of(config)
    with view_of(settings) as view:
        found = list(purgeable(view, time.time() - span_of(older)))
    if ids is None and dry_run:
        typer.echo(f"{counted(len(found), 'item')} would go. Nothing was deleted.")
        return Exit.DONE
    if dry_run:
        may = [id for id in ids or () if any(one.startswith(id.lower()) for one in found)]
        typer.echo(f"{len(may)} of {counted(len(ids or ()), 'item')} would go. Nothing was deleted.")
        return Exit.DONE
    if not (ids or found):
        say("Nothing here is proved to be at its destinations.")
        return Exit.DONE
    if not (ids or yes) and not confirmed(_asks(len(found)), "Nothing was deleted."):
        return Exit.USAGE
    return act(config, "purge", ids or found)


def _asks(number: int) -> str:
    """Whoever names no item has all of them deleted, and may not know how many that are."""
    proved = "Each was" if number > 1 else "It was"
    return f"{proved} proved at its destinations. Delete {counted(number, 'object')} here for good?"
