"""Where the bytes of an object come from: random access to a file in place, or to memory."""

from __future__ import annotations

import os
from typing import Protocol

from stowgate.closing import Closing
from stowgate.errors import Rejected


class ByteSource(Protocol):
    """Random access to the bytes of one object; reading may happen in any order and any number of times."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer only at the end."""

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill `buffer` from `offset`; how many bytes were read (fewer only at the end)."""

    def fileno(self) -> int | None:
        """A descriptor whose bytes are exactly these, for copying inside the kernel; None where there is none."""

    def close(self) -> None:
        """Give back what is held; calling it twice does no harm."""


class DescriptorSource(Closing):
    """An open descriptor that stays its owner's: closing the source leaves it open."""

    def __init__(self, descriptor: int) -> None:
        self._fd = descriptor
        self.size = os.fstat(descriptor).st_size

    def read(self, offset: int, length: int) -> bytes:
        """See `ByteSource.read`."""
        try:
            data = os.pread(self._fd, length, offset)
            if len(data) == length:
                return data
            while len(data) < length and (more := os.pread(self._fd, length - len(data), offset + len(data))):
                data += more
        except OSError:
            raise Rejected("unreadable") from None
        return data

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """See `ByteSource.read_into`."""
        done, wanted = 0, len(buffer)
        try:
            while done < wanted and (count := os.preadv(self._fd, [buffer[done:]], offset + done)):
                done += count
        except OSError:
            raise Rejected("unreadable") from None
        return done

    def fileno(self) -> int | None:
        """See `ByteSource.fileno`."""
        return self._fd

    def stamp(self) -> tuple[int, int]:
        """Size and time of change of the file as it is now."""
        status = os.fstat(self._fd)
        return status.st_size, status.st_mtime_ns


class FileSource(DescriptorSource):
    """A regular file, opened without following a link and without waiting for a pipe."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            raise Rejected("unreadable") from None
        super().__init__(descriptor)

    def close(self) -> None:
        """See `ByteSource.close`."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class MemorySource(Closing):
    """Bytes already in memory."""

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._data = memoryview(data)
        self.size = len(self._data)

    def read(self, offset: int, length: int) -> bytes:
        """See `ByteSource.read`."""
        return bytes(self._data[offset : offset + length])

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """See `ByteSource.read_into`."""
        piece = self._data[offset : offset + len(buffer)]
        buffer[: len(piece)] = piece
        return len(piece)

    def fileno(self) -> int | None:
        """See `ByteSource.fileno`: there is none."""
        return None
