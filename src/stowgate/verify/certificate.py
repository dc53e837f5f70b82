"""A certificate: plain data signed by Ed25519 (RFC 8032) over canonical JSON, and its page, signed as it stands."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

ALGORITHM = "Ed25519"
_MARK = re.compile(rb"<!-- Ed25519 ([0-9a-f]{64}) ([0-9a-f]{128}) -->\n\Z")
_LARGEST_NUMBER = 1 << 53
"""Above this a number is not the same for everybody who reads JSON (RFC 8785 3.2.2.3)."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of a check: by whom it was signed, and whether every byte is as it was then."""

    is_whole: bool
    fingerprint: str = ""


def canonical(data: Any) -> bytes:
    """The same bytes for the same data, whoever writes them: sorted keys, no blanks, UTF-8 (RFC 8785 of these kinds).

    ValueError for what has no such form: floating point numbers, large ones, keys that are no text.
    """
    _known(data)
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _known(data: Any) -> None:
    match data:
        case str() | bool() | None:
            return
        case int() if abs(data) <= _LARGEST_NUMBER:
            return
        case list() | tuple():
            for one in data:
                _known(one)
        case dict() if all(isinstance(key, str) and key.isascii() for key in data):
            for one in data.values():
                _known(one)
        case _:
            raise ValueError("only texts, whole numbers, lists and tables can be signed")


def public_key(seed: bytes) -> bytes:
    """The 32 bytes that others check by. `seed`: 32 secret bytes."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def fingerprint(public: bytes) -> str:
    """What people compare: SHA-256 of the public key, 64 hex digits."""
    return sha256(public).hexdigest()


def signed(data: Mapping[str, Any], seed: bytes) -> dict[str, Any]:
    """The same with a "signature" over all the rest."""
    public = public_key(seed)
    who = {"algorithm": ALGORITHM, "public_key": public.hex(), "fingerprint": fingerprint(public)}
    whole = {**data, "signature": who}
    return {**data, "signature": {**who, "value": _sign(canonical(whole), seed).hex()}}


def checked(data: Any) -> Checked:
    """Whether this is a certificate as it was signed."""
    try:
        who = dict(data["signature"])
        value, public = bytes.fromhex(who.pop("value")), bytes.fromhex(who["public_key"])
        body = canonical({**data, "signature": who})
    except (ValueError, TypeError, KeyError, AttributeError):
        return Checked(False)
    whole = who.get("algorithm") == ALGORITHM and who.get("fingerprint") == fingerprint(public)
    return Checked(whole and _fits(body, value, public), fingerprint(public))


def signed_page(page: str, seed: bytes) -> bytes:
    """The page with a signature behind it, over every byte before."""
    body = page.encode()
    return body + f"<!-- {ALGORITHM} {public_key(seed).hex()} {_sign(body, seed).hex()} -->\n".encode()


def checked_page(page: bytes) -> Checked:
    """Whether this is a page as it was signed."""
    found = _MARK.search(page)
    if found is None:
        return Checked(False)
    public, value = (bytes.fromhex(part.decode()) for part in found.groups())
    return Checked(_fits(page[: found.start()], value, public), fingerprint(public))


def _sign(body: bytes, seed: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).sign(body)


def _fits(body: bytes, value: bytes, public: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(value, body)
    except (InvalidSignature, ValueError):
        return False
    return True
