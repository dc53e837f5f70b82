"""`stowgate run`: the gateway, until somebody asks it to stop."""

from __future__ import annotations

from typing import Annotated

import typer

from stowgate.faces.cli.show import say
from stowgate.faces.cli.unit import DEFAULT, Config, asks_passphrase, tells_of_keys


def run(
    config: Config = DEFAULT,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only the log.")] = False,
) -> int:
    """Take images in from scanners, folders and uploads, keep them safe, and clean them. SIGTERM ends it in 30 s."""
    from stowgate.faces.service import Running, serve
    from stowgate.settings import load

    def ready(now: Running) -> None:
        if quiet:
            return
        for name, port in now.ports.items():
            say(f"{name} listens on port {port}.")
        say("The gateway runs. What it answers with success is safe on this disk.")

    return serve(load(config), config.absolute().parent, ready, asks_passphrase, tells_of_keys(quiet))
