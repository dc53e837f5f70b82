"""The writing half of the deliveries in SQLite: each function is what one caller wants inside a transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from stowgate.lifecycle import Delivery, Evidence, State, delivery_way
from stowgate.store.clocks import Moment
from stowgate.store.custody_rows import clean_row
from stowgate.store.deliveries import LOST, Bound, Due, Outcome, Unbound
from stowgate.store.deliveries_view import SQL
from stowgate.store.links_sqlite import note_link
from stowgate.store.queries import queries

WAKE = 500
"""Deliveries that get ready in one step, so that a long outage costs no long transaction."""

Quarantine = Callable[[sqlite3.Connection, str], None]
"""What happens to an item that was refused and has nowhere left to go."""


def _tell(db: sqlite3.Connection, query: str, **values: object) -> int:
    """Run a statement; how many rows it changed."""
    return db.execute(queries(SQL)[query], values).rowcount


def _ask(db: sqlite3.Connection, query: str, **values: object) -> list[Any]:
    return db.execute(queries(SQL)[query], values).fetchall()


def bind(db: sqlite3.Connection, group: Mapping[str, Sequence[Bound]], now: float) -> None:
    """See `store.deliveries.Deliveries.bind`."""
    for id, places in group.items():
        for number, item, study, raised in _ask(db, "clean_number", id=id):
            for place in places:
                urgency = max(int(place.urgency), raised)
                line = {"destination": place.destination, "urgency": urgency, "study": study}
                _tell(db, "begin_line", **line)
                _tell(db, "bind", clean=number, **line, now=now)
                if _tell(db, "bind_again", clean=number, destination=place.destination, now=now):
                    _tell(db, "counts_again", clean=number, destination=place.destination)
                    _tell(db, "not_arrived", item=item)
                if place.wish:
                    _tell(db, "wish", item=item, mark=place.wish)
            if not all(place.wish for place in places):
                _tell(db, "bound", clean=number)


def raise_study(db: sqlite3.Connection, study: str, urgency: int, because: Collection[str]) -> int:
    """See `store.deliveries.Deliveries.raise_study`."""
    for before, why in _ask(db, "raised", study=study):
        urgency, because = max(before, urgency), dict.fromkeys((*why.split(), *because))
    _tell(db, "raise", study=study, urgency=urgency, because=" ".join(because))
    found = _ask(db, "less_urgent", study=study, urgency=urgency)
    for destination, uid in sorted({(destination, uid) for _, destination, uid in found}):
        _tell(db, "begin_line", destination=destination, urgency=urgency, study=uid)
    for number, destination, uid in found:
        _tell(db, "hurry", number=number, destination=destination, urgency=urgency, study=uid)
    return len(found)


def lease(
    db: sqlite3.Connection, destination: str, most: int, size: int, moment: Moment, below: bool = False
) -> list[Due]:
    """See `store.deliveries.Deliveries.lease`."""
    _tell(db, "wake", destination=destination, monotonic=moment.monotonic, most=WAKE)
    for line, urgency, turns in _ask(db, "next_line_from_below" if below else "next_line", destination=destination):
        chosen = together([due_row(row) for row in _ask(db, "ready_in_line", line=line, most=most)], size)
        for one in chosen:
            _tell(db, "take", number=one.number, now=moment.now)
        _tell(db, "had_turn", line=line)
        _tell(db, "set_pace", destination=destination, urgency=urgency, turns=turns)
        return chosen
    return []


def together(ready: Sequence[Due], size: int) -> list[Due]:
    """Of the oldest of a line those that go together: of the first one's kind, while they fit."""
    chosen: list[Due] = []
    left = size
    for one in ready:
        left -= one.clean.size
        if chosen and (left < 0 or (one.state is Delivery.QUEUED) is not (chosen[0].state is Delivery.QUEUED)):
            break
        chosen.append(one)
    return chosen


def due_row(row: Sequence[Any]) -> Due:
    """A row of the query `ready_in_line`."""
    number, item, state, attempts, note, purged, *clean = row
    return Due(number, item, Delivery(state), attempts, note, clean_row(clean), bool(purged))


def unbound_row(row: Sequence[Any]) -> Unbound:
    """A row of the query `unbound`."""
    number, id, source, modality, sop_class, marks, item, policy, key_id, priority, triage = row
    return Unbound(
        number, id, source, modality, sop_class, tuple(marks.split()), item, policy, key_id, priority,
        tuple(triage.split()),
    )  # fmt: skip


def record(db: sqlite3.Connection, group: Sequence[Outcome], moment: Moment, quarantine: Quarantine) -> frozenset[int]:
    """See `store.deliveries.Deliveries.record`."""
    return frozenset(one.number for one in group if not _recorded(db, one, moment, quarantine))


