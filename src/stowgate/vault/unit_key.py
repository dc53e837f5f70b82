"""The unit's key: 32 bytes that everything in the spool hangs on, from a file, a variable, a credential or a phrase."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from stowgate.errors import Misconfigured
from stowgate.vault import folder as state
from stowgate.vault.key import Key
from stowgate.vault.key_file import LENGTH, Secret, read_text, sweep, write_new, written_first

EPOCHS = "epochs"
SUFFIX = ".epoch"
SALT = "passphrase.salt"
PASSPHRASE = "STOWGATE_PASSPHRASE"  # noqa: S105 - the name of a variable
_LOG_COST, _BLOCK, _LANES, _SALT = 16, 8, 2, 32
"""scrypt with 64 MiB of memory for about half a second (RFC 7914)."""
_SALT_LINE = re.compile(r"scrypt (\d{1,2}) (\d{1,2}) (\d{1,2}) ([0-9a-f]{64})\n?")


class UnitKey(Secret):
    """The key of one unit's spool, never the project's. `id` (16 hex digits) names it in the epochs' files."""

    __slots__ = ()
    DOMAIN = b"unit-key-id"
    BYTES = 8
    ABOUT = (
        "# Stowgate unit key. Whoever has it can read every object in the spool of this unit.\n"
        "# Without it nobody can, and what was not delivered yet is lost: keep a copy in a safe place.\n"
    )


class Keyring(NamedTuple):
    """Where a unit key may come from, so that a test names each place."""

    base: Path = Path()
    """What a relative PATH of "file:PATH" is relative to: the folder of the configuration."""
    environ: Mapping[str, str] = os.environ
    ask: Callable[[], str] | None = None
    """Asks for the passphrase on the terminal, where there is one."""


def obtain_unit_key(reference: str, spool: Path, ring: Keyring = Keyring()) -> tuple[UnitKey, bool]:  # noqa: B008
    """The unit key, and whether its file was made just now.

    A missing file is made on first use, once the spool's folder is there. A spool that holds epochs once had a key:
    then Misconfigured("key_missing").
    """
    kind, _, name = reference.partition(":")
    made = False
    if kind == "file" and name:
        path = ring.base / Path(name).expanduser()
        if os.path.lexists(path):
            sweep(path)
        elif not has_epochs(spool):
            _prepared(spool)  # a key for a spool that cannot be would be left over
            made = written_first(UnitKey.new().render().encode(), path)
    return load_unit_key(reference, spool, ring), made


def _prepared(spool: Path) -> None:
    try:
        state.prepare(spool)
    except Misconfigured as error:
        raise Misconfigured(error.code.replace("state_", "spool_"), error.place) from None


def load_unit_key(reference: str, spool: Path, ring: Keyring = Keyring()) -> UnitKey:  # noqa: B008
    """The key behind "file:PATH", "env:NAME", "systemd:NAME" or "passphrase"; nothing but a salt is ever made.

    Raises Misconfigured: "key_missing", "key_damaged", "key_permissions", "key_unreadable", and "wrong_key" where the
    place holds a project key. Whether a key fits the spool is seen when the epochs are opened.
    """
    kind, _, name = reference.partition(":")
    if kind == "file" and name:
        path = ring.base / Path(name).expanduser()
        return _parsed(read_text(path, private=True), str(path))
    if kind == "env" and name:
        if name not in ring.environ:
            raise Misconfigured("key_missing", reference)
        return _parsed(ring.environ[name], reference)
    if kind == "systemd" and name:
        return _parsed(read_text(_credential(name, ring.environ), private=False), reference)
    if reference == "passphrase":
        return from_passphrase(_phrase(ring), salt_of(spool))
    raise Misconfigured("bad_setting", "[spool] key")


def write_unit_key(key: UnitKey, path: Path) -> None:
    """Write the key to a new file, mode 0600, whole and durable or not at all; never over an existing one."""
    write_new(key.render().encode(), path)


def has_epochs(spool: Path) -> bool:
    """Whether anything in this spool may hang on a key already."""
    try:
        with os.scandir(spool / EPOCHS) as entries:
            return any(entry.name.endswith(SUFFIX) for entry in entries)
    except FileNotFoundError:
        return False
    except OSError:
        raise Misconfigured("spool_unwritable", str(spool)) from None


def salt_of(spool: Path) -> str:
    """The line that says how this spool's passphrase is stretched; made on first use, never changed."""
    path = spool / EPOCHS / SALT
    if not path.exists():
        if has_epochs(spool):
            raise Misconfigured("key_missing", str(path))
        make_salt(spool)
    return read_text(path, private=True)


def make_salt(spool: Path) -> None:
    """Make that line unless it is there: for the first passphrase of a spool."""
    folder = state.prepare(state.prepare(spool) / EPOCHS)
    written_first(f"scrypt {_LOG_COST} {_BLOCK} {_LANES} {os.urandom(_SALT).hex()}\n".encode(), folder / SALT)


def from_passphrase(phrase: str, salt: str) -> UnitKey:
    """The key that a phrase and the line of `salt_of` make; another phrase makes another key without a word."""
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    found = _SALT_LINE.fullmatch(salt)
    if found is None or int(found[1]) > 20 or not (0 < int(found[2]) <= 32 and 0 < int(found[3]) <= 16):
        raise Misconfigured("key_damaged", SALT)
    stretch = Scrypt(
        salt=bytes.fromhex(found[4]), length=LENGTH, n=1 << int(found[1]), r=int(found[2]), p=int(found[3])
    )
    return UnitKey(stretch.derive(phrase.encode("utf-8", "surrogateescape")))


def _phrase(ring: Keyring) -> str:
    phrase = ring.environ.get(PASSPHRASE) or (ring.ask() if ring.ask else "")
    if not phrase:
        raise Misconfigured("key_missing", PASSPHRASE)
    return phrase


def _credential(name: str, environ: Mapping[str, str]) -> Path:
    """systemd.exec(5), LoadCredential=: a file of that name; its permissions are systemd's affair."""
    folder = environ.get("CREDENTIALS_DIRECTORY", "")
    if not folder or name in (".", "..") or "/" in name:
        raise Misconfigured("key_missing", f"systemd:{name}")
    return Path(folder) / name


def _parsed(text: str, place: str) -> UnitKey:
    try:
        return UnitKey.parse(text, place)
    except Misconfigured:
        if _is_project_key(text):
            raise Misconfigured("wrong_key", f"{place} is a project key; a spool has a key of its own") from None
        raise


def _is_project_key(text: str) -> bool:
    try:
        Key.parse(text)
    except Misconfigured:
        return False
    return True
