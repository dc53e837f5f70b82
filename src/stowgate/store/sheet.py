"""What the pipeline asks of where objects lie: originals that say when they change, sheets that are read again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Protocol, Self

from stowgate.dicom.source import ByteSource
from stowgate.objects import Piece, Place


class Sheet(Protocol):
    """A clean object on its way to a shelf: written once, then read again for the gate."""

    place: Place

    def emit(self, pieces: Iterable[Piece], source: ByteSource) -> int:
        """See `dicom.emit.Emitter.emit`."""

    def reread(self) -> ByteSource:
        """What was written, as the shelf has it; it is closed together with the sheet."""

    def close(self) -> None:
        """Give back what is held; what was written stays until it is kept or dropped."""


class Shelf(Protocol):
    """Where clean objects are written before they are kept."""

    def new(self) -> Sheet:
        """A fresh sheet under a name that tells nothing."""

    def drop(self, path: Place) -> None:
        """Take a file away that must not stay."""


class Original(ByteSource, Protocol):
    """An identified object as it lies; `stamp` changes when somebody writes to it."""

    def stamp(self) -> Sequence[int]:
        """Numbers that stay the same as long as the bytes do."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
