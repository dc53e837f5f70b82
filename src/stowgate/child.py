"""A fresh interpreter that runs a module of ours: a JSON line to begin with, then one each way until somebody goes."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_LARGEST = 1 << 26
"""Bytes of a line."""
_READY = b"ready\n"
_HANDED_ON = ("PYTHON", "LANG", "LC_", "LD_", "TMPDIR", "COV")
"""Beginnings of the variables that an interpreter may need; another one may hold a key that is its owner's alone."""


@dataclass(frozen=True, slots=True)
class WithBytes:
    """An answer that bytes follow: `message["bytes"]` says how many."""

    message: dict[str, Any]
    data: memoryview


class Child:
    """One such process, for one thread. Nothing it is told is on its command line or in its environment."""

    def __init__(self, module: str, beginning: object) -> None:
        """Start it and tell it the beginning; where none can be had, it is gone from the start."""
        self.process = 0
        """Its process id, 0 when it is gone."""
        self.failed = False
        """Whether it was started and ended before it was ready: another one would do so, too."""
        self.timed_out = False
        """Whether it was killed because an answer took too long."""
        self._ready = False
        pipes = _pipes()
        if pipes is None:
            return
        there, self._to, self._from, back = pipes
        try:
            self.process = _started(module, there, back)
        finally:
            os.close(there)
            os.close(back)
        self._heard = bytearray()
        if not self.process:
            os.close(self._from)
            os.close(self._to)
        self.tell(beginning)

    def is_ready(self) -> bool:
        """Whether it has started; until then telling it something would mean waiting."""
        if not self._ready and self.process and self._says_something(0):
            self._ready = self._line(None) == _READY
            self.failed = not self._ready
            if self.failed:
                self.close()
        return self._ready

    def wait_until_ready(self) -> bool:
        """As `is_ready`, after it has started or failed to."""
        if not self._ready and self.process:
            self._says_something(None)
        return self.is_ready()

    def tell(self, message: object) -> None:
        """Hand over a message and go on; nothing happens where it is gone."""
        data = memoryview(json.dumps(message).encode() + b"\n")
        try:
            while self.process and data:
                data = data[os.write(self._to, data) :]
        except BrokenPipeError:
            self.close()

    def answer(self, within: float | None = None) -> Any | None:
        """The answer to the oldest message that has none yet; None when it is gone.

        within -- seconds after which one that hangs is killed; None waits for as long as it lives
        """
        try:
            return json.loads(self._line(within))
        except ValueError:  # its end, or noise: what else it says cannot be trusted either
            self._kill()
            return None

    def bytes_of(self, answer: dict[str, Any], within: float | None = None) -> bytearray | None:
        """What follows an answer that was made `WithBytes`; None where it did not come, and then it is gone."""
        wanted = answer.get("bytes")
        if not isinstance(wanted, int) or wanted < 0 or not self._hears(wanted, within):
            self._kill()
            return None
        data = self._heard[:wanted]
        del self._heard[:wanted]
        return data

    def close(self) -> None:
        """End it, once it has done what it is doing; harmless when it is gone."""
        if not self.process:
            return
        process, self.process, self._ready = self.process, 0, False
        os.close(self._to)
        os.close(self._from)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process, 0)

    def _kill(self) -> None:
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process, signal.SIGKILL)
        self.close()

    def _line(self, within: float | None) -> bytes:
        """What it says next, with its end; without one where it is gone, or took too long."""
        until = None if within is None else time.monotonic() + within
        while self.process and (end := self._heard.find(b"\n") + 1) == 0:
            if not self._says_something(None if until is None else max(0.0, until - time.monotonic())):
                self.timed_out = True
                return b""
            data = os.read(self._from, 1 << 16)
            if not data:
                return b""
            self._heard += data
        if not self.process:
            return b""
        line = bytes(self._heard[:end])
        del self._heard[:end]
        return line

    def _hears(self, wanted: int, within: float | None) -> bool:
        """Whether so many bytes are there, or come in time."""
        until = None if within is None else time.monotonic() + within
        while self.process and len(self._heard) < wanted:
            if not self._says_something(None if until is None else max(0.0, until - time.monotonic())):
                self.timed_out = True
                return False
            data = os.read(self._from, min(1 << 20, wanted - len(self._heard)))
            if not data:
                return False
            self._heard += data
        return bool(self.process)

    def _says_something(self, seconds: float | None) -> bool:
        """Whether there is something to read, or its end; None waits for that. Any number of descriptors will do."""
        waiting = select.poll()
        waiting.register(self._from, select.POLLIN)
        return bool(waiting.poll(None if seconds is None else seconds * 1000))


def _pipes() -> tuple[int, int, int, int] | None:
    """Two pipes, the reading end of each first; None where there are no descriptors for both."""
    held: list[int] = []
    try:
        held += os.pipe()
        held += os.pipe()
    except OSError:
        for one in held:
            os.close(one)
        return None
    return held[0], held[1], held[2], held[3]


def _started(module: str, there: int, back: int) -> int:
    """The process id of an interpreter that listens on `there` and answers on `back`; 0 if none can be had.

    What it could say to standard error goes nowhere: it could quote a value.
    """
    if not sys.executable:
        return 0
    paths = [_ROOT, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {name: value for name, value in os.environ.items() if name.startswith(_HANDED_ON)}
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    moves = [
        (os.POSIX_SPAWN_DUP2, there, 0),
        (os.POSIX_SPAWN_DUP2, back, 1),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    try:
        return os.posix_spawn(sys.executable, [sys.executable, "-P", "-m", module], environment, file_actions=moves)
    except OSError:
        return 0


def serve(begin: Callable[[Any], Callable[[Any], object]]) -> None:
    """The other side, on standard input and output: `begin` makes of the beginning what answers every message.

    An interruption typed at the terminal, or an orderly stop of the whole unit, is the owner's business: it decides
    when to stop, and closes the pipe.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    asked, told = sys.stdin.buffer, _own_output()
    with contextlib.suppress(BrokenPipeError):
        line = asked.readline(_LARGEST)
        if not line:
            return
        answered = begin(json.loads(line))
        told.write(_READY)
        told.flush()
        while line := asked.readline(_LARGEST):
            answer = answered(json.loads(line))
            told.write(json.dumps(answer.message if isinstance(answer, WithBytes) else answer).encode() + b"\n")
            if isinstance(answer, WithBytes):
                told.write(answer.data)
            told.flush()


def _own_output() -> BinaryIO:
    """Where answers go; what a library prints goes nowhere, as it could quote a value and would be taken for one."""
    told = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return told
