"""The contract of everything that clean objects are sent to: an answer for each instance, and evidence when asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Protocol

from stowgate.dicom.source import ByteSource
from stowgate.lifecycle import Delivery, Evidence
from stowgate.objects import CleanRef

STEP = 1 << 19
"""Bytes that are read and sent at a time, so that no object is ever whole in memory; less costs time on a fast line."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One object to be sent, byte for byte as it was written for the gate. Only what the gate passed can be one.

    digest -- SHA-256 (hex) of its bytes
    open   -- gives the bytes; whoever opens them closes them
    step   -- bytes that are read and sent at a time
    """

    ref: CleanRef
    digest: str
    open: Callable[[], ByteSource] = field(repr=False)
    step: int = STEP

    @property
    def uid(self) -> str:
        """Its SOP Instance UID."""
        return self.ref.names.instance

    def chunks(self, offset: int = 0) -> Iterator[bytes]:
        """Its bytes from `offset` on, a step at a time."""
        with closing(self.open()) as source:
            while data := source.read(offset, self.step):
                yield data
                offset += len(data)


@dataclass(frozen=True, slots=True)
class Parcel:
    """Instances of one study that are handed over together; no two have the same UID."""

    instances: tuple[Instance, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a destination made of one instance.

    state -- acknowledged: it says that it has it; sent: nobody knows, so it will be asked; queued: not now, the same
             one again later; refused: never this one
    after -- seconds it asked for before the next try, if it did
    """

    state: Delivery
    code: str = ""
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a destination shows of one instance when it is asked.

    evidence -- presence or content; none: it has not got these bytes, `code` says what is there instead
    wait     -- seconds until it can be asked, where it has not decided yet
    """

    evidence: Evidence = Evidence.NONE
    code: str = ""
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """One step of trying a destination out: what was done, and whether it went well. `code` says why not."""

    what: str
    said: str
    code: str = ""


class Journal(Protocol):
    """A sink's durable notebook: what it needs to go on where it was, after whatever happened. One text for each UID.

    What is written is on disk when the call returns.
    """

    def read(self, uid: str) -> str:
        """What was noted last, "" for nothing."""

    def write(self, uid: str, text: str) -> None:
        """Note this instead."""


class Sink(Protocol):
    """A destination. Every member passes tests/contracts/test_every_sink.py. One thread at a time is in it.

    Sending the same bytes twice has no effect that is not there after once. Errors are named by what happens next:
    `Temporary` -- the way or the peer fails; all of it again, `after` a while
    `Misconfigured` -- a person has to act before anything can go there
    Nobody else's text is in them: what a peer says could hold anything.
    """

    def open(self) -> None:
        """Get ready; what is needed is imported here. Called again after it failed, and after `close`."""

    def close(self) -> None:
        """Let go of everything. Harmless when called twice."""

    def reachable(self) -> bool:
        """Whether there is a way to the place at all; quick, and as cheap as can be. Never raises."""

    def deliver(self, parcel: Parcel, journal: Journal) -> Mapping[str, Answer]:
        """One answer for every SOP Instance UID; raises only when nothing can be said of any."""

    def verify(self, parcel: Parcel, journal: Journal) -> Mapping[str, Found]:
        """What is there of each instance now; raises when the place cannot be asked.

        One that was purged here opens no more (Rejected "payload_lost"): then `presence` is enough.
        """

    def read_back(self, instance: Instance) -> Found:
        """Its bytes as they are there now: `content` where the data set is the same, "peer_has_other_bytes" or
        "peer_lost_object" where it is not; `presence` and "peer_reencoded" where it gives another transfer syntax;
        nothing at all where this place gives no bytes back. Raises as `verify`.

        It costs the way back, so a sample of each study is asked for and no more.
        """

    def trial(self) -> Iterator[Trial]:
        """Try it out step by step, without an object of a patient; ends with the first step that fails."""
