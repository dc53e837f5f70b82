"""The project key: 32 random bytes that tie every pseudonym, UID and date of a project together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from stowgate.errors import Misconfigured
from stowgate.vault import folder as state
from stowgate.vault.key_file import Secret, read_text, write_new, written_first


class Key(Secret):
    """The secret of one project. `id` (8 hex digits) names it in ledgers and reports."""

    __slots__ = ()
    DOMAIN = b"key-id"
    ABOUT = (
        "# Stowgate project key. Whoever has it can find out which patient a cleaned object belongs to.\n"
        "# Without it nobody can, and no more objects can join those already made: keep a copy in a safe place.\n"
    )


def obtain(folder: Path, reference: str = "") -> tuple[Key, bool]:
    """The project's key, and whether it was made just now.

    `reference` is "file:PATH" or "env:NAME"; if empty, the key is FOLDER/project.key, made on first use. A folder
    that has a ledger once had a key: then Misconfigured("key_missing") instead of a new one that fits nothing.
    """
    if reference:
        return load(reference), False
    path = state.prepare(folder) / state.KEY
    return found_or_made(path, known=(folder / state.LEDGER).exists())


def found_or_made(path: Path, *, known: bool) -> tuple[Key, bool]:
    """The key in a file, and whether it was made just now: only one that nothing was made with yet (not `known`).

    Misconfigured("key_missing") for a known one that is not there, and as `load` does.
    """
    made = False
    if not path.exists():
        if known:
            raise Misconfigured("key_missing", str(path))
        made = written_first(render(Key.new()).encode(), path)
    return load(f"file:{path}"), made


def load(reference: str, *, private: bool = True, environ: Mapping[str, str] = os.environ) -> Key:
    """The key behind "file:PATH" (or a bare path) or "env:NAME", which holds the text of a key file.

    With `private` off a file that others can read is taken too: for a copy on a stick that knows no permissions.
    """
    kind, colon, name = reference.partition(":")
    if colon and kind == "env":
        if name not in environ:
            raise Misconfigured("key_missing", reference)
        return parse(environ[name], reference)
    path = Path(name if colon and kind == "file" else reference).expanduser()
    return parse(read_text(path, private), str(path))


def parse(text: str, place: str = "") -> Key:
    """The key in the text of a key file; Misconfigured("key_damaged", place) if it was cut, mistyped or is newer."""
    return Key.parse(text, place)


def render(key: Key) -> str:
    """The text of a key file."""
    return key.render()


def write(key: Key, path: Path) -> None:
    """Write the key to a new file, mode 0600, whole and durable or not at all; never over an existing one."""
    write_new(render(key).encode(), path)
