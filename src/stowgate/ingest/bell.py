"""Ends a thread's wait for the network when there is something else to do, so that nobody has to look all the time."""

from __future__ import annotations

import os
import select
import socket
from contextlib import suppress
from threading import Lock

_MADE = hasattr(os, "eventfd")
"""Linux has it; elsewhere `readable` does not wait."""


class Bell:
    """One thread waits, any other may ring; a ring before the wait counts."""

    def __init__(self) -> None:
        self._descriptor = -1
        self._lock = Lock()

    def hang(self) -> None:
        """Take the one descriptor it needs; without one `readable` does not wait."""
        with suppress(OSError):
            if _MADE:
                self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def ring(self) -> None:
        """End the wait of now, or the next one."""
        with self._lock, suppress(BlockingIOError):
            if self._descriptor >= 0:
                os.eventfd_write(self._descriptor, 1)

    def take_down(self) -> None:
        """Give the descriptor back."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def readable(self, connection: socket.socket, seconds: float) -> bool:
        """Whether the connection has bytes, or an end, to read; waits for that or the bell at most so many seconds.

        Any number of descriptors will do. Raises OSError or ValueError for a connection that is closed.
        """
        waiting = select.poll()
        waiting.register(connection, select.POLLIN)
        if self._descriptor < 0:
            return bool(waiting.poll(0))
        waiting.register(self._descriptor, select.POLLIN)
        found = [descriptor for descriptor, _ in waiting.poll(seconds * 1000)]
        if self._descriptor in found:
            os.eventfd_read(self._descriptor)
        return connection.fileno() in found
