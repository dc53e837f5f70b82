"""`stowgate demo`: a pretend scanner sends real sample objects over the network into a gateway of its own."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from stowgate.faces.cli.show import say

if TYPE_CHECKING:
    from stowgate.faces.service import Running

_SETTINGS = """
[unit]
name = "DEMO"
[spool]
path = "spool"
reserve = "0B"
[log]
file = "demo.log"
[[source]]
name = "ct"
kind = "dimse"
listen = "127.0.0.1:0"
allow = [{ ae = "PRETEND", ip = "127.0.0.1" }]
"""
_PATIENCE = 60.0


def demo(
    seconds: Annotated[float, typer.Option(min=1, help="Send for at most this long.")] = 20.0,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only the last line.")] = False,
) -> None:
    """Watch a gateway at work: scanner, custody, de-identification, gate. Nothing of it stays on this machine."""
    from stowgate.faces.service import running
    from stowgate.settings import load

    with TemporaryDirectory(prefix="stowgate-demo-") as name:
        folder = Path(name)
        config = folder / "stowgate.toml"
        config.write_text(_SETTINGS, encoding="utf-8")
        with running(load(config, environ={}), folder) as now:
            if not quiet:
                say("A gateway runs in a folder that is deleted at the end. A pretend scanner calls it as PRETEND.")
            sent = _sending(now, folder, seconds)
            while sent.is_alive() or _left(now):
                typer.echo(_numbers(now), nl=not sys.stdout.isatty())
                time.sleep(1.0)
            sent.join(_PATIENCE)
            typer.echo(_numbers(now))
    if not quiet:
        say("Held objects could show who the patient is; a person would decide. The demonstration is over.")


def _sending(now: Running, folder: Path, seconds: float) -> threading.Thread:
    """The scanner, in a thread of its own: real files first, then one series after another."""
    from stowgate.faces.sample import make_series, real_files
    from stowgate.ingest.scanner import Called, send

    whom = Called("127.0.0.1", now.ports["ct"], "STOWGATE", "PRETEND")
    until = time.monotonic() + seconds

    def work() -> None:
        send(whom, make_series(folder / "series-1"))
        for path in real_files():
            if time.monotonic() >= until:
                return
            send(whom, [path])

    thread = threading.Thread(target=work, name="scanner", daemon=True)
    thread.start()
    return thread


def _left(now: Running) -> bool:
    from stowgate.lifecycle import State

    return any(states[State.RECEIVED] for states in now.gateway.ledger.counts().values())


def _numbers(now: Running) -> str:
    from stowgate.questions import status

    found = status(now.gateway.ledger, ["ct"])
    line = "  ".join(f"{name} {value}" for name, value in found.items() if isinstance(value, int))
    return f"\r{line}" if sys.stdout.isatty() else line
