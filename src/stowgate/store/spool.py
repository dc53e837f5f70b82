"""The contract of the spool: two shelves of encrypted objects, written by the crash recipe and read at random."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from stowgate.objects import Place
from stowgate.store.sheet import Original, Sheet


@dataclass(frozen=True, slots=True)
class Facts:
    """What the header of a raw object carries beside its wrapped key, so that it can be adopted without the ledger."""

    source: str
    peer: str = ""


class Writing(Protocol):
    """A raw object that is coming in: steps 1 to 4 of the crash recipe (DESIGN 6)."""

    id: str

    def write(self, data: bytes | memoryview) -> None:
        """Append plain bytes; they are encrypted before they reach the disk. `Temporary` when the disk fails."""

    def finish(self) -> None:
        """Seal the last chunk and fsync the file (step 2). It has no name yet."""

    def reread(self) -> Original:
        """What was written, decrypted from the file; only after `finish`."""

    def keep(self) -> None:
        """Give it its name and fsync the folders (steps 3 and 4)."""

    def abort(self) -> None:
        """Forget it; nothing stays on disk. Harmless after `keep` and when called twice."""


class RawView(Protocol):
    """Identified objects, to be read; also by a process that does not own the spool."""

    def open(self, id: str) -> Original:
        """Random access to the plain bytes; Rejected("spool_damaged") where a tag does not fit, "payload_lost"."""

    def facts(self, id: str) -> Facts:
        """What the header says. Raises as `open` does."""

    def ids(self) -> Iterator[str]:
        """Every object that has its name; parts are swept when the spool is opened."""


class RawShelf(RawView, Protocol):
    """Identified objects, encrypted."""

    def new(self, facts: Facts) -> Writing:
        """A fresh object of a random id."""

    def delete(self, id: str) -> None:
        """Unlink it; gone already is fine."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A clean object that has its name: id (32 hex digits), plain bytes, SHA-256 (hex) of them as they were written."""

    id: str
    size: int
    digest: str


class CleanView(Protocol):
    """De-identified objects, to be read; also by a process that does not own the spool."""

    def place_of(self, id: str) -> Place:
        """Where a kept object lies."""

    def open(self, id: str) -> Original:
        """Random access to the plain bytes; Rejected: "spool_damaged", "payload_lost"."""

    def ids(self) -> Iterator[str]:
        """Every object that has its name."""


class CleanShelf(CleanView, Protocol):
    """De-identified objects, encrypted as well; also a `store.sheet.Shelf` for `pipeline.Way`.

    A sheet is kept or dropped in the end; until then its file stays open.
    """

    def new(self) -> Sheet:
        """See `store.sheet.Shelf.new`: its place is a path on this shelf."""

    def drop(self, path: Place) -> None:
        """See `store.sheet.Shelf.drop`. Harmless for a place that was kept, and when called twice."""

    def keep(self, place: Place) -> Kept:
        """Steps 2 to 4 for what was written at a sheet's place: fsync, rename, fsync the folders.

        `Temporary` when the disk fails; then nothing is under its name, and the sheet is gone.
        """

    def delete(self, id: str) -> None:
        """Unlink it; gone already is fine."""
