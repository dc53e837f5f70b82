"""Keyed derivation written out a second time from docs/reference/derivation.md."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata

from tests.oracle.tables import is_registered

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def mac(key: bytes, domain: bytes, *parts: bytes) -> bytes:
    message = b"stowgate-1\0" + domain + b"\0"
    for part in parts:
        message += len(part).to_bytes(8, "big") + part
    return hmac.new(key, message, hashlib.sha256).digest()


def crockford(ten_bytes: bytes) -> str:
    bits = "".join(f"{byte:08b}" for byte in ten_bytes)
    return "".join(CROCKFORD[int(bits[i : i + 5], 2)] for i in range(0, 80, 5))


def new_uid(key: bytes, value: bytes) -> bytes:
    """One value, trimmed: registered and empty ones stay."""
    if not value or is_registered(value.decode("latin-1")):
        return value
    return b"2.25." + str(int.from_bytes(mac(key, b"uid", value)[:16], "big")).encode()


def plain(text: str) -> bytes:
    return unicodedata.normalize("NFC", text).strip(" \0").encode("utf-8")


def pseudonym(key: bytes, patient_id: str, issuer: str, study: bytes) -> str:
    if plain(patient_id):
        return crockford(mac(key, b"patient", plain(patient_id), plain(issuer))[:10])
    return crockford(mac(key, b"patient-of-study", study)[:10])


def offset_days(key: bytes, patient_id: str, issuer: str, study: bytes) -> int:
    if plain(patient_id):
        code = mac(key, b"offset", plain(patient_id), plain(issuer))
    else:
        code = mac(key, b"offset-of-study", study)
    return -7 * (1 + int.from_bytes(code[:8], "big") % 520)


def ae_alias(key: bytes, value: bytes) -> bytes:
    return b"SG" + crockford(mac(key, b"ae", value)[:10])[:14].encode()
