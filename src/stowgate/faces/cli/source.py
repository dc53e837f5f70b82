"""`stowgate source`: the ways in, who was turned away, and whether a source answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from stowgate.errors import Misconfigured
from stowgate.faces.cli.exits import Exit
from stowgate.faces.cli.show import say
from stowgate.faces.cli.unit import DEFAULT, AsJson, Config, settings_of, show, view_if_any
from stowgate.faces.known import known
from stowgate.wording import counted

if TYPE_CHECKING:
    from stowgate.ingest.dimse_settings import Dimse
    from stowgate.ingest.watch import Folder
    from stowgate.questions import WayIn

app = typer.Typer(help="The ways in: list them, try one.", no_args_is_help=True)
_COLUMNS = (("name", 16), ("kind", 7), ("where", 28), ("received", 9))


@app.command("list")
def list_(config: Config = DEFAULT, as_json: AsJson = False) -> None:
    """Each source with what came in, and the callers that were turned away."""
    from stowgate.questions import ways_in

    settings = settings_of(config)
    ways = [(one.name, one.kind, one.listen if one.kind == "dimse" else str(one.path)) for one in settings.source]
    allows = {one.name: one.allows for one in settings.source if one.kind == "dimse"}
    with view_if_any(settings) as view:
        rows = [_unwelcome(row, allows.get(row.name)) for row in ways_in(view, ways)]
    show(rows, as_json, _COLUMNS, "There is no [[source]] in this configuration.")
    for one in (caller for row in rows for caller in row.turned_away if not as_json):
        say(
            f"{one.source}: {one.calling} at {one.address} was turned away {counted(one.count, 'time')}. "
            f'If it is yours: allow = [{{ ae = "{one.calling}", ip = "{one.address}" }}]'
        )


def _unwelcome(row: WayIn, allows: Callable[[str, str], bool] | None) -> WayIn:
    """Without callers that are on the list by now: nothing is to be done about them."""
    if allows is None:
        return row
    return replace(row, turned_away=tuple(one for one in row.turned_away if not allows(one.calling, one.address)))


@app.command("test")
def try_(name: Annotated[str, typer.Argument(metavar="NAME")], config: Config = DEFAULT) -> int:
    """Ask a source whether it answers: a C-ECHO as the first that may call from here, or a look at the folder."""
    settings = settings_of(config)
    source = known(name, "source", settings.source)
    if source.kind == "folder":
        answers, said = _entered(source)
    elif source.kind == "dimse":
        answers, said = _echoed(source)
    else:
        answers, said = _reached(settings.web.listen)
    typer.echo(f"{name}: {said}")
    return Exit.DONE if answers else Exit.PARTLY


def _entered(source: Folder) -> tuple[bool, str]:
    try:
        source.check()
    except Misconfigured as error:
        return False, str(error)
    return True, "The folder is there."


def _echoed(source: object) -> tuple[bool, str]:
    from stowgate.ingest.dimse_settings import TRIAL, Dimse
    from stowgate.ingest.scanner import Called, echo, own_certificate

    assert isinstance(source, Dimse)  # noqa: S101 - by its kind
    try:
        tls = own_certificate(source.tls.certificate, source.tls.key) if source.tls else None
    except (OSError, ValueError):
        raise Misconfigured("web_certificate", str(source.tls and source.tls.certificate)) from None
    host, port = source.address
    here = "127.0.0.1" if host in ("0.0.0.0", "") else host  # noqa: S104 - looked for, not bound
    calling = next((one.ae for one in source.allow if _is_allowed(source, one.ae, here)), TRIAL)
    said = echo(Called(here, port, source.ae, calling), tls)
    mutual = " With mutual = true the certificate of a scanner is needed." if source.tls and source.tls.mutual else ""
    words = {
        "": f"It answers {calling}{' over TLS' if tls else ''}.",
        "refused": f"Nobody listens there{' over TLS' if tls else ''}: is the gateway running?{mutual}",
        "rejected": f"It rejects {calling} from this machine's address; that is right if only scanners are allowed.",
        "no answer": "It took the call and did not answer.",
    }
    return said in ("", "rejected"), words[said]


def _is_allowed(source: Dimse, calling: str, address: str) -> bool:
    try:
        return source.allows(calling, address)
    except ValueError:  # a name; who calls it from here has an address that nobody knows
        return True


def _reached(listen: str) -> tuple[bool, str]:
    import socket

    host, _, port = listen.rpartition(":")
    if not port:
        return False, "It listens nowhere: set [web] listen."
    try:
        socket.create_connection((host.strip("[]"), int(port)), 5).close()
    except (OSError, OverflowError):
        return False, "Nobody listens there: is the gateway running?"
    return True, "Somebody listens there."
