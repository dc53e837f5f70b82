"""A folder as a destination: whole files or none, never over another's, read again for evidence."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from stowgate import layout
from stowgate.deliver.dest import Dest
from stowgate.deliver.sink import STEP, Answer, Found, Instance, Journal, Parcel, Sink, Trial
from stowgate.errors import Misconfigured, Temporary, disk_code
from stowgate.lifecycle import Delivery, Evidence

PARTS = ".stowgate-parts"
"""Where files are written before they get their names: on the same file system, and nobody's business."""

_OTHER = Answer(Delivery.REFUSED, "peer_has_other_bytes")
_DEAD = 3600.0
"""Seconds after which nobody writes to a part any more that nobody has written to."""


class FolderDest(Dest):
    """A [[dest]] of kind "folder": a disk, a share, a stick."""

    kind: Literal["folder"] = Field(description="Files are written below a folder.")
    path: Path = Field(description="The folder. It has to be there: it is never made, because it may be a disk.")
    layout: str = Field(
        default=layout.DEFAULT, description="Template of the paths below it, as [output] path has it; ends in .dcm."
    )
    evidence: Literal["status", "content"] = Field(
        default="content", description="content reads every file again and compares; status trusts the disk."
    )

    @field_validator("layout")
    @classmethod
    def _can_be_used(cls, template: str) -> str:
        try:
            return layout.check(template)
        except Misconfigured as error:
            raise ValueError(f"cannot be used: {error.place}") from None

    @property
    def where(self) -> str:
        """The folder."""
        return str(self.path)

    def sink(self) -> Sink:
        """See `Dest.sink`."""
        return FolderSink(self.path, self.layout)


class FolderSink:
    """See `deliver.sink.Sink`. The folder itself is never made: one that is missing is a disk that is not there."""

    def __init__(self, folder: Path, template: str = layout.DEFAULT) -> None:
        """template -- of the paths below the folder, see `layout`"""
        self._folder, self._template = folder, template
        self._parts = folder / PARTS

    def open(self) -> None:
        """Sweep what a dead process left."""
        self._enter()
        with suppress(OSError):
            for part in self._parts.iterdir():
                if part.stat().st_mtime < time.time() - _DEAD:
                    part.unlink()

    def close(self) -> None:
        """Nothing is held."""

    def reachable(self) -> bool:
        """Whether the folder is there."""
        return self._folder.is_dir()

    def deliver(self, parcel: Parcel, journal: Journal) -> Mapping[str, Answer]:  # noqa: ARG002 - a file is whole or not there
        """Each file is durable under its name before its answer counts; folders are synced once for all."""
        self._enter()
        answers: dict[str, Answer] = {}
        touched: set[Path] = set()
        failed: OSError | None = None
        for instance in parcel.instances:
            try:
                answers[instance.uid] = self._keep(instance, touched) if failed is None else _later(failed)
            except OSError as error:
                failed = error
                answers[instance.uid] = _later(error)
        try:
            for folder in sorted(touched, reverse=True):
                _sync(folder)
        except OSError as error:
            failed = error
            answers = {uid: _later(error) for uid in answers}
        if failed and not any(answer.state is not Delivery.QUEUED for answer in answers.values()):
            raise self._plain(failed)
        return answers

    def verify(self, parcel: Parcel, journal: Journal) -> Mapping[str, Found]:  # noqa: ARG002 - the bytes themselves say it
        """Every byte is read again, from the disk where the system lets us."""
        self._enter()
        try:
            return {instance.uid: self._found(instance) for instance in parcel.instances}
        except OSError as error:
            raise self._plain(error) from None

    def trial(self) -> Iterator[Trial]:
        """Write, read and delete a file that says nothing."""
        try:
            self._enter()
            yield Trial("folder", "It is there.")
            part = self._parts / os.urandom(8).hex()
            try:
                _write(part, iter([b"stowgate"]))
                same = part.read_bytes() == b"stowgate"
            finally:
                part.unlink(missing_ok=True)
            yield Trial(
                "write", "A file was written and read again." if same else "What was read is not what was written."
            )
        except (Misconfigured, Temporary) as error:
            yield Trial("folder", str(error), error.code)
        except OSError as error:
            plain = self._plain(error)
            yield Trial("write", str(plain), plain.code)

    def _enter(self) -> None:
        if not self._folder.is_dir():
            raise Temporary("peer_unreachable", str(self._folder))
        try:
            self._parts.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise self._plain(error) from None

    def _plain(self, error: OSError) -> Misconfigured | Temporary:
        """A failed call in our words: what a person has to change, or what passes."""
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return Misconfigured("peer_unauthorised", str(self._folder))
        return Temporary(_code(error), str(self._folder))

    def _keep(self, instance: Instance, touched: set[Path]) -> Answer:
        place = self._folder / layout.path_of(self._template, instance.ref.names)
        if place.exists():
            return Answer(Delivery.ACKNOWLEDGED) if _digest(place) == instance.digest else _OTHER
        part = self._parts / os.urandom(16).hex()
        try:
            _write(part, instance.chunks())
            _folders(place.parent, self._folder, touched)
            os.replace(part, place)
        finally:
            with suppress(OSError):
                part.unlink()
        touched.add(place.parent)
        return Answer(Delivery.ACKNOWLEDGED)

    def _found(self, instance: Instance) -> Found:
        place = self._folder / layout.path_of(self._template, instance.ref.names)
        try:
            same = _digest(place) == instance.digest
        except FileNotFoundError:
            return Found(code="peer_lost_object")
        return Found(Evidence.CONTENT) if same else Found(code="peer_has_other_bytes")


def _later(error: OSError) -> Answer:
    return Answer(Delivery.QUEUED, _code(error))


def _code(error: OSError) -> str:
    return "peer_busy" if disk_code(error, "") else "peer_unreachable"


def _write(place: Path, chunks: Iterator[bytes]) -> None:
    handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        for data in chunks:
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def _folders(folder: Path, top: Path, touched: set[Path]) -> None:
    """Make a folder and those above it up to `top`; whose entry is new has to be synced."""
    if folder.is_dir():
        return
    _folders(folder.parent, top, touched)
    folder.mkdir(exist_ok=True)
    touched.add(folder.parent)


def _digest(place: Path) -> str:
    found = hashlib.sha256()
    handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if hasattr(os, "posix_fadvise"):  # what the page cache remembers is no evidence
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        while data := os.read(handle, STEP):
            found.update(data)
    finally:
        os.close(handle)
    return found.hexdigest()


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
