"""A watched folder: the settings of such a source, and how files in it are taken once, whole, and never by a link."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stowgate.dicom.budget import OddEncoding
from stowgate.dicom.limits import DEFAULT
from stowgate.dicom.scanner import Buffer, scan
from stowgate.dicom.source import FileSource
from stowgate.errors import Misconfigured, Rejected
from stowgate.ingest.source import LATER, Accepted, Announced, Arrival, BrokenOff, Duplicate, Intake, Outcome, Refused

"""Refusals that say nothing about the file: it is offered again."""

_PAUSE = 5.0
_YOUNG = 30.0
"""Seconds since its last change in which a file that is not whole may still be growing."""


class Folder(BaseModel):
    """A [[source]] of kind "folder": files are taken from a folder and what is below it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: Literal["folder"] = Field(description="Files are taken from a folder.")
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")] = Field(
        description="Name of the source in counts and logs: small letters, digits, - and _."
    )
    path: Path = Field(description="The folder that is watched.")
    after: Literal["keep", "move", "delete"] = Field(
        default="keep", description="What becomes of a file once its object is in custody."
    )
    moved_to: Path | None = Field(
        default=None, description="Where files go with after = \"move\"; by default PATH with '.taken' at its end."
    )
    settle: float = Field(default=2.0, ge=0.1, le=3600, description="Seconds without a change before a file is taken.")
    rescan: float = Field(
        default=30.0, ge=1, le=86_400, description="Seconds between looks at everything, for shares that tell nothing."
    )
    complete_after: float = Field(
        default=600.0, gt=0, description="Seconds without a new object after which a study counts as complete."
    )
    issuer: str = Field(
        default="", max_length=64, description="Who issued the patient IDs of this source, where objects do not say."
    )

    @model_validator(mode="after")
    def _moved_elsewhere(self) -> Folder:
        if self.moved_to is not None and self.after != "move":
            raise ValueError('has moved_to, but after is not "move"')
        return self

    @property
    def taken(self) -> Path:
        """Where moved files go."""
        return self.moved_to or self.path.with_name(f"{self.path.name}.taken")


class Seen(Protocol):
    """Remembers files across restarts, by keyed fingerprints."""

    def has(self, path: str, size: int, mtime_ns: int) -> bool:
        """Whether this state of a file was dealt with before."""

    def note(self, path: str, size: int, mtime_ns: int) -> None:
        """It is dealt with now."""


@dataclass(slots=True)
class _Look:
    """How a file looked, and since when it looks so."""

    size: int
    mtime_ns: int
    since: float


