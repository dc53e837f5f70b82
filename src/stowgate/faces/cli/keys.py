"""`stowgate keys`: the project key is made, named and copied; it is never printed."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stowgate.errors import Misconfigured
from stowgate.faces.cli.show import say
from stowgate.faces.cli.unit import DEFAULT, Config, asks_passphrase, has_run, settings_of, spool_of
from stowgate.vault.folder import default_folder, key_name, prepare
from stowgate.vault.key import Key, load, write
from stowgate.wording import counted

if TYPE_CHECKING:
    from stowgate.settings import Settings
    from stowgate.vault.unit_key import Keyring

app = typer.Typer(
    help="The project key: make it, name it, copy it; a gateway's unit key: rotate it. No key is ever printed.",
    no_args_is_help=True,
)

_PLACE = r"file:.+|env:[A-Za-z_][A-Za-z0-9_]*|systemd:[A-Za-z0-9_.-]+|passphrase"
State = Annotated[Path | None, typer.Option(help="State folder.")]


Profile = Annotated[
    str, typer.Option(metavar="NAME", help="The key of this [[profile]]; the state folder is the spool.")
]


def _file(state: Path | None, profile: str = "") -> Path:
    return (state or default_folder()).expanduser().absolute() / key_name(profile)


@app.command("init")
def init(
    state: State = None,
    source: Annotated[Path | None, typer.Option("--from", help="Take this copy of a key instead of a new one.")] = None,
    unit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Make a gateway's unit key there, for a systemd credential.")
    ] = None,
) -> None:
    """Make a project key, or put a copy of one in its place. One that is there is never replaced."""
    if unit:
        _make_unit_key(unit, beside=state or source)
        return
    path = _file(state)
    prepare(path.parent)
    key = load(f"file:{source}", private=False) if source else Key.new()
    write(key, path)
    typer.echo(f"{key.id}  {path}")
    say("Back this file up in a safe place: without it no more objects can join those already made.")


def _make_unit_key(path: Path, beside: Path | None) -> None:
    from stowgate.vault.unit_key import UnitKey, write_unit_key

    if beside:
        raise typer.BadParameter("a unit's key does not go together with --state and --from", param_hint="--unit")
    key = UnitKey.new()
    write_unit_key(key, path)
    typer.echo(f"{key.id}  {path}")
    say("Back this file up in a safe place: without it nothing in the spool can be read.")


@app.command("rotate")
def rotate(
    config: Config = DEFAULT,
    to: Annotated[
        str, typer.Option(metavar="PLACE", help="Where the new key is: file:PATH, env:NAME, systemd:NAME, passphrase.")
    ] = "",
) -> None:
    """Give a gateway's spool a new unit key. Payloads stay as they are; cut short anywhere, run it again."""
    from stowgate.store.key_change import change_unit_key
    from stowgate.vault.unit_key import Keyring

    settings = settings_of(config)
    if to and not re.fullmatch(_PLACE, to):
        raise typer.BadParameter("not one of file:PATH, env:NAME, systemd:NAME, passphrase", param_hint="--to")
    base = config.absolute().parent
    place = f"file:{base / to.removeprefix('file:')}" if to.startswith("file:") else to
    _refuse_the_same(settings, place, Keyring(base))
    _note_rotation(settings)
    changed = change_unit_key(spool_of(settings), settings.spool.key, Keyring(base, ask=asks_passphrase), place)
    typer.echo(f"{changed.key.id}  {counted(changed.epochs, 'epoch key')} wrapped anew")
    if to:
        say(f'Now set [spool] key = "{to}" in {config.name}: the old key opens nothing any more.')
    say("Back the new key up; nothing of what is held was read or written.")


def _refuse_the_same(settings: Settings, place: str, ring: Keyring) -> None:
    """A key that is changed for itself is not changed, and would be said to open nothing any more."""
    from stowgate.vault.unit_key import load_unit_key

    now = settings.spool.key
    if "passphrase" in (place, now) or not place:
        return  # it would be asked for twice
    path = Path(place.removeprefix("file:"))
    if place.startswith("file:") and not path.expanduser().exists():
        return
    try:
        same = load_unit_key(place, spool_of(settings), ring).id == load_unit_key(now, spool_of(settings), ring).id
    except Misconfigured:
        return  # whoever changes it says what is wrong
    if same:
        raise typer.BadParameter("that is the key it has already; nothing was changed", param_hint="--to")


def _note_rotation(settings: Settings) -> None:
    """In the audit log before it is done, by the key that the log is made with."""
    from stowgate.faces.held import project_key
    from stowgate.gateway.control import account
    from stowgate.observe.audit import AuditLog
    from stowgate.observe.record import Entry
    from stowgate.store.lock import is_held

    spool = spool_of(settings)
    if not has_run(spool):
        raise Misconfigured("no_spool", str(spool))
    if is_held(spool):
        raise Misconfigured("spool_in_use", str(spool))
    key = project_key(settings, spool)
    AuditLog(spool, key.sub(b"audit")).append(Entry("keys_rotate", account(os.getuid())))


@app.command("show")
def show(state: State = None, profile: Profile = "") -> None:
    """Show the key's id and where it lies, never the key."""
    path = _file(state, profile)
    typer.echo(f"{load(f'file:{path}').id}  {path}")


@app.command("export")
def export(file: Annotated[Path, typer.Argument(metavar="FILE")], state: State = None, profile: Profile = "") -> None:
    """Copy the key to a new file, readable by its owner alone."""
    if file.is_dir():
        raise Misconfigured("key_exists", str(file))
    key = load(f"file:{_file(state, profile)}")
    write(key, file.absolute())
    typer.echo(f"{key.id}  {file}")
