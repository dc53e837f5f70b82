"""Writes one element, item or dummy value in little endian bytes (PS3.5 section 7, PS3.15 E.1 action D)."""

from __future__ import annotations

import struct
from functools import lru_cache

from stowgate.dicom.walk import SHORT_VRS
from stowgate.standard.dictionary import entry, implicit_vr, vr_of

_short = struct.Struct("<HH2sH").pack
_long = struct.Struct("<HH2sHI").pack
_implicit = struct.Struct("<HHI").pack

_NUL_PADDED = frozenset((b"UI", b"OB", b"UN"))

DUMMIES: dict[bytes, bytes] = {
    b"AE": b"REMOVED",
    b"AS": b"000Y",
    b"AT": bytes(4),
    b"CS": b"REMOVED",
    b"DA": b"19000101",
    b"DS": b"0",
    b"DT": b"19000101000000",
    b"FD": bytes(8),
    b"FL": bytes(4),
    b"IS": b"0",
    b"LO": b"REMOVED",
    b"LT": b"REMOVED",
    b"OB": bytes(2),
    b"OD": bytes(8),
    b"OF": bytes(4),
    b"OL": bytes(4),
    b"OV": bytes(8),
    b"OW": bytes(2),
    b"PN": b"REMOVED",
    b"SH": b"REMOVED",
    b"SL": bytes(4),
    b"SS": bytes(2),
    b"ST": b"REMOVED",
    b"SV": bytes(8),
    b"TM": b"000000",
    b"UC": b"REMOVED",
    b"UL": bytes(4),
    b"UN": bytes(2),
    b"UR": b"about:blank",
    b"US": bytes(2),
    b"UT": b"REMOVED",
    b"UV": bytes(8),
}
"""One valid and conspicuous value for each VR but SQ and UI; the encoding pads odd ones."""


@lru_cache(maxsize=8192)
def dummy_value(tag: int, vr: bytes) -> bytes:
    """The dummy of an attribute: as many values as the dictionary asks for at least (PS3.6 VM)."""
    one, found = DUMMIES[vr], entry(tag)
    fewest = int(found.vm.partition("-")[0]) if found and found.vm[:1].isdigit() else 1
    return (b"\\" if one.strip(b"\0") else b"").join([one] * fewest)


def element(tag: int, vr: bytes, value: bytes, explicit: bool) -> bytes:
    """One element with its value padded to even length (PS3.5 6.2)."""
    if len(value) & 1:
        value += b"\0" if vr in _NUL_PADDED else b" "
    group, number = tag >> 16, tag & 0xFFFF
    if not explicit:
        return _implicit(group, number, len(value)) + value
    if vr in SHORT_VRS and len(value) < 0x10000:
        return _short(group, number, vr, len(value)) + value
    return _long(group, number, vr if vr not in SHORT_VRS else b"UN", 0, len(value)) + value


def item(body: bytes) -> bytes:
    """One sequence item of defined length."""
    return _implicit(0xFFFE, 0xE000, len(body)) + body


@lru_cache(maxsize=8192)
def permitted_vrs(tag: int) -> tuple[bytes, ...]:
    """The VRs the standard gives an attribute, the one to write first; none for tags it does not know."""
    named = vr_of(tag)
    if not named:
        return ()
    first = implicit_vr(tag)
    return (first, *(vr.encode() for vr in named.split("/") if vr.encode() != first))
