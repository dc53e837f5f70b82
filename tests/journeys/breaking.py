"""A way to a peer that breaks at a byte: reset, cut, or closed before the answer; it notes when how much had passed."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto

_STEP, _ROOM = 1 << 14, 1 << 16
_AT_ONCE_RESET = b"\x01\0\0\0\0\0\0\0"
"""SO_LINGER of no seconds: a close is a reset."""


class How(Enum):
    """What happens to a connection: both sides get a reset; both see it closed and the peer never gets the rest; the
    peer gets all and the caller sees it closed instead of an answer."""

    RESET = auto()
    CUT = auto()
    NO_ANSWER = auto()


@dataclass(frozen=True, slots=True)
class Fault:
    """Meets a connection that carried so many bytes to the peer; one that lasts meets the next ones, too."""

    after: int
    how: How
    lasts: bool = False


class Breaking:
    """`faults` come one after the other; without one everything passes.

    passed -- when so many bytes had come from the callers, of all connections together
    broke  -- how those ended that a fault met
    """

    def __init__(self, port: int, faults: Iterable[Fault] = ()) -> None:
        self.faults = deque(faults)
        self.passed: list[tuple[float, int]] = []
        self.broke: list[How] = []
        self._peer, self._turn = ("127.0.0.1", port), threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)  # what waits here is not the peer's
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._callers, daemon=True).start()

    def __enter__(self) -> Breaking:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _callers(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        with near, suppress(OSError), socket.create_connection(self._peer, 10) as far:
            for one in (near, far):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            how = self._until_it_breaks(near, far)
            if how is How.RESET:
                for one in (near, far):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE_RESET)
            elif how:
                for one in (near, far):
                    one.shutdown(socket.SHUT_WR)
                for one in (near, far):  # heard to its end, so that a close is no reset
                    one.settimeout(10)
                    while one.recv(_STEP):
                        pass

    def _until_it_breaks(self, near: socket.socket, far: socket.socket) -> How | None:
        """How it broke; None when one side had enough."""
        up = 0
        while True:
            for one in select.select([near, far], [], [])[0]:
                data = one.recv(_STEP)
                fault = self.faults[0] if self.faults else Fault(1 << 60, How.RESET)
                if not data:
                    return None
                if one is far:
                    if fault.how is How.NO_ANSWER and up > fault.after:
                        return self._broken(fault)
                    near.sendall(data)
                    continue
                self._note(len(data))
                if fault.how is not How.NO_ANSWER and up + len(data) > fault.after:
                    far.sendall(data[: max(0, fault.after - up)])
                    return self._broken(fault)
                far.sendall(data)
                up += len(data)

    def _note(self, size: int) -> None:
        with self._turn:
            before = self.passed[-1][1] if self.passed else 0
            self.passed.append((time.monotonic(), before + size))

    def _broken(self, fault: Fault) -> How:
        with self._turn:
            self.broke.append(fault.how)
            if self.faults and self.faults[0] is fault and not fault.lasts:
                self.faults.popleft()
        return fault.how
