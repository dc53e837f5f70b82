"""A file as an arrival: read to the end it had when it was looked at, or broken off if it changed meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from stowgate.dicom.source import FileSource
from stowgate.ingest.source import BrokenOff


def reader(source: FileSource, stamp: tuple[int, int]) -> Callable[[int], bytes]:
    """See `ingest.source.Arrival.read`. `stamp`: its size and time of change, see `FileSource.stamp`."""
    if source.stamp() != stamp:
        raise BrokenOff
    at, (whole, _) = 0, stamp

    def read(size: int) -> bytes:
        nonlocal at
        data = source.read(at, min(size, whole - at))
        at += len(data)
        if not data and (at != whole or source.stamp() != stamp):
            raise BrokenOff
        return data

    return read
