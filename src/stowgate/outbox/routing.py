"""Where a clean object goes: rules over coded facts, pure; every rule that fits counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from hashlib import sha256

from stowgate.outbox.policy import Urgency

SEND = "send"
"""Name of the source of what a person sends somewhere: no rule decides about it, and no [[source]] is called so."""

_LONGEST = 256
"""Characters of a description that are looked at: its VR allows 64."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an object: names of the configuration and codes, no value that somebody typed.

    marks    -- of the descriptions that its header fitted, see `mark_of`
    priority -- "low", "medium" or "high", "" where the header says nothing, see `priority_of`
    triage   -- ids of the rules of triage that its header fitted
    """

    source: str
    modality: str = ""
    sop_class: str = ""
    marks: tuple[str, ...] = ()
    priority: str = ""
    triage: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One [[route]]: an empty condition fits everything, of a list one is enough.

    urgency -- None where the route says none
    profile -- name of the profile that its destinations get, "" for the unit's own
    """

    destinations: tuple[str, ...]
    sources: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    sop_classes: tuple[str, ...] = ()
    descriptions: tuple[str, ...] = ()
    urgency: Urgency | None = None
    priorities: tuple[str, ...] = ()
    profile: str = ""

    def fits(self, facts: Facts) -> bool:
        """Whether every condition does."""
        marks = {mark_of(pattern) for pattern in self.descriptions}
        return (
            (not self.sources or facts.source in self.sources)
            and (not self.modalities or facts.modality in self.modalities)
            and (not self.sop_classes or facts.sop_class in self.sop_classes)
            and (not marks or not marks.isdisjoint(facts.marks))
            and (not self.priorities or facts.priority in self.priorities)
        )


def routed(facts: Facts, rules: Sequence[Rule], level: Urgency = Urgency.MEDIUM) -> Mapping[str, Urgency]:
    """Each destination of the rules that fit, at the highest urgency that one of them gives it.

    level -- of triage: it holds where no rule that fits says an urgency, and else only raises what they say
    """
    found: dict[str, list[Urgency]] = {}
    for rule in rules:
        if rule.fits(facts):
            for name in rule.destinations:
                found.setdefault(name, []).extend([] if rule.urgency is None else [rule.urgency])
    return {name: max([*said, level]) for name, said in found.items()}


def profiles_of(rules: Iterable[Rule]) -> Mapping[str, str]:
    """The name of the profile that each destination gets: one, because a destination is one recipient.

    ValueError where two rules give it different ones.
    """
    found: dict[str, str] = {}
    for rule in rules:
        for name in rule.destinations:
            if found.setdefault(name, rule.profile) != rule.profile:
                raise ValueError("a destination gets one profile")
    return found


PRIORITIES = (0x0032000C, 0x00401003)
"""Study Priority ID, Requested Procedure Priority."""


def priority_of(values: Iterable[bytes]) -> str:
    """The highest priority that one of these values is a term for, "" where none is.

    values -- of `PRIORITIES`, PS3.3 C.4.11
    """
    found = {_PRIORITIES.get(value.strip(b" \0").upper(), "") for value in values}
    return next((name for name in ("high", "medium", "low") if name in found), "")


_PRIORITIES = {b"STAT": "high", b"HIGH": "high", b"ROUTINE": "medium", b"MEDIUM": "medium", b"LOW": "low"}


def mark_of(pattern: str) -> str:
    """What stands in the ledger for a pattern: the same pattern has the same mark in every configuration."""
    return sha256(pattern.casefold().encode()).hexdigest()[:16]


@cache
def wish_of(destination: str) -> str:
    """The mark of what a person sends there. It begins as no pattern does, so it is no pattern's."""
    return mark_of(f"\0{destination}")


def wished(facts: Facts, destinations: Iterable[str], level: Urgency = Urgency.MEDIUM) -> Mapping[str, Urgency]:
    """Where something goes that a person sends: to that place alone, and nowhere when nobody knows it any more.

    level -- of triage: somebody waits for it, so it is never lowered
    """
    return {name: max(Urgency.MEDIUM, level) for name in destinations if wish_of(name) in facts.marks}


def marks_of(patterns: Iterable[str], descriptions: Iterable[bytes]) -> tuple[str, ...]:
    """The marks of the patterns that one of these descriptions fits, whatever the case of its letters.

    descriptions -- values out of a header; they are looked at here, on the identified side, and nothing of them stays
    """
    texts = [text_of(raw)[:_LONGEST].casefold() for raw in descriptions]
    chosen = dict.fromkeys(patterns)
    return tuple(mark_of(one) for one in chosen if any(fnmatchcase(text, one.casefold()) for text in texts))


def text_of(raw: bytes) -> str:
    """A description as text, whatever its header says of character sets: to look for words that is enough."""
    try:
        return raw.decode("utf-8").strip(" \0")
    except UnicodeDecodeError:
        return raw.decode("latin-1").strip(" \0")
