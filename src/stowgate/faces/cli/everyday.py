"""Reads an everyday command line of `stowgate deid` without Typer, whose start costs more than cleaning an object."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stowgate.faces.cli.cleaning import Asked

FLAGS = {
    "--json": "as_json",
    "-n": "dry_run",
    "--dry-run": "dry_run",
    "-q": "quiet",
    "--quiet": "quiet",
    "-v": "verbose",
    "--verbose": "verbose",
}
PATHS = {"-o": "out", "--out": "out", "--state": "state", "-c": "config", "--config": "config", "--report": "report"}
WORDS = {"--profile": "profile"}
LISTS = {"--retain": "retain", "--clean": "clean"}
COUNTS = {"--limit": ("limit", range(1, 1 << 31)), "--workers": ("workers", range(1, 65))}


def read(words: Sequence[str]) -> Asked | None:
    """What is asked for; None where anything is unusual or wrong, which Typer is left to read or to refuse."""
    found: dict[str, Any] = {"inputs": []}
    rest = iter(words)
    for word in rest:
        if word in FLAGS:
            found[FLAGS[word]] = True
        elif not word.startswith("-"):
            found["inputs"].append(Path(word))
        elif not _valued(found, word, next(rest, "")):
            return None
    if not found["inputs"] or "out" not in found:
        return None
    from stowgate.faces.cli.cleaning import Asked

    return Asked(**found)


def _valued(found: dict[str, Any], option: str, value: str) -> bool:
    """Note an option that takes a value; False where one of the two is not to be understood."""
    if not value or value.startswith("-"):
        return False
    if option in PATHS:
        found[PATHS[option]] = Path(value)
    elif option in WORDS:
        found[WORDS[option]] = value
    elif option in LISTS:
        found.setdefault(LISTS[option], []).append(value)
    elif option in COUNTS:
        name, sound = COUNTS[option]
        found[name] = int(value) if value.isdecimal() and value.isascii() and len(value) < 12 else 0
        return found[name] in sound
    else:
        return False
    return True
