"""Finds every input below files and folders, accounts for what is none, and follows no link."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stowgate.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class Input:
    """One thing found. `code` says why it cannot be an instance, None for a regular file that has to be looked at."""

    path: str = field(repr=False)
    size: int
    mtime_ns: int
    code: str | None = None


def find(places: Sequence[str | os.PathLike[str]], leave_out: Sequence[Path] = ()) -> Iterator[Input]:
    """Every file below `places` in a stable order, files named by themselves first, each once.

    leave_out -- folders that are not entered: the output and the state of this very run
    Raises `Misconfigured("no_input")` for a place that does not exist or cannot be entered.
    """
    seen: set[tuple[int, int]] = set()
    hidden_from_us = {_identity(os.stat(folder)) for folder in leave_out if folder.exists()}
    named = [(os.path.abspath(place), stat.S_ISDIR(_status(place).st_mode)) for place in places]
    for path, is_folder in named:
        status = os.lstat(path)  # a link is accounted for as itself: what it points to may be an input, too
        if not is_folder and _identity(status) not in seen:
            seen.add(_identity(status))
            yield _judged(path, status, os.path.basename(path))
    for path, is_folder in named:
        if is_folder:
            yield from _below(path, seen, hidden_from_us)


def check(places: Sequence[str | os.PathLike[str]]) -> None:
    """Raise `Misconfigured("no_input")` for the first place that does not exist or cannot be entered."""
    for place in places:
        _status(place)


def _status(place: str | os.PathLike[str]) -> os.stat_result:
    try:
        status = os.stat(place)
        if stat.S_ISDIR(status.st_mode):
            os.scandir(place).close()
    except OSError:
        raise Misconfigured("no_input", str(place)) from None
    return status


def _below(folder: str, seen: set[tuple[int, int]], hidden_from_us: set[tuple[int, int]]) -> Iterator[Input]:
    """Depth first, names in order; a folder that cannot be entered is one unreadable input."""
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        try:
            identity = _identity(os.stat(current))
            names = sorted(os.listdir(current))  # names only: a folder of 10^5 files must not cost 10^5 entries
        except OSError:
            yield Input(current, 0, 0, "unreadable")
            continue
        if identity in seen or identity in hidden_from_us:
            continue
        seen.add(identity)
        below: list[str] = []
        for name in names:
            path = os.path.join(current, name)
            try:
                status = os.lstat(path)
            except OSError:
                yield Input(path, 0, 0, "unreadable")
                continue
            if stat.S_ISDIR(status.st_mode) and not name.startswith("."):
                below.append(path)
            elif _identity(status) not in seen:
                if status.st_nlink > 1:
                    seen.add(_identity(status))
                yield _judged(path, status, name)
        waiting += reversed(below)


def _judged(path: str, status: os.stat_result, name: str) -> Input:
    """What can be said without opening it."""
    code = None
    if stat.S_ISLNK(status.st_mode):
        code = "symbolic_link"
    elif name.startswith("."):
        code = "hidden_file"
    elif not stat.S_ISREG(status.st_mode):
        code = "special_file"
    elif status.st_size == 0:
        code = "empty_file"
    elif name.upper() == "DICOMDIR":
        code = "dicomdir"
    return Input(path, status.st_size, status.st_mtime_ns, code)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
