"""What one process gives another so that it can read or write one object of the spool: a path and that object's key."""

from __future__ import annotations

from dataclasses import dataclass

from stowgate.store.sealed_header import Header
from stowgate.store.spool import Facts


@dataclass(frozen=True, slots=True)
class Loan:
    """One object, to be read, or a part to be written. The keys of the spool stay at home, and so do the facts."""

    id: str
    path: str
    header: Header

    def plain(self) -> list[str]:
        """As JSON can carry it, over a pipe and nowhere else: it holds the object's key."""
        header = self.header
        return [self.id, self.path, *(one.hex() for one in (header.data, header.epoch, header.key, header.digest))]


def loan_from(told: list[str]) -> Loan:
    """The loan again."""
    data, epoch, key, digest = map(bytes.fromhex, told[2:])
    return Loan(told[0], told[1], Header(data, epoch, key, Facts(""), digest))
