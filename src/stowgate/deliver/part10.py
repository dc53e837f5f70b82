"""Where the data set of a PS3.10 file begins, and in which transfer syntax it says that it is."""

from __future__ import annotations

import struct

_LONG = frozenset((b"OB", b"OW", b"UN", b"UT", b"SQ", b"OD", b"OF", b"OL", b"OV", b"SV", b"UV", b"UC", b"UR"))
_MOST = 1 << 16
"""Bytes that preamble and file meta information may take."""


def data_set_at(head: bytes | bytearray) -> tuple[int, str] | None:
    """Offset of the data set, and Transfer Syntax UID (PS3.10 7.1); None where more of the file is needed for that.

    The file meta information is taken as it is, whatever its group length says. ValueError for what is no such file.
    """
    if len(head) < 132:
        return None
    if head[128:132] != b"DICM":
        raise ValueError
    at, syntax = 132, ""
    while len(head) >= at + 12:
        group, element = struct.unpack_from("<HH", head, at)
        if group != 0x0002:
            if not syntax:
                raise ValueError
            return at, syntax
        is_long = bytes(head[at + 4 : at + 6]) in _LONG
        value = at + (12 if is_long else 8)
        (length,) = struct.unpack_from("<I", head, at + 8) if is_long else struct.unpack_from("<H", head, at + 6)
        if value + length > _MOST:
            raise ValueError
        if element == 0x0010:
            syntax = bytes(head[value : value + length]).rstrip(b"\0 ").decode("ascii", "replace")
        at = value + length
    return None
