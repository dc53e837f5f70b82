"""What is asked about the ways out: how many are how far, why one has not arrived, who has to act."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from stowgate.lifecycle import Delivery, State
from stowgate.reason import Reason
from stowgate.reasons import REASONS
from stowgate.store.custody import Custody, Row
from stowgate.store.custody_view import CustodyView
from stowgate.store.deliveries import FORGOTTEN, LOST, Destination, OnItsWay

UNKNOWN = Reason("failed", "This version does not know the reason.", "Use the version that wrote it, or a newer one.")
View = Custody | CustodyView
"""Whoever answers the query half of `store.custody.Custody`: an open ledger, or one that is only read."""
_TO_GO = (Delivery.QUEUED, Delivery.SENT)


def ways_out(view: View | None, destinations: Sequence[str] = ()) -> dict[str, dict[str, object]]:
    """Of each destination how many clean objects are how far, and whether it is paused or cannot be reached.

    destinations -- those of the configuration; of another one, once nothing is left to go there, nothing stands still
    """
    counts, known = (view.deliveries.counts(), view.deliveries.destinations()) if view else ({}, {})
    found: dict[str, dict[str, object]] = {}
    for name in dict.fromkeys((*destinations, *counts)):
        states, place = counts.get(name, {}), known.get(name, Destination(name))
        found[name] = {str(state): states.get(state, 0) for state in Delivery}
        if name not in destinations and not sum(states.get(step, 0) for step in _TO_GO):
            place = Destination(name)
        found[name] |= {"paused": place.paused, "code": place.code, "next_try": place.next_try}
    return found


def purgeable(view: View, before: float) -> Iterator[str]:
    """The ids of what may be deleted here, and that nothing became of since `before` (seconds since 1970)."""
    after = 0
    while page := view.deliveries.purgeable(before, after):
        after = page[-1][0]
        yield from (id for _, id in page)


def waits(way: OnItsWay, place: Destination | None, opens: float | None = None) -> tuple[str, float | None, str]:
    """Why one delivery is where it is, when it moves next (seconds since 1970), and who has to act.

    opens -- when its destination is sent to again, None where that is now, infinity where nobody knows it any more
    """
    name = way.destination
    if way.stand == "over":
        acts = "a person" if way.code and way.code != FORGOTTEN else "nobody"
        return f"{name}: {_said(way.code) if way.code else _OVER.get(way.state, _STEPS[way.state])}", None, acts
    if opens == math.inf:
        return (
            f"{name} is in the configuration no more. Put its [[dest]] back, or `stowgate dest forget {name}`.",
            None,
            "a person",
        )
    if place and place.paused:
        return f"{name} is paused. {_said(place.paused)}", None, "a person"
    if opens is not None:
        return f"{name} is sent to at other hours.", opens, "the gateway"
    if place and place.code:
        return f"{name}: {_said(place.code)}", place.next_try, "the gateway"
    if way.code and (way.stand == "later" or way.code in LOST):
        return f"{name}: {_said(way.code)}", way.next_try, "the gateway"
    return f"{name}: {_STEPS[way.state]}", way.next_try, "the gateway"


def loss_of(ways: Iterable[OnItsWay]) -> tuple[str, str] | None:
    """What a destination lost or altered of what was verified there and purged here, and who has to act; or nothing."""
    for way in ways:
        if way.code in LOST and way.state is Delivery.VERIFIED:
            return f"{way.destination}: {_said(way.code)}", "a person"
    return None


def refusal_of(ways: Iterable[OnItsWay]) -> str:
    """Which destinations will not have an object, and why; "" where none said so."""
    refused = (way for way in ways if way.state is Delivery.REFUSED and way.code != FORGOTTEN)
    return " ".join(f"{way.destination}: {_said(way.code)}" for way in refused)


def state_of(row: Row) -> str:
    """Its state for people: what waits here, and has come everywhere, was delivered."""
    return "delivered" if row.delivered and row.state is State.WAITING else str(row.state)


def _said(code: str) -> str:
    reason = REASONS.get(code, UNKNOWN)
    return f"{reason.sentence} {reason.advice}".strip()


_STEPS = {
    Delivery.QUEUED: "It is queued and goes when its turn comes.",
    Delivery.SENT: "It was sent, and the destination will be asked whether it arrived.",
    Delivery.ACKNOWLEDGED: "The destination says that it has it, and will be asked for evidence.",
    Delivery.VERIFIED: "It is there: the destination was asked.",
    Delivery.REFUSED: "The destination refused it.",
}
_OVER = {Delivery.ACKNOWLEDGED: "The destination says that it has it; nothing more is asked for."}
