"""Pixel Data of an output against its source: length, fragments, both ends and windows nobody can foresee, or all."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator

from stowgate.dicom.source import ByteSource
from stowgate.verify.elements import Bulk

ENDS = 64 * 1024
WINDOW, WINDOWS = 4 * 1024, 16
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
    return all(
        raw.read(before.offset + at, length) == written.read(after.offset + at, length)
        for at, length in _places(before.length, windows)
    )


def _places(length: int, windows: bytes) -> Iterator[tuple[int, int]]:
    """Offsets and lengths to compare, ascending."""
    if not windows or length <= 2 * ENDS + WINDOW * WINDOWS:
        for at in range(0, length, _CHUNK):
            yield at, min(_CHUNK, length - at)
        return
    numbers = hashlib.shake_256(windows).digest(8 * WINDOWS)
    inner = length - 2 * ENDS - WINDOW
    starts = (ENDS + int.from_bytes(numbers[at : at + 8], "big") % (inner + 1) for at in range(0, 8 * WINDOWS, 8))
    yield 0, ENDS
    for start in sorted(starts):
        yield start, WINDOW
    yield length - ENDS, ENDS


def windows_of(secret: bytes, instance: str) -> bytes:
    """The digest that places the windows of one object: the same every time, known only with the secret."""
    return hmac.digest(secret, b"gate-windows" + instance.encode(), "sha256")
