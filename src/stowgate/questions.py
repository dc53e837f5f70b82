"""What people and scripts ask of a gateway: one answer for the command line, the API and the pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from stowgate.lifecycle import Delivery, State
from stowgate.questions_delivery import UNKNOWN, View, loss_of, refusal_of, waits, ways_out
from stowgate.reason import Reason
from stowgate.reasons import REASONS
from stowgate.store.custody import Caller, Event, Row
from stowgate.store.custody_rows import is_beginning
from stowgate.store.deliveries import FORGOTTEN, REFUSED, Destination, OnItsWay
from stowgate.store.study import Study

_S = State
PLACES: Mapping[str, frozenset[State]] = {
    "waiting": frozenset({_S.RECEIVED, _S.CLEANED, _S.WAITING}),
    "delivered": frozenset(),
    "held": frozenset({_S.HELD}),
    "quarantined": frozenset({_S.QUARANTINED}),
    "rejected": frozenset({_S.REJECTED}),
    "duplicates": frozenset({_S.DUPLICATE}),
    "dropped": frozenset({_S.DROPPED, _S.PURGING, _S.PURGED}),
}
"""The places of the conservation line; each state is in exactly one, so the line always adds up.

What was delivered leaves the place of its state: evidence alone counts, and without it what is gone was given up.
"""


def line_of(states: Mapping[State, int], delivered: Mapping[State, int] | None = None) -> dict[str, int]:
    """The conservation line of one source: received, and every place an item can be in.

    delivered -- of the items in each state, those that every destination gave its evidence for
    """
    there = delivered or {}
    left = {state: states.get(state, 0) - there.get(state, 0) for state in State}
    places = {name: sum(left[state] for state in members) for name, members in PLACES.items()}
    places["delivered"] = sum(there.values())
    return {"received": sum(places.values()), **places}


def status(view: View | None, sources: Sequence[str] = (), destinations: Sequence[str] = ()) -> dict[str, object]:
    """The line of the whole gateway and of each source; names are those of the configuration, zeros included.

    view -- None for a gateway that has not run yet
    """
    counts, there = (view.counts(), view.deliveries.delivered()) if view else ({}, {})
    lines = {name: line_of(counts.get(name, {}), there.get(name)) for name in dict.fromkeys((*sources, *counts))}
    whole = {key: sum(line[key] for line in lines.values()) for key in line_of({})}
    return {**whole, "sources": lines, "destinations": ways_out(view, destinations)}


@dataclass(frozen=True, slots=True)
class Backlog:
    """One item that has not arrived anywhere yet: why it waits, when it moves next, who has to act.

    triage -- ids of the rules that make it more or less urgent
    """

    id: str
    study: str
    source: str
    modality: str
    state: str
    code: str
    reason: str
    next_try: float | None
    who_acts: str
    triage: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Quarantined(Backlog):
    """One item that was stopped or refused: what happened, what to do about it, whether its original is still there."""

    place: str
    sentence: str
    advice: str
    arrived: float
    has_raw: bool


_WAITS = {
    _S.RECEIVED: "It is safe and will be checked and cleaned.",
    _S.CLEANED: "It is clean and will be queued.",
    _S.WAITING: "It is clean and waits for a destination.",
}
_DELIVERED = "It is where it belongs: every destination gave the evidence that it is asked for."
_DONE = {
    _S.DUPLICATE: "The same object came before.",
    _S.DROPPED: "A person gave it up.",
    _S.PURGING: "It was given up, and its payload is being deleted.",
    _S.PURGED: "It was given up, and its payload was deleted.",
}


def explained(row: Row) -> Reason:
    """What the code of an item means; a sentence of its own where there is none, or a newer version's."""
    return REASONS.get(row.code, UNKNOWN) if row.code else Reason("held", "It was stopped.", "Release or drop it.")


