"""What the status of a stored instance means: the same numbers in C-STORE and in STOW-RS (PS3.18 I.2.2)."""

from __future__ import annotations

from stowgate.deliver.sink import Answer
from stowgate.errors import Misconfigured
from stowgate.lifecycle import Delivery

STORED = Answer(Delivery.ACKNOWLEDGED)
REFUSED = Answer(Delivery.REFUSED, "peer_refused_object")
_BUSY = Answer(Delivery.QUEUED, "peer_busy")


def answer_of(status: int) -> Answer:
    """What a status of C-STORE means for what happens next (PS3.4 B.2.3, PS3.7 annex C)."""
    if status in (0x0000, 0xB000, 0xB006, 0xB007, 0x0001) or status >> 12 == 0xB:
        return STORED
    if status == 0x0124:
        raise Misconfigured("peer_unauthorised")
    if status == 0x0111:  # it knows the UID already: by asking we learn whether it is ours
        return Answer(Delivery.SENT)
    if status >> 8 == 0xA9 or status >> 12 == 0xC or status in (0x0122, 0x0117, 0x0119, 0x0211):
        return REFUSED
    return _BUSY
