"""What the checks may see of an object, and the one thing they say about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from stowgate.reasons import REASONS


class Values(Protocol):
    """Raw values of top-level elements, little endian bytes; `dicom.scanner.Scan` is one."""

    @property
    def transfer_syntax(self) -> str:
        """Transfer Syntax UID of the file meta information, trimmed."""

    @property
    def media_sop_class(self) -> str:
        """Media Storage SOP Class UID of the file meta information, trimmed; "" if absent."""

    @property
    def media_instance(self) -> str:
        """Media Storage SOP Instance UID of the file meta information, trimmed; "" if absent."""

    @property
    def pixel_length(self) -> int | None:
        """Length in bytes of native Pixel Data as it stands in the file; None if there is none."""

    @property
    def encapsulated(self) -> bool:
        """Whether there is Pixel Data in fragments (PS3.5 A.4)."""

    @property
    def codecs(self) -> tuple[str, ...]:
        """Python codecs of the Specific Character Set, the default one first."""

    def get(self, tag: int, /) -> bytes | None:
        """The value of a top-level element with its padding; None if absent or bulk."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with an object: a code of `reasons.REASONS` and a place, never a value."""

    code: str
    place: str = ""

    @property
    def quarantines(self) -> bool:
        """Whether the object must not go on."""
        return REASONS[self.code].fate == "quarantined"


def place(tag: int) -> str:
    """A tag as it is shown to people: (0010,0020)."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def trimmed(raw: bytes | None) -> str:
    """A value of code characters without padding; "" if absent."""
    return raw.decode("ascii", "replace").strip(" \0") if raw else ""
