"""Finds out what a file is: where its data set begins, how it is encoded, and whether it is DICOM at all (PS3.10 7)."""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from stowgate.dicom.budget import Budget
from stowgate.dicom.limits import Limits
from stowgate.dicom.odd_reader import (
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    Encoding,
    Reader,
    Window,
    dictionary_vr,
    header,
    tag_at,
)
from stowgate.dicom.walk import UNDEFINED
from stowgate.errors import Rejected
from stowgate.standard.uids import is_transfer_syntax

EXPLICIT = "1.2.840.10008.1.2.1"
_NATIVE = {
    "1.2.840.10008.1.2": IMPLICIT_LITTLE,
    "1.2.840.10008.1.2.1": EXPLICIT_LITTLE,
    "1.2.840.10008.1.2.2": EXPLICIT_BIG,
}
_DEFLATED = {
    "1.2.840.10008.1.2.1.99": EXPLICIT,
    "1.2.840.10008.1.2.4.95": "1.2.840.10008.1.2.4.94",
    "1.2.840.10008.1.2.4.205": "1.2.840.10008.1.2.4.204",
}
"""Deflated syntaxes, and the same without deflation: explicit little endian, and the two JPIP referenced ones."""

_MEDIA_SOP_CLASS, _MEDIA_INSTANCE, _SYNTAX = 0x00020002, 0x00020003, 0x00020010
_LOOKED_AT = 4
"""Elements that must make sense before a file without prefix counts as DICOM."""
_CHUNK = 1024 * 1024
_ALWAYS_INFLATED = 8 * 1024 * 1024
"""Bytes any data set may inflate to: an empty picture compresses a thousandfold and is no bomb."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the data set begins, its encoding, and the transfer syntax it has once it is explicit little endian."""

    start: int
    encoding: Encoding
    syntax: str
    deflated: bool = False
    named: bool = True
    """Whether the file itself names a transfer syntax."""
    prefixed: bool = True
    """Whether the prefix or file meta says that this is DICOM."""
    media_sop_class: bytes = b""
    media_instance: bytes = b""


def find(window: Window, budget: Budget) -> Layout:
    """Raises `Rejected`: not_dicom, truncated, unknown_transfer_syntax."""
    reader = Reader(window, budget)
    prefixed = window.at(128, 4) == b"DICM"
    begin = 132 if prefixed else 4 if window.at(0, 4) == b"DICM" else 0
    if not prefixed and not _makes_sense(window, begin, reader.settle(begin, IMPLICIT_LITTLE)):
        raise Rejected("not_dicom")
    meta, start = _file_meta(window, begin)
    named = meta.get(_SYNTAX, b"").decode("ascii", "replace")
    if window.size - start < 8:
        raise Rejected("truncated")
    encoding, syntax = _data_set(reader, start, named)
    return Layout(
        start,
        encoding,
        syntax,
        deflated=named in _DEFLATED,
        named=bool(named),
        prefixed=prefixed or bool(meta),
        media_sop_class=meta.get(_MEDIA_SOP_CLASS, b""),
        media_instance=meta.get(_MEDIA_INSTANCE, b""),
    )


def _data_set(reader: Reader, start: int, named: str) -> tuple[Encoding, str]:
    """Encoding of the data set, and the transfer syntax it is going to have."""
    if named in _DEFLATED:
        return EXPLICIT_LITTLE, _DEFLATED[named]
    if not named or named in _NATIVE:
        return reader.settle(start, _NATIVE.get(named, IMPLICIT_LITTLE)), EXPLICIT
    if not is_transfer_syntax(named):
        raise Rejected("unknown_transfer_syntax")
    return EXPLICIT_LITTLE, named


def _file_meta(window: Window, pos: int) -> tuple[dict[int, bytes], int]:
    """Values of group 0002 by tag, and where it ends; its length element is not trusted."""
    meta: dict[int, bytes] = {}
    while window.size - pos >= 8:
        head = window.at(pos, 12)
        tag = tag_at(head, EXPLICIT_LITTLE)
        if tag >> 16 != 2:
            break
        _, length, size = header(head, EXPLICIT_LITTLE)
        if pos + size + length > window.size:
            raise Rejected("truncated")
        if length <= 64:
            meta[tag] = window.at(pos + size, length).strip(b" \0")
        pos += size + length
    return meta, pos


def _makes_sense(window: Window, pos: int, encoding: Encoding) -> bool:
    """Whether the first elements are such as a file begins with: known, ascending, of a fitting VR and length."""
    last = 0
    for _ in range(_LOOKED_AT):
        head = window.at(pos, 12)
        if len(head) < 8:
            return bool(last) and not head
        tag = tag_at(head, encoding)
        if last >> 16 == 2 != tag >> 16:
            return True
        if tag <= last or tag >> 16 not in (2, 8):
            return False
        vr, length, size = header(head, encoding)
        known = dictionary_vr(tag) if tag & 0xFFFF else "UL"
        if known == "UN" or vr not in ("", "UN", *known.split(" or ")):
            return False
        if length == UNDEFINED:
            return known == "SQ"
        last = tag
        pos += size + length
        if pos > window.size:
            return False
    return True


def inflate(window: Window, start: int, out: BinaryIO, limits: Limits, budget: Budget) -> int:
    """Undo raw deflate (RFC 1951, PS3.5 A.5) from `start` into `out`; how many bytes came out.

    Raises `Rejected`: limit_inflate as soon as more comes out than allowed, truncated when the stream does not end.
    """
    most = min(limits.inflate_bytes, max(limits.inflate_ratio * (window.size - start), _ALWAYS_INFLATED))
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    total = 0
    while not engine.eof:
        data = engine.unconsumed_tail
        if not data:
            data = os.pread(window.fd, _CHUNK, start)
            start += len(data)
            if not data:
                raise Rejected("truncated")
        try:
            plain = engine.decompress(data, _CHUNK)
        except zlib.error:
            raise Rejected("cannot_normalise") from None
        total += len(plain)
        if total > most:
            raise Rejected("limit_inflate")
        budget.spend(0)
        out.write(plain)
    return total
