"""A watched folder: files in it are taken once, whole, closed, and never by a link."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stowgate import events
from stowgate.dicom.budget import OddEncoding
from stowgate.dicom.limits import DEFAULT
from stowgate.dicom.scanner import Buffer, scan
from stowgate.dicom.source import FileSource
from stowgate.errors import Misconfigured, Rejected
from stowgate.ingest.beneath import Beneath, Identity, identity, is_being_written
from stowgate.ingest.changes import changes
from stowgate.ingest.source import LATER, Accepted, Announced, Arrival, BrokenOff, Duplicate, Intake, Outcome, Refused
from stowgate.ingest.whole_file import reader

MOST = 10_000
"""Files that are kept in mind at once; the walk waits for them, so that memory does not grow with the folder."""

_PAUSE = 5.0
_YOUNG = 30.0
"""Seconds since its last change in which a file that is not whole or not closed may still be growing."""


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
        default=600.0,
        gt=0,
        description="Seconds without a new object after which a study counts as complete, unless it is all there.",
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

    def check(self) -> None:
        """Raise `Misconfigured` where files could not be taken from here, or not be put away."""
        try:
            os.scandir(self.path).close()
        except OSError:
            raise Misconfigured("folder_missing", str(self.path)) from None
        if self.after == "keep":
            return
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise Misconfigured(
                "bad_setting", f'after = "{self.after}" of {self.name}: {self.path} is not ours to change'
            )
        there = self.taken.absolute()
        while not there.exists() and there != there.parent:
            there = there.parent
        if self.after == "move" and there.stat().st_dev != self.path.stat().st_dev:
            raise Misconfigured("bad_setting", f"moved_to of {self.name} is on another disk than its path")


class Seen(Protocol):
    """Remembers files across restarts, by keyed fingerprints."""

    def has(self, path: str, size: int, mtime_ns: int) -> bool:
        """Whether this state of a file was dealt with before."""

    def note(self, path: str, size: int, mtime_ns: int) -> None:
        """It is dealt with now."""

    def begin(self) -> None:
        """A look at everything begins."""

    def forget_the_rest(self) -> None:
        """It ended: what was neither asked for nor noted since it began is no longer there."""


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
        tell: events.Watcher = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """leave_out -- folders that are never entered: the spool for one. Misconfigured where it cannot be used."""
        self.settings, self._seen, self._tell, self._clock, self._wall = settings, seen, tell, clock, wall
        self._root = os.path.abspath(settings.path)
        settings.check()
        self._files = Beneath(self._root, map(str, (*leave_out, settings.taken)))
        self._taken = Beneath(os.path.abspath(settings.taken))
        self._looks: dict[str, _Look] = {}
        self._walk: Iterator[str] | None = None
        self._due = self._again = 0.0
        self._told: set[str] = set()
        self._buffer = Buffer()

    def run(self, intake: Intake, stop: Event) -> None:
        """See `Source.run`. Misconfigured("folder_missing") when the folder is no longer there: it may come back."""
        self._looks.clear()
        self._walk, self._due = None, 0.0
        for changed in changes(self._root, stop, self.settings.settle):
            if changed is None:
                self._walk, self._due = None, 0.0
            self._go_on_walking()
            for path in changed or ():
                self._look_at_change(path)
            self._take_what_rests(intake, stop)
            if stop.is_set():
                return

    def _go_on_walking(self) -> None:
        """Look at everything, every now and then, and never further ahead than memory allows."""
        if self._walk is None and self._clock() >= self._due:
            self._walk = self._files.walk()
            self._seen.begin()
        while self._walk is not None and len(self._looks) < MOST:
            try:
                name = next(self._walk, None)
            except OSError:
                self._walk = None
                raise Misconfigured("folder_missing", str(self.settings.path)) from None
            if name is not None:
                self._look_at(name)
                continue
            self._walk, self._due = None, self._clock() + self.settings.rescan
            if self._files.is_complete:
                self._seen.forget_the_rest()

    def _look_at_change(self, path: str) -> None:
        """A folder that was moved here is told of once, and what is in it is not."""
        name = os.path.relpath(path, self._root)
        if any(part.startswith(".") for part in name.split("/")):
            return
        for one in self._files.at(name):
            if len(self._looks) >= MOST:
                self._due = 0.0  # the next walk finds it
                return
            self._look_at(one)

    def _look_at(self, name: str) -> None:
        """Note how a file looks now; one that looks another way begins to rest anew."""
        status = self._files.status(name)
        if status is None or name.rpartition("/")[2].upper() == "DICOMDIR":
            self._looks.pop(name, None)
            return
        look = self._looks.get(name)
        if look and (look.size, look.mtime_ns) == (status.st_size, status.st_mtime_ns):
            return
        if look is None and self._seen.has(self._path(name), status.st_size, status.st_mtime_ns):
            return
        self._looks[name] = _Look(status.st_size, status.st_mtime_ns, self._clock())

    def _take_what_rests(self, intake: Intake, stop: Event) -> None:
        """Offer every file that did not change for long enough."""
        now, settle = self._clock(), self.settings.settle
        if now < self._again:
            return
        for name in [name for name, look in self._looks.items() if now - look.since >= settle]:
            if stop.is_set():
                return
            self._look_at(name)
            look = self._looks.get(name)
            if look is None or self._clock() - look.since < settle:
                continue
            if not self._is_dealt_with(name, look, intake):
                self._again = self._clock() + _PAUSE
                return

    def _is_dealt_with(self, name: str, look: _Look, intake: Intake) -> bool:
        """Offer one file, or leave it for now, as one there is no room for; False if intake is closed."""
        refused = intake.may_accept(Announced(self.settings.name, size=look.size))
        if refused:
            return refused.code not in LATER or not intake.may_accept(Announced(self.settings.name))
        try:
            with self._files.open(name) as source:
                if self._may_grow(look) and not self._is_finished(source):
                    return True
                outcome = self._offered(source, look, intake)
                if isinstance(outcome, Refused) and outcome.code in LATER:
                    return False
                self._end(name, look, source, outcome)
        except Rejected:
            self._say(name, "unreadable")
        except (BrokenOff, OSError):
            pass  # it changed or went away while it was read: look again
        except Exception:  # noqa: BLE001 - a bug that this file brings out must not keep the others from being taken
            self._say(name, "internal_error")
        self._looks.pop(name, None)
        return True

    def _may_grow(self, look: _Look) -> bool:
        return abs(self._wall() - look.mtime_ns / 1e9) < _YOUNG or self._clock() - look.since < _YOUNG

    def _is_finished(self, source: FileSource) -> bool:
        """Whether a young file is closed and ends where its elements do; what else is wrong, the intake says."""
        if is_being_written(source):
            return False
        try:
            scan(source, DEFAULT, self._buffer)
        except Rejected as rejected:
            return rejected.code not in ("truncated", "unreadable", "empty_file")
        except OddEncoding:
            return True
        return True

    def _offered(self, source: FileSource, look: _Look, intake: Intake) -> Outcome:
        read = reader(source, (look.size, look.mtime_ns))
        return intake.receive(Arrival(Announced(self.settings.name, size=look.size), read))

    def _end(self, name: str, look: _Look, source: FileSource, outcome: Outcome) -> None:
        """Keep, move or delete; a file that could not be put away, or is another by now, is remembered as it was."""
        if isinstance(outcome, Accepted | Duplicate) and self.settings.after != "keep":
            handle = source.fileno()
            with suppress(OSError):
                if handle is not None and self._put_away(name, look, identity(os.fstat(handle))):
                    return
        self._seen.note(self._path(name), look.size, look.mtime_ns)

    def _put_away(self, name: str, look: _Look, was: Identity) -> bool:
        """False for a file that somebody wrote to since its last byte was read: what it is now is not in custody."""
        if was[2:] != (look.size, look.mtime_ns):
            return False
        if self.settings.after == "move":
            return self._files.move(name, was, self._taken)
        return self._files.remove(name, was)

    def _say(self, name: str, code: str) -> None:
        """Once for each file; it is tried again, because permissions get mended."""
        if name not in self._told and len(self._told) < MOST:
            self._told.add(name)
            self._tell(events.Refused(self.settings.name, code))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"
