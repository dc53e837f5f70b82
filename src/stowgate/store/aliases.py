"""Keyed aliases: how the ledger recognises an input or a folder without knowing its name."""

from __future__ import annotations

import os

from stowgate.framing import mac
from stowgate.store.store import Target
from stowgate.vault.key import Key


class Aliases:
    """The aliases of one project key; without the key nobody can tell whether a path is in the ledger."""

    def __init__(self, key: Key) -> None:
        self._key_id = key.id
        self._input = key.sub(b"ledger-input")
        self._out = key.sub(b"ledger-out")

    def fingerprint(self, path: str | os.PathLike[str], size: int, mtime_ns: int) -> str:
        """32 hex digits; another size or time is another input."""
        return mac(self._input, b"input", _absolute(path), b"%d" % size, b"%d" % mtime_ns).hex()[:32]

    def target(self, policy: str, out: str | os.PathLike[str], layout: str) -> Target:
        """The target of a policy digest, an output folder and a path template."""
        alias = mac(self._out, b"out", _absolute(out), layout.encode()).hex()[:32]
        return Target(policy, self._key_id, alias)


def _absolute(path: str | os.PathLike[str]) -> bytes:
    name = os.fsencode(path)
    if not name.startswith(b"/"):
        raise ValueError("the ledger knows absolute paths only")
    return name
