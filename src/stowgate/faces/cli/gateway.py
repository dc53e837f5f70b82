"""`stowgate run`: the gateway, until somebody asks it to stop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stowgate.faces.cli.show import say
from stowgate.faces.cli.unit import DEFAULT, Config, asks_passphrase

_UNIT = "The unit's key", "what this unit holds cannot be read"
_PROJECT = "A project key", "no more objects join those already made, and the gateway does not start"


def run(
    config: Config = DEFAULT,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only the log.")] = False,
) -> int:
    """Take images in from scanners, folders and uploads, keep them safe, and clean them. SIGTERM ends it in 30 s."""
    from stowgate.faces.service import Running, serve
    from stowgate.settings import load
    from stowgate.vault.folder import is_project_key

    def made(path: Path) -> None:
        if not quiet:
            words = _PROJECT if is_project_key(path.name) else _UNIT
            say(f"{words[0]} was made: {path}. Back this up: without it {words[1]}.")

    def ready(now: Running) -> None:
        if quiet:
            return
        for name, port in now.ports.items():
            say(f"{name} listens on port {port}.")
        say("The gateway runs. What it answers with success is safe on this disk.")

    return serve(load(config), config.absolute().parent, ready, asks_passphrase, made)
