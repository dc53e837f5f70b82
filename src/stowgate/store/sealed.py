"""Encrypted files of the spool: written in sealed chunks as the bytes come, read again at any place."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Never

from stowgate.closing import Closing
from stowgate.dicom.source import ByteSource
from stowgate.errors import Rejected, Temporary, disk_code
from stowgate.objects import Piece, Range
from stowgate.store.sealed_header import CHUNK, LARGEST, TAG, Header, Kind, parse

STEP = 4 * CHUNK
"""Bytes that are read from a source, and sealed bytes that are written, at a time."""
_REMEMBERED = 12
"""Opened chunks that a source keeps, less than 1 MiB: the gate looks again where the engine has just read."""


def _nonce(number: int, last: bool) -> bytes:
    """The chunk's number and whether it is the last one (the STREAM construction): no order, no end can be changed."""
    return number.to_bytes(11, "big") + (b"\1" if last else b"\0")


class SealedWriter:
    """Writes one object to an open, empty file: its header, then its chunks. Also a `dicom.emit.Emitter`.

    The descriptor stays its owner's. After a `Temporary` the object is lost: every further call raises it again, and
    no nonce is ever used twice.
    """

    def __init__(self, descriptor: int, header: Header, seen: Callable[[bytes | memoryview], object] | None = None):
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self.size = 0
        """Plain bytes so far."""
        self._fd, self._header, self._seen = descriptor, header, seen
        self._cipher, self._about = AESGCM(header.key), header.digest
        self._held = bytearray()
        """What is not sealed yet: any chunk could be the last one until another byte comes."""
        self._sealed: list[bytes] = [header.data]
        self._number = 0
        self._failed = ""
        self.finished = False

    def write(self, data: bytes | memoryview) -> None:
        """Append plain bytes. `Temporary` when the disk fails."""
        self._must_be_open()
        view = memoryview(data)
        self.size += len(view)
        if self._seen is not None:
            self._seen(view)
        while view:
            if len(self._held) == CHUNK:
                self._seal(self._held, last=False)
                self._held.clear()
            if not self._held and len(view) > CHUNK:
                self._seal(view[:CHUNK], last=False)
                view = view[CHUNK:]
            else:
                room = CHUNK - len(self._held)
                self._held += view[:room]
                view = view[room:]

    def emit(self, pieces: Iterable[Piece], source: ByteSource) -> int:
        """See `dicom.emit.Emitter.emit`."""
        before = self.size
        for piece in pieces:
            if isinstance(piece, Range):
                self._copy(piece, source)
            else:
                self.write(piece)
        return self.size - before

    def finish(self) -> None:
        """Seal the last chunk and give it to the kernel; `sync` makes it durable. Harmless when called twice."""
        if not self.finished:
            self._must_be_open()
            self._seal(self._held, last=True)
            self._held.clear()
            self._flush()
            self.finished = True

    def sync(self) -> None:
        """Finish, and fsync. A sync that failed is never tried again and trusted."""
        self.finish()
        if self._failed:
            raise Temporary(self._failed)
        try:
            os.fsync(self._fd)
        except OSError as error:
            self._fail(error)

    def reread(self) -> SealedSource:
        """Finish, and read what was written from the file, through a descriptor of the source's own."""
        self.finish()
        try:
            return SealedSource(os.dup(self._fd), self._header)
        except OSError as error:
            raise Temporary(disk_code(error, "spool_failed")) from None

    def let_go(self) -> None:
        """The descriptor is about to be closed: what is written after this fails, and never goes into another file."""
        self._fd = -1

    def _must_be_open(self) -> None:
        if self._failed:
            raise Temporary(self._failed)
        if self.finished:
            raise ValueError("the last chunk is sealed")

    def _copy(self, piece: Range, source: ByteSource) -> None:
        offset, end = piece.offset, piece.offset + piece.length
        while offset < end:
            data = source.read(offset, min(end - offset, STEP))
            if not data:
                raise Rejected("source_changed")
            self.write(data)
            offset += len(data)

    def _seal(self, plain: bytearray | memoryview, last: bool) -> None:
        self._sealed.append(self._cipher.encrypt(_nonce(self._number, last), plain, self._about))
        self._number += 1
        if len(self._sealed) * CHUNK > STEP:
            self._flush()

    def _flush(self) -> None:
        wanted = sum(map(len, self._sealed))
        try:
            done = os.writev(self._fd, self._sealed)
            if done < wanted:
                rest = memoryview(b"".join(self._sealed))
                while done < wanted:
                    done += os.write(self._fd, rest[done:])
        except OSError as error:
            self._fail(error)
        self._sealed.clear()

    def _fail(self, error: OSError) -> Never:
        self._failed = disk_code(error, "spool_failed")
        raise Temporary(self._failed) from None


