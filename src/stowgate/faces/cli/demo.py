"""`stowgate demo`: a pretend scanner, a gateway of its own, a link one can cut, a pretend hospital."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from stowgate.faces.cli.exits import Exit
from stowgate.faces.cli.show import say

if TYPE_CHECKING:
    from stowgate.faces.scene import Scene

_EVERY, _FRAME = 1.0, 0.25
_WHEN, _LASTS = 3.0, 5.0
"""Seconds after which the link is cut where nobody can press a key, and for how long."""

_PATIENCE = 60.0
"""Seconds that what waits gets to arrive when the scanner has ended and the link is up."""


def demo(
    seconds: Annotated[float, typer.Option(min=1, help="Send for at most this long.")] = 20.0,
    link: Annotated[str, typer.Option(help="What the link is like: steady, 4g, edge, satellite, truck ...")] = "steady",
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only the last line.")] = False,
) -> int:
    """Watch nothing get lost: scanner, gateway, a link that you cut with a key, hospital. Nothing of it stays here."""
    from stowgate.faces.scene import scene
    from stowgate.link.profiles import PROFILES

    if link not in PROFILES:
        raise typer.BadParameter(f"it is one of {', '.join(PROFILES)}", param_hint="--link")
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever ends it, nothing is left behind
    try:
        with TemporaryDirectory(prefix="stowgate-demo-") as name, scene(Path(name), link, seconds) as shown:
            if not quiet:
                say("A gateway runs in a folder that is deleted at the end. A pretend scanner calls it as PRETEND;")
                say("what is clean goes over a bad link to a pretend hospital, which is asked whether it arrived.")
            if not quiet and sys.stdin.isatty() and sys.stdout.isatty():
                _by_hand(shown)
            else:
                _by_itself(shown, quiet)
            return _summed(shown, quiet)
    finally:
        signal.signal(signal.SIGTERM, before)


def _by_hand(shown: Scene) -> None:
    """A page of numbers, and keys."""
    from rich.console import Console
    from rich.live import Live

    from stowgate.faces.keyboard import keys

    with keys() as pressed, Live(console=Console(), auto_refresh=False) as page:
        rest = time.monotonic() + _PATIENCE
        while shown.is_sending or (shown.left() and time.monotonic() < rest):
            hint = "c or space: cut the link    q: end" if shown.is_up else "c or space: mend the link    q: end"
            page.update(shown.numbers().table(hint), refresh=True)
            key = pressed(_FRAME)
            if key == "q":
                break
            if key in ("c", " "):
                shown.switch()
            if shown.is_sending or not shown.is_up:
                rest = time.monotonic() + _PATIENCE
        page.update(shown.numbers().table(""), refresh=True)


def _by_itself(shown: Scene, quiet: bool) -> None:
    """Plain lines; the link is cut once, and comes back."""
    began = time.monotonic()
    plan = [(began + _WHEN, "The link is cut."), (began + _WHEN + _LASTS, "The link is back.")]
    until = None
    while plan or shown.is_sending or shown.left():
        if plan and time.monotonic() >= plan[0][0]:
            shown.switch()
            _, said = plan.pop(0)
            if not quiet:
                typer.echo(said)
        if not plan and not shown.is_sending:
            until = until or time.monotonic() + _PATIENCE
            if time.monotonic() > until:
                return
        if not quiet:
            typer.echo(shown.numbers().text)
        time.sleep(_EVERY)


def _summed(shown: Scene, quiet: bool) -> int:
    """The sums at the end: what came in is somewhere, and what counts as delivered is there byte for byte."""
    delivered, same, there = shown.compared()
    line = shown.numbers().line
    adds_up = line["received"] == sum(n for name, n in line.items() if name != "received")
    if not quiet:
        say(f"{line['received']} came: {delivered} delivered, {line['waiting']} wait, {line['held']} held, others")
        say(f"stopped or there before. {_equal(delivered, same, there)}")
        say("Held objects could show who the patient is; a person would decide. Nothing was lost.")
    typer.echo("  ".join(f"{name} {value}" for name, value in line.items()))
    return Exit.DONE if adds_up and same == delivered else Exit.BUG


def _equal(delivered: int, same: int, there: int) -> str:
    if not delivered:
        return f"The hospital has {there}; nothing has been proved to have arrived yet that could be compared."
    return f"The hospital has {there}; {same} of {delivered} are equal byte for byte."
