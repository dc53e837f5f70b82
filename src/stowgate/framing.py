"""The one keyed function everything is derived with: HMAC-SHA-256 over framed parts, so no two inputs can meet."""

from __future__ import annotations

import hmac

VERSION = b"stowgate-1"
"""A change of any derivation is a new version or a new domain, never a silent change of this function."""


def mac(key: bytes, domain: bytes, *parts: bytes) -> bytes:
    """HMAC-SHA-256 (32 bytes) of `parts` under `key`, separated by `domain` (docs/reference/derivation.md).

    The message is VERSION, a zero byte, the domain, a zero byte, then each part behind its length as eight bytes,
    big endian. A zero byte inside the domain is refused: it would let two domains share a message.
    """
    if b"\0" in domain:
        raise ValueError("a domain has no zero byte")
    framed = [VERSION, b"\0", domain, b"\0"]
    for part in parts:
        framed.append(len(part).to_bytes(8, "big"))
        framed.append(part)
    return hmac.digest(key, b"".join(framed), "sha256")
