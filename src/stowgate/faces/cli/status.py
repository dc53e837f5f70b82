"""`stowgate status`: where everything is that ever arrived, in lines that add up."""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stowgate.faces.cli.show import when
from stowgate.faces.cli.unit import DEFAULT, Config, settings_of, spool_of, view_if_any
from stowgate.lifecycle import Delivery

if TYPE_CHECKING:
    from stowgate.settings import Settings
    from stowgate.store.custody_view import CustodyView

_EVERY = 2.0


def status(
    config: Config = DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    watch: Annotated[bool, typer.Option(help="Show it again every two seconds, until Ctrl-C.")] = False,
) -> None:
    """Show the conservation line of the gateway and of each source, whether it runs or not."""
    settings = settings_of(config)
    if not watch:
        typer.echo(_shown(settings, as_json))
        return
    with suppress(KeyboardInterrupt):  # the way out
        if sys.stdout.isatty() and not as_json:
            _drawn(settings)
        while True:
            typer.echo(_shown(settings, as_json, timed=True))
            time.sleep(_EVERY)


def _drawn(settings: Settings) -> None:
    """In place, over and over, as watch(1) does it; what was seen last stays there."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(), auto_refresh=False) as page:
        while True:
            page.update(Text(_shown(settings, timed=True), no_wrap=True), refresh=True)
            time.sleep(_EVERY)


def _shown(settings: Settings, as_json: bool = False, *, timed: bool = False) -> str:
    """As it is now; `timed` says for people when that was."""
    from stowgate.faces.cli.dest import shut
    from stowgate.questions import status as asked
    from stowgate.store.lock import is_held

    with view_if_any(settings) as view:
        found = asked(view, [one.name for one in settings.source], [one.name for one in settings.dest])
        _add_links(found, view, shut(settings))
    runs = is_held(spool_of(settings))
    if as_json:
        return json.dumps({**found, "running": runs})
    return "\n".join([*([when(time.time())] if timed else ()), *_lines(found, runs)])


def _lines(found: dict[str, Any], runs: bool) -> list[str]:
    lines = ["The gateway runs." if runs else "The gateway does not run; what it holds is safe."]
    places = [name for name in found if name not in ("sources", "destinations")]
    width = max(map(len, ["source", "all", *found["sources"]]))
    lines.append("  ".join([f"{'source':<{width}}", *(f"{name:>11}" for name in places)]))
    for name, line in (*found["sources"].items(), ("all", found)):
        lines.append("  ".join([f"{name:<{width}}", *(f"{line[place]:>11,}" for place in places)]))
    return [*lines, *_ways(found["destinations"])]


def _add_links(found: dict[str, Any], view: CustodyView | None, closed: frozenset[str]) -> None:
    """To each destination its rate, what is left and how long that takes."""
    from stowgate.questions_links import links

    for state in links(view, list(found["destinations"]), closed, most=1):
        found["destinations"][state.name] |= {
            "up": state.up, "since": state.since, "rate": state.rate, "bytes_left": state.left.bytes,
            "seconds_left": state.left.most, "gone_in": state.left.words,
        }  # fmt: skip


def _ways(found: dict[str, Any]) -> list[str]:
    """One line for each destination; why it stands still, if it does."""
    if not found:
        return []
    steps = [str(step) for step in Delivery]
    width = max(map(len, ["destination", *found]))
    lines = ["", "  ".join([f"{'destination':<{width}}", *(f"{step:>12}" for step in steps)])]
    for name, line in found.items():
        code = line["paused"] or line["code"]
        still = f"  {'paused' if line['paused'] else 'down'}: {code}" if code else ""
        left = f"  gone in {line['gone_in']}" if line["gone_in"] and not still else ""
        lines.append("  ".join([f"{name:<{width}}", *(f"{line[step]:>12,}" for step in steps)]) + still + left)
    return lines
