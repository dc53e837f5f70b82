"""The data set of one C-STORE on its way from the network's thread to custody's: a megabyte, never more."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from stowgate.ingest.source import BrokenOff, Outcome

MOST = 1 << 20
"""Bytes that wait at most: eight PDUs, and 50 MB for 50 senders whose disk is slow. Then TCP slows the sender down."""

_SMALL = 4096
"""Bytes below which a part is joined to the one before: by itself it costs some hundred bytes, however short it is."""


class Fragments:
    """Put in by one thread, read by another."""

    def __init__(self, beginning: bytes, most: int = MOST) -> None:
        """beginning -- what comes before the data set: preamble, prefix, file meta information"""
        self._parts: deque[bytes | bytearray | memoryview] = deque([beginning] if beginning else [])
        self._size, self._most = len(beginning), most
        self._wanted = 0
        """Bytes that the reader waits for: it is woken for all of them, not for each part."""
        self._changed = threading.Condition()
        self._ended = self._broken = self._closed = False

    def put(self, data: bytes | memoryview) -> None:
        """Append; waits while too much waits. After `close` nothing is kept."""
        with self._changed:
            self._changed.wait_for(lambda: self._size < self._most or self._closed or self._broken)
            if self._closed or self._broken or not data:
                return
            self._append(data)
            self._size += len(data)
            if self._size >= self._wanted:
                self._changed.notify_all()

    def _append(self, data: bytes | memoryview) -> None:
        last = self._parts[-1] if self._parts else None
        if len(data) >= _SMALL:
            self._parts.append(data)
        elif isinstance(last, bytearray) and len(last) < _SMALL:
            last += data
        else:
            self._parts.append(bytearray(data))

    def end(self) -> None:
        """That was all of it."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def break_off(self) -> None:
        """The sender is gone: whoever reads gets `BrokenOff`. After `end` it has no effect."""
        with self._changed:
            self._broken = self._broken or not self._ended
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody reads any more: what still comes is thrown away."""
        with self._changed:
            self._closed = True
            self._parts.clear()
            self._size = 0
            self._changed.notify_all()

    def read(self, size: int) -> bytes:
        """`size` bytes or as many as may wait, fewer only at the end, where b"" follows; see `Arrival.read`."""
        with self._changed:
            self._wanted = min(size, self._most)
            self._changed.wait_for(lambda: self._size >= self._wanted or self._ended or self._broken)
            if self._broken:
                raise BrokenOff
            taken: list[bytes | bytearray | memoryview] = []
            left = size
            while self._parts and left:
                part = self._parts.popleft()
                if len(part) > left:
                    self._parts.appendleft(memoryview(part)[left:])
                    part = memoryview(part)[:left]
                taken.append(part)
                left -= len(part)
            self._size -= size - left
            self._changed.notify_all()
            return b"".join(taken)


@dataclass(frozen=True, slots=True)
class Announcement:
    """What the command of a C-STORE says (PS3.7 9.3.1.1), and the syntax of its presentation context."""

    sop_class: str
    sop_instance: str = field(repr=False)
    transfer_syntax: str


Begin = Callable[[Announcement, Fragments], "Future[Outcome]"]
"""Starts taking one instance in; the future is its outcome."""
