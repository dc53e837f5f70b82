"""Which files of a watched folder were dealt with: keyed fingerprints in a file that only grows."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from stowgate.framing import mac

_SIZE = 16


class SeenFiles:
    """See `ingest.watch.Seen`. Losing the last entries does no harm: the intake knows a duplicate."""

    def __init__(self, place: Path, key: bytes) -> None:
        """place -- the file, made with mode 0600; key -- 32 bytes, so that nobody can ask it about a path"""
        self._key = key
        self._handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        data = os.pread(self._handle, os.fstat(self._handle).st_size, 0)
        whole = len(data) // _SIZE * _SIZE
        self._known = {data[at : at + _SIZE] for at in range(0, whole, _SIZE)}
        self._end = whole

    def has(self, path: str, size: int, mtime_ns: int) -> bool:
        """See `Seen.has`."""
        return self._print(path, size, mtime_ns) in self._known

    def note(self, path: str, size: int, mtime_ns: int) -> None:
        """See `Seen.note`. A full disk costs a second look after the next start, and nothing else."""
        mark = self._print(path, size, mtime_ns)
        self._known.add(mark)
        with suppress(OSError):
            self._end += os.pwrite(self._handle, mark, self._end)

    def close(self) -> None:
        """Make the entries durable."""
        with suppress(OSError):
            os.fsync(self._handle)
        os.close(self._handle)

    def _print(self, path: str, size: int, mtime_ns: int) -> bytes:
        return mac(self._key, b"watched", os.fsencode(path), b"%d" % size, b"%d" % mtime_ns)[:_SIZE]
