"""`stowgate status`: where everything is that ever arrived, in lines that add up."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stowgate.faces.cli.unit import DEFAULT, Config, settings_of, spool_of, view_if_any
from stowgate.lifecycle import Delivery

if TYPE_CHECKING:
    from stowgate.store.custody_view import CustodyView

_EVERY = 2.0


def status(
    config: Config = DEFAULT,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    watch: Annotated[bool, typer.Option(help="Show it again every two seconds, until Ctrl-C.")] = False,
) -> None:
    """Show the conservation line of the gateway and of each source, whether it runs or not."""
    from stowgate.faces.cli.dest import shut
    from stowgate.questions import status as asked
    from stowgate.store.lock import is_held

    settings = settings_of(config)
    names, ways = [source.name for source in settings.source], [dest.name for dest in settings.dest]
    with suppress(KeyboardInterrupt):  # the way out of --watch
        while True:
            with view_if_any(settings) as view:
                found = asked(view, names, ways)
                _add_links(found, view, shut(settings))
            typer.echo(json.dumps(found) if as_json else "\n".join(_lines(found, is_held(spool_of(settings)))))
            if not watch:
                return
            time.sleep(_EVERY)


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
