"""What the commands about one gateway share: its settings, its ledger to look into, and its items to act on."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stowgate.errors import Misconfigured
from stowgate.faces.cli.exits import Exit
from stowgate.faces.cli.show import say

if TYPE_CHECKING:
    from stowgate.gateway.acts import Done
    from stowgate.settings import Settings
    from stowgate.store.custody_view import CustodyView

Config = Annotated[Path, typer.Option("-c", "--config", help="stowgate.toml of the gateway.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of items, or at least 6 digits they begin with.")]
DEFAULT = Path("stowgate.toml")


def settings_of(config: Path) -> Settings:
    """The settings of a gateway; Misconfigured if it has no spool."""
    from stowgate.settings import load

    settings = load(config)
    if settings.spool.path is None:
        raise Misconfigured("bad_setting", "a gateway needs [spool] path")
    return settings


def spool_of(settings: Settings) -> Path:
    """The folder of the spool."""
    return (settings.spool.path or Path()).expanduser()


@contextmanager
def view_of(settings: Settings) -> Iterator[CustodyView]:
    """The ledger to look into, whether the gateway runs or not; Misconfigured("no_spool") before its first run."""
    from stowgate.store.custody_view import read_custody
    from stowgate.vault.folder import LEDGER

    place = spool_of(settings) / LEDGER
    if not place.is_file():
        raise Misconfigured("no_spool", str(spool_of(settings)))
    with read_custody(place) as view:
        yield view


def act(config: Path, name: str, ids: Sequence[str], folder: Path | None = None) -> int:
    """Have an act done by the gateway that runs, or by this process where none does; says how it went."""
    from stowgate.gateway import control

    settings = settings_of(config)
    done = control.ask(spool_of(settings), name, list(ids), folder) or _here(settings, config, name, ids, folder)
    if done.ids:
        typer.echo("\n".join(done.ids))
    for id in done.left:
        say(f"{id}: the state of this item does not allow that, or its object cannot be read. Nothing was changed.")
    say(f"{len(done.ids)} done, {len(done.left)} left as they were. It is in the audit log.")
    return Exit.PARTLY if done.left else Exit.DONE


def _here(settings: Settings, config: Path, name: str, ids: Sequence[str], folder: Path | None) -> Done:
    from stowgate.faces.service import hands_of, plan_of
    from stowgate.gateway.control import account, carry_out
    from stowgate.gateway.opened import opened

    with opened(plan_of(settings, config.absolute().parent), ask=asks_passphrase, work=False) as gateway:
        return carry_out(
            hands_of(settings, gateway), name, list(ids), str(folder) if folder else None, account(os.getuid())
        )


def asks_passphrase() -> str:
    """The passphrase of the spool, asked on the terminal."""
    return getpass.getpass("Passphrase of the spool: ")


def show(rows: Iterable[object], as_json: bool, columns: Sequence[tuple[str, int]], nothing: str) -> None:
    """Records as JSON lines, or as a plain table of these (field, width)."""
    count = 0
    for row in rows:
        found = asdict(row) if is_dataclass(row) and not isinstance(row, type) else dict(row)  # type: ignore[call-overload]
        if as_json:
            typer.echo(json.dumps(found, default=str))
        else:
            if not count:
                typer.echo("  ".join(f"{name:<{width}}" for name, width in columns).rstrip())
            typer.echo("  ".join(f"{_cell(found[name]):<{width}}" for name, width in columns).rstrip())
        count += 1
    if not count and not as_json:
        say(nothing)


def _cell(value: Any) -> str:
    return "" if value is None else str(value)
