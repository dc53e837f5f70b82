"""Every state and every legal move, in one table; the store's SQL and the docs are tested against it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """Where an item is. Rows are never deleted: the payload goes, the row stays and counts."""

    RECEIVED = "received"  # its bytes are safe, nothing has been decided
    CLEANED = "cleaned"  # de-identified, passed the gate, durable
    WAITING = "waiting"  # clean and queued for at least one destination
    HELD = "held"  # a person or an option has to decide
    QUARANTINED = "quarantined"  # damaged, hostile, or stopped by the gate
    REJECTED = "rejected"  # not a DICOM instance, or could not be read
    DUPLICATE = "duplicate"  # the same object came before
    DROPPED = "dropped"  # a person gave it up, audited
    PURGING = "purging"  # its payload is being deleted
    PURGED = "purged"  # its payload is gone, verified elsewhere


class Delivery(StrEnum):
    """How far a clean object is on its way to one destination."""

    QUEUED = "queued"
    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    VERIFIED = "verified"
    REFUSED = "refused"


class Evidence(StrEnum):
    """What is known of a clean object at its destination; each is worth more than the one before."""

    NONE = ""
    STATUS = "status"  # the peer said that it stored the instance
    PRESENCE = "presence"  # the peer was asked afterwards, and has it
    CONTENT = "content"  # its bytes were read again there, and are the same

    @property
    def worth(self) -> int:
        """Its place on the ladder, from 0."""
        return list(Evidence).index(self)


_S, _D = State, Delivery

NEXT: Mapping[State, frozenset[State]] = {
    _S.RECEIVED: frozenset({_S.CLEANED, _S.HELD, _S.QUARANTINED, _S.REJECTED, _S.DUPLICATE}),
    _S.CLEANED: frozenset({_S.WAITING, _S.RECEIVED, _S.PURGING}),
    _S.WAITING: frozenset({_S.CLEANED, _S.HELD, _S.QUARANTINED, _S.PURGING}),
    _S.HELD: frozenset({_S.RECEIVED, _S.DROPPED}),
    _S.QUARANTINED: frozenset({_S.RECEIVED, _S.DROPPED}),
    _S.REJECTED: frozenset({_S.RECEIVED, _S.DROPPED}),
    _S.DUPLICATE: frozenset({_S.RECEIVED, _S.DROPPED}),
    _S.DROPPED: frozenset({_S.PURGING}),
    _S.PURGING: frozenset({_S.PURGED}),
    _S.PURGED: frozenset(),
}
"""Moves of an item. Back to RECEIVED means: judged again, because the policy, the key or the input changed."""

NEXT_DELIVERY: Mapping[Delivery, frozenset[Delivery]] = {
    _D.QUEUED: frozenset({_D.SENT, _D.REFUSED, _D.QUEUED}),
    _D.SENT: frozenset({_D.ACKNOWLEDGED, _D.VERIFIED, _D.QUEUED, _D.REFUSED}),
    _D.ACKNOWLEDGED: frozenset({_D.VERIFIED, _D.QUEUED, _D.REFUSED}),
    _D.VERIFIED: frozenset({_D.QUEUED, _D.REFUSED}),
    _D.REFUSED: frozenset({_D.QUEUED}),
}
"""Moves of a delivery. Back to QUEUED is another try; a verified one goes back when the destination lost it, and is
refused, as one that was acknowledged, when it keeps other bytes under that name."""


def may_move(old: State, new: State) -> bool:
    """Whether an item may go from `old` to `new`."""
    return new in NEXT[old]


def delivery_way(old: Delivery, new: Delivery) -> tuple[Delivery, ...] | None:
    """The moves that take a delivery from `old` to `new`; none where it is there, None where it cannot get there.

    What was acknowledged was sent before, in the same breath.
    """
    if new is old:
        return ()
    if new in NEXT_DELIVERY[old]:
        return (new,)
    return (Delivery.SENT, new) if old is Delivery.QUEUED and new in NEXT_DELIVERY[Delivery.SENT] else None
