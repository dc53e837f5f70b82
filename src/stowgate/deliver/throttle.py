"""A sink around a sink that reads what is sent no faster than its destination may have it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from threading import Lock

from stowgate.deliver.sink import STEP, Answer, Found, Instance, Journal, Parcel, Sink, Trial
from stowgate.dicom.source import ByteSource
from stowgate.outbox.timetable import Allowance, Rate, spend

_STEP, _READ = 1 << 14, 1 << 16
"""Bytes that are let through, and that are read and sent, at a time, so that a slow line is used evenly."""


class Bucket:
    """The bytes that all workers of a destination may send together."""

    taken: int
    """Bytes that were ever let through."""

    def __init__(self, rate: Callable[[], Rate], clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        """rate -- asked anew each time, because it changes through the week"""
        self._rate, self._clock, self._sleep = rate, clock, sleep
        self._allowance, self._turn = Allowance(0.0, clock()), Lock()
        self.taken = 0

    def is_open(self) -> bool:
        """Whether there is no limit now."""
        return self._rate() is None

    def take(self, size: int) -> None:
        """Return when so many bytes may be sent."""
        rate = self._rate()
        with self._turn:
            self.taken += size
            if rate is None:
                return
            self._allowance, wait = spend(self._allowance, rate, size, self._clock())
        if wait > 0:
            self._sleep(wait)


class Throttled:
    """See `deliver.sink.Sink`."""

    def __init__(self, inner: Sink, bucket: Bucket) -> None:
        self._inner, self._bucket = inner, bucket

    def open(self) -> None:
        """That of the sink inside; so are all but `deliver`."""
        self._inner.open()

    def close(self) -> None:
        """See `open`."""
        self._inner.close()

    def reachable(self) -> bool:
        """See `open`."""
        return self._inner.reachable()

    def deliver(self, parcel: Parcel, journal: Journal) -> Mapping[str, Answer]:
        """With every read of an object slowed down."""
        step = STEP if self._bucket.is_open() else _READ
        slowed = (replace(one, open=partial(self._opened, one), step=step) for one in parcel.instances)
        return self._inner.deliver(Parcel(tuple(slowed)), journal)

    def _opened(self, instance: Instance) -> ByteSource:
        return _Slowed(instance.open(), self._bucket)

    def verify(self, parcel: Parcel, journal: Journal) -> Mapping[str, Found]:
        """See `open`."""
        return self._inner.verify(parcel, journal)

    def read_back(self, instance: Instance) -> Found:
        """See `open`."""
        return self._inner.read_back(instance)

    def trial(self) -> Iterator[Trial]:
        """See `open`."""
        return self._inner.trial()


class _Slowed:
    """A source whose bytes come no faster than the bucket gives them."""

    def __init__(self, inner: ByteSource, bucket: Bucket) -> None:
        self._inner, self._bucket = inner, bucket
        self.size = inner.size

    def read(self, offset: int, length: int) -> bytes:
        """See `ByteSource.read`."""
        data = self._inner.read(offset, length)
        if self._bucket.is_open():
            self._bucket.take(len(data))  # which only counts
            return data
        for at in range(0, len(data), _STEP):
            self._bucket.take(min(_STEP, len(data) - at))
        return data

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """See `ByteSource.read_into`."""
        count = self._inner.read_into(offset, buffer)
        self._bucket.take(count)
        return count

    def fileno(self) -> int | None:
        """None: what the kernel copies cannot be slowed down here."""
        return None

    def close(self) -> None:
        """See `ByteSource.close`."""
        self._inner.close()
