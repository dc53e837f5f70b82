"""Who is looked at first: rules over what headers say, a score with its reasons, a stable order. No diagnosis."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Literal

Level = Literal["low", "medium", "high"]
_HIGH, _LOW = 50, -10
"""Scores from and up to which a study counts as high and low."""
_LONGEST = 1024
"""Characters of a description that are looked at."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Adds `score` where all its conditions hold; an empty one always does."""

    id: str
    score: int
    because: str
    priority: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    modality: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Coded:
    """What is kept of one object: codes alone. `words`: ids of the rules whose words one of its descriptions fits."""

    study: str
    modality: str = ""
    priority: str = ""
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Urgent:
    """A study with its score and the rules that made it, the strongest first."""

    study: str
    score: int
    level: Level
    reasons: tuple[str, ...]
    instances: int


@cache
def rules() -> tuple[Rule, ...]:
    """The shipped ones."""
    text = (files("stowgate.analyse") / "tables" / "triage.toml").read_text("utf-8")
    lists = ("priority", "words", "modality")
    return tuple(
        Rule(row["id"], row["score"], row["because"], *(tuple(row.get(name, ())) for name in lists))
        for row in tomllib.loads(text)["rule"]
    )


def words_fit(table: Iterable[Rule], descriptions: Iterable[str]) -> tuple[str, ...]:
    """Ids of the rules whose words one of these descriptions fits. Nothing of the texts stays."""
    texts = [text.strip(" \0")[:_LONGEST].casefold() for text in descriptions]
    return tuple(
        rule.id for rule in table if any(fnmatchcase(text, word.casefold()) for word in rule.words for text in texts)
    )


def ranked(objects: Iterable[Coded], table: Sequence[Rule] | None = None) -> list[Urgent]:
    """Studies in order of urgency. The same studies have the same order, however their objects came."""
    chosen = rules() if table is None else table
    studies: dict[str, list[Coded]] = {}
    for one in objects:
        studies.setdefault(one.study, []).append(one)
    found = [_judged(study, members, chosen) for study, members in studies.items()]
    return sorted(found, key=lambda one: (-one.score, one.study))


def _judged(study: str, members: Sequence[Coded], table: Sequence[Rule]) -> Urgent:
    """A rule counts once for a study, however many of its objects it fits."""
    fits = [rule for rule in table if any(_fits(rule, one) for one in members)]
    score = sum(rule.score for rule in fits)
    level: Level = "high" if score >= _HIGH else "low" if score <= _LOW else "medium"
    strongest = sorted(fits, key=lambda rule: (-abs(rule.score), rule.id))
    return Urgent(study, score, level, tuple(rule.id for rule in strongest), len(members))


def _fits(rule: Rule, one: Coded) -> bool:
    return (
        (not rule.priority or one.priority in rule.priority)
        and (not rule.words or rule.id in one.words)
        and (not rule.modality or one.modality in rule.modality)
    )
