"""Which files of a watched folder were dealt with: keyed fingerprints of those that are still there, in one file."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from stowgate.framing import mac

_SIZE = 16
_WORTH = 10_000
"""Fingerprints of files that are gone, from which on the file is written anew without them."""


class SeenFiles:
    """See `ingest.watch.Seen`. Losing the last entries does no harm: the intake knows a duplicate."""

    def __init__(self, place: Path, key: bytes) -> None:
        """place -- the file, made with mode 0600; key -- 32 bytes, so that nobody can ask it about a path"""
        self._key, self._place = key, place
        self._handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        data = os.pread(self._handle, os.fstat(self._handle).st_size, 0)
        self._end = len(data) // _SIZE * _SIZE
        self._known = {data[at : at + _SIZE] for at in range(0, self._end, _SIZE)}
        self._met: set[bytes] | None = None

    def has(self, path: str, size: int, mtime_ns: int) -> bool:
        """See `Seen.has`."""
        mark = self._print(path, size, mtime_ns)
        known = mark in self._known
        if known and self._met is not None:
            self._met.add(mark)
        return known

    def note(self, path: str, size: int, mtime_ns: int) -> None:
        """See `Seen.note`. A full disk costs a second look after the next start, and nothing else."""
        mark = self._print(path, size, mtime_ns)
        self._known.add(mark)
        if self._met is not None:
            self._met.add(mark)
        with suppress(OSError):
            if self._handle >= 0 and os.pwrite(self._handle, mark, self._end) == _SIZE:
                self._end += _SIZE

    def begin(self) -> None:
        """See `Seen.begin`."""
        self._met = set()

    def forget_the_rest(self) -> None:
        """See `Seen.forget_the_rest`."""
        if self._met is None:
            return
        self._known, self._met = self._met, None
        if self._end // _SIZE - len(self._known) >= _WORTH:
            with suppress(OSError):
                self._write_anew()

    def close(self) -> None:
        """Make the entries durable; what is noted later is not."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            with suppress(OSError):
                os.fsync(handle)
            os.close(handle)

    def _write_anew(self) -> None:
        """Whole under its name, or as it was."""
        part = self._place.with_name(f"{self._place.name}.part")
        handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            with open(handle, "wb", closefd=False) as file:
                file.writelines(self._known)
            os.fsync(handle)
            os.replace(part, self._place)
        except OSError:
            os.close(handle)
            raise
        os.close(self._handle)
        self._handle, self._end = handle, len(self._known) * _SIZE

    def _print(self, path: str, size: int, mtime_ns: int) -> bytes:
        return mac(self._key, b"watched", os.fsencode(path), b"%d" % size, b"%d" % mtime_ns)[:_SIZE]
