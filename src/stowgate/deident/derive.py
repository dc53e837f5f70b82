"""Keyed, stateless derivation of everything that replaces an identity (docs/reference/derivation.md)."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from stowgate.framing import mac
from stowgate.standard.uids import is_registered

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base32: no letter that can be read as a digit."""


_LONGEST = 256
"""Bytes of a value that is remembered; a UID has 64 at most."""


def base32(data: bytes) -> str:
    """80 bits as 16 readable characters."""
    number = int.from_bytes(data[:10], "big")
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(75, -1, -5))


def uid(key: bytes, value: bytes) -> bytes:
    """The replacement of one UID value: 2.25.<128 bits>, at most 44 characters (PS3.5 B.2).

    Registered UIDs and empty values stay. Malformed ones are mapped like any other.
    """
    return _uid(key, value) if len(value) <= _LONGEST else _uid.__wrapped__(key, value)


@lru_cache(maxsize=8192)
def _uid(key: bytes, value: bytes) -> bytes:
    trimmed = value.strip(b" \0")
    if not trimmed or is_registered(trimmed.decode("ascii", "replace")):
        return value
    return b"2.25.%d" % int.from_bytes(mac(key, b"uid", trimmed)[:16], "big")


@lru_cache(maxsize=1024)
def alias(key: bytes, domain: bytes, value: bytes) -> bytes:
    """A 16-character stand-in for an application entity title (VR AE) or the like."""
    return b"SG" + base32(mac(key, domain, value.strip(b" \0")))[:14].encode()


@dataclass(frozen=True, slots=True)
class Patient:
    """What all objects of one patient share: the pseudonym (16 characters) and the date offset in days."""

    pseudonym: bytes
    days: int


@lru_cache(maxsize=1024)
def patient(key: bytes, identifier: str, issuer: str, study: bytes) -> Patient:
    """Pseudonym and offset of a patient; an empty Patient ID never merges people: it takes those of its study.

    identifier, issuer -- decoded Patient ID and Issuer of Patient ID
    study              -- raw Study Instance UID, used only when the identifier is empty
    """
    parts = _plain(identifier), _plain(issuer)
    if parts[0]:
        code, shift = mac(key, b"patient", *parts), mac(key, b"offset", *parts)
    else:
        trimmed = study.strip(b" \0")
        code, shift = mac(key, b"patient-of-study", trimmed), mac(key, b"offset-of-study", trimmed)
    weeks = 1 + int.from_bytes(shift[:8], "big") % 520
    return Patient(base32(code).encode(), -7 * weeks)


def _plain(text: str) -> bytes:
    return unicodedata.normalize("NFC", text).strip(" \0").encode()
