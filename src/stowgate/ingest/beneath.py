"""Files below one folder, reached step by step from its descriptor, so that no link is ever followed on the way."""

from __future__ import annotations

import fcntl
import os
import secrets
import signal
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from stowgate.dicom.source import DescriptorSource, FileSource

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NONBLOCK
_ASIDE = ".stowgate-taken-"
_MOST_NAMES = 10_000

Identity = tuple[int, int, int, int]
"""Device, inode, size and time of change: what tells one file from another that took its name."""


def identity(status: os.stat_result) -> Identity:
    """Of what a status says."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def is_being_written(source: DescriptorSource) -> bool:
    """Whether somebody has the file open for writing, as far as the file system tells (fcntl(2), leases)."""
    handle = source.fileno()
    if handle is None:
        return False
    try:
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)  # a writer that comes now sends a signal nobody minds
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False  # not ours, or a file system without leases
    return False


class _LeftOut(OSError):
    """A folder that is not to be entered."""


class Beneath:
    """One folder and what is below it. Names are relative to it, with "/" between their parts.

    The folder itself may be named by a link; nothing below it is reached through one.
    """

    def __init__(self, root: str, leave_out: Iterable[str] = ()) -> None:
        """leave_out -- folders that are not entered, wherever they are"""
        self._root, self._leave_out = root, tuple(leave_out)
        self.is_complete = False
        """Whether the last walk saw everything."""

    def walk(self) -> Iterator[str]:
        """Every regular file, as a stream; no hidden ones, links, pipes, devices. OSError: the root is not there."""
        os.close(os.open(self._root, _FOLDER))
        self.is_complete = True
        yield from self._below("")

    def at(self, name: str) -> Iterator[str]:
        """What has come with this name: every file below it where it is a folder, else the name itself."""
        try:
            with self.folder(f"{name}/"):
                pass
        except OSError:
            yield name
            return
        yield from self._below(f"{name}/")

    def _below(self, first: str) -> Iterator[str]:
        waiting = [first]
        while waiting:
            prefix = waiting.pop()
            try:
                with self.folder(prefix) as here, os.scandir(here) as entries:
                    for entry in entries:
                        if entry.name.startswith("."):
                            _give_back_if_aside(here, entry.name)
                        elif entry.is_dir(follow_symlinks=False):
                            waiting.append(f"{prefix}{entry.name}/")
                        elif entry.is_file(follow_symlinks=False):
                            yield prefix + entry.name
            except _LeftOut:
                continue
            except OSError:
                self.is_complete = False  # gone since, or not ours to enter

    def status(self, name: str) -> os.stat_result | None:
        """Of a regular file; None where there is none of this name, or not without following a link."""
        try:
            with self.folder(name) as here:
                status = os.stat(_base(name), dir_fd=here, follow_symlinks=False)
        except OSError:
            return None
        return status if stat.S_ISREG(status.st_mode) else None

    def open(self, name: str) -> FileSource:
        """The bytes of a file. Rejected("unreadable"); OSError where its folder cannot be reached."""
        with self.folder(name) as here:
            return FileSource(f"/proc/self/fd/{here}/{_base(name)}")

    def remove(self, name: str, was: Identity) -> bool:
        """Delete a file if it still is the one that was read; another that took its name stays: False."""
        with self.folder(name) as here:
            aside = _ASIDE + secrets.token_hex(8)
            os.rename(_base(name), aside, src_dir_fd=here, dst_dir_fd=here)
            if identity(os.stat(aside, dir_fd=here, follow_symlinks=False)) == was:
                os.unlink(aside, dir_fd=here)
                return True
            _rename(here, aside, here, _base(name))
            return False

    def move(self, name: str, was: Identity, to: Beneath) -> bool:
        """The same, but the file gets the same name in another folder, or a name beside one that is there."""
        with self.folder(name) as here, to.folder(name, make=True) as there:
            place = _rename(here, _base(name), there, _base(name))
            if identity(os.stat(place, dir_fd=there, follow_symlinks=False)) == was:
                return True
            _rename(there, place, here, _base(name))
            return False

    @contextmanager
    def folder(self, name: str, *, make: bool = False) -> Iterator[int]:
        """A descriptor of the folder that holds `name`; OSError where a step is a link, left out, or not there."""
        if make:
            os.makedirs(self._root, mode=0o700, exist_ok=True)
        out = set(self._identities())
        handle = os.open(self._root, _FOLDER)
        try:
            for part in name.split("/")[:-1]:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, 0o700, dir_fd=handle)
                below = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=handle)
                os.close(handle)
                handle = below
                status = os.fstat(handle)
                if (status.st_dev, status.st_ino) in out:
                    raise _LeftOut
            yield handle
        finally:
            os.close(handle)

    def _identities(self) -> Iterator[tuple[int, int]]:
        for folder in self._leave_out:
            with suppress(OSError):
                status = os.stat(folder)
                yield status.st_dev, status.st_ino


def _base(name: str) -> str:
    return name.rpartition("/")[2]


def _rename(here: int, name: str, there: int, wanted: str) -> str:
    """Give a file another name without taking one away: the name is reserved by an empty file first."""
    place = _reserved(there, wanted)
    try:
        os.rename(name, place, src_dir_fd=here, dst_dir_fd=there)
    except OSError:
        os.unlink(place, dir_fd=there)
        raise
    return place


def _reserved(there: int, wanted: str) -> str:
    stem, end = os.path.splitext(wanted)
    for number in range(_MOST_NAMES):
        name = wanted if not number else f"{stem}-{number}{end}"
        with suppress(FileExistsError):
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=there))
            return name
    raise FileExistsError


def _give_back_if_aside(here: int, name: str) -> None:
    """A file that a dead process was about to delete is offered again: then it is a duplicate, and goes."""
    if name.startswith(_ASIDE):
        with suppress(OSError):
            _rename(here, name, here, name.lstrip("."))
