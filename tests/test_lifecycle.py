"""One table of states and moves: closed, without dead corners, and the same in the documents and in the ledger."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import pytest

from stowgate.lifecycle import NEXT, NEXT_DELIVERY, Delivery, State, may_move
from stowgate.reasons import REASONS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "lifecycle.md"
TABLES: list[tuple[type[StrEnum], Mapping[StrEnum, frozenset[StrEnum]], StrEnum]] = [
    (State, NEXT, State.RECEIVED),
    (Delivery, NEXT_DELIVERY, Delivery.QUEUED),
]
EACH = pytest.mark.parametrize(("states", "moves", "first"), TABLES, ids=["item", "delivery"])


def reached(moves: Mapping[StrEnum, frozenset[StrEnum]], first: StrEnum) -> set[StrEnum]:
    """Every state one can come to from the first."""
    seen, waiting = {first}, [first]
    while waiting:
        new = moves[waiting.pop()] - seen
        seen |= new
        waiting += new
    return seen


@EACH
def test_every_state_has_a_row_and_every_move_ends_in_a_state(
    states: type[StrEnum], moves: Mapping[StrEnum, frozenset[StrEnum]], first: StrEnum
) -> None:
    assert moves.keys() == set(states)
    assert set().union(*moves.values()) <= set(states)
    assert first in states


@EACH
def test_every_state_can_be_reached_from_the_first(
    states: type[StrEnum], moves: Mapping[StrEnum, frozenset[StrEnum]], first: StrEnum
) -> None:
    assert reached(moves, first) == set(states)


def test_only_a_purged_item_is_at_its_end_and_everything_can_come_there() -> None:
    assert [state for state in State if not NEXT[state]] == [State.PURGED]
    assert all(State.PURGED in reached(NEXT, state) for state in State)


def test_nothing_is_deleted_before_it_was_clean_or_given_up() -> None:
    before = {state for state in State if State.PURGING in NEXT[state]}
    assert before == {State.CLEANED, State.WAITING, State.DROPPED}
    assert {state for state in State if State.PURGED in NEXT[state]} == {State.PURGING}


def test_what_was_decided_can_be_judged_again_but_what_is_being_deleted_cannot() -> None:
    for state in (State.CLEANED, State.HELD, State.QUARANTINED, State.REJECTED, State.DUPLICATE):
        assert may_move(state, State.RECEIVED)
    for state in (State.DROPPED, State.PURGING, State.PURGED):
        assert not may_move(state, State.RECEIVED)


def test_no_item_stays_where_it_is_by_a_move_and_nothing_returns_from_the_end() -> None:
    assert not any(may_move(state, state) for state in State)
    assert not any(may_move(State.PURGED, state) for state in State)


@pytest.mark.parametrize(("old", "new"), [(old, new) for old in State for new in State])
def test_may_move_says_what_the_table_says(old: State, new: State) -> None:
    assert may_move(old, new) is (new in NEXT[old])


def test_a_delivery_can_always_be_tried_again() -> None:
    assert all(Delivery.QUEUED in NEXT_DELIVERY[state] for state in Delivery)


def test_the_document_draws_exactly_these_moves() -> None:
    text = PAGE.read_text("utf-8")
    item, delivery = text.split("## Delivery")
    for part, moves in ((item, NEXT), (delivery, NEXT_DELIVERY)):
        drawn = set(re.findall(r"^\s+(\w+) --> (\w+)$", part, re.MULTILINE))
        assert drawn == {(str(old), str(new)) for old, news in moves.items() for new in news}


def test_the_document_has_a_row_for_every_state() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", PAGE.read_text("utf-8"), re.MULTILINE))
    assert rows.keys() == set(State)
    for state, said in rows.items():
        assert set(re.findall(r"`(\w+)`", said)) == NEXT[State(state)]


def test_the_ledger_takes_exactly_these_states() -> None:
    schemas = sorted((ROOT / "src/stowgate/store/migrations").glob("*.sql"))
    (items,) = re.findall(r"CREATE TABLE items \(.*?\n\);", schemas[0].read_text("utf-8"), re.DOTALL)
    assert set(re.findall(r"state = '(\w+)'", items)) == set(State)


def test_every_fate_of_a_code_is_a_state_or_says_that_the_run_failed() -> None:
    fates = {reason.fate for reason in REASONS.values()}
    assert fates - {"finding", "failed"} <= set(State)
