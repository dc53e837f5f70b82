"""The spool in memory: the twins of both shelves for tests and demos, with nothing encrypted and nothing durable."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator

from stowgate.dicom.emit import MemoryEmitter
from stowgate.dicom.source import ByteSource, MemorySource
from stowgate.errors import Rejected
from stowgate.objects import Piece, Place
from stowgate.store.room import Room
from stowgate.store.spool import Facts, Kept


class Remembered(MemorySource):
    """See `store.sheet.Original`."""

    def stamp(self) -> int:
        """See `Original.stamp`."""
        return self.size


class MemoryWriting:
    """See `store.spool.Writing`."""

    def __init__(self, shelf: MemoryRawShelf, facts: Facts) -> None:
        self.id = os.urandom(16).hex()
        self._shelf, self._facts = shelf, facts
        self._data = bytearray()
        self._finished = self._over = False

    def write(self, data: bytes | memoryview) -> None:
        """See `Writing.write`."""
        if self._finished:
            raise ValueError("the last chunk is sealed")
        self._data += data

    def finish(self) -> None:
        """See `Writing.finish`."""
        self._finished = True

    def reread(self) -> Remembered:
        """See `Writing.reread`."""
        if not self._finished:
            raise ValueError("only what was finished is read again")
        return Remembered(bytes(self._data))

    def keep(self) -> None:
        """See `Writing.keep`."""
        if not self._finished or self._over:
            raise ValueError("only what was finished gets its name, and only once")
        self._over = True
        self._shelf.objects[self.id] = (bytes(self._data), self._facts)

    def abort(self) -> None:
        """See `Writing.abort`."""
        self._over = True


class MemoryRawShelf:
    """See `store.spool.RawShelf`."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, Facts]] = {}

    def new(self, facts: Facts) -> MemoryWriting:
        """See `RawShelf.new`."""
        return MemoryWriting(self, facts)

    def open(self, id: str) -> Remembered:
        """See `RawShelf.open`."""
        return Remembered(self._found(id)[0])

    def facts(self, id: str) -> Facts:
        """See `RawShelf.facts`."""
        return self._found(id)[1]

    def ids(self) -> Iterator[str]:
        """See `RawShelf.ids`."""
        yield from list(self.objects)

    def delete(self, id: str) -> None:
        """See `RawShelf.delete`."""
        self.objects.pop(id, None)

    def _found(self, id: str) -> tuple[bytes, Facts]:
        if id not in self.objects:
            raise Rejected("payload_lost")
        return self.objects[id]


class MemorySheet(MemoryEmitter):
    """See `store.sheet.Sheet`."""

    def __init__(self) -> None:
        super().__init__()
        self.id = os.urandom(16).hex()
        self.place: Place = f"parts/{self.id}.part"
        self._read = False

    def emit(self, pieces: Iterable[Piece], source: ByteSource) -> int:
        """See `Sheet.emit`."""
        if self._read:
            raise ValueError("the last chunk is sealed")
        return super().emit(pieces, source)

    def reread(self) -> ByteSource:
        """See `Sheet.reread`."""
        self._read = True
        return MemorySource(bytes(self.data))

    def close(self) -> None:
        """See `Sheet.close`."""


class MemoryCleanShelf:
    """See `store.spool.CleanShelf`."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self._sheets: dict[Place, MemorySheet] = {}

    def new(self) -> MemorySheet:
        """See `CleanShelf.new`."""
        sheet = MemorySheet()
        self._sheets[sheet.place] = sheet
        return sheet

    def drop(self, path: Place) -> None:
        """See `CleanShelf.drop`."""
        self._sheets.pop(path, None)

    def keep(self, place: Place) -> Kept:
        """See `CleanShelf.keep`."""
        sheet = self._sheets.pop(place, None)
        if sheet is None:
            raise ValueError("only a sheet of this shelf is kept, and only once")
        data = self.objects[sheet.id] = bytes(sheet.data)
        return Kept(sheet.id, len(data), hashlib.sha256(data).hexdigest())

    def place_of(self, id: str) -> Place:
        """See `CleanShelf.place_of`."""
        return f"clean/{id[:2]}/{id}"

    def open(self, id: str) -> Remembered:
        """See `CleanShelf.open`."""
        if id not in self.objects:
            raise Rejected("payload_lost")
        return Remembered(self.objects[id])

    def ids(self) -> Iterator[str]:
        """See `CleanShelf.ids`."""
        yield from list(self.objects)

    def delete(self, id: str) -> None:
        """See `CleanShelf.delete`."""
        self.objects.pop(id, None)


class MemorySpool:
    """Both shelves, and as much room as a test says."""

    def __init__(self, room: Room = Room.OPEN) -> None:
        self.raw, self.clean = MemoryRawShelf(), MemoryCleanShelf()
        self.says = room

    def room(self, coming: int = 0) -> Room:  # noqa: ARG002 - the twin of a call that needs it
        """What the test said."""
        return self.says
