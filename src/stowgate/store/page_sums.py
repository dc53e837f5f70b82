"""Sums of every page of a SQLite file beside it, so that a bit that flips at rest is noticed at the next start.

SQLite checks what is in its log, and the shape of its pages, but not their content. In WAL mode the file itself is
written by checkpoints only, so whoever takes those into its hands knows which pages changed and when. The sums are
believed while the file has the size and time of change that they were taken at: one that was restored or written by
another program, even beside us, is not mistaken for a damaged one. Nothing depends on the sums being durable, but they
are durably gone before a page changes; without them SQLite's own quick check has to do.
"""

from __future__ import annotations

import os
import sqlite3
import struct
import time
import zlib
from array import array
from collections.abc import Callable
from pathlib import Path

from stowgate.errors import Misconfigured
from stowgate.vault.folder import sync_folder

_HEAD = struct.Struct(">8sQQQIII")  # magic, inode, size, time of change, page size, pages, sum of the sums
_MAGIC = b"STOWSUM1"
_UNKNOWN = 0
_CHUNK = 1 << 20
LOG_LIMIT = 4 << 20
"""Bytes of the log from which on it is emptied into the file."""


class PageSums:
    """The sums of the file at `path`, kept at PATH-sums. One thread at a time.

    Made before SQLite opens the file and closed after SQLite has closed it: whoever closes any descriptor of a file
    lets go of all locks that the process has on it, and without SQLite's own another program would take the log away.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._log = path, path.with_name(f"{path.name}-wal")
        self._kept = path.with_name(f"{path.name}-sums")
        self._sums = array("I")
        self._tried = 0
        self._all_kept = self._fits = False
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._taken_at = self._now()
        """What the file was like when its sums were taken."""

    def close(self) -> None:
        """Let go of the file; harmless when called twice."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def check(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> bool:
        """Before SQLite opens it: whether every page is known to be what was written there.

        Misconfigured("ledger_damaged") if one is not. False if the sums cannot be believed, or if `seconds` were over
        before the end of the file; the rest keeps the sums it had.
        """
        page, size = self._page_size(), os.fstat(self._file).st_size
        known, until, pages = self._believed(page), clock() + seconds, size // page
        self._sums = array("I", known or bytes(4 * pages))
        at = 0
        while clock() < until and at < pages:
            chunk = memoryview(os.pread(self._file, _CHUNK, at * page))
            for start in range(0, len(chunk) - page + 1, page):
                self._sums[at] = _sum(chunk[start : start + page])
                if known and known[at] not in (_UNKNOWN, self._sums[at]):
                    raise Misconfigured("ledger_damaged", f"{self._path}, page {at + 1}")
                at += 1
        self._fits = bool(known)
        self._all_kept = self._fits and _UNKNOWN not in known
        return self._all_kept and at == pages

    def may_lie_beside_another_log(self) -> bool:
        """After `check`: whether there is a log, and the file is not known to be the one that it was begun for."""
        if self._fits or not self._now()[1]:  # beside an empty file SQLite takes a log away
            return False
        return self._log.exists() and self._log.stat().st_size > 0

    def checkpoint(self, db: sqlite3.Connection, *, limit: int = LOG_LIMIT) -> None:
        """Empty the log into the file once it grew by `limit` bytes, and take the sums of what changed.

        Nobody else should write meanwhile. `db` must not checkpoint by itself (PRAGMA wal_autocheckpoint = 0), and cut
        the log when it starts anew (PRAGMA journal_size_limit = 0).
        """
        try:
            size = os.stat(self._log).st_size
        except FileNotFoundError:
            size = 0
        if size < self._tried:
            self._tried = 0
        if not size or size - self._tried < limit:
            if limit == 0 and not self._all_kept:
                self._trust()
                self._renew(set())
            return
        self._tried = size
        changed = _pages_of(self._log.read_bytes())
        self._kept.unlink(missing_ok=True)  # who dies between here and `_renew` leaves none, rather than old ones
        sync_folder(self._kept.parent)
        self._trust()
        _, there, moved = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if limit or moved == there:  # else somebody still reads, and SQLite itself moves the rest when it closes
            self._renew(changed)

    def _trust(self) -> None:
        """Forget all sums where the file was written without them: nobody knows which pages those were."""
        if self._now() != self._taken_at:
            del self._sums[:]

    def _renew(self, changed: set[int]) -> None:
        now, page = self._now(), self._page_size()
        pages = now[1] // page
        del self._sums[pages:]
        self._sums.extend([_UNKNOWN] * (pages - len(self._sums)))
        for number in changed:
            if number <= pages:
                self._sums[number - 1] = _sum(os.pread(self._file, page, (number - 1) * page))
        self._taken_at = now
        part = self._kept.with_name(f"{self._kept.name}.part")
        body = self._sums.tobytes()
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as kept:
            kept.write(_HEAD.pack(_MAGIC, *now, page, pages, zlib.crc32(body)))
            kept.write(body)
        part.rename(self._kept)
        self._all_kept = True

    def _believed(self, page_size: int) -> array[int]:
        """The kept sums, if they are whole and of this very file; none otherwise."""
        none = array("I")
        try:
            kept = self._kept.read_bytes()
        except OSError:
            return none
        if len(kept) < _HEAD.size:
            return none
        magic, *stamp, page, pages, total = _HEAD.unpack_from(kept)
        body = kept[_HEAD.size :]
        now = self._now()
        if magic != _MAGIC or tuple(stamp) != now or len(body) != 4 * pages or zlib.crc32(body) != total:
            return none
        if page != page_size or pages * page != now[1]:
            raise Misconfigured("ledger_damaged", f"{self._path}, page 1")
        return array("I", body)

    def _page_size(self) -> int:
        return _page_size(os.pread(self._file, 100, 0))

    def _now(self) -> tuple[int, int, int]:
        """Which file it is, its size and its time of change."""
        status = os.fstat(self._file)
        return status.st_ino, status.st_size, status.st_mtime_ns


def _sum(page: bytes | memoryview) -> int:
    return zlib.crc32(page) or 1


def _page_size(head: bytes) -> int:
    """Bytes 16 and 17 of a database file, where 1 stands for 65536."""
    size = int.from_bytes(head[16:18], "big")
    size = 65536 if size == 1 else size
    return size if size >= 512 and size & (size - 1) == 0 else 4096


def _pages_of(log: bytes) -> set[int]:
    """The numbers of all pages that a log holds, and perhaps of some more that were rolled back."""
    if len(log) < 32:
        return set()
    frame = 24 + int.from_bytes(log[8:12], "big")
    salts = log[16:24]
    return {
        int.from_bytes(log[at : at + 4], "big")
        for at in range(32, len(log) - frame + 1, frame)
        if log[at + 8 : at + 16] == salts
    }