def reason_of(row: Row, ways: Iterable[OnItsWay] = ()) -> tuple[str, str]:
    """Why an item is where it is, and who has to act: "the gateway", "a person" or "nobody"."""
    if row.delivered:
        return loss_of(ways) or (_DELIVERED, "nobody")
    if row.state in _WAITS:
        return _WAITS[row.state], "the gateway"
    if row.state in _DONE:
        return _DONE[row.state], "nobody"
    reason = explained(row)
    return f"{reason.sentence} {reason.advice}".strip(), "nobody" if row.state is _S.REJECTED else "a person"


def backlog_of(row: Row, ways: Iterable[OnItsWay] = ()) -> Backlog:
    """One row as it is listed."""
    reason, who = reason_of(row, ways)
    state = str(row.state)
    return Backlog(
        row.id, row.study, row.source, row.modality, state, row.code, reason, row.next_try, who, row.triage
    )  # fmt: skip


def backlog(
    view: View, states: Iterable[State], closed: Callable[[str], float | None] = lambda _: None
) -> Iterator[Backlog]:
    """Every item in these states that has not arrived, with what the ways to its destinations say.

    closed -- of a destination's name: when it is sent to again (seconds since 1970), None where that is now
    """
    places = view.deliveries.destinations()
    rows = pages(view, states)
    while group := list(islice(rows, 500)):
        left = [row.id for row in group if row.state is _S.WAITING and not row.delivered]
        ways = view.deliveries.of_items(left) if left else {}
        for row in group:
            if not row.delivered:
                yield _on_its_way(backlog_of(row), ways.get(row.id, []), places, closed)


def _on_its_way(
    item: Backlog,
    ways: Sequence[OnItsWay],
    places: Mapping[str, Destination],
    closed: Callable[[str], float | None],
) -> Backlog:
    """The same, with the first reason why it has not arrived at one of its destinations."""
    left = [way for way in ways if way.stand != "over" or (way.state is Delivery.REFUSED and way.code != FORGOTTEN)]
    if not left:
        return item
    told = [waits(way, places.get(way.destination), closed(way.destination)) for way in left]
    reason, next_try, who = min(told, key=lambda one: (one[2] != "a person", one[1] or 0.0))
    return replace(item, reason=reason, next_try=next_try, who_acts=who)


def quarantined(view: View, states: Iterable[State]) -> Iterator[Quarantined]:
    """Every item in these states; of one that a destination will not have, with what that one said."""
    rows = pages(view, states)
    while group := list(islice(rows, 500)):
        ways = view.deliveries.of_items([row.id for row in group if row.code == REFUSED])
        yield from (quarantined_of(row, ways.get(row.id, ())) for row in group)


