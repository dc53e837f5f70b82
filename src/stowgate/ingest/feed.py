"""Carries a request's body from the event loop to a thread, few chunks at a time, while its sender is quick."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from threading import Condition
from typing import Any

from stowgate.errors import Rejected
from stowgate.ingest.source import BrokenOff

Receive = Callable[[], Awaitable[Any]]

_CHUNKS = 4


class Feed:
    """A queue of at most four chunks: a thread that is busy with the disk holds its sender back."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._space = asyncio.Event()
        self._changed = Condition()
        self._chunks: deque[bytes] = deque()
        self._ended = self._broken = False

    async def put(self, chunk: bytes) -> None:
        """Give one chunk to the thread; waits for as long as it is busy. Raises `BrokenOff` once it wants no more."""
        while True:
            self._space.clear()
            with self._changed:
                if self._broken:
                    raise BrokenOff
                if len(self._chunks) < _CHUNKS:
                    self._chunks.append(chunk)
                    self._changed.notify()
                    return
            await self._space.wait()

    def end(self) -> None:
        """The body is complete."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def break_off(self) -> None:
        """The sender is gone or was given up, or the thread wants no more; on the event loop."""
        with self._changed:
            self._broken = True
            self._changed.notify()
        self._space.set()

    def get(self) -> bytes:
        """For the thread: the next chunk, b"" after the last one. Raises `BrokenOff`."""
        with self._changed:
            self._changed.wait_for(lambda: self._chunks or self._ended or self._broken)
            if self._broken:
                raise BrokenOff
            chunk = self._chunks.popleft() if self._chunks else b""
        with suppress(RuntimeError):  # the loop may have been closed meanwhile
            self._loop.call_soon_threadsafe(self._space.set)
        return chunk


class Pace:
    """Gives up a sender that is silent for too long or, on average, too slow; time spent on our disk does not count."""

    def __init__(self, silence: float, slowest: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`silence` in seconds, `slowest` in bytes per second."""
        self._silence, self._slowest, self._clock = silence, slowest, clock
        self._waited, self._bytes = 0.0, 0

    async def next(self, receive: Receive) -> Any:
        """The next ASGI message; Rejected("upload_stalled")."""
        begun = self._clock()
        try:
            async with asyncio.timeout(self._silence):
                message = await receive()
        except TimeoutError:
            raise Rejected("upload_stalled") from None
        self._waited += self._clock() - begun
        self._bytes += len(message.get("body", b""))
        if self._waited > self._silence + self._bytes / self._slowest:
            raise Rejected("upload_stalled")
        return message


async def pump(receive: Receive, feed: Feed, pace: Pace, first: bytes = b"", more: bool = True) -> None:
    """Move a whole body into the feed. Raises Rejected("upload_stalled") after having broken the feed off."""
    try:
        chunk = first
        while True:
            if chunk:
                await feed.put(chunk)
            if not more:
                feed.end()
                return
            message = await pace.next(receive)
            if message["type"] != "http.request":
                feed.break_off()
                return
            chunk, more = message.get("body", b""), message.get("more_body", False)
    except BaseException:
        feed.break_off()
        raise


class Incoming:
    """The ASGI messages of one request; knows when its body is over, or will not come unless it is asked for."""

    def __init__(self, scope: Mapping[str, Any], receive: Receive) -> None:
        self._receive = receive
        self.over = any(name == b"expect" for name, _ in scope["headers"])

    async def __call__(self) -> Any:
        """The next message."""
        message = await self._receive()
        self.over = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def drain(self, most: int = 64 << 20, seconds: float = 3.0) -> None:
        """Read on a little after a refusal, so that a sender in full swing gets to read the answer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while most > 0 and not self.over:
                    most -= len((await self()).get("body", b""))
