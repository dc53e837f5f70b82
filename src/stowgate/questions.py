"""What people and scripts ask of a gateway: one answer for the command line, the API and the pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from stowgate.lifecycle import State
from stowgate.reasons import REASONS
from stowgate.store.custody import Custody, Row, Study
from stowgate.store.custody_view import CustodyView

_S = State
_MOST_EVENTS = 1_000
PLACES: Mapping[str, frozenset[State]] = {
    "waiting": frozenset({_S.RECEIVED, _S.CLEANED, _S.WAITING}),
    "delivered": frozenset({_S.PURGING, _S.PURGED}),
    "held": frozenset({_S.HELD}),
    "quarantined": frozenset({_S.QUARANTINED}),
    "rejected": frozenset({_S.REJECTED}),
    "duplicates": frozenset({_S.DUPLICATE}),
    "dropped": frozenset({_S.DROPPED}),
}
"""The places of the conservation line; each state is in exactly one, so the line always adds up."""


View = Custody | CustodyView
"""Whoever answers the query half of `store.custody.Custody`: an open ledger, or one that is only read."""


def line_of(states: Mapping[State, int]) -> dict[str, int]:
    """The conservation line of one source: received, and every place an item can be in."""
    places = {name: sum(states.get(state, 0) for state in members) for name, members in PLACES.items()}
    return {"received": sum(places.values()), **places}


def status(view: View | None, sources: Sequence[str] = ()) -> dict[str, object]:
    """The line of the whole gateway and of each source; `sources` are those of the configuration, zeros included.

    view -- None for a gateway that has not run yet
    """
    counts = view.counts() if view else {}
    lines = {name: line_of(counts.get(name, {})) for name in dict.fromkeys((*sources, *counts))}
    whole = {key: sum(line[key] for line in lines.values()) for key in line_of({})}
    return {**whole, "sources": lines, "destinations": {}}


@dataclass(frozen=True, slots=True)
class Backlog:
    """One item that has not arrived anywhere yet: why it waits, when it moves next, who has to act."""

    id: str
    study: str
    source: str
    modality: str
    state: str
    code: str
    reason: str
    next_try: float | None
    who_acts: str


_WAITS = {
    _S.RECEIVED: ("It is safe and will be checked and cleaned.", "the gateway"),
    _S.CLEANED: ("It is clean and will be queued.", "the gateway"),
    _S.WAITING: ("It is clean and waits for a destination.", "the gateway"),
}


def reason_of(row: Row) -> tuple[str, str]:
    """Why an item is where it is, and who has to act: "the gateway", "a person" or "nobody"."""
    if row.state in _WAITS:
        return _WAITS[row.state]
    if row.code:
        reason = REASONS[row.code]
        who = "a person" if row.state in (_S.HELD, _S.QUARANTINED) else "nobody"
        return f"{reason.sentence} {reason.advice}".strip(), who
    return {_S.DUPLICATE: "The same object came before."}.get(row.state, ""), "nobody"


def backlog_of(row: Row) -> Backlog:
    """One row as it is listed."""
    reason, who = reason_of(row)
    return Backlog(row.id, row.study, row.source, row.modality, str(row.state), row.code, reason, row.next_try, who)


def story_of(view: View, id: str) -> dict[str, object] | None:
    """All that is known of one item and what happened to it, the first first; None for no item, or several."""
    row = view.row(id)
    if row is None:
        return None
    reason, who = reason_of(row)
    happened = [
        {"at": event.at, "kind": event.kind, "code": event.code}
        for event in reversed(view.events(row.id, _MOST_EVENTS))
    ]
    return {**asdict(row), "state": str(row.state), "reason": reason, "who_acts": who, "events": happened}


def study_of(study: Study) -> dict[str, object]:
    """One study as it is listed."""
    counts = {str(state): count for state, count in study.counts.items() if count}
    return {**asdict(study), "counts": counts, "instances": sum(counts.values())}


def pages(view: View, states: Iterable[State], source: str = "", study: str = "", page: int = 500) -> Iterator[Row]:
    """Every item in these states, in the order of arrival, a page at a time."""
    chosen, after = tuple(states), 0
    while rows := view.rows(chosen, source, study, after, page):
        yield from rows
        after = rows[-1].number


def studies(view: View, page: int = 500) -> Iterator[Study]:
    """Every study, by alias."""
    after = ""
    while found := view.studies(after, page):
        yield from found
        after = found[-1].alias
