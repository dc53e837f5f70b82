"""`stowgate dest`: the ways out, whether they work, and pausing them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from stowgate.errors import Misconfigured, Temporary
from stowgate.faces.cli.exits import Exit
from stowgate.faces.cli.show import say
from stowgate.faces.cli.unit import DEFAULT, AsJson, Config, act, settings_of, show, view_if_any

if TYPE_CHECKING:
    from stowgate.settings import Settings
    from stowgate.settings_delivery import Dest

app = typer.Typer(help="The ways out: list them, try one, pause and resume.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of a [[dest]].")]
_COLUMNS = (("name", 16), ("kind", 7), ("where", 28), ("left", 8), ("verified", 9), ("stands", 0))


def opens(settings: Settings) -> Callable[[str], float | None]:
    """When a destination is sent to again, in seconds since 1970; None where that is now, infinity where it is gone."""
    from stowgate.gateway.times import minute_of_week
    from stowgate.outbox.timetable import hours_of

    minute, now = minute_of_week(), time.time()
    waits = {dest.name: hours_of(dest.hours).minutes_until_open(minute) * 60 for dest in settings.dest}
    return lambda name: (now + waits[name] if waits[name] else None) if name in waits else math.inf


@app.command("list")
def list_(config: Config = DEFAULT, as_json: AsJson = False) -> None:
    """Each destination with what is still to go there, what is there, and why it stands still if it does."""
    from stowgate.questions_delivery import ways_out

    settings = settings_of(config)
    known = {dest.name: dest for dest in settings.dest}
    again = opens(settings)
    with view_if_any(settings) as view:
        found = ways_out(view, list(known))
    rows = []
    for name, line in found.items():
        dest = known.get(name)
        left = sum(int(str(line[step])) for step in ("queued", "sent"))
        stands = _stands(line, again(name)) if dest else "It is in the configuration no more."
        kind, where = (dest.kind, dest.where) if dest else ("", "")
        rows.append({"name": name, "kind": kind, "where": where, "left": left, **line, "stands": stands})
    show(rows, as_json, _COLUMNS, "There is no [[dest]] in this configuration.")


def _stands(line: dict[str, object], again: float | None) -> str:
    if line["paused"]:
        return f"paused: {line['paused']}"
    if line["code"]:
        return f"down: {line['code']}"
    return "outside its hours" if again else "open"


@app.command("test")
def try_(name: Name, config: Config = DEFAULT) -> int:
    """Try a destination out step by step, without an object of a patient; what is wrong, and who can mend it."""
    dest = _named(name, config)
    sink = dest.sink()
    code = ""
    try:
        for step in sink.trial():
            code = step.code
            typer.echo(f"{name}: {step.what}: {step.said}")
    except (Temporary, Misconfigured) as error:
        code = error.code
        typer.echo(f"{name}: {error}")
    finally:
        sink.close()
    if not code:
        say(f"{name} works.")
    return Exit.PARTLY if code else Exit.DONE


@app.command("pause")
def pause(name: Name, config: Config = DEFAULT) -> int:
    """Send nothing there until it is resumed. What is queued stays queued."""
    _named(name, config)
    return act(config, "dest_pause", [name])


@app.command("resume")
def resume(name: Name, config: Config = DEFAULT) -> int:
    """Send there again, whoever paused it."""
    _named(name, config)
    return act(config, "dest_resume", [name])


def _named(name: str, config: Config) -> Dest:
    found = next((dest for dest in settings_of(config).dest if dest.name == name), None)
    if found is None:
        raise Misconfigured("bad_setting", f"there is no [[dest]] called {name}")
    return found