def _recorded(db: sqlite3.Connection, outcome: Outcome, moment: Moment, quarantine: Quarantine) -> bool:
    for was, before, known, item, id, stands in _ask(db, "given_out", number=outcome.number):
        way = delivery_way(Delivery(was), outcome.state)
        if way is None:
            return False
        for state in way:
            _tell(db, "pass_on", number=outcome.number, state=state, code=outcome.code)
        stand = stand_of(outcome)
        _tell(
            db,
            "put_down",
            number=outcome.number,
            stand=stand,
            code=code_after(known, stand, outcome),
            evidence=evidence_after(Evidence(before), outcome),
            due=moment.monotonic + outcome.wait if stand == "later" and outcome.wait else 0.0,
            next_try=moment.now + outcome.wait if stand == "later" and outcome.wait else None,
            now=moment.now,
        )
        if stands and not is_unanswered(stand, outcome):
            settle(db, stand == "over", item, id, quarantine)
        return True
    return False


def stand_of(outcome: Outcome) -> str:
    """How a delivery stands after this."""
    if outcome.done or outcome.state is Delivery.REFUSED:
        return "over"
    return "later" if outcome.wait else "ready"


def code_after(before: str, stand: str, outcome: Outcome) -> str:
    """Why it is so after this; what a destination has lost is lost until it says otherwise."""
    return before if is_unanswered(stand, outcome) and before in LOST else outcome.code


def is_unanswered(stand: str, outcome: Outcome) -> bool:
    """Whether nothing new is known of what was verified: it counts as what it was."""
    return stand != "over" and outcome.state is Delivery.VERIFIED


def evidence_after(before: Evidence, outcome: Outcome) -> Evidence:
    """What is known after this; what has to be sent again is known of no more."""
    if outcome.state in (Delivery.QUEUED, Delivery.REFUSED):
        return Evidence.NONE
    return max(before, outcome.evidence, key=lambda one: one.worth)


def settle(db: sqlite3.Connection, over: bool, item: int, id: str, quarantine: Quarantine) -> None:
    """Whether an item is delivered now, or stuck: asked when one of its deliveries is `over`, or is not any more."""
    if not over:
        _tell(db, "not_arrived", item=item)
    elif not _tell(db, "arrived", item=item) and _ask(db, "stuck", item=item):
        quarantine(db, id)


def release(db: sqlite3.Connection, numbers: Collection[int], now: float) -> None:
    """See `store.deliveries.Deliveries.release`."""
    for number in numbers:
        _tell(db, "untried", number=number, now=now)


def release_all(db: sqlite3.Connection) -> int:
    """See `store.deliveries.Deliveries.release_all`."""
    return _tell(db, "release_out") + _tell(db, "release_later")


def retry(db: sqlite3.Connection, ids: Collection[str], now: float) -> frozenset[str]:
    """See `store.deliveries.Deliveries.retry`."""
    return frozenset(id for id in ids if not _retried(db, id, now))


def _retried(db: sqlite3.Connection, id: str, now: float) -> bool:
    woken = _tell(db, "retry", id=id, now=now)
    return bool(
        woken + sum(_tell(db, "requeue", number=number, now=now) for (number,) in _ask(db, "refused_of", id=id))
    )


def recheck(db: sqlite3.Connection, ids: Collection[str], there: Collection[str]) -> frozenset[str]:
    """See `store.deliveries.Deliveries.recheck`."""
    return frozenset(id for id in ids if not _tell(db, "recheck", id=id, there=json.dumps(sorted(there))))


def forget(db: sqlite3.Connection, destination: str, most: int, moment: Moment, quarantine: Quarantine) -> int:
    """See `store.deliveries.Deliveries.forget`."""
    found = _ask(db, "still_to_go", destination=destination, most=most)
    for number, clean, item, id, stands, state in found:
        if not _tell(db, "rest", number=number):
            _tell(db, "give_up", number=number, now=moment.now)
            _tell(db, "counts_no_more", number=number)
            _tell(db, "unbind", clean=clean)
        if stands and state == State.WAITING:
            settle(db, True, item, id, quarantine)
    return len(found)


def note(db: sqlite3.Connection, number: int, text: str) -> None:
    """See `store.deliveries.Deliveries.note`."""
    _tell(db, "keep_note", number=number, note=text)


def pause(db: sqlite3.Connection, destination: str, code: str, now: float) -> None:
    """See `store.deliveries.Deliveries.pause`."""
    _tell(db, "pause", destination=destination, code=code, now=now)


def link(
    db: sqlite3.Connection, destination: str, code: str, failures: int, next_try: float | None, now: float
) -> None:
    """See `store.deliveries.Deliveries.link`."""
    _tell(db, "link", destination=destination, code=code, failures=failures, next_try=next_try, now=now)
    note_link(db, destination, code, now)
