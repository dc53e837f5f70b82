"""`stowgate demo`: a pretend scanner sends real sample objects over the network into a gateway of its own."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
_EVERY = 1.0


def demo(
    seconds: Annotated[float, typer.Option(min=1, help="Send for at most this long.")] = 20.0,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only the last line.")] = False,
) -> None:
    """Watch a gateway at work: scanner, custody, de-identification, gate. Nothing of it stays on this machine."""
    from stowgate.faces.service import running
    from stowgate.settings import load

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever ends it, nothing is left behind
    try:
        with TemporaryDirectory(prefix="stowgate-demo-") as name:
            folder = Path(name)
            config = folder / "stowgate.toml"
            config.write_text(_SETTINGS, encoding="utf-8")
            with running(load(config, environ={}), folder) as now:
                if not quiet:
                    say("A gateway runs in a folder that is deleted at the end. A pretend scanner calls it as PRETEND.")
                _show(now, folder, seconds, quiet)
    finally:
        signal.signal(signal.SIGTERM, before)
    if not quiet:
        say("Held objects could show who the patient is; a person would decide. The demonstration is over.")


def _show(now: Running, folder: Path, seconds: float, quiet: bool) -> None:
    with _sending(now, folder, seconds) as sent:
        while sent.is_alive() or _left(now):
            if not quiet:
                typer.echo(_numbers(now), nl=not sys.stdout.isatty())
            time.sleep(_EVERY)
        typer.echo(_numbers(now))


@contextmanager
def _sending(now: Running, folder: Path, seconds: float) -> Iterator[threading.Thread]:
    """The scanner, in a thread of its own that has ended when the block has: a series first, then real files."""
    from stowgate.faces.sample import make_series, real_files
    from stowgate.ingest.scanner import Called, send

    whom = Called("127.0.0.1", now.ports["ct"], "STOWGATE", "PRETEND")
    until = time.monotonic() + seconds
    stop = threading.Event()

    def work() -> None:
        send(whom, make_series(folder / "series-1"))
        for path in real_files():
            if stop.is_set() or time.monotonic() >= until:
                return
            send(whom, [path])

    thread = threading.Thread(target=work, name="scanner", daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(_PATIENCE)


def _left(now: Running) -> bool:
    from stowgate.lifecycle import State

    return any(states[State.RECEIVED] for states in now.gateway.ledger.counts().values())


def _numbers(now: Running) -> str:
    from stowgate.questions import status

    found = status(now.gateway.ledger, ["ct"])
    line = "  ".join(f"{name} {value}" for name, value in found.items() if isinstance(value, int))
    return f"\r{line}" if sys.stdout.isatty() else line
