"""What `stowgate check` looks at on the ways out: can each place be reached, and does anything go there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stowgate.faces.result import Result
from stowgate.settings import Settings


def destinations(settings: Settings, _: Path) -> Iterator[Result]:
    """One line for each; a place that is away is no reason not to start, because what goes there waits."""
    routed = {name for route in settings.route for name in route.dest}
    for dest in settings.dest:
        sink = dest.sink()
        try:
            there = sink.reachable()
        finally:
            sink.close()
        if dest.name not in routed:
            yield Result(
                "destinations", "warning", f"No [[route]] names {dest.name}.", "Nothing goes there.",
                f'Add a [[route]] with dest = ["{dest.name}"].',
            )  # fmt: skip
        elif there:
            yield Result("destinations", "ok", f"{dest.name} can be reached; `stowgate dest test` tries it out.")
        else:
            yield Result(
                "destinations", "warning", f"{dest.name} cannot be reached.", "What goes there waits; nothing is lost.",
                f"`stowgate dest test {dest.name}` says more.",
            )  # fmt: skip
