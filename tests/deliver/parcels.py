"""Instances to be sent, made up for the tests of sinks, and a notebook that outlives them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from stowgate.deliver.sink import Instance, Parcel
from stowgate.dicom.source import MemorySource
from stowgate.objects import CleanRef, Names
from tests.builder import CT, el, small

STUDY = "2.25.1001"


@dataclass
class Notebook:
    """A `deliver.sink.Journal` that is a dictionary."""

    notes: dict[str, str] = field(default_factory=dict)

    def read(self, uid: str) -> str:
        return self.notes.get(uid, "")

    def write(self, uid: str, text: str) -> None:
        self.notes[uid] = text


def letter(data: bytes, uid: str, sop_class: str = CT, syntax: str = "1.2.840.10008.1.2.1") -> Instance:
    """What the gate passed, as it lies on a shelf in memory."""
    names = Names("P1", STUDY, "2.25.1002", uid, "CT")
    ref = CleanRef(f"/shelf/{uid}", len(data), names, sop_class, syntax, "0" * 64)
    return Instance(ref, hashlib.sha256(data).hexdigest(), lambda: MemorySource(data))


def parcel(*numbers: int, size: int = 1000) -> Parcel:
    return Parcel(tuple(letter(bytes_of(n, size), f"2.25.{n}") for n in numbers))


def bytes_of(number: int, size: int = 1000) -> bytes:
    """A whole CT object with `size` bytes of pixels."""
    uids = (el("StudyInstanceUID", STUDY), el("SeriesInstanceUID", "2.25.1002"))
    return small(*uids, el("PixelData", b"." * size, "OW"), uid=f"2.25.{number}")
