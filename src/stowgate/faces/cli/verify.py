"""`stowgate verify`: have destinations asked again for what was delivered, and find what is gone or altered there."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from stowgate.errors import Misconfigured
from stowgate.faces.cli.exits import Exit
from stowgate.faces.cli.show import say
from stowgate.faces.cli.unit import DEFAULT, Config, act, settings_of, span_of, view_of
from stowgate.lifecycle import State


def verify(
    since: Annotated[str, typer.Option(help="What arrived in this time, such as 12h, 30d or 8w.")] = "30d",
    dest: Annotated[str, typer.Option(metavar="NAME", help="Only what went to this destination.")] = "",
    config: Config = DEFAULT,
) -> int:
    """Have destinations asked again for what they have. What is gone or altered is sent again, and told of."""
    from stowgate.questions import pages

    settings, first = settings_of(config), time.time() - span_of(since)
    if dest and dest not in [one.name for one in settings.dest]:
        raise Misconfigured("bad_setting", f"there is no [[dest]] called {dest}")
    with view_of(settings) as view:
        ids = [row.id for row in pages(view, (State.WAITING,)) if row.delivered and row.arrived >= first]
        if dest:
            ways = view.deliveries.of_items(ids)
            ids = [id for id in ids if any(way.destination == dest for way in ways.get(id, ()))]
    if not ids:
        say("Nothing was delivered in this time.")
        return Exit.DONE
    code = act(config, "verify", ids)
    say("The gateway asks now. `stowgate status` and `stowgate queue list` show what is not there any more.")
    return code
