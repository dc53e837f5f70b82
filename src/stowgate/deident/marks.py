"""What an object says about its own de-identification: marks, method codes, and the rebuilt file meta information."""

from __future__ import annotations

import struct
from functools import lru_cache

from stowgate.deident.encode import element, item
from stowgate.deident.profile import claims
from stowgate.policy import Option, Policy
from stowgate.standard.codes import meaning_of

REMOVED_FLAG, METHOD, METHOD_CODES, TEMPORAL, STATION_NAME = 0x00120062, 0x00120063, 0x00120064, 0x00280303, 0x00081010

IMPLEMENTATION_CLASS = b"2.25.309132845913409427265319028736498154731"
IMPLEMENTATION_VERSION = b"STOWGATE_1"


def method_text(policy: Policy) -> bytes:
    """One value of De-identification Method (LO, at most 64 characters): edition, rule revision, policy digest."""
    return f"Stowgate {policy.edition} r{policy.revision} {policy.digest[:16]}".encode()


def temporal(policy: Policy) -> bytes:
    """Longitudinal Temporal Information Modified (PS3.3 C.12.1.1.1)."""
    if policy.has(Option.FULL_DATES):
        return b"UNMODIFIED"
    return b"MODIFIED" if policy.has(Option.MODIFIED_DATES) else b"REMOVED"


@lru_cache(maxsize=64)
def code_item(code: str, explicit: bool) -> bytes:
    """One item of De-identification Method Code Sequence (CID 7050)."""
    return item(
        element(0x00080100, b"SH", code.encode(), explicit)
        + element(0x00080102, b"SH", b"DCM", explicit)
        + element(0x00080104, b"LO", meaning_of(code).encode(), explicit)
    )


@lru_cache(maxsize=64)
def fixed(policy: Policy, explicit: bool) -> tuple[tuple[int, bytes], ...]:
    """Marks of an object that carried none before, by ascending tag."""
    codes = b"".join(code_item(code, explicit) for code in claims(policy))
    marks = [
        (REMOVED_FLAG, element(REMOVED_FLAG, b"CS", b"YES", explicit)),
        (METHOD, element(METHOD, b"LO", method_text(policy), explicit)),
        (METHOD_CODES, element(METHOD_CODES, b"SQ", codes, explicit)),
        (TEMPORAL, element(TEMPORAL, b"CS", temporal(policy), explicit)),
    ]
    if policy.station_name:
        marks.insert(0, (STATION_NAME, element(STATION_NAME, b"SH", policy.station_name.encode(), explicit)))
    return tuple(mark for mark in marks if mark[0] != METHOD_CODES or codes)


@lru_cache(maxsize=1024)
def _meta_body(sop_class: bytes, syntax: bytes) -> tuple[bytes, bytes]:
    before = element(0x00020001, b"OB", b"\0\1", True)
    before += element(0x00020002, b"UI", sop_class, True)
    after = element(0x00020010, b"UI", syntax, True)
    after += element(0x00020012, b"UI", IMPLEMENTATION_CLASS, True)
    after += element(0x00020013, b"SH", IMPLEMENTATION_VERSION, True)
    return before, after


def file_meta(sop_class: bytes, instance: bytes, syntax: bytes) -> bytes:
    """A zero preamble, the prefix, and file meta information made from nothing (PS3.10 7.1)."""
    before, after = _meta_body(sop_class, syntax)
    body = before + element(0x00020003, b"UI", instance, True) + after
    return bytes(128) + b"DICM" + element(0x00020000, b"UL", struct.pack("<I", len(body)), True) + body
