"""What the commands about one gateway share: its settings, its ledger to look into, and its items to act on."""

from __future__ import annotations

import getpass
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stowgate.errors import Misconfigured
from stowgate.faces.cli.exits import Exit
from stowgate.faces.cli.show import say

if TYPE_CHECKING:
    from stowgate.gateway.acts import Done, Hands
    from stowgate.settings import Settings
    from stowgate.store.custody_view import CustodyView

Config = Annotated[Path, typer.Option("-c", "--config", help="stowgate.toml of the gateway.", readable=False)]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of items, or at least 6 digits they begin with.")]
DEFAULT = Path("stowgate.toml")
_UNIT = "The unit's key", "what this unit holds cannot be read"
_PROJECT = "A project key", "no more objects join those already made, and the gateway does not start"


def settings_of(config: Path) -> Settings:
    """The settings of a gateway; Misconfigured if it has no spool."""
    from stowgate.settings import load

    settings = load(config)
    if settings.spool.path is None:
        raise Misconfigured("bad_setting", "a gateway needs [spool] path")
    return settings


def span_of(text: str) -> float:
    """Seconds of a time such as 12h, 30d or 8w, as it was typed."""
    from stowgate.settings_gateway import seconds_of

    try:
        return seconds_of(text)
    except ValueError as error:
        raise typer.BadParameter(f"a time {error}") from None


def spool_of(settings: Settings) -> Path:
    """The folder of the spool."""
    return (settings.spool.path or Path()).expanduser()


def has_run(spool: Path) -> bool:
    """Whether there is a ledger. Misconfigured("spool_closed") where this account cannot know."""
    from stowgate.vault.folder import LEDGER

    try:
        return (spool / LEDGER).is_file()
    except PermissionError:
        raise Misconfigured("spool_closed", str(spool)) from None


@contextmanager
def view_of(settings: Settings) -> Iterator[CustodyView]:
    """The ledger to look into, whether the gateway runs or not; Misconfigured("no_spool") before its first run."""
    with view_if_any(settings) as view:
        if view is None:
            raise Misconfigured("no_spool", str(spool_of(settings)))
        yield view


@contextmanager
def view_if_any(settings: Settings) -> Iterator[CustodyView | None]:
    """The same, but None before the first run."""
    from stowgate.store.custody_view import read_custody
    from stowgate.vault.folder import LEDGER

    spool = spool_of(settings)
    if not has_run(spool):
        yield None
        return
    with read_custody(spool / LEDGER) as view:
        yield view


def act(
    config: Path,
    name: str,
    ids: Sequence[str],
    folder: Path | None = None,
    profile: str = "",
    *,
    quiet: bool = False,
    sums: bool = True,
    done_is: str = "done",
) -> int:
    """Have an act done by the gateway that runs, or by this process where none does; says how it went.

    quiet   -- the ids that it was done to are not listed
    sums    -- how many it was done to is said here; without it, the caller says more
    done_is -- what is said of what was done
    """
    from stowgate.gateway.control import GROUP

    settings = settings_of(config)
    ids = [id.lower() for id in ids]  # a person may type them off a page in capitals
    done = left = 0
    with _doer(settings, config, folder, profile) as do:
        for group in (ids[at : at + GROUP] for at in range(0, len(ids), GROUP)):
            ended = do(name, list(group))
            for id in () if quiet else ended.ids:
                typer.echo(id)
            for id in ended.left:
                say(f"{id}: the state of this item does not allow that, or its object cannot be read. It is unchanged.")
            done, left = done + len(ended.ids), left + len(ended.left)
    if sums or left:
        stay = f", {left:,} left as {'it was' if left == 1 else 'they were'}" if left else ""
        say(f"{done:,} {done_is}{stay}.{' It is in the audit log.' if ids else ''}")
    return Exit.PARTLY if left else Exit.DONE


@contextmanager
def _doer(
    settings: Settings, config: Path, folder: Path | None, profile: str
) -> Iterator[Callable[[str, list[str]], Done]]:
    """Whoever can do acts: the gateway, or else the spool opened here; both make up their mind with the first one."""
    from stowgate.gateway import control

    spool = spool_of(settings)
    with ExitStack() as held:
        hands: list[Hands] = []

        def do(name: str, ids: list[str]) -> Done:
            told = control.ask(spool, name, ids, folder, profile) if not hands else None
            if told is not None:
                return told
            if not hands:
                hands.append(held.enter_context(_opened_here(settings, config)))
            aim = control.Aim(str(folder) if folder else None, profile)
            return control.carry_out(hands[0], name, ids, aim, control.account(os.getuid()))

        yield do


@contextmanager
def _opened_here(settings: Settings, config: Path) -> Iterator[Hands]:
    from stowgate.faces.service import hands_of, plan_of
    from stowgate.gateway.opened import opened

    if not has_run(spool_of(settings)):
        raise Misconfigured("no_spool", str(spool_of(settings)))  # an act must not make a spool
    plan = plan_of(settings, config.absolute().parent)
    with opened(plan, ask=asks_passphrase, work=False, made=tells_of_keys()) as gateway:
        yield hands_of(settings, gateway)


def confirmed(question: str, otherwise: str) -> bool:
    """Whether a person means it; Misconfigured("not_confirmed") where there is nobody to ask."""
    if not sys.stdin.isatty():
        raise Misconfigured("not_confirmed")
    if typer.confirm(question, err=True):
        return True
    say(otherwise)
    return False


def asks_passphrase() -> str:
    """The passphrase of the spool, asked on the terminal; "" where there is none."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return getpass.getpass("Passphrase of the spool: ")
    except EOFError:
        return ""


def tells_of_keys(quiet: bool = False) -> Callable[[Path], None]:
    """Who is told of each key file that was made, by whatever command: it has to be backed up now."""
    from stowgate.vault.folder import is_project_key

    def made(path: Path) -> None:
        if not quiet:
            words = _PROJECT if is_project_key(path.name) else _UNIT
            say(f"{words[0]} was made: {path}. Back this up: without it {words[1]}.")

    return made


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
            typer.echo("  ".join(f"{_fitted(name, found[name], width):<{width}}" for name, width in columns).rstrip())
        count += 1
    if not count and not as_json:
        say(nothing)


def _fitted(name: str, value: Any, width: int) -> str:
    """As a cell; a long place, which nobody can choose shorter, loses its middle, so that columns stay in line."""
    text = _cell(value)
    if name != "where" or len(text) <= width:
        return text
    return text[: width // 2 - 1] + "..." + text[-(width - width // 2 - 2) :]


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
