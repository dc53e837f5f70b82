"""Sums of every page of a SQLite file beside it, so that a bit that flips at rest is noticed at the next start.

SQLite checks what is in its log, and the shape of its pages, but not their content. In WAL mode the file itself is
written by checkpoints only, so whoever takes those into its hands knows which pages changed and when. The sums are
believed while the file has the size and time of change that they were taken at: one that was restored or written by
another program is not mistaken for a damaged one. Nothing depends on the sums being durable; without them SQLite's own
quick check has to do.
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

_HEAD = struct.Struct(">8sQQQIII")  # magic, inode, size, time of change, page size, pages, sum of the sums
_MAGIC = b"STOWSUM1"
_UNKNOWN = 0
_CHUNK = 1 << 20
LOG_LIMIT = 4 << 20
"""Bytes of the log from which on it is emptied into the file."""


class PageSums:
    """The sums of the file at `path`, kept at PATH-sums. One thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path, self._log = path, path.with_name(f"{path.name}-wal")
        self._kept = path.with_name(f"{path.name}-sums")
        self._sums = array("I")
        self._tried = 0
        self._all_kept = False

    def check(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> bool:
        """Before SQLite opens it: whether every page is known to be what was written there.

        Misconfigured("ledger_damaged") if one is not. False if the sums cannot be believed, or if `seconds` were over
        before the end of the file.
        """
        with open(self._path, "rb") as file:
            page, size = _page_size(os.pread(file.fileno(), 100, 0)), os.fstat(file.fileno()).st_size
            known, until = self._believed(file.fileno(), page), clock() + seconds
            self._sums = array("I", bytes(4 * (size // page)))
            at = 0
            while clock() < until and (chunk := memoryview(file.read(_CHUNK))):
                for start in range(0, len(chunk) - page + 1, page):
                    self._sums[at] = _sum(chunk[start : start + page])
                    if known and known[at] not in (_UNKNOWN, self._sums[at]):
                        raise Misconfigured("ledger_damaged", f"{self._path}, page {at + 1}")
                    at += 1
        self._all_kept = bool(known) and _UNKNOWN not in known
        return self._all_kept and at == len(self._sums)

    def checkpoint(self, db: sqlite3.Connection, *, limit: int = LOG_LIMIT) -> None:
        """Empty the log into the file once it grew by `limit` bytes, and take the sums of what changed.

        Nobody else may write meanwhile. `db` must not checkpoint by itself (PRAGMA wal_autocheckpoint = 0), and cut the
        log when it starts anew (PRAGMA journal_size_limit = 0).
        """
        try:
            size = os.stat(self._log).st_size
        except FileNotFoundError:
            size = 0
        if size < self._tried:
            self._tried = 0
        if not size or size - self._tried < limit:
            if limit == 0 and not self._all_kept:
                self._renew(set())
            return
        self._tried = size
        changed = _pages_of(self._log.read_bytes())
        self._kept.unlink(missing_ok=True)  # who dies between here and `_renew` leaves none, rather than old ones
        db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        self._renew(changed)

    def _renew(self, changed: set[int]) -> None:
        with open(self._path, "rb") as file:
            status = os.fstat(file.fileno())
            page = _page_size(os.pread(file.fileno(), 100, 0))
            pages = status.st_size // page
            del self._sums[pages:]
            self._sums.extend([_UNKNOWN] * (pages - len(self._sums)))
            for number in changed:
                if number <= pages:
                    self._sums[number - 1] = _sum(os.pread(file.fileno(), page, (number - 1) * page))
        part = self._kept.with_name(f"{self._kept.name}.part")
        body = self._sums.tobytes()
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as kept:
            kept.write(_HEAD.pack(_MAGIC, *_stamp(status), page, pages, zlib.crc32(body)))
            kept.write(body)
        part.rename(self._kept)
        self._all_kept = True

    def _believed(self, file: int, page_size: int) -> array[int]:
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
        status = os.fstat(file)
        fits = magic == _MAGIC and tuple(stamp) == _stamp(status) and len(body) == 4 * pages
        if not fits or zlib.crc32(body) != total:
            return none
        if page != page_size or pages * page != status.st_size:
            raise Misconfigured("ledger_damaged", f"{self._path}, page 1")
        return array("I", body)


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
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
