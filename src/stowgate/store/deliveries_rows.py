"""What the members of the ledger's deliveries have in common: sound arguments."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from stowgate.lifecycle import Delivery, Evidence
from stowgate.reasons import REASONS
from stowgate.store.deliveries import Bound, Outcome

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_MARK = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_RULE = re.compile(r"[a-z][a-z0-9_]{0,31}")


def sound_bound(group: Mapping[str, Sequence[Bound]]) -> None:
    """ValueError for a place that no configuration can name."""
    if not all(_NAME.fullmatch(place.destination) for places in group.values() for place in places):
        raise ValueError("a destination has a name of small letters, digits, - and _")
    sound_marks(place.wish for places in group.values() for place in places if place.wish)


def sound_raise(study: str, because: Iterable[str]) -> None:
    """ValueError for what is no alias of a study, and for what is no id of a rule: no words may stand in the ledger."""
    if not study:
        raise ValueError("a study has an alias")
    sound_rules(because)


def sound_marks(marks: Iterable[str]) -> None:
    """ValueError for what is no mark."""
    if not all(_MARK.fullmatch(mark) for mark in marks):
        raise ValueError("a mark is a name of the configuration")


def sound_rules(ids: Iterable[str]) -> None:
    """ValueError for what is no id of a rule."""
    if not all(_RULE.fullmatch(id) for id in ids):
        raise ValueError("a rule has an id of small letters, digits and _")


def sound_outcomes(group: Sequence[Outcome]) -> None:
    """ValueError for an outcome that says two things, or nothing."""
    if len({one.number for one in group}) < len(group):
        raise ValueError("a delivery has one outcome")
    for one in group:
        sound_code(one.code)
        if one.state is Delivery.REFUSED and not one.code:
            raise ValueError("refused needs a code")
        if one.done and one.evidence is Evidence.NONE:
            raise ValueError("nothing is done without evidence")
        if one.wait is not None and one.wait < 0:
            raise ValueError("nobody waits for the past")


def sound_code(code: str) -> None:
    """ValueError for a code that is none."""
    if code and code not in REASONS:
        raise ValueError("a code is one of the table of reasons")
