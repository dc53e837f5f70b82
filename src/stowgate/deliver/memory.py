"""A destination in memory: the twin of the others, with every fault a real one can have, for tests that move clocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from threading import Lock

from stowgate.deliver.sink import Answer, Found, Instance, Journal, Parcel, Trial
from stowgate.errors import Misconfigured, Temporary
from stowgate.lifecycle import Delivery, Evidence


@dataclass(slots=True)
class MemoryPeer:
    """What is at the other end, and what is wrong with it.

    held      -- bytes by SOP Instance UID
    up        -- whether there is a way to it
    busy      -- seconds that it asks for before it takes anything; None: it takes
    denies    -- whether it lets us in
    refuses   -- UIDs it will never have
    forgets   -- UIDs it says it stored, and did not
    breaks    -- bytes after which the connection breaks, once
    level     -- the best evidence it can give when it is asked
    gives_back -- whether objects can be read again there
    """

    held: dict[str, bytes] = field(default_factory=dict)
    up: bool = True
    busy: float | None = None
    denies: bool = False
    refuses: set[str] = field(default_factory=set)
    forgets: set[str] = field(default_factory=set)
    breaks: int | None = None
    level: Evidence = Evidence.CONTENT
    gives_back: bool = True
    calls: int = 0
    """How often somebody tried to send."""
    sent: int = 0
    """Bytes that came in, with those that broke off."""
    lock: Lock = field(default_factory=Lock)


class MemorySink:
    """See `deliver.sink.Sink`. An instance that breaks off goes on where it was: the journal knows."""

    def __init__(self, peer: MemoryPeer) -> None:
        self._peer = peer
        self._begun: dict[str, bytes] = {}

    def open(self) -> None:
        """Nothing to get ready."""

    def close(self) -> None:
        """What had begun is lost with the connection."""

    def reachable(self) -> bool:
        """As the peer is set."""
        return self._peer.up

    def deliver(self, parcel: Parcel, journal: Journal) -> Mapping[str, Answer]:
        """One after the other; what comes behind a break is not sent."""
        self._enter()
        answers: dict[str, Answer] = {}
        with self._peer.lock:
            self._peer.calls += 1
            for instance in parcel.instances:
                if not self._peer.up:
                    answers[instance.uid] = Answer(Delivery.QUEUED, "peer_broke_off")
                    continue
                answers[instance.uid] = self._take(instance, journal)
        return answers

    def verify(self, parcel: Parcel, journal: Journal) -> Mapping[str, Found]:  # noqa: ARG002 - it remembers by itself
        """By its bytes, or by its name, as far as the peer tells."""
        self._enter()
        with self._peer.lock:
            return {instance.uid: self._found(instance) for instance in parcel.instances}

    def read_back(self, instance: Instance) -> Found:
        """Its bytes, unless the peer gives none back."""
        self._enter()
        with self._peer.lock:
            return self._compared(instance) if self._peer.gives_back else Found()

    def trial(self) -> Iterator[Trial]:
        """One step."""
        try:
            self._enter()
        except (Temporary, Misconfigured) as error:
            yield Trial("call", str(error), error.code)
            return
        yield Trial("call", "It answers.")

    def _enter(self) -> None:
        if not self._peer.up:
            raise Temporary("peer_unreachable")
        if self._peer.denies:
            raise Misconfigured("peer_unauthorised")
        if self._peer.busy is not None:
            raise Temporary("peer_busy", after=self._peer.busy)

    def _take(self, instance: Instance, journal: Journal) -> Answer:
        peer, uid = self._peer, instance.uid
        if uid in peer.refuses:
            return Answer(Delivery.REFUSED, "peer_refused_object")
        begun = bytearray(self._begun.get(uid, b"")[: int(journal.read(uid) or 0)])
        for data in instance.chunks(len(begun)):
            if peer.breaks is not None and peer.sent + len(data) > peer.breaks:
                part = data[: max(0, peer.breaks - peer.sent)]
                peer.sent, peer.breaks, peer.up = peer.sent + len(part), None, False
                self._begun[uid] = bytes(begun + part)
                journal.write(uid, str(len(begun) + len(part)))
                return Answer(Delivery.SENT, "peer_broke_off")
            peer.sent += len(data)
            begun += data
        if uid not in peer.forgets:
            peer.held.setdefault(uid, bytes(begun))
        return Answer(Delivery.ACKNOWLEDGED)

    def _found(self, instance: Instance) -> Found:
        if self._peer.level is not Evidence.CONTENT and instance.uid in self._peer.held:
            return Found(self._peer.level)
        return self._compared(instance)

    def _compared(self, instance: Instance) -> Found:
        held = self._peer.held.get(instance.uid)
        if held is None:
            return Found(code="peer_lost_object")
        same = sha256(held).hexdigest() == instance.digest
        return Found(Evidence.CONTENT) if same else Found(code="peer_has_other_bytes")
