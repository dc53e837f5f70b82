"""Preamble, prefix and File Meta Information for a data set that came over the network (PS3.10 7.1)."""

from __future__ import annotations

import struct

IMPLEMENTATION_CLASS = "2.25.309132845913409427265319028736498154731"
IMPLEMENTATION_VERSION = "STOWGATE_1"


def file_beginning(sop_class: str, sop_instance: str, transfer_syntax: str) -> bytes:
    """The bytes before the data set of a PS3.10 file, explicit VR little endian as in every file."""
    fields = (
        _long(0x0001, b"OB", b"\0\1")
        + _short(0x0002, b"UI", sop_class)
        + _short(0x0003, b"UI", sop_instance)
        + _short(0x0010, b"UI", transfer_syntax)
        + _short(0x0012, b"UI", IMPLEMENTATION_CLASS)
        + _short(0x0013, b"SH", IMPLEMENTATION_VERSION)
    )
    return bytes(128) + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(fields)) + fields


def _short(element: int, vr: bytes, text: str) -> bytes:
    value = text.encode("ascii", "replace")[:64]
    value += (b"\0" if vr == b"UI" else b" ") * (len(value) & 1)
    return struct.pack("<HH2sH", 2, element, vr, len(value)) + value


def _long(element: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sHI", 2, element, vr, 0, len(value)) + value
