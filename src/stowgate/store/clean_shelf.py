"""The clean shelf of the spool: what the engine wrote, encrypted, on its way past the gate to delivery."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from threading import Lock
from typing import TypeVar

from stowgate.dicom.source import ByteSource
from stowgate.objects import Piece, Place
from stowgate.store.loan import Loan
from stowgate.store.sealed import SealedSource
from stowgate.store.sealed_folder import Lent, Part, SealedFolder
from stowgate.store.spool import Facts, Kept

_NOBODY = Facts("")


class SealedSheet:
    """See `store.sheet.Sheet`; the file stays open for the sync until it is kept or dropped."""

    def __init__(self, part: Part) -> None:
        self.place: Place = part.path
        self.part = part
        self._hash = hashlib.sha256()
        self._writer = part.writer(self._hash.update)
        self._source: SealedSource | None = None

    def emit(self, pieces: Iterable[Piece], source: ByteSource) -> int:
        """See `Sheet.emit`."""
        return self._writer.emit(pieces, source)

    def reread(self) -> ByteSource:
        """See `Sheet.reread`: decrypted from the file; nothing can be emitted any more."""
        self.close()
        self._source = self._writer.reread()
        return self._source

    def close(self) -> None:
        """See `Sheet.close`."""
        if self._source is not None:
            self._source.close()
            self._source = None

    def synced(self) -> Kept:
        """Step 2 of the crash recipe, and what was written."""
        self._writer.sync()
        return Kept(self.part.id, self._writer.size, self._hash.hexdigest())


class LentSheet:
    """A sheet that another process writes, and syncs."""

    def __init__(self, part: Lent) -> None:
        self.place: Place = part.path
        self.part = part
        self.written: Kept | None = None
        """What that process says it wrote, once it did."""

    def close(self) -> None:
        """Nothing is held here."""

    def synced(self) -> Kept:
        """What was written and synced; what was written elsewhere is not this sheet."""
        if self.written is None or self.written.id != self.part.id:
            raise ValueError("only what was written is kept")
        return self.written


AnySheet = TypeVar("AnySheet", SealedSheet, LentSheet)


class SealedCleanShelf:
    """See `store.spool.CleanShelf`. Calls come from any thread."""

    def __init__(self, folder: SealedFolder) -> None:
        self.folder = folder
        self._sheets: dict[str, SealedSheet | LentSheet] = {}
        self._lock = Lock()

    def new(self) -> SealedSheet:
        """See `CleanShelf.new`."""
        return self._noted(SealedSheet(self.folder.start(_NOBODY)))

    def lend(self) -> LentSheet:
        """As `new`, for another process to write."""
        return self._noted(LentSheet(self.folder.lend(_NOBODY)))

    def drop(self, path: Place) -> None:
        """See `CleanShelf.drop`."""
        sheet = self._taken(path)
        if sheet is not None:
            sheet.close()
            self.folder.drop(sheet.part)

    def keep(self, place: Place) -> Kept:
        """See `CleanShelf.keep`."""
        sheet = self._taken(place)
        if sheet is None:
            raise ValueError("only a sheet of this shelf is kept, and only once")
        sheet.close()
        try:
            kept = sheet.synced()
        except BaseException:
            self.folder.drop(sheet.part)
            raise
        self.folder.name(sheet.part)
        return kept

    def place_of(self, id: str) -> Place:
        """See `CleanShelf.place_of`."""
        return self.folder.path_of(id)

    def open(self, id: str) -> SealedSource:
        """See `CleanShelf.open`."""
        return self.folder.open(id)

    def loan(self, id: str) -> Loan:
        """What another process needs to read an object. Raises as `open` does."""
        return self.folder.loan(id)

    def ids(self) -> Iterator[str]:
        """See `CleanShelf.ids`."""
        return self.folder.ids()

    def delete(self, id: str) -> None:
        """See `CleanShelf.delete`."""
        self.folder.delete(id)

    def _noted(self, sheet: AnySheet) -> AnySheet:
        with self._lock:
            self._sheets[os.fspath(sheet.place)] = sheet
        return sheet

    def _taken(self, place: Place) -> SealedSheet | LentSheet | None:
        with self._lock:
            return self._sheets.pop(os.fspath(place), None)
