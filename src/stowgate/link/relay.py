"""A relay between whoever calls and a peer, over TCP: what passes is slow, late, or does not pass, as the link is."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from stowgate.link.lane import STEP, Lane
from stowgate.link.profiles import Profile
from stowgate.link.trace import Span, State

_TICK = 0.01
"""Seconds between looks whether the link has changed."""

_AHEAD = 64
"""Pieces of one connection that are on their way at most, and the room of its socket: what a sender thinks is gone."""

_ROOM = 65_536
_AT_ONCE = 64
_RESET = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Passed:
    """What went through one connection. `up` and `down` hold its bytes where they are to be recorded."""

    up: bytearray = field(default_factory=bytearray)
    down: bytearray = field(default_factory=bytearray)


@dataclass(slots=True)
class Counts:
    """What passed so far: bytes from callers to the peer and back, connections, those that the link ended.

    last_up -- when the last byte of a caller went through, in seconds since the relay began
    """

    up: int = 0
    down: int = 0
    connections: int = 0
    resets: int = 0
    outages: int = 0
    last_up: float = float("-inf")


class Relay:
    """One link to one peer. It runs in one event loop; `cut` and `mend` may be called from any thread.

    A link that is down keeps connections and lets nothing through; who calls is not answered. One that is reset ends
    connections and refuses callers. What the kernels on both sides hold is not the link's: a sender that only waits
    for an answer sees a peer that is silent, and no dead link.
    """

    def __init__(
        self,
        target: tuple[str, int],
        profile: Profile | None = None,
        listen: tuple[str, int] = ("127.0.0.1", 0),
        *,
        record: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """record -- keep every byte that came from either side, to look through it afterwards. OSError: no such port"""
        self._target, self._profile = target, profile or Profile()
        self._clock, self._began = clock, clock()
        self._by_hand: State | None = None
        self.counts, self.passed, self._record = Counts(), list[Passed](), record
        self._lanes = [Lane(self._profile, self.span, self._profile.seed * 2 + way) for way in (0, 1)]
        self._open: dict[asyncio.Task[None], socket.socket] = {}
        if listen[1]:
            _bound(listen, shared=False).close()  # somebody else's port is an error, also where he would share it
        self._place = _bound(listen)  # holds the port while nobody listens there
        self.host, self.port = self._place.getsockname()[:2]
        self._listening: socket.socket | None = _bound((self.host, self.port))
        self._listening.listen(_AT_ONCE)
        self._filler: socket.socket | None = None

    def now(self) -> float:
        """Seconds since the link began."""
        return self._clock() - self._began

    def span(self, now: float | None = None) -> Span:
        """How the link is; what was cut by hand is so until it is mended."""
        span = self._profile.trace.at(self.now() if now is None else now)
        return Span(span.at, span.rate, span.delay, self._by_hand) if self._by_hand else span

    @property
    def state(self) -> State:
        """Whether the link carries something."""
        return self.span().state

    def cut(self, how: State = State.RESET) -> None:
        """Break the link by hand, whatever its trace says."""
        self._by_hand = how

    def mend(self) -> None:
        """Back to what the trace says."""
        self._by_hand = None

    async def run(self) -> None:
        """Carry until cancelled."""
        state: State | None = None
        try:
            while True:
                if self.state is not state:
                    state, before = self.state, state
                    self._turn(state, before)
                await self._callers(state)
        finally:
            self._end_all()
            for one in (self._listening, self._filler, self._place):
                if one:
                    one.close()

    def _turn(self, state: State, before: State | None) -> None:
        """What changes with the link."""
        self.counts.outages += state is not State.UP and before in (State.UP, None)
        if state is State.RESET:
            self._end_all()
            for one in (self._listening, self._filler):
                if one:
                    one.close()
            self._listening = self._filler = None
        if state is not State.RESET:
            self._listening = self._listening or _bound((self.host, self.port))
            self._listening.listen(_AT_ONCE if state is State.UP else 0)
        if state is State.DOWN and not self._filler:  # a full queue: the kernel answers nobody who calls now
            self._filler = socket.socket()
            self._filler.setblocking(False)
            self._filler.connect_ex((self.host, self.port))

    async def _callers(self, state: State) -> None:
        """Let in who has called, if anybody can, and wait a moment."""
        with suppress(OSError):
            while state is State.UP and self._listening:
                near, caller = self._listening.accept()
                if self._filler and caller == self._filler.getsockname():
                    near.close()
                    self._filler.close()
                    self._filler = None
                    continue
                task = asyncio.create_task(self._carry(near))
                self._open[task] = near
                task.add_done_callback(lambda done: self._open.pop(done, None))
        await asyncio.sleep(_TICK)

    async def _carry(self, near: socket.socket) -> None:
        """One connection, until both sides have ended it, or the link has."""
        loop = asyncio.get_running_loop()
        passed = Passed()
        self.counts.connections += 1
        if self._record:
            self.passed.append(passed)
        far = socket.socket()
        try:
            for one in (near, far):
                one.setblocking(False)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
            await loop.sock_connect(far, self._target)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._one_way(near, far, 0, passed.up))
                both.create_task(self._one_way(far, near, 1, passed.down))
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            for one in (near, far):
                with suppress(OSError):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        finally:
            near.close()
            far.close()

    async def _one_way(self, source: socket.socket, target: socket.socket, way: int, kept: bytearray) -> None:
        on_their_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_AHEAD)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._taken(source, on_their_way, way, kept))
            both.create_task(self._given(target, on_their_way, way))

    async def _taken(
        self, source: socket.socket, on_their_way: asyncio.Queue[tuple[float, bytes]], way: int, kept: bytearray
    ) -> None:
        """Pieces as they come, no faster than the link is."""
        loop, data = asyncio.get_running_loop(), b"-"
        while data:
            data = await loop.sock_recv(source, STEP)
            await self._up()
            if self._record:
                kept += data
            await self._until(self._lanes[way].through(len(data), self.now()))
            now = self.now()
            await on_their_way.put((now + self._lanes[way].late(now), data))

    async def _given(self, target: socket.socket, on_their_way: asyncio.Queue[tuple[float, bytes]], way: int) -> None:
        """Each piece when it is due; nothing while the link is down."""
        loop = asyncio.get_running_loop()
        while True:
            due, data = await on_their_way.get()
            await self._until(due)
            await self._up()
            if not data:
                target.shutdown(socket.SHUT_WR)
                return
            await loop.sock_sendall(target, data)
            if way == 0:
                self.counts.up += len(data)
                self.counts.last_up = self.now()
            else:
                self.counts.down += len(data)

    async def _until(self, moment: float) -> None:
        wait = moment - self.now()
        if wait > 0:
            await asyncio.sleep(wait)

    async def _up(self) -> None:
        while self.state is not State.UP:
            await asyncio.sleep(_TICK)

    def _end_all(self) -> None:
        for task, near in list(self._open.items()):
            self.counts.resets += 1
            with suppress(OSError):
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            task.cancel()


def _bound(place: tuple[str, int], *, shared: bool = True) -> socket.socket:
    made = socket.socket()
    try:
        made.setblocking(False)
        for option in (socket.SO_REUSEADDR, *([socket.SO_REUSEPORT] if shared else [])):
            made.setsockopt(socket.SOL_SOCKET, option, 1)
        made.bind(place)
    except OSError:
        made.close()
        raise
    return made
