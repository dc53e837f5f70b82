"""Reads which instance a stream carries out of its first bytes, so that its sender can be told about it by its UID."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field

from stowgate.dicom.budget import Budget, NeedMore, OddEncoding
from stowgate.dicom.limits import Limits
from stowgate.dicom.scanner import IMPLICIT
from stowgate.dicom.walk import LONG_VRS, SHORT_VRS, Elements, walk
from stowgate.errors import Rejected

FIRST = 64 * 1024
"""Bytes that hold the file meta information and, nearly always, the Study Instance UID."""
MOST = 1024 * 1024
"""Bytes looked at when it matters to which study an instance belongs."""

_LIMITS = Limits(depth=32, elements=50_000, seconds=5.0)
_UID = re.compile(r"[0-9.]{1,64}")
_BIG_ENDIAN, _DEFLATED = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"


@dataclass(frozen=True, slots=True)
class Peeked:
    """UIDs of one instance as its first bytes say, "" where they do not: for its own sender's answer only."""

    sop_class: str = field(default="", repr=False)
    sop_instance: str = field(default="", repr=False)
    study: str = field(default="", repr=False)
    transfer_syntax: str = ""


def peek(head: bytes) -> Peeked:
    """What the beginning of a PS3.10 file says. Never raises: judging the object is for others."""
    if head[128:132] != b"DICM":
        return Peeked()
    meta, start = _file_meta(head)
    syntax = _uid(meta.get(0x0010, b""))
    elements, view = _data_set(head, start, syntax)

    def text(tag: int) -> str:
        found = elements.get(tag)
        return _uid(bytes(view[found[2] : found[3]])) if found else ""

    sop_class = text(0x00080016) or _uid(meta.get(0x0002, b""))
    sop_instance = text(0x00080018) or _uid(meta.get(0x0003, b""))
    return Peeked(sop_class, sop_instance, text(0x0020000D), syntax)


def data_set_start(head: bytes) -> int:
    """Where the data set begins in a file's first bytes; 0 where there is no file meta information."""
    return _file_meta(head)[1] if head[128:132] == b"DICM" else 0


def _file_meta(head: bytes) -> tuple[dict[int, bytes], int]:
    """Values of group 0002 by element, and where the data set begins (PS3.10 7.1: always explicit little endian)."""
    found: dict[int, bytes] = {}
    at = 132
    while head[at : at + 2] == b"\2\0" and at + 12 <= len(head):
        element, vr = int.from_bytes(head[at + 2 : at + 4], "little"), head[at + 4 : at + 6]
        if vr in LONG_VRS:
            value, length = at + 12, int.from_bytes(head[at + 8 : at + 12], "little")
        elif vr in SHORT_VRS:
            value, length = at + 8, int.from_bytes(head[at + 6 : at + 8], "little")
        else:
            break
        found[element] = head[value : value + min(length, 128)]
        at = value + length
    return found, at


def _data_set(head: bytes, start: int, syntax: str) -> tuple[Elements, memoryview]:
    """As many top-level elements as the bytes hold; none in big endian, which is retired."""
    elements: Elements = {}
    view = memoryview(head)
    if not syntax or syntax == _BIG_ENDIAN or start >= len(head):
        return elements, view
    try:
        if syntax == _DEFLATED:
            view, start = memoryview(zlib.decompressobj(-15).decompress(head[start:], MOST)), 0
        walk(view, start, len(view), syntax != IMPLICIT, elements, Budget(_LIMITS))
    except (NeedMore, OddEncoding, Rejected, zlib.error):
        pass  # what was found until then counts
    return elements, view


def _uid(value: bytes) -> str:
    text = value.decode("ascii", "replace").strip(" \0")
    return text if _UID.fullmatch(text) else ""
