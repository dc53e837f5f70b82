"""Terms of the code strings that people type: body parts of PS3.16 Annex L, what is written for them, and the like."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from stowgate.standard.load import table


class Terms(NamedTuple):
    """What may be written in one attribute.

    words   -- single words
    joined  -- words that are also written together without a blank, as in "HEADNECK"; empty if none are
    phrases -- whole values with words that are on no list
    """

    words: frozenset[str]
    joined: frozenset[str]
    phrases: frozenset[str]


@cache
def _attributes() -> dict[int, tuple[str, ...]]:
    """Tag -> keyword, names of lists with blanks between them, phrases."""
    return {int(tag, 16): tuple(row.split("|")) for tag, row in table("terms")["attributes"].items()}


@cache
def _list(name: str) -> frozenset[str]:
    lines: list[str] = table("terms")[name]
    return frozenset(" ".join(lines).split())


@cache
def _terms(tag: int) -> Terms:
    _, lists, *phrases = _attributes()[tag]
    names = lists.split()
    joined = _list("parts") if "parts" in names else frozenset[str]()
    return Terms(frozenset[str]().union(*map(_list, names)), joined, frozenset(phrases))


def terms_of(tag: int) -> Terms | None:
    """The terms of an attribute that people type, None for any other: its codes come from software."""
    return _terms(tag) if tag in _attributes() else None


def tags() -> tuple[int, ...]:
    """Every attribute with terms, ascending."""
    return tuple(sorted(_attributes()))
