"""The shelf of a process that was lent one object to read and one part to write, and has no other key."""

from __future__ import annotations

from stowgate.errors import Temporary, disk_code
from stowgate.objects import Place
from stowgate.store.clean_shelf import SealedSheet
from stowgate.store.loan import Loan
from stowgate.store.sealed_folder import Part
from stowgate.store.spool import Kept
from stowgate.vault.epochs import Epoch


class LentShelf:
    """A `store.sheet.Shelf` of the one sheet that was lent."""

    def __init__(self, loan: Loan) -> None:
        self._loan = loan
        self._sheet: SealedSheet | None = None
        self.is_worn = False
        """Whether a second sheet was asked for. What is written under a key is written once: never a nonce twice."""

    def new(self) -> SealedSheet:
        """See `Shelf.new`. `Temporary` for a second one, and when the disk fails."""
        if self._sheet is not None:
            self.is_worn = True
            raise Temporary("spool_failed")
        loan = self._loan
        try:
            part = Part(loan.id, loan.path, Epoch(loan.header.epoch, b""), loan.header)
        except OSError as error:
            raise Temporary(disk_code(error, "spool_failed")) from None
        self._sheet = SealedSheet(part)
        return self._sheet

    def drop(self, path: Place) -> None:
        """See `Shelf.drop`; its owner takes the file away."""

    def synced(self) -> Kept:
        """Step 2 of the crash recipe, and what was written. `Temporary` when the disk fails."""
        if self._sheet is None:
            raise ValueError("nothing was written")
        return self._sheet.synced()

    def close(self) -> None:
        """Give back what is held."""
        if self._sheet is not None:
            self._sheet.close()
            self._sheet.part.close()
