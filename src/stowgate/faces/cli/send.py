"""`stowgate send`: files to one destination, the whole way: custody, cleaning, gate, delivery, proof."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from stowgate.errors import Misconfigured
from stowgate.faces.cli.exits import Exit
from stowgate.faces.cli.show import say, tell
from stowgate.faces.cli.unit import DEFAULT, Config, asks_passphrase, settings_of, tells_of_keys

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
    from stowgate.ingest.folder import check

    settings = settings_of(config)
    if dest not in [one.name for one in settings.dest]:
        raise Misconfigured("bad_setting", f"there is no [[dest]] called {dest}")
    check(inputs)
    until = time.monotonic() + timeout if timeout else float("inf")
    with dispatch(settings, config.absolute().parent, dest, asks_passphrase, tells_of_keys(quiet)) as sending:
        try:
            sending.take(inputs)
            if not quiet:
                say(f"{len(sending.items)} objects are safe and go to {dest}.")
            while sending.left(wait) and time.monotonic() < until:
                sending.look()
                if not quiet:
                    say(sending.words())
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
    return Exit.PARTLY if sending.left(wait) or sending.is_partly else Exit.DONE
