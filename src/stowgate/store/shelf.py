"""The clean shelf of a batch: temporaries in the output's own file system, one sync, then names (DESIGN 6)."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from itertools import count
from pathlib import Path

from stowgate.dicom.emit import FileEmitter
from stowgate.dicom.source import ByteSource, DescriptorSource
from stowgate.errors import Misconfigured, Temporary, disk_code
from stowgate.objects import Place
from stowgate.vault.folder import make, remove, sync_folder

_NO_SYNCFS = frozenset((errno.ENOSYS, errno.EINVAL, errno.EPERM))


class FileSheet(FileEmitter):
    """One temporary file: see `store.sheet.Sheet`."""

    def __init__(self, place: str, mode: int) -> None:
        self.place: Place = place
        self._descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        super().__init__(self._descriptor)

    def reread(self) -> ByteSource:
        """See `store.sheet.Sheet.reread`."""
        return DescriptorSource(self._descriptor)

    def close(self) -> None:
        """See `store.sheet.Sheet.close`."""
        os.close(self._descriptor)


class FolderShelf:
    """Clean objects below one folder. `alias` names the owner, so that what a dead run left is found and swept."""

    forgets = False

    def __init__(self, folder: Path, alias: str) -> None:
        self.folder = folder
        self._aside = folder / f".stowgate-{alias[:16]}.part"
        try:
            with suppress(FileExistsError):
                make(folder)
            if self._aside.exists():
                import shutil  # only after a run that died

                shutil.rmtree(self._aside)
            self._aside.mkdir(mode=0o700)
            self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise Misconfigured(disk_code(error, "output_unwritable"), str(folder)) from None
        self._folders: set[str] = set()
        self._numbers = count()

    def new(self) -> FileSheet:
        """See `store.sheet.Shelf.new`: the folder aside is ours alone, so a number is name enough."""
        try:
            return FileSheet(f"{self._aside}/{next(self._numbers)}", 0o644)
        except OSError as error:
            raise Temporary(disk_code(error, "cannot_write")) from None

    def drop(self, path: Place) -> None:
        """See `store.sheet.Shelf.drop`."""
        Path(path).unlink(missing_ok=True)

    def keep(self, pairs: Iterable[tuple[Place, str]]) -> None:
        """Make written temporaries durable and give them their names below the folder, as one step of a group.

        pairs -- (temporary, relative path). Afterwards every file and every folder entry is on disk; before, no file
        is under its name. Raises `Temporary` when the disk fails; no file is half there then, and another run is safe.
        """
        pairs = list(pairs)
        if not pairs:
            return
        try:
            self._sync([path for path, _ in pairs])
            touched: set[str] = set()
            for path, relative in pairs:
                touched |= self._folder_of(relative)
                os.replace(path, os.path.join(self.folder, relative))
            for name in touched:
                sync_folder(name)
        except OSError as error:
            raise Temporary(disk_code(error, "cannot_write")) from None

    def close(self) -> None:
        """Leave nothing but clean objects behind."""
        remove(self._aside)
        os.close(self._descriptor)

    def _folder_of(self, relative: str) -> set[str]:
        """The folders whose entries change when this name appears, made if need be."""
        parent = os.path.join(self.folder, os.path.dirname(relative))
        touched = {parent}
        if parent not in self._folders:
            missing = parent
            while not os.path.isdir(missing):
                missing = os.path.dirname(missing)
                touched.add(missing)
            os.makedirs(parent, exist_ok=True)
            self._folders.add(parent)
        return touched

    def _sync(self, paths: list[Place]) -> None:
        if _syncfs is not None and _syncfs(self._descriptor) == 0:
            return
        if _syncfs is not None and ctypes.get_errno() not in _NO_SYNCFS:
            raise OSError(ctypes.get_errno(), "syncfs")  # a failed sync is never tried again and trusted
        for path in paths:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


class ScratchShelf:
    """A shelf that keeps nothing: a dry run shows every object to the gate and forgets it."""

    forgets = True

    def __init__(self) -> None:
        import tempfile

        self._aside = tempfile.TemporaryDirectory(prefix="stowgate-")
        self._numbers = count()

    def new(self) -> FileSheet:
        """See `store.sheet.Shelf.new`."""
        try:
            return FileSheet(f"{self._aside.name}/{next(self._numbers)}", 0o600)
        except OSError as error:
            raise Temporary(disk_code(error, "cannot_write")) from None

    def drop(self, path: Place) -> None:
        """See `store.sheet.Shelf.drop`."""
        Path(path).unlink(missing_ok=True)

    def keep(self, pairs: Iterable[tuple[Place, str]]) -> None:
        """Forget a group."""
        for path, _ in pairs:
            Path(path).unlink()

    def close(self) -> None:
        """See `FolderShelf.close`."""
        self._aside.cleanup()


def _load_syncfs() -> ctypes._NamedFuncPointer | None:
    """syncfs(2) of the C library; None where there is none, such as macOS."""
    try:
        return ctypes.CDLL(None, use_errno=True).syncfs
    except (OSError, AttributeError):
        return None


_syncfs = _load_syncfs()
