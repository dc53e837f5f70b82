"""A folder as a destination: whole files or none, never over another's, read again for evidence."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from stowgate.deliver.dest import Dest
from stowgate.deliver.sink import STEP, Answer, Found, Instance, Journal, Parcel, Sink, Trial
from stowgate.errors import Misconfigured, Temporary, disk_code
from stowgate.layout import DEFAULT, path_of, usable
from stowgate.lifecycle import Delivery, Evidence
from stowgate.vault.folder import sync_folder

PARTS = ".stowgate-parts"
"""Where files are written before they get their names: on the same file system, and nobody's business."""

_OTHER = Answer(Delivery.REFUSED, "peer_has_other_bytes")
_NO_LINKS = frozenset((errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK))
"""What a file system says that has no second names, such as FAT; there a file is renamed, which asks nobody."""
_DEAD = 3600.0
"""Seconds after which nobody writes to a part any more that nobody has written to."""


class FolderDest(Dest):
    """A [[dest]] of kind "folder": a disk, a share, a stick."""

    kind: Literal["folder"] = Field(description="Files are written below a folder.")
    path: Path = Field(description="The folder. It has to be there: it is never made, because it may be a disk.")
    layout: Annotated[str, AfterValidator(usable)] = Field(
        default=DEFAULT, description="Template of the paths below it, as [output] path has it; ends in .dcm."
    )
    mounted: bool = Field(
        default=False,
        description="Send only while a disk or a share is mounted at the folder or above it: without it, the empty "
        "folder where one belongs would be filled.",
    )
    evidence: Literal["status", "content"] = Field(
        default="content", description="content reads every file again and compares; status trusts the disk."
    )

    @property
    def where(self) -> str:
        """The folder."""
        return str(self.path)

    def sink(self) -> Sink:
        """See `Dest.sink`."""
        return FolderSink(self.path, self.layout, self.mounted)


class FolderSink:
    """See `deliver.sink.Sink`. The folder itself is never made: one that is missing is a disk that is not there."""

    def __init__(self, folder: Path, template: str = DEFAULT, mounted: bool = False) -> None:
        """template -- of the paths below the folder, see `layout`; mounted -- whether it has to lie on a mount"""
        self._folder, self._template, self._mounted = folder, template, mounted
        self._parts = folder / PARTS
        self._synced: set[Path] = set()
        """Folders whose own entries are on disk, as far as this sink has seen to it."""

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
        return self._folder.is_dir() and (not self._mounted or _is_mounted(self._folder))

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
                sync_folder(folder)
            self._synced |= touched
        except OSError as error:
            failed = error
            answers = {uid: _later(error) for uid in answers}
        if failed and not any(answer.state is not Delivery.QUEUED for answer in answers.values()):
            raise self._plain(failed)
        return answers

    def verify(self, parcel: Parcel, journal: Journal) -> Mapping[str, Found]:  # noqa: ARG002 - the bytes themselves say it
        """Every byte is read again, from the disk where the system lets us."""
        return {instance.uid: self.read_back(instance) for instance in parcel.instances}

    def read_back(self, instance: Instance) -> Found:
        """See `verify`."""
        self._enter()
        try:
            return self._found(instance)
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
        if not self.reachable():
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
        place = self._folder / path_of(self._template, instance.ref.names)
        made = not place.parent.is_dir()
        same = (not place.exists() and self._written(instance, place)) or _digest(place) == instance.digest
        # of a file that lies there already, too: whoever wrote it may have died before its folder was on disk
        touched.update(one for one in self._above(place) if made or one not in self._synced or one == place.parent)
        return Answer(Delivery.ACKNOWLEDGED) if same else _OTHER

    def _written(self, instance: Instance, place: Path) -> bool:
        """Whether it has its name now; False where another file came to have it meanwhile."""
        part = self._parts / os.urandom(16).hex()
        try:
            _write(part, instance.chunks())
            place.parent.mkdir(parents=True, exist_ok=True)
            _name(part, place)
        except FileExistsError:
            return False
        finally:
            with suppress(OSError):
                part.unlink()
        return True

    def _above(self, place: Path) -> Iterator[Path]:
        """The folders of a file, up to the destination's own."""
        for one in place.parents:
            yield one
            if one == self._folder:
                return

    def _found(self, instance: Instance) -> Found:
        place = self._folder / path_of(self._template, instance.ref.names)
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


def _name(part: Path, place: Path) -> None:
    """Give a file its name; FileExistsError where another has it."""
    try:
        os.link(part, place)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.replace(part, place)


def _is_mounted(folder: Path) -> bool:
    """Whether a file system other than the root's is mounted at a folder or above it."""
    return any(os.path.ismount(one) for one in (folder, *folder.parents) if one != Path(one.anchor))


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
