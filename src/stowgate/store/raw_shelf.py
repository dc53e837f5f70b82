"""The raw shelf of the spool: identified objects as they came, encrypted, durable before they are answered for."""

from __future__ import annotations

from collections.abc import Iterator

from stowgate.store.loan import Loan
from stowgate.store.sealed import SealedSource
from stowgate.store.sealed_folder import Part, SealedFolder
from stowgate.store.spool import Facts


class RawWriting:
    """See `store.spool.Writing`."""

    def __init__(self, folder: SealedFolder, part: Part) -> None:
        self.id = part.id
        self._folder, self._part = folder, part
        self._writer = part.writer()
        self._synced = False

    def write(self, data: bytes | memoryview) -> None:
        """See `Writing.write`."""
        self._writer.write(data)

    def finish(self) -> None:
        """See `Writing.finish`."""
        self._writer.sync()
        self._synced = True

    def reread(self) -> SealedSource:
        """See `Writing.reread`."""
        if not self._synced:
            raise ValueError("only what was finished is read again")
        return self._writer.reread()

    def keep(self) -> None:
        """See `Writing.keep`."""
        if not self._synced:
            raise ValueError("only what was finished gets its name")
        self._folder.name(self._part)

    def abort(self) -> None:
        """See `Writing.abort`."""
        self._folder.drop(self._part)


class SealedRawShelf:
    """See `store.spool.RawShelf`."""

    def __init__(self, folder: SealedFolder) -> None:
        self.folder = folder

    def new(self, facts: Facts) -> RawWriting:
        """See `RawShelf.new`."""
        return RawWriting(self.folder, self.folder.start(facts))

    def open(self, id: str) -> SealedSource:
        """See `RawShelf.open`."""
        return self.folder.open(id)

    def loan(self, id: str) -> Loan:
        """What another process needs to read an object. Raises as `open` does."""
        return self.folder.loan(id)

    def facts(self, id: str) -> Facts:
        """See `RawShelf.facts`."""
        return self.folder.facts(id)

    def ids(self) -> Iterator[str]:
        """See `RawShelf.ids`."""
        return self.folder.ids()

    def delete(self, id: str) -> None:
        """See `RawShelf.delete`."""
        self.folder.delete(id)
