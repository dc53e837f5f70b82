"""What the members of the gateway's ledger have in common: sound arguments, and records out of rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stowgate.lifecycle import NEXT, State
from stowgate.reasons import REASONS
from stowgate.store.clean_object import CleanObject
from stowgate.store.custody import Caller, Coming, Ended, Leased, Row
from stowgate.store.deliveries_rows import sound_marks, sound_rules
from stowgate.store.expected import MOST, Told
from stowgate.store.study import Study

CALLERS = 1_000
"""How many of those turned away are remembered."""

LEASE = 900.0
"""Seconds after which a lease is void, because whoever held it must be stuck."""

WITH_CODE = (State.HELD, State.QUARANTINED, State.REJECTED)
_ID = re.compile(r"[0-9a-f]{32}")
_PRIORITIES = ("", "low", "medium", "high")
_BEGINNING = re.compile(r"[0-9a-f]{6,32}")


def sound_coming(group: Iterable[Coming]) -> None:
    """ValueError for an arrival that no ledger takes."""
    for coming in group:
        if not _ID.fullmatch(coming.id):
            raise ValueError("an item is known by 32 hex digits")
        if coming.code and coming.code not in REASONS:
            raise ValueError("a code is one of the table of reasons")
        if coming.priority not in _PRIORITIES:
            raise ValueError("a priority is low, medium or high")
        sound_marks(coming.marks)
        sound_rules(coming.triage)
        if not coming.source or coming.size < 0:
            raise ValueError("an arrival has a source and a size")
        if not _sound_told(coming.told):
            raise ValueError("what a header tells of is a number that a study can have")


def _sound_told(told: Told) -> bool:
    return all(number is None or 0 < number <= MOST for number in (told.instances, told.series, told.in_series))


def sound_ended(group: Sequence[Ended]) -> None:
    """ValueError for an end that the lifecycle or the gate does not know."""
    for ended in group:
        if ended.state not in NEXT[State.RECEIVED]:
            raise ValueError(f"{ended.state} is no end of work")
        if bool(ended.cleans or ended.kept) is not (ended.state is State.CLEANED):
            raise ValueError("a clean object belongs to cleaned, and to nothing else")
        if ended.original and ended.state is not State.DUPLICATE:
            raise ValueError("only a duplicate has an original")
        if not all(_ID.fullmatch(id) for id in (*ended.kept, *(clean.id for clean in ended.cleans))):
            raise ValueError("a clean object is known by 32 hex digits")
        if len({(clean.policy, clean.key_id) for clean in ended.cleans}) < len(ended.cleans):
            raise ValueError("an item is cleaned once by a policy and a key")
        _sound_code(ended.state, ended.code)
    if len({ended.id for ended in group}) < len(group):
        raise ValueError("an item ends once")
    cleans = [clean.id for ended in group for clean in ended.cleans]
    if len(set(cleans)) < len(cleans):
        raise taken_twice()


def sound_move(to: State, code: str) -> None:
    """ValueError for a decision without the code it needs."""
    _sound_code(to, code)


def taken_twice() -> ValueError:
    """For a clean object whose id was recorded before."""
    return ValueError("a clean object has an id of its own")


def _sound_code(state: State, code: str) -> None:
    if not code and state in WITH_CODE:
        raise ValueError(f"{state} needs a code")
    if code and code not in REASONS:
        raise ValueError("a code is one of the table of reasons")


def is_beginning(id: str) -> bool:
    """Whether it is an id or enough of its beginning to look for."""
    return _BEGINNING.fullmatch(id) is not None


def every_state(found: Mapping[State, int]) -> dict[State, int]:
    """The counts with a zero for each state that has none."""
    return {state: found.get(state, 0) for state in State}


def item_row(row: Sequence[Any]) -> Row:
    """A row of the view `listed`."""
    number, id, source, state, code, place, size, study, modality, sop_class, attempts, arrived, updated, *has = row
    return Row(
        number, id, source, State(state), code, place, size, study, modality, sop_class, attempts, arrived, updated,
        bool(has[0]), bool(has[1]), delivered=bool(has[2]), triage=tuple(dict.fromkeys(has[3].split())),
    )  # fmt: skip


def leased_row(row: Sequence[Any]) -> Leased:
    """A row of the query `ready`."""
    id, source, attempts, modality, sop_class, marks, priority, adds = row
    return Leased(id, source, attempts, modality, sop_class, tuple(marks.split()), priority, bool(adds))


def study_row(row: Sequence[Any]) -> Study:
    """A row of the query `studies`."""
    alias, source, modality, first, last, complete, counted, delivered, least, came = row
    counts = {State(state): n for state, n in json.loads(counted).items()}
    there = {State(state): n for state, n in json.loads(delivered).items() if n}
    missing = max(0, least - came) if least is not None else 0
    return Study(alias, source, modality, every_state(counts), first, last, bool(complete), least, missing, there)


def caller_row(row: Sequence[Any]) -> Caller:
    """A row of the query `callers`."""
    return Caller(*row)


def clean_row(row: Sequence[Any]) -> CleanObject:
    """A row of the queries `clean_of_item`, `cleans_of_item` and, behind the item, `clean_of_instance`."""
    id, instance, study, series, size, digest, policy, key_id, sop_class, transfer_syntax, names = row
    return CleanObject(
        id, instance, study, series, size, digest, policy, key_id, sop_class, transfer_syntax, json.loads(names)
    )


def clean_values(clean: CleanObject, item: int, now: float) -> dict[str, object]:
    """The parameters of the query `keep`."""
    return {
        "id": clean.id,
        "item": item,
        "instance": clean.instance,
        "study": clean.study,
        "series": clean.series,
        "size": clean.size,
        "digest": clean.digest,
        "policy": clean.policy,
        "key_id": clean.key_id,
        "sop_class": clean.sop_class,
        "transfer_syntax": clean.transfer_syntax,
        "names": json.dumps(dict(clean.names)),
        "now": now,
    }
