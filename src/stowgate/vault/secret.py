"""Short secrets behind references, such as tokens: read once, compared in constant time, never shown."""

from __future__ import annotations

import hmac
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stowgate.errors import Misconfigured
from stowgate.vault.folder import is_private

_LARGEST = 4096
_PLAIN = re.compile(r"[!-~]+")
_NAME = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class Secret:
    """A text nobody gets to see by accident: printing a Secret shows nothing of it."""

    text: str = field(repr=False)

    def fits(self, given: str) -> bool:
        """Whether somebody knows it; takes as long whatever is wrong."""
        return hmac.compare_digest(self.text.encode(), given.encode("utf-8", "replace"))


def load(reference: str, shortest: int = 16, environ: Mapping[str, str] = os.environ) -> Secret:
    """The secret behind "file:PATH", "env:NAME" or "systemd:NAME" (a credential, systemd.exec(5)).

    Raises Misconfigured("secret_missing"), ("secret_permissions") or ("secret_unusable") with the reference as place;
    a literal secret is none of the three forms and is never repeated in the message.
    """
    kind, _, name = reference.partition(":")
    text = ""
    if kind == "env" and name:
        text = environ.get(name, "")
    elif kind == "file" and name:
        text = _read(Path(name).expanduser(), reference)
    elif kind == "systemd" and _NAME.fullmatch(name) and environ.get("CREDENTIALS_DIRECTORY"):
        text = _read(Path(environ["CREDENTIALS_DIRECTORY"]) / name, reference)
    else:
        raise Misconfigured("secret_missing", reference if kind == "systemd" else "")
    if not text:
        raise Misconfigured("secret_missing", reference)
    text = text.strip()
    if len(text) < shortest or not _PLAIN.fullmatch(text):
        raise Misconfigured("secret_unusable", reference)
    return Secret(text)


def _read(path: Path, reference: str) -> str:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise Misconfigured("secret_missing", reference)
            if reference.startswith("file:") and not is_private(status):
                raise Misconfigured("secret_permissions", reference)
            return file.read(_LARGEST).decode("utf-8", "replace")
    except OSError:
        raise Misconfigured("secret_missing", reference) from None
