"""Brings odd encodings to explicit VR little endian, in a child process with limits; what cannot be is rejected.

Odd are: big endian, deflated, no preamble or file meta, UN of undefined length, odd lengths, wrong order, wrong syntax.
The child reads strictly by itself, because pydicom's reader accepts a file cut to a tenth and drops doubled elements
without a word; pydicom's dictionaries say which VR an element has. Descriptors are handed over, never paths or values;
what the child prints is thrown away.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, cast

from stowgate.dicom.emit import FileEmitter
from stowgate.dicom.limits import Limits
from stowgate.dicom.normalise_child import DISK_FULL, OK, READY
from stowgate.dicom.source import ByteSource, DescriptorSource
from stowgate.errors import Rejected, StowgateError, Temporary, disk_code
from stowgate.objects import Range
from stowgate.reasons import REASONS

_START = 60.0
"""Seconds a child may take to start; it is not the object's fault if the machine is busy."""
_KEPT = 4
"""Children that may wait for work: one for each thread of a usual run."""
_GRACE = 2.0
"""Seconds the child is given to notice by itself that its time is over."""
_PACKAGE = str(Path(__file__).resolve().parents[2])
_COMMAND = "import sys; sys.path.append(sys.argv.pop(1)); from stowgate.dicom.normalise_child import main; main()"


class ScratchSource(DescriptorSource):
    """The bytes of a file that has no name any more: gone when it is closed."""

    def close(self) -> None:
        """See `ByteSource.close`."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Normaliser:
    """Keeps a few children that have nothing to do, and starts another when all of them are busy.

    Each child serves one object at a time and is replaced when it dies or is stopped. Safe to use from threads.
    """

    def __init__(self) -> None:
        self._idle: list[_Child] = []
        self._lock = threading.Lock()

    def normalise(self, source: ByteSource, limits: Limits, folder: Path) -> ByteSource:
        """See `normalise`."""
        child = self._take(folder) or _Child(folder)
        try:
            return child.rewrite(source, limits, folder)
        finally:
            self._give_back(child)

    def close(self) -> None:
        """Let all idle children go; the next object starts a new one."""
        with self._lock:
            children, self._idle = self._idle, []
        for child in children:
            child.close()

    def _take(self, folder: Path) -> _Child | None:
        """An idle child whose files lie on the same file system as `folder`; dead ones are cleared away on the way."""
        device = _device(folder)
        with self._lock:
            dead = [child for child in self._idle if not child.alive()]
            found = next((child for child in self._idle if child.device == device and child not in dead), None)
            self._idle = [child for child in self._idle if child is not found and child not in dead]
        for child in dead:
            child.close()
        return found

    def _give_back(self, child: _Child) -> None:
        superfluous = [child]
        if child.alive():
            with self._lock:
                self._idle.append(child)
                superfluous, self._idle = self._idle[:-_KEPT], self._idle[-_KEPT:]
        for one in superfluous:
            one.close()


class _Child:
    """One child process and the three files without a name that it shares with this one."""

    def __init__(self, folder: Path) -> None:
        import subprocess  # most runs never meet an odd object, and start-up counts

        self.device = _device(folder)
        self._files: list[int] = []
        try:
            for _ in range(3):
                self._files.append(_scratch(folder))
            self._given, _, self._written = self._files
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _COMMAND, _PACKAGE, *map(str, self._files)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env={},
                pass_fds=self._files,
                start_new_session=True,
            )
        except StowgateError:
            self._close_files()
            raise
        except OSError:
            self._close_files()
            raise Temporary("no_child_process") from None
        self._requests = cast("IO[bytes]", self._process.stdin)
        self._answers = cast("IO[bytes]", self._process.stdout)
        if self._answer(_START) != READY:
            self.close()
            raise Temporary("no_child_process")

    def alive(self) -> bool:
        """Whether it can take another object."""
        return self._process.poll() is None

    def rewrite(self, source: ByteSource, limits: Limits, folder: Path) -> ByteSource:
        """Hand over one object and take back what was written, in a file of its own in `folder`."""
        try:
            _copy(source, self._given)
            request = json.dumps({"size": source.size, "limits": asdict(limits)}) + "\n"
            code = self._ask(request.encode(), limits.seconds + _GRACE)
            if code == DISK_FULL:
                raise Temporary(DISK_FULL)
            if code != OK:
                raise Rejected(code if code in REASONS else "cannot_normalise")
            return self._result(folder)
        finally:
            os.ftruncate(self._given, 0)
            os.ftruncate(self._written, 0)

    def _result(self, folder: Path) -> ByteSource:
        fd = _scratch(folder)
        try:
            _copy(DescriptorSource(self._written), fd)
        except StowgateError:
            os.close(fd)
            raise
        return ScratchSource(fd)

    def close(self) -> None:
        """End the process and give its files back; twice does no harm."""
        self._requests.close()
        self._answers.close()
        self._process.kill()
        self._process.wait()
        self._close_files()

    def _close_files(self) -> None:
        while self._files:
            os.close(self._files.pop())

    def _ask(self, request: bytes, seconds: float) -> str:
        with suppress(BrokenPipeError):  # it has died: the answer says so
            self._requests.write(request)
        return self._answer(seconds)

    def _answer(self, seconds: float) -> str:
        """The next line of the child; a code in its place when it was stopped, or when it has died."""
        waiting = select.poll()
        waiting.register(self._answers, select.POLLIN)
        if not waiting.poll(seconds * 1000):
            self._process.kill()
            self._process.wait()
            return "limit_time"
        line = os.read(self._answers.fileno(), 256)
        if line:
            return line.decode("ascii", "replace").strip()
        return "limit_time" if self._process.wait() == -signal.SIGXCPU else "cannot_normalise"


def _device(folder: Path) -> int:
    try:
        return os.stat(folder).st_dev
    except OSError:
        raise Temporary("cannot_write") from None


def _scratch(folder: Path) -> int:
    """A descriptor of a new empty file that has no name and mode 0600."""
    import tempfile

    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            return os.dup(file.fileno())
    except OSError as error:
        raise Temporary(disk_code(error, "cannot_write")) from None


def _copy(source: ByteSource, fd: int) -> None:
    os.ftruncate(fd, 0)
    os.lseek(fd, 0, os.SEEK_SET)
    FileEmitter(fd).emit([Range(0, source.size)], source)


_SHARED = Normaliser()
atexit.register(_SHARED.close)


def normalise(source: ByteSource, limits: Limits, folder: Path) -> ByteSource:
    """The object as a Part 10 file in explicit VR little endian; encapsulated syntaxes stay what they are.

    The result lies in `folder`, in a file without a name and with mode 0600, and is gone when it is closed.
    Raises `Rejected` (not_dicom, truncated, bad_structure, duplicate_element, limit_..., unknown_transfer_syntax,
    cannot_normalise), or `Temporary` when there is no room, no child process or the source changed.
    """
    if not _may_be_dicom(source.read(0, 132)):
        raise Rejected("not_dicom")  # before gigabytes are copied for the child to find the same
    return _SHARED.normalise(source, limits, folder)


def _may_be_dicom(head: bytes) -> bool:
    """Whether the prefix is there, or a first tag of group 0002 or 0008 in either byte order."""
    return b"DICM" in (head[128:], head[:4]) or head[:2] in (b"\2\0", b"\0\2", b"\10\0", b"\0\10")