class WatchedFolder:
    """See `ingest.source.Source`."""

    def __init__(
        self,
        settings: Folder,
        seen: Seen,
        leave_out: tuple[Path, ...] = (),
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """leave_out -- folders that are never entered: the spool for one"""
        self.settings, self._seen, self._clock, self._wall = settings, seen, clock, wall
        self._out = [os.path.abspath(folder) for folder in (*leave_out, settings.taken)]
        self._looks: dict[str, _Look] = {}
        self._again = 0.0
        self._buffer = Buffer()
        try:
            os.scandir(settings.path).close()
        except OSError:
            raise Misconfigured("no_input", str(settings.path)) from None

    def run(self, intake: Intake, stop: Event) -> None:
        """See `Source.run`."""
        root = os.path.abspath(self.settings.path)
        due = 0.0
        for changed in _changes(root, stop, self.settings.settle):
            now = self._clock()
            if now >= due:
                self._look_at(self._files(root))
                due = now + self.settings.rescan
            self._look_at(path for path in changed if self._is_inside(path))
            self._take_what_rests(intake, stop)
            if stop.is_set():
                return

    def _files(self, folder: str) -> Iterator[str]:
        """Every file below, without those of hidden folders, links and what is left out."""
        waiting = [folder]
        while waiting:
            current = waiting.pop()
            if current in self._out:
                continue
            try:
                with os.scandir(current) as entries:
                    for entry in entries:
                        if entry.name.startswith("."):
                            continue
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append(entry.path)
                        elif entry.is_file(follow_symlinks=False):
                            yield entry.path
            except OSError:
                continue  # gone since, or not ours to enter; the next look tells

    def _is_inside(self, path: str) -> bool:
        return not any(path == out or path.startswith(out + os.sep) for out in self._out) and not any(
            part.startswith(".") for part in os.path.relpath(path, self.settings.path).split(os.sep)
        )

    def _look_at(self, paths: Iterator[str]) -> None:
        """Note how each file looks now; one that looks another way begins to rest anew."""
        now = self._clock()
        for path in paths:
            try:
                status = os.lstat(path)
            except OSError:
                self._looks.pop(path, None)
                continue
            if not stat.S_ISREG(status.st_mode) or os.path.basename(path).upper() == "DICOMDIR":
                continue
            look = self._looks.get(path)
            if look and (look.size, look.mtime_ns) == (status.st_size, status.st_mtime_ns):
                continue
            if look is None and self._seen.has(path, status.st_size, status.st_mtime_ns):
                continue
            self._looks[path] = _Look(status.st_size, status.st_mtime_ns, now)

    def _take_what_rests(self, intake: Intake, stop: Event) -> None:
        """Offer every file that did not change for long enough."""
        now = self._clock()
        if now < self._again:
            return
        resting = [path for path, look in self._looks.items() if now - look.since >= self.settings.settle]
        for path in resting:
            if stop.is_set():
                return
            self._look_at(iter((path,)))
            look = self._looks.get(path)
            if look is None or self._clock() - look.since < self.settings.settle:
                continue
            if not look.size or (self._may_grow(look) and not self._is_whole(path)):
                continue
            if not self._take(path, look, intake):
                self._again = self._clock() + _PAUSE
                return

    def _may_grow(self, look: _Look) -> bool:
        return abs(self._wall() - look.mtime_ns / 1e9) < _YOUNG or self._clock() - look.since < _YOUNG

    def _is_whole(self, path: str) -> bool:
        """Whether a young file ends where its elements do; what else may be wrong with it is the intake's to say."""
        try:
            with FileSource(path) as source:
                scan(source, DEFAULT, self._buffer)
        except Rejected as rejected:
            return rejected.code not in ("truncated", "unreadable", "empty_file")
        except OddEncoding:
            return True
        return True

    def _take(self, path: str, look: _Look, intake: Intake) -> bool:
        """Offer one file; False if intake is closed for now."""
        announced = Announced(self.settings.name, size=look.size)
        refused = intake.may_accept(announced)
        if refused:
            return refused.code not in LATER
        try:
            with FileSource(path) as source:
                outcome = self._offered(source, look, announced, intake)
        except (BrokenOff, Rejected):
            self._looks.pop(path, None)  # it changed or went away while it was read: look again
            return True
        except Exception:  # noqa: BLE001 - a bug that this file brings out must not keep the others from being taken
            self._looks.pop(path, None)
            return True
        if isinstance(outcome, Refused) and outcome.code in LATER:
            return False
        self._looks.pop(path, None)
        if isinstance(outcome, Accepted | Duplicate) and self.settings.after != "keep":
            self._put_away(path, look)
        else:
            self._seen.note(path, look.size, look.mtime_ns)
        return True

    def _offered(self, source: FileSource, look: _Look, announced: Announced, intake: Intake) -> Outcome:
        at = 0
        wanted = (look.size, look.mtime_ns)
        if source.stamp() != wanted:
            raise BrokenOff

        def read(size: int) -> bytes:
            nonlocal at
            data = source.read(at, min(size, look.size - at))
            at += len(data)
            if not data and (at != look.size or source.stamp() != wanted):
                raise BrokenOff
            return data

        return intake.receive(Arrival(announced, read))

    def _put_away(self, path: str, look: _Look) -> None:
        """Delete or move the file that was read; if it is another by now, it stays and is looked at again."""
        try:
            status = os.lstat(path)
            if (status.st_size, status.st_mtime_ns) != (look.size, look.mtime_ns):
                return
            if self.settings.after == "move":
                _move(path, os.path.join(self.settings.taken, os.path.relpath(path, self.settings.path)))
            else:
                os.unlink(path)
        except OSError:
            self._seen.note(path, look.size, look.mtime_ns)  # it may not be ours to touch: once is enough


def _move(path: str, place: str) -> None:
    """Give a file another name in its own file system; what has that name already keeps it."""
    os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
    stem, end = os.path.splitext(place)
    for number in range(10_000):
        try:
            os.link(path, place if not number else f"{stem}-{number}{end}", follow_symlinks=False)
        except FileExistsError:
            continue
        os.unlink(path)
        return
    raise FileExistsError


def _changes(root: str, stop: Event, settle: float) -> Iterator[list[str]]:
    """Paths that changed, at least once in `settle` seconds, empty where nothing did; ends when `stop` is set."""
    from watchfiles import watch

    yield []
    wait = int(min(settle, 1.0) * 500)
    while not stop.is_set():
        try:
            for changes in watch(
                root,
                watch_filter=None,
                stop_event=stop,
                rust_timeout=wait,
                yield_on_timeout=True,
                debounce=wait,
                step=min(50, wait),
                raise_interrupt=False,
            ):
                yield [path for _, path in changes]
        except (OSError, RuntimeError):  # no more watches, or the folder went away: looking at all of it goes on
            stop.wait(settle)
            yield []
