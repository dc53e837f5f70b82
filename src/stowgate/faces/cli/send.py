"""`stowgate send`: files to one destination, the whole way: custody, cleaning, gate, delivery, proof."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stowgate.faces.cli.exits import Exit
from stowgate.faces.cli.show import say, tell
from stowgate.faces.cli.unit import DEFAULT, Config, asks_passphrase, settings_of, tells_of_keys

if TYPE_CHECKING:
    from stowgate.faces.dispatch import Dispatch

Wait = Literal["received", "cleaned", "acknowledged", "verified"]


def send(
    inputs: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files and folders to send.")],
    dest: Annotated[str, typer.Option(metavar="NAME", help="The [[dest]] that they go to, and to no other.")],
    wait: Annotated[
        Wait, typer.Option(help="How far each has to be; verified: as its destination is asked for evidence.")
    ] = "verified",
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait for that; 0 for ever.")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line per input, then a summary.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only errors.")] = False,
    config: Config = DEFAULT,
) -> int:
    """Send files to one destination, whatever the routes say. They are de-identified and checked on the way, always.

    The gateway that runs takes them, or this process does its work meanwhile. Originals stay as they are.
    """
    import json

    from stowgate.faces.dispatch import dispatch
    from stowgate.faces.known import known
    from stowgate.ingest.folder import check

    settings = settings_of(config)
    known(dest, "dest", settings.dest)
    check(inputs)
    until = time.monotonic() + timeout if timeout else float("inf")
    with dispatch(settings, config.absolute().parent, dest, asks_passphrase, tells_of_keys(quiet)) as sending:
        try:
            sending.take(inputs)
            if not quiet:
                say(sending.taken())
            _watch(sending, wait, until, quiet=quiet)
        except KeyboardInterrupt:
            say("Interrupted. Nothing is lost: what was taken goes on whenever the gateway runs.")
            return Exit.INTERRUPTED
        lines = list(sending.lines())
        summary = sending.summary(lines)
    if as_json:
        for line in (*lines, summary):
            tell(json.dumps(line))
    elif not quiet:
        typer.echo("  ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in summary.items() if name != "kind"))
    if not quiet:
        for words in sending.stopped():
            say(words)
        if sending.left("verified"):
            say("What is left goes by itself while the gateway runs; `stowgate queue list` shows it.")
    return Exit.PARTLY if sending.left(wait) or sending.is_partly else Exit.DONE


def _watch(sending: Dispatch, wait: Wait, until: float, *, quiet: bool) -> None:
    """Until all are so far, or time is up; how far it is and what keeps it are said when they change."""
    far = kept = ""
    while sending.left(wait) and time.monotonic() < until:
        sending.look()
        if quiet:
            continue
        if (words := sending.words()) != far:
            say(words)
            far = words
        if (why := sending.hindered()) and why != kept:
            say(f"{why} What waits goes by itself when that is over.")
            kept = why
