"""How progress and sentences are shown: a bar on a terminal, plain lines elsewhere; never an input's path."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from stowgate.errors import Misconfigured, disk_code

if TYPE_CHECKING:  # most commands clean nothing
    from stowgate.batch import Settled
    from stowgate.folder_run import Tally

_EVERY = 10.0
"""Seconds between plain progress lines."""


def say(text: str) -> None:
    """One line for a person; data goes to standard output, talk to standard error."""
    _line(sys.stderr, text)


def tell(text: str) -> None:
    """Data, seen by whoever reads along as soon as it is said."""
    _line(sys.stdout, text)


def _line(stream: TextIO, text: str) -> None:
    stream.write(f"{text}\n")
    stream.flush()


def version() -> str:
    """What `--version` says."""
    from importlib.metadata import version as installed

    return f"stowgate {installed('stowgate')}"


def when(seconds: float) -> str:
    """A moment for people, UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(seconds))


def numbers(tally: Tally) -> str:
    """The run so far in one line."""
    line = tally.line()
    return "  ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in line.items())


def progress(settled: Iterator[Settled], tally: Tally, total: int | None) -> Iterator[Settled]:
    """Pass everything through while showing how far it is."""
    if sys.stderr.isatty():
        yield from _bar(settled, tally, total)
    else:
        yield from _lines(settled, tally)


def _lines(settled: Iterator[Settled], tally: Tally) -> Iterator[Settled]:
    next_line = time.monotonic() + _EVERY
    for one in settled:
        yield one
        if time.monotonic() >= next_line:
            next_line = time.monotonic() + _EVERY
            say(numbers(tally))


def _bar(settled: Iterator[Settled], tally: Tally, total: int | None) -> Iterator[Settled]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[counts]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("De-identifying", total=total, counts="")
        for done, one in enumerate(settled, 1):
            yield one
            if done % 20 == 0:
                bar.update(task, completed=done, counts=numbers(tally))
        bar.update(task, completed=tally.received, counts=numbers(tally))


def write_whole(path: Path, text: str) -> None:
    """Write a small file so that it is there whole or not at all."""
    check_writable(path)
    part = path.with_name(f".{path.name}.part")
    try:
        try:
            part.write_text(text, encoding="utf-8")
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise Misconfigured(disk_code(error, "output_unwritable"), str(path)) from None


def check_writable(*paths: Path | None) -> None:
    """Raise `Misconfigured("output_unwritable")` before a long run, not after it."""
    for path in paths:
        if path and (path.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK)):
            raise Misconfigured("output_unwritable", str(path))
