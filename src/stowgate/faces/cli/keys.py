"""`stowgate keys`: the project key is made, named and copied; it is never printed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stowgate.errors import Misconfigured
from stowgate.faces.cli.show import say
from stowgate.vault.folder import KEY, default_folder, prepare
from stowgate.vault.key import Key, load, write

app = typer.Typer(help="The project key: make it, name it, copy it. It is never printed.", no_args_is_help=True)

State = Annotated[Path | None, typer.Option(help="State folder.")]


def _file(state: Path | None) -> Path:
    return (state or default_folder()).expanduser().absolute() / KEY


@app.command("init")
def init(
    state: State = None,
    source: Annotated[Path | None, typer.Option("--from", help="Take this copy of a key instead of a new one.")] = None,
) -> None:
    """Make a project key, or put a copy of one in its place. One that is there is never replaced."""
    path = _file(state)
    prepare(path.parent)
    key = load(f"file:{source}", private=False) if source else Key.new()
    write(key, path)
    typer.echo(f"{key.id}  {path}")
    say("Back this file up in a safe place: without it no more objects can join those already made.")


@app.command("show")
def show(state: State = None) -> None:
    """Show the key's id and where it lies, never the key."""
    path = _file(state)
    typer.echo(f"{load(f'file:{path}').id}  {path}")


@app.command("export")
def export(file: Annotated[Path, typer.Argument(metavar="FILE")], state: State = None) -> None:
    """Copy the key to a new file, readable by its owner alone."""
    if file.is_dir():
        raise Misconfigured("key_exists", str(file))
    key = load(f"file:{_file(state)}")
    write(key, file.absolute())
    typer.echo(f"{key.id}  {file}")
