"""The text file a secret of 32 bytes lies in: rendered, parsed, and written whole and private or not at all."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Never, Self

from stowgate.errors import Misconfigured, disk_code
from stowgate.framing import mac
from stowgate.vault import folder as state

LENGTH = 32
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_DIGITS = -(-LENGTH * 8 // 5)
_LARGEST = 4096
_FIELD = re.compile(r"(\w+):\s*(\S+)")
_TEXT = "{about}version: 1\nid: {id}\nkey: {key}\n"


@dataclass(frozen=True, slots=True)
class Secret:
    """32 secret bytes and what they are called. Printing one shows the id alone, and it is never pickled."""

    DOMAIN: ClassVar[bytes]
    """What separates the ids of one kind of key from those of another."""
    BYTES: ClassVar[int] = 4
    ABOUT: ClassVar[str]
    """Comment lines that tell whoever finds the file what it is."""

    secret: bytes = field(repr=False)
    id: str = field(init=False)
    """The first hex digits of mac(DOMAIN); in the file it is also the checksum."""

    def __post_init__(self) -> None:
        if len(self.secret) != LENGTH:
            raise ValueError(f"a key has {LENGTH} bytes")
        object.__setattr__(self, "id", mac(self.secret, self.DOMAIN)[: self.BYTES].hex())

    def __reduce__(self) -> Never:
        raise TypeError("a key is never pickled")

    @classmethod
    def new(cls) -> Self:
        """A key that nobody had before."""
        return cls(os.urandom(LENGTH))

    @classmethod
    def parse(cls, text: str, place: str = "") -> Self:
        """The key in the text of a key file; Misconfigured("key_damaged", place) if it is cut, mistyped or newer."""
        lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
        fields = dict(_FIELD.findall("\n".join(lines)))
        secret = _decode(fields.get("key", ""))
        if fields.get("version") != "1" or secret is None:
            raise Misconfigured("key_damaged", place)
        key = cls(secret)
        if fields.get("id", "").lower() != key.id:
            raise Misconfigured("key_damaged", place)
        return key

    def sub(self, purpose: bytes) -> bytes:
        """A key of 32 bytes for one purpose on the identified side; nothing about this key follows from it."""
        return mac(self.secret, b"sub-key", purpose)

    def render(self) -> str:
        """The text of a key file: two sentences, the version, the id, and the secret in Crockford's base32."""
        number = int.from_bytes(self.secret, "big")
        digits = "".join(_ALPHABET[number >> shift & 31] for shift in range(5 * (_DIGITS - 1), -1, -5))
        return _TEXT.format(about=self.ABOUT, id=self.id, key="-".join(re.findall("....", digits)))


def write_new(content: bytes, path: Path) -> None:
    """Write a new file, mode 0600, whole and durable or not at all; Misconfigured("key_exists") if there is one."""
    part = path.parent / f".{path.name}.{os.urandom(8).hex()}.part"
    try:
        try:
            _write_part(part, content)
            _place(part, path)
        finally:
            part.unlink(missing_ok=True)
        state.sync_folder(path.parent)
    except FileExistsError:
        raise Misconfigured("key_exists", str(path)) from None
    except OSError as error:
        raise Misconfigured(disk_code(error, "key_unwritable"), str(path)) from None


def sweep(path: Path) -> None:
    """Take away what a dead process left beside a key file that is there: it may be a second name of the key."""
    for part in list(path.parent.iterdir()):
        if part.name.startswith(f".{path.name}.") and part.suffix == ".part":
            part.unlink(missing_ok=True)


def written_first(content: bytes, path: Path) -> bool:
    """Write the file unless another process was faster, whose file then counts."""
    try:
        write_new(content, path)
    except Misconfigured as error:
        if error.code != "key_exists":
            raise
        return False
    return True


def read_text(path: Path, private: bool) -> str:
    """The text of a key file; with `private`, Misconfigured("key_permissions") if others can open it."""
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


def _decode(text: str) -> bytes | None:
    """Crockford's base32, forgiving what people mix up: case, O for 0, I and L for 1; None if it is no key."""
    plain = text.replace("-", "").upper().translate(str.maketrans("OIL", "011"))
    if len(plain) != _DIGITS or not set(plain) <= set(_ALPHABET):
        return None
    number = 0
    for digit in plain:
        number = number << 5 | _ALPHABET.index(digit)
    return number.to_bytes(LENGTH, "big") if number < 1 << LENGTH * 8 else None