class SealedSource(Closing):
    """The plain bytes of a finished object, at random: a `store.sheet.Original`. One thread at a time.

    The last chunk is opened at once, so that a file that was cut anywhere is refused before anything is read from it.
    Raises Rejected("spool_damaged") where a chunk is not what was written. Owns its descriptor.
    """

    def __init__(self, descriptor: int, header: Header) -> None:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._fd = descriptor
        self._cipher, self._about, self._wrong = AESGCM(header.key), header.digest, InvalidTag
        self._start = len(header.data)
        self._opened: dict[int, bytes] = {}
        try:
            sealed = os.fstat(descriptor).st_size - self._start
            self._last = max(0, -(-sealed // (CHUNK + TAG)) - 1)
            self.size = sealed - TAG * (self._last + 1)
            """Plain bytes; vouched for by the tag of the last chunk."""
            if len(self._chunk(self._last)) == 0 < self._last:
                raise Rejected("spool_damaged")
        except BaseException:
            self.close()
            raise

    def read(self, offset: int, length: int) -> bytes:
        """See `ByteSource.read`."""
        end = min(offset + length, self.size)
        if offset >= end:
            return b""
        return b"".join(
            self._chunk(number)[max(offset - number * CHUNK, 0) : end - number * CHUNK]
            for number in range(offset // CHUNK, (end - 1) // CHUNK + 1)
        )

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """See `ByteSource.read_into`."""
        end = min(offset + len(buffer), self.size)
        done = 0
        while offset + done < end:
            number, skip = divmod(offset + done, CHUNK)
            piece = memoryview(self._chunk(number))[skip : skip + end - offset - done]
            buffer[done : done + len(piece)] = piece
            done += len(piece)
        return done

    def fileno(self) -> int | None:
        """See `ByteSource.fileno`: what lies on the disk is not these bytes."""
        return None

    def stamp(self) -> bytes:
        """See `store.sheet.Original.stamp`: whatever changes in the file fails to open, so this never changes."""
        return self._about

    def close(self) -> None:
        """See `ByteSource.close`."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self._opened.clear()

    def _chunk(self, number: int) -> bytes:
        found = self._opened.get(number)
        if found is None:
            found = self._open(number)
            if len(self._opened) == _REMEMBERED:
                del self._opened[next(iter(self._opened))]
            self._opened[number] = found
        return found

    def _open(self, number: int) -> bytes:
        try:
            sealed = os.pread(self._fd, CHUNK + TAG, self._start + number * (CHUNK + TAG))
            return self._cipher.decrypt(_nonce(number, number == self._last), sealed, self._about)
        except (OSError, ValueError, self._wrong):
            raise Rejected("spool_damaged") from None


def open_sealed(path: str | os.PathLike[str], kind: Kind, id: str, key_of: Callable[[bytes], bytes]) -> SealedSource:
    """An object of the spool by its path; see `sealed_header.parse` for the arguments.

    Raises Rejected("payload_lost") if there is no such file, Rejected("spool_damaged") if it is not what was written.
    """
    descriptor = _opened(path)
    try:
        header = parse(_beginning(descriptor), kind, id, key_of)
    except BaseException:
        os.close(descriptor)
        raise
    return SealedSource(descriptor, header)


def open_lent(path: str | os.PathLike[str], header: Header) -> SealedSource:
    """An object whose header another process has read. Raises as `open_sealed` does."""
    return SealedSource(_opened(path), header)


def read_beginning(path: str | os.PathLike[str]) -> bytes:
    """As much of a file as a header can take. Raises as `open_sealed` does."""
    descriptor = _opened(path)
    try:
        return _beginning(descriptor)
    finally:
        os.close(descriptor)


def _opened(path: str | os.PathLike[str]) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Rejected("payload_lost") from None
    except OSError as error:
        raise Temporary(disk_code(error, "spool_failed")) from None


def _beginning(descriptor: int) -> bytes:
    try:
        data = os.pread(descriptor, 4096, 0)
        length = 60 + int.from_bytes(data[10:12], "big")
        return data if length <= len(data) or len(data) < 4096 else os.pread(descriptor, LARGEST, 0)
    except OSError:
        raise Rejected("spool_damaged") from None
