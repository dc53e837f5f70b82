"""One record of the audit log: a line of JSON that names the line before it and is sealed with the audit key."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from stowgate.framing import mac
from stowgate.reasons import REASONS

FIRST = "0" * 64
"""What stands in the first record for the line before it."""
LONGEST = 8192
"""Bytes of a line."""
MOST_IDS = 64

_SEALED = re.compile(rb'(\{"n":(\d{1,18}),.*"prev":"([0-9a-f]{64})"),"mac":"([0-9a-f]{64})"\}')
_WORD = re.compile(r"[a-z][a-z_]{0,31}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_ID = re.compile(r"[0-9a-f]{6,64}")


@dataclass(frozen=True, slots=True)
class Entry:
    """What one record says. Only words, names of accounts and sources, ids and codes: `ValueError` for anything else.

    kind   -- what happened or was done, such as "started" or "release"
    actor  -- account of the person who did it, "gateway" for the program itself
    ids    -- hexadecimal ids of items it was done to, 64 at most; `count` says how many in all
    """

    kind: str
    actor: str = "gateway"
    source: str = ""
    code: str = ""
    ids: tuple[str, ...] = ()
    count: int = 0

    def __post_init__(self) -> None:
        fitting = (
            _WORD.fullmatch(self.kind)
            and _NAME.fullmatch(self.actor)
            and (not self.source or _NAME.fullmatch(self.source))
            and (not self.code or self.code in REASONS)
            and len(self.ids) <= MOST_IDS
            and all(_ID.fullmatch(id) for id in self.ids)
        )
        if not fitting:
            raise ValueError("an audit record holds words, names, ids and codes")


@dataclass(frozen=True, slots=True)
class Moment:
    """When: seconds since 1970 as the clock says, and seconds since the boot of this id, which nobody can set back."""

    wall: float
    boot: str
    since_boot: float


@dataclass(frozen=True, slots=True)
class Sealed:
    """Where a record stands in the chain."""

    number: int
    previous: str
    digest: str
    """SHA-256 (hex) of its line, without the line end."""


def seal(key: bytes, number: int, previous: str, moment: Moment, entry: Entry) -> bytes:
    """The line of a record, without its line end."""
    facts: dict[str, object] = {"n": number, "at": round(moment.wall, 3), "boot": moment.boot}
    facts |= {"up": round(moment.since_boot, 3), **asdict(entry), "prev": previous}
    body = json.dumps(facts, separators=(",", ":")).encode("ascii")[:-1]
    return b'%s,"mac":"%s"}' % (body, _mac(key, body).encode())


def open_line(key: bytes, line: bytes) -> Sealed | None:
    """Where a line stands in the chain; None if it is not, to the byte, what was written with this key."""
    found = _SEALED.fullmatch(line) if len(line) <= LONGEST else None
    if found is None or _mac(key, found[1]).encode() != found[4]:
        return None
    return Sealed(int(found[2]), found[3].decode(), digest_of(line))


def digest_of(line: bytes) -> str:
    """SHA-256 (hex) of a line: what the next record names."""
    return hashlib.sha256(line).hexdigest()


def facts_of(line: bytes) -> Mapping[str, object]:
    """What a line says, for export; only for lines that `open_line` took."""
    facts: dict[str, object] = json.loads(line)
    return facts


def _mac(key: bytes, body: bytes) -> str:
    return mac(key, b"audit-record", body).hex()
