"""What outputs of a series have in common is judged once, as long as nothing it was judged by has changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stowgate.policy import Policy
from stowgate.verify.elements import DataSet
from stowgate.verify.memo import Template
from stowgate.verify.search import Search, Tokens, uid_runs
from stowgate.verify.verdicts import Case
from stowgate.verify.walk import Walked

_NOTE = "judged"
_CHARACTERISTICS = 0x00080300


@dataclass(frozen=True, slots=True)
class Precedent:
    """All that the verdict on the common elements of a series hangs on, and what it left behind."""

    source: Template
    policy: Policy
    tokens: Tokens
    patient: str
    runs: frozenset[bytes]
    """Everything in the common elements that looks like a UID."""
    days: int
    successors: Mapping[bytes, bytes]
    origins: Mapping[bytes, bytes]

    def holds(self, source: Walked, policy: Policy, case: Case, search: Search) -> bool:
        """Whether an output of this source would be judged alike where it has not changed."""
        return (
            self.source is source.template
            and self.policy is policy
            and self.tokens is search.tokens
            and self.patient == case.names.patient
            and search.shares
            and self.runs.isdisjoint(case.uids)
            and _CHARACTERISTICS not in source.varying
        )


def left_to_judge(clean: Walked, source: Walked, policy: Policy, case: Case, search: Search) -> DataSet:
    """The top-level elements that no precedent covers: those that differ here, or whose source differs."""
    found = clean.template.notes.get(_NOTE) if clean.template else None
    if not isinstance(found, Precedent) or not found.holds(source, policy, case, search):
        return clean.top
    case.days, case.successors, case.origins = found.days, dict(found.successors), dict(found.origins)
    changed = {tag: clean.top[tag] for tag in source.varying if tag in clean.top}
    return changed | clean.varying


def set_precedent(clean: Walked, source: Walked, policy: Policy, case: Case, search: Search) -> None:
    """Remember that everything in this output may stand as it does."""
    template = clean.template
    if template is None or source.template is None or not search.shares or _NOTE in template.notes:
        return
    runs = {run for value in _leaves(template.base) for run in uid_runs(value)}
    template.notes[_NOTE] = Precedent(
        source.template,
        policy,
        search.tokens,
        case.names.patient,
        frozenset(runs),
        case.days,
        dict(case.successors),
        dict(case.origins),
    )


def _leaves(elements: DataSet) -> Iterator[bytes]:
    for _, value in elements.values():
        if isinstance(value, bytes):
            yield value
        elif isinstance(value, list):
            for item in value:
                yield from _leaves(item)
