"""The project key: 32 random bytes that tie every pseudonym, UID and date of a project together."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Never

from stowgate.errors import Misconfigured, disk_code
from stowgate.framing import mac
from stowgate.vault import folder as state

LENGTH = 32
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_DIGITS = -(-LENGTH * 8 // 5)
_LARGEST = 4096
_FIELD = re.compile(r"(\w+):\s*(\S+)")
_TEXT = """\
# Stowgate project key. Whoever has it can find out which patient a cleaned object belongs to.
# Without it nobody can, and no more objects can join those already made: keep a copy in a safe place.
version: 1
id: {id}
key: {key}
"""


@dataclass(frozen=True, slots=True)
class Key:
    """The secret of one project. `id` names it in ledgers and reports; printing a Key shows the id alone."""

    secret: bytes = field(repr=False)
    id: str = field(init=False)
    """The first 8 hex digits of mac("key-id"); in the key file it is also the checksum."""

    def __post_init__(self) -> None:
        if len(self.secret) != LENGTH:
            raise ValueError(f"a key has {LENGTH} bytes")
        object.__setattr__(self, "id", mac(self.secret, b"key-id")[:4].hex())

    def __reduce__(self) -> Never:
        raise TypeError("a key is never pickled")

    @classmethod
    def new(cls) -> Key:
        """A key that nobody had before."""
        return cls(os.urandom(LENGTH))

    def sub(self, purpose: bytes) -> bytes:
        """A key of 32 bytes for one purpose on the identified side; nothing about this key follows from it."""
        return mac(self.secret, b"sub-key", purpose)


def obtain(folder: Path, reference: str = "") -> tuple[Key, bool]:
    """The project's key, and whether it was made just now.

    `reference` is "file:PATH" or "env:NAME"; if empty, the key is FOLDER/project.key, made on first use. A folder
    that has a ledger once had a key: then Misconfigured("key_missing") instead of a new one that fits nothing.
    """
    if reference:
        return load(reference), False
    path = state.prepare(folder) / state.KEY
    made = False
    if not path.exists():
        if (folder / state.LEDGER).exists():
            raise Misconfigured("key_missing", str(path))
        made = _written_first(Key.new(), path)
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
    return parse(_read(path, private), str(path))


def parse(text: str, place: str = "") -> Key:
    """The key in the text of a key file; Misconfigured("key_damaged", place) if it was cut, mistyped or is newer."""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    fields = dict(_FIELD.findall("\n".join(lines)))
    secret = _decode(fields.get("key", ""))
    if fields.get("version") != "1" or secret is None:
        raise Misconfigured("key_damaged", place)
    key = Key(secret)
    if fields.get("id", "").lower() != key.id:
        raise Misconfigured("key_damaged", place)
    return key


def render(key: Key) -> str:
    """The text of a key file: two sentences, the version, the id, and the secret in Crockford's base32."""
    number = int.from_bytes(key.secret, "big")
    digits = "".join(_ALPHABET[number >> shift & 31] for shift in range(5 * (_DIGITS - 1), -1, -5))
    return _TEXT.format(id=key.id, key="-".join(re.findall("....", digits)))


def write(key: Key, path: Path) -> None:
    """Write the key to a new file, mode 0600, whole and durable or not at all; never over an existing one."""
    part = path.parent / f".{os.urandom(8).hex()}.part"
    try:
        try:
            _write_part(part, render(key).encode())
            _place(part, path)
        finally:
            part.unlink(missing_ok=True)
        state.sync_folder(path.parent)
    except FileExistsError:
        raise Misconfigured("key_exists", str(path)) from None
    except OSError as error:
        raise Misconfigured(disk_code(error, "key_unwritable"), str(path)) from None


def _written_first(key: Key, path: Path) -> bool:
    """Write the key unless another process was faster, whose key then counts."""
    try:
        write(key, path)
    except Misconfigured as error:
        if error.code != "key_exists":
            raise
        return False
    return True


def _write_part(part: Path, content: bytes) -> None:
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(handle)


def _place(part: Path, path: Path) -> None:
    """Give the finished file its name; a link never replaces one, and file systems without links cannot race."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:
        if path.exists():
            raise FileExistsError(path) from None
        part.rename(path)


def _read(path: Path, private: bool) -> str:
    try:
        # a pipe under this name must not make us wait for a writer
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise Misconfigured("key_unreadable", str(path))
            if private and not state.is_private(status):
                raise Misconfigured("key_permissions", str(path))
            return file.read(_LARGEST).decode("utf-8", "replace")
    except FileNotFoundError:
        raise Misconfigured("key_missing", str(path)) from None
    except OSError:
        raise Misconfigured("key_unreadable", str(path)) from None


def _decode(text: str) -> bytes | None:
    """Crockford's base32, forgiving what people mix up: case, O for 0, I and L for 1; None if it is no key."""
    plain = text.replace("-", "").upper().translate(str.maketrans("OIL", "011"))
    if len(plain) != _DIGITS or not set(plain) <= set(_ALPHABET):
        return None
    number = 0
    for digit in plain:
        number = number << 5 | _ALPHABET.index(digit)
    return number.to_bytes(LENGTH, "big") if number < 1 << LENGTH * 8 else None
