"""What the answers to a parcel say of the way they came by, and what a refusal of everything says of the place."""

from __future__ import annotations

from collections.abc import Mapping

from stowgate.deliver.sink import Answer
from stowgate.lifecycle import Delivery

AWAY = frozenset(("peer_unreachable", "peer_broke_off"))
"""Why a place is down of which nothing is proved but that there was no way to it."""


def of_way(answers: Mapping[str, Answer]) -> tuple[str, float | None, bool]:
    """Why the way has failed, "" where it works; when to come again; whether anything came through.

    A way that breaks in the middle has failed, whatever came through before; so has one that takes nothing.
    """
    broke = next((one for one in answers.values() if one.code == "peer_broke_off"), None)
    taken = any(
        one.state in (Delivery.ACKNOWLEDGED, Delivery.REFUSED) or one.code == "peer_refuses" for one in answers.values()
    )
    if broke:
        return broke.code, broke.after, taken
    if taken or not answers:
        return "", None, True
    first = next(iter(answers.values()))
    return first.code or "peer_busy", first.after, False


def shows_the_place(code: str) -> bool:
    """Whether a refusal, to be mended by a person, came from the place itself; certificates may be files of ours."""
    return code.startswith("peer_") and code != "peer_certificate"
