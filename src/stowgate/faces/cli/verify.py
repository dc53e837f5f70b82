"""`stowgate verify`: have destinations asked again for what was delivered, and find what is gone or altered there."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Container, Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from stowgate.faces.cli.exits import Exit
from stowgate.faces.cli.show import say
from stowgate.faces.cli.unit import DEFAULT, AsJson, Config, act, settings_of, show, span_of, spool_of, view_of
from stowgate.lifecycle import Delivery, State
from stowgate.store.deliveries import FORGOTTEN, LOST, OTHER_BYTES

if TYPE_CHECKING:
    from stowgate.settings import Settings
    from stowgate.store.deliveries import OnItsWay

_COLUMNS = (
    ("name", 16),
    ("there", 8),
    ("sent_again", 11),
    ("altered", 8),
    ("lost", 8),
    ("unanswered", 12),
    ("not_asked", 0),
)
_EVERY, _PAGE = 0.5, 500


def verify(
    since: Annotated[str, typer.Option(help="What arrived in this time, such as 12h, 30d or 8w.")] = "30d",
    dest: Annotated[str, typer.Option(metavar="NAME", help="Only what went to this destination.")] = "",
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait for the answers; they come anyway.")] = 60.0,
    as_json: AsJson = False,
    config: Config = DEFAULT,
) -> int:
    """Have destinations asked again for what they have, also for what was deleted here since.

    What is gone or altered is told of and sent again, and counts as there once it is; what was deleted here cannot be,
    and is told of as lost.
    """
    from stowgate.faces.known import known
    from stowgate.store.lock import is_held

    settings, first = settings_of(config), time.time() - span_of(since)
    there = frozenset(one.name for one in settings.dest)
    if dest:
        known(dest, "dest", settings.dest)
    ids, asks = _delivered(settings, first, dest, there)
    if not ids:
        say("Nothing was delivered in this time.")
        return Exit.DONE
    runs = is_held(spool_of(settings))
    code = act(config, "verify", asks, quiet=True, done_is="done" if runs else "noted") if asks else Exit.DONE
    noted = [(name, one["unanswered"]) for name, one in _answers(settings, ids, dest, there).items()]
    if not runs and any(number for _, number in noted):
        told = ", ".join(f"{name} for {number:,}" for name, number in noted if number)
        say(f"The gateway does not run. Once it does, it asks {told}.")
        return code
    until = time.monotonic() + timeout
    while (found := _answers(settings, ids, dest, there)) and any(one["unanswered"] for one in found.values()):
        if time.monotonic() > until:
            break
        time.sleep(_EVERY)
    show([{"name": name, **counts} for name, counts in found.items()], as_json, _COLUMNS, "")
    _explain(found.values())
    as_it_was = all(one["there"] + one["not_asked"] == sum(one.values()) for one in found.values())
    return Exit.DONE if as_it_was else Exit.PARTLY


def _delivered(settings: Settings, first: float, dest: str, there: Container[str]) -> tuple[list[str], list[str]]:
    """Ids of what arrived since then and was delivered, to that place or any; and those to have asked for now."""
    from stowgate.questions import pages

    ids: list[str] = []
    asks: list[str] = []
    with view_of(settings) as view:
        rows = pages(view, (State.WAITING, State.PURGED))
        came = [row.id for row in rows if row.delivered and row.arrived >= first]
        for at in range(0, len(came), _PAGE):
            for id, ways in view.deliveries.of_items(came[at : at + _PAGE]).items():
                meant = [way for way in ways if dest in ("", way.destination) and way.code != FORGOTTEN]
                ids += [id] if meant else []
                asks += [id] if any(way.destination in there and _can_be_asked(way) for way in meant) else []
    return ids, asks


def _can_be_asked(way: OnItsWay) -> bool:
    """Whether it was verified there, and nobody asks already; where a destination's word is enough nobody is asked."""
    return way.state is Delivery.VERIFIED and way.stand == "over"


def _answers(settings: Settings, ids: list[str], dest: str, there: Container[str]) -> dict[str, Counter[str]]:
    """By destination: how many of its objects stand how."""
    found: dict[str, Counter[str]] = {}
    with view_of(settings) as view:
        for at in range(0, len(ids), _PAGE):
            for ways in view.deliveries.of_items(ids[at : at + _PAGE]).values():
                for way in ways:
                    if dest in ("", way.destination) and way.code != FORGOTTEN:
                        counts = Counter(dict.fromkeys((name for name, _ in _COLUMNS[1:]), 0))
                        found.setdefault(way.destination, counts)[_stands(way, way.destination in there)] += 1
    return found


def _stands(way: OnItsWay, is_there: bool) -> str:
    """In which column it counts. `is_there`: its destination is in the configuration, so it is asked."""
    if way.state is Delivery.VERIFIED and way.stand != "over" and is_there:
        return "unanswered"  # its code is that of the answer before
    if way.code == OTHER_BYTES:
        return "altered"
    if way.code in LOST:
        return "lost"
    if way.state is Delivery.VERIFIED:
        return "there" if is_there else "not_asked"
    return "not_asked" if way.state is Delivery.ACKNOWLEDGED and way.stand == "over" else "sent_again"


def _explain(found: Iterable[Counter[str]]) -> None:
    total: Counter[str] = sum(found, Counter())
    if total["sent_again"]:
        say("What is sent again was gone there; `stowgate queue list` shows each.")
    if total["altered"]:
        say("What is altered is other bytes there than were sent: find out there whose they are.")
    if total["lost"]:
        say("What is lost was verified there and deleted here since; the `study certificate` of its study names it.")
    if total["not_asked"]:
        say(
            "What is not asked went where its word is enough, or to a destination that is in the configuration no more."
        )
    if total["unanswered"]:
        say("The rest is asked for as soon as its destination answers; do it again then.")
