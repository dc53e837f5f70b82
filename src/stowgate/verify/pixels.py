"""Pixel Data of an output against its source: length, fragments, both ends and windows nobody can foresee, or all."""

from __future__ import annotations

import struct
from hashlib import blake2b
from os import pread

from stowgate.dicom.source import ByteSource
from stowgate.errors import Rejected
from stowgate.verify.elements import Bulk

ENDS = 64 * 1024
WINDOW, WINDOWS = 4 * 1024, 16
_numbers = struct.Struct(f">{WINDOWS}I").unpack
_CHUNK = 512 * 1024
"""Read at a time from each side, so that at most 1 MiB of Pixel Data is in memory."""


def same(raw: ByteSource, written: ByteSource, before: Bulk, after: Bulk, windows: bytes) -> bool:
    """Whether two pixel values are the same, as far as looked at.

    windows -- a secret digest that places the 16 windows of 4 KiB; empty to compare every byte. A native value of
    odd length may have got one zero byte of padding (PS3.5 8.1.1).
    """
    padding = after.length - before.length
    if after.fragments != before.fragments or not (padding == 0 or (padding == 1 and before.length & 1)):
        return False
    if padding and written.read(after.offset + before.length, 1) != b"\0":
        return False
    places = _places(before.length, windows)
    here, there = raw.fileno(), written.fileno()
    if here is None or there is None:
        return all(_alike(raw, written, before.offset + at, after.offset + at, length) for at, length in places)
    old, new = before.offset, after.offset
    try:
        for at, length in places:  # a plain loop over plain calls: it runs eighteen times for every object
            piece = pread(here, length, old + at)
            if (len(piece) < length or pread(there, length, new + at) != piece) and not _alike(
                raw, written, old + at, new + at, length
            ):
                return False
    except OSError:
        raise Rejected("unreadable") from None
    return True


def _alike(raw: ByteSource, written: ByteSource, old: int, new: int, length: int) -> bool:
    """Whether so many bytes are there and the same, however little one read gives."""
    piece = raw.read(old, length)
    return len(piece) == length and written.read(new, length) == piece


def _places(length: int, windows: bytes) -> list[tuple[int, int]]:
    """Offsets and lengths to compare, ascending."""
    if not windows or length <= 2 * ENDS + WINDOW * WINDOWS:
        return [(at, min(_CHUNK, length - at)) for at in range(0, length, _CHUNK)]
    room = length - 2 * ENDS - WINDOW + 1
    numbers = _numbers(blake2b(windows, digest_size=4 * WINDOWS).digest())
    starts = sorted([ENDS + (number * room >> 32) for number in numbers])
    return [(0, ENDS), *[(start, WINDOW) for start in starts], (length - ENDS, ENDS)]


def windows_of(secret: bytes, instance: str) -> bytes:
    """The digest that places the windows of one object: the same every time, known only with the secret."""
    return blake2b(instance.encode(), key=secret, person=b"gate-windows").digest()