def quarantined_of(row: Row, ways: Iterable[OnItsWay] = ()) -> Quarantined:
    """One quarantined row as it is listed: sentence and advice are those of `reasons.REASONS`."""
    (reason, who), said, meant = reason_of(row), refusal_of(ways), explained(row)
    return Quarantined(
        row.id, row.study, row.source, row.modality, str(row.state), row.code, said or reason, row.next_try, who,
        row.triage, row.place, meant.sentence, meant.advice, row.arrived, row.has_raw,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Story:
    """One item, why it is where it is, how far it is on its ways, and what happened to it, the oldest first."""

    row: Row
    reason: str
    who_acts: str
    events: tuple[Event, ...]
    ways: tuple[OnItsWay, ...] = ()


def story(view: View, id: str, most: int = 1_000) -> Story | None:
    """What is known of an item, by its id or the beginning of one; None where there is none, or several begin so.

    It begins with the arrival and ends with where the item is now; between them is what the ledger noted of it.
    """
    row = view.row(id)
    if row is None:
        return None
    came = Event(row.arrived, str(_S.RECEIVED), row.id, row.source)
    now = Event(row.updated, str(row.state), row.id, row.source, row.code)
    noted = sorted(view.events(row.id, most), key=lambda event: event.at)
    ways = tuple(view.deliveries.of_items([row.id]).get(row.id, ()))
    return Story(row, *reason_of(row, ways), (came, *noted, *([now] if row.state is not _S.RECEIVED else [])), ways)


def pages(view: View, states: Iterable[State], source: str = "", study: str = "", page: int = 500) -> Iterator[Row]:
    """Every item in these states, in the order of arrival, a page at a time."""
    chosen, after = tuple(states), 0
    while rows := view.rows(chosen, source, study, after, page):
        yield from rows
        after = rows[-1].number


@dataclass(frozen=True, slots=True)
class StudyLine:
    """One study of one source: its instances (copies aside), and all by state and by place of the conservation line.

    complete, expected, missing -- as in `store.study.Study`
    """

    alias: str
    source: str
    modality: str
    instances: int
    counts: Mapping[str, int]
    line: Mapping[str, int]
    first: float
    last: float
    complete: bool
    expected: int | None
    missing: int


def studies(view: View, page: int = 500) -> Iterator[StudyLine]:
    """Every study, by alias."""
    after = ""
    while found := view.studies(after, page):
        yield from map(_study_line, found)
        after = found[-1].alias


def _study_line(study: Study) -> StudyLine:
    counts = {str(state): count for state, count in study.counts.items() if count}
    line = line_of(study.counts, study.delivered)
    return StudyLine(
        study.alias, study.source, study.modality, line["received"] - line["duplicates"], counts, line,
        study.first, study.last, study.complete, study.expected, study.missing,
    )  # fmt: skip


def study_named(view: View, beginning: str) -> str | None:
    """The whole alias that begins so, of at least 6 digits; None where there is none, or several begin so."""
    if not is_beginning(beginning):
        return None
    before = f"{beginning[:-1]}{chr(ord(beginning[-1]) - 1)}~"  # what begins so is behind this, and nothing between
    found = [study.alias for study in view.studies(before, 1)[:1]]  # a page holds all sources of its last alias
    found += [study.alias for alias in found for study in view.studies(alias, 1)[:1]]
    matching = [alias for alias in found if alias.startswith(beginning)]
    return matching[0] if len(matching) == 1 else None


@dataclass(frozen=True, slots=True)
class WayIn:
    """One way in: what came through it, and who was turned away at it, the latest first."""

    name: str
    kind: str
    where: str
    received: int
    line: Mapping[str, int]
    turned_away: tuple[Caller, ...]


def ways_in(view: View | None, sources: Iterable[tuple[str, str, str]]) -> list[WayIn]:
    """Each source of the configuration, given as name, kind and place, with zeros where nothing came.

    What came through sources that are no longer configured follows, of kind "". `view` is None before the first run.
    """
    counts, callers = (view.counts(), view.callers()) if view else ({}, [])
    there = view.deliveries.delivered() if view else {}
    known = list(sources)
    names = {name for name, _, _ in known}
    gone = sorted({*counts, *(one.source for one in callers)} - names)
    found = []
    for name, kind, where in (*known, *((name, "", "") for name in gone)):
        line = line_of(counts.get(name, {}), there.get(name))
        away = tuple(one for one in callers if one.source == name)
        found.append(WayIn(name, kind, where, line["received"], line, away))
    return found


def sources_of(view: View, alias: str) -> list[Study]:
    """What is known of a study, by each of its sources."""
    before = f"{alias[:-1]}{chr(ord(alias[-1]) - 1)}~"  # what begins so is behind this, and nothing between
    return [one for one in view.studies(before, 1) if one.alias == alias]


def seen_of(view: View, study: str) -> dict[str, int]:
    """What is amiss with the pictures of a study, and with it as a whole: how often each code was noticed."""
    codes = Counter(code for one in view.looks.of_study(study) for code in one.look.codes)
    codes.update(view.looks.codes_of_study(study) or ())
    return dict(sorted(codes.items()))
