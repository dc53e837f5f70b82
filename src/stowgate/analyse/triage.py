"""Who is looked at first: rules over what headers say, a score with its reasons, a stable order. No diagnosis."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import cache, lru_cache
from importlib.resources import files
from typing import Literal

Level = Literal["low", "medium", "high"]
Measure = Literal["hyperdense", "lung_opacity"]
"""What can be measured in a slice, see `analyse.measured`."""
CODES: Mapping[Measure, str] = {"hyperdense": "hyperdense_share_high", "lung_opacity": "lung_opacity_share_high"}
"""The code of the finding that each makes."""
DESCRIPTIONS = (0x00081030, 0x0008103E, 0x00321060, 0x00401002, 0x00081080, 0x00400254)
"""Study, Series, Requested Procedure Description; Reason for the Procedure, Admitting Diagnoses, Performed one."""
_CONDITIONS = ("priority", "words", "modality", "measured")
_HIGH, _LOW = 50, -10
"""Scores from and up to which a study counts as high and low."""
_LONGEST = 1024
"""Characters of a description that are looked at."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Adds `score` where all its conditions hold; an empty one always does, and of a list one is enough.

    measured -- what was measured in a picture and is above its limit
    """

    id: str
    score: int
    because: str
    priority: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    modality: tuple[str, ...] = ()
    measured: tuple[Measure, ...] = ()


@dataclass(frozen=True, slots=True)
class Coded:
    """What is kept of one object: codes alone.

    words    -- ids of the rules whose words one of its descriptions fits
    measured -- what is above its limit in one of its slices
    """

    study: str
    modality: str = ""
    priority: str = ""
    words: tuple[str, ...] = ()
    measured: tuple[Measure, ...] = ()


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
    return tuple(
        Rule(row["id"], row["score"], row["because"], *(tuple(row.get(name, ())) for name in _CONDITIONS))
        for row in tomllib.loads(text)["rule"]
    )


def with_own(own: Iterable[Rule]) -> tuple[Rule, ...]:
    """The shipped rules and one's own: one of a known id takes its place, and score 0 switches a rule off."""
    chosen = {rule.id: rule for rule in (*rules(), *own)}
    return tuple(rule for rule in chosen.values() if rule.score)


def words_fit(table: Iterable[Rule], descriptions: Iterable[str]) -> tuple[str, ...]:
    """Ids of the rules whose words one of these descriptions fits. Nothing of the texts stays."""
    texts = [text.strip(" \0")[:_LONGEST].casefold() for text in descriptions]
    texts = [text for text in texts if text]
    return tuple(rule.id for rule in table if rule.words and any(map(_pattern(rule.words).match, texts)))


@lru_cache(maxsize=1024)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    """All words of a rule in one expression."""
    return re.compile("|".join(translate(word.casefold()) for word in words))


def fitting(table: Iterable[Rule], one: Coded) -> tuple[str, ...]:
    """Ids of the rules that fit an object."""
    return tuple(rule.id for rule in table if _fits(rule, one))


def level_of(table: Iterable[Rule], ids: Collection[str]) -> Level:
    """How urgent the rules of these ids make something, as far as they are still there."""
    return _level(sum(rule.score for rule in table if rule.id in ids))


def _level(score: int) -> Level:
    return "high" if score >= _HIGH else "low" if score <= _LOW else "medium"


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
    strongest = sorted(fits, key=lambda rule: (-abs(rule.score), rule.id))
    return Urgent(study, score, _level(score), tuple(rule.id for rule in strongest), len(members))


def _fits(rule: Rule, one: Coded) -> bool:
    return (
        (not rule.priority or one.priority in rule.priority)
        and (not rule.words or rule.id in one.words)
        and (not rule.modality or one.modality in rule.modality)
        and (not rule.measured or not set(rule.measured).isdisjoint(one.measured))
    )
