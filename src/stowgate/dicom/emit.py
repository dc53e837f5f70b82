"""Writes the pieces of an output: new bytes, untouched bytes, and ranges of the source copied inside the kernel."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Protocol

from stowgate.dicom.source import ByteSource
from stowgate.errors import Rejected, Temporary, disk_code
from stowgate.objects import Piece, Range

CHUNK = 1024 * 1024
_MOST_PIECES = 512
"""Well below IOV_MAX (1024) of one writev."""


class Emitter(Protocol):
    """Takes the pieces of one output in order. Every member passes tests/contracts/test_every_emitter.py."""

    def emit(self, pieces: Iterable[Piece], source: ByteSource) -> int:
        """Write all pieces; how many bytes that were. Raises `Temporary` when the place to write to fails."""


class FileEmitter:
    """Writes to an open descriptor: small pieces gathered by writev, ranges by sendfile."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def emit(self, pieces: Iterable[Piece], source: ByteSource) -> int:
        """See `Emitter.emit`."""
        total = 0
        gathered: list[bytes | memoryview] = []
        try:
            for piece in pieces:
                if isinstance(piece, Range):
                    total += self._write(gathered)
                    gathered = []
                    total += self._copy(piece, source)
                else:
                    gathered.append(piece)
                    if len(gathered) == _MOST_PIECES:
                        total += self._write(gathered)
                        gathered = []
            return total + self._write(gathered)
        except OSError as error:
            raise Temporary(disk_code(error, "cannot_write")) from None

    def _write(self, pieces: list[bytes | memoryview]) -> int:
        if not pieces:
            return 0
        wanted = sum(map(len, pieces))
        done = os.writev(self._fd, pieces)
        if done < wanted:
            rest = memoryview(b"".join(pieces))
            while done < wanted:
                done += os.write(self._fd, rest[done:])
        return wanted

    def _copy(self, piece: Range, source: ByteSource) -> int:
        descriptor = source.fileno() if sys.platform == "linux" else None  # elsewhere sendfile wants a socket
        offset, left = piece.offset, piece.length
        while left:
            if descriptor is None:
                data = source.read(offset, min(left, CHUNK))
                count = self._write([data])
            else:
                count = self._send(descriptor, offset, left, source)
            if count == 0:
                raise Rejected("source_changed")
            offset += count
            left -= count
        return piece.length

    def _send(self, descriptor: int, offset: int, left: int, source: ByteSource) -> int:
        """One sendfile; where it fails, reading and writing tell whose fault it is: the object's or the disk's."""
        try:
            return os.sendfile(self._fd, descriptor, offset, left)
        except OSError:
            return self._write([source.read(offset, min(left, CHUNK))])


class MemoryEmitter:
    """Collects the output in memory: the twin for tests and for the Python API."""

    def __init__(self) -> None:
        self.data = bytearray()

    def emit(self, pieces: Iterable[Piece], source: ByteSource) -> int:
        """See `Emitter.emit`."""
        before = len(self.data)
        for piece in pieces:
            if isinstance(piece, Range):
                copied = source.read(piece.offset, piece.length)
                if len(copied) < piece.length:
                    raise Rejected("source_changed")
                self.data += copied
            else:
                self.data += piece
        return len(self.data) - before
