"""What outputs of a series have in common is judged once, as long as nothing it was judged by has changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter

from stowgate.policy import Policy
from stowgate.verify.elements import DataSet
from stowgate.verify.memo import Template
from stowgate.verify.search import Search, Tokens
from stowgate.verify.verdicts import Case
from stowgate.verify.walk import Walked

_NOTE = "judged"
_CHARACTERISTICS = 0x00080300

_shared = attrgetter("patient", "study", "series", "modality", "view", "laterality", "series_number")
"""All names but those of the instance."""


@dataclass(frozen=True, slots=True)
class Precedent:
    """All that the verdict on the common elements of a series hangs on, and what it left behind."""

    source: Template
    policy: Policy
    tokens: Tokens
    names: tuple[str, ...]
    """Those that the series has in common."""
    runs: frozenset[bytes]
    """Everything in the common elements and names that looks like a UID."""
    theirs: frozenset[int]
    ours: frozenset[int]
    """The tags that vary in the data set of the source, and of the output."""
    varies: frozenset[int]
    """Those of both, and of the output's File Meta Information."""
    reopened: DataSet
    """Common elements of the output that have another source each time."""
    before: DataSet
    """What the source always has where the output varies."""
    private: bool
    """Whether private elements are among what varies: their creators, which never vary, say what they are."""
    days: int
    successors: Mapping[bytes, bytes]
    origins: Mapping[bytes, bytes]

    def holds(self, clean: Walked, source: Walked, policy: Policy, case: Case, search: Search) -> bool:
        """Whether an output of this source would be judged alike where it has not changed."""
        return (
            self.source is source.template
            and self.policy is policy
            and self.tokens is search.tokens
            and self.names == _shared(case.names)
            and search.shares
            and self.runs.isdisjoint(case.uids)
            and self.theirs == source.varying.keys()
            and self.ours == clean.varying.keys()
        )

    def settles(self, tags: Iterable[int]) -> bool:
        """Whether elements are the same each time, or absent each time, in the source and in the output."""
        return self.varies.isdisjoint(tags)


def precedent_of(clean: Walked, source: Walked, policy: Policy, case: Case, search: Search) -> Precedent | None:
    """What was judged before and holds for this output, too."""
    found = clean.template.notes.get(_NOTE) if clean.template else None
    if isinstance(found, Precedent) and found.holds(clean, source, policy, case, search):
        return found
    return None


def left_to_judge(clean: Walked, known: Precedent | None, case: Case) -> DataSet:
    """The top-level elements that no precedent covers: those that differ here, or whose source differs."""
    if known is None:
        return clean.top
    case.days, case.successors, case.origins = known.days, dict(known.successors), dict(known.origins)
    return {**known.reopened, **clean.varying}


def set_precedent(clean: Walked, source: Walked, policy: Policy, case: Case, search: Search) -> None:
    """Remember that everything in this output may stand as it does."""
    template, theirs = clean.template, source.template
    if template is None or theirs is None or not search.shares:
        return
    if _CHARACTERISTICS in source.varying or any(map(_is_creator, clean.varying)):
        return  # what elements that do not vary are judged by
    names = _shared(case.names)
    said = [*_leaves(template.base), *((b"UI", name.encode("ascii", "replace")) for name in names)]
    template.notes[_NOTE] = Precedent(
        theirs,
        policy,
        search.tokens,
        names,
        frozenset(value for vr, value in said if vr == b"UI").union(*(search.tokens.runs(*one) for one in said)),
        frozenset(source.varying),
        frozenset(clean.varying),
        frozenset((*source.varying, *clean.varying, *(slot.tag for slot in template.head.slots))),
        {tag: template.base[tag] for tag in source.varying if tag in template.base},
        {tag: theirs.base[tag] for tag in clean.varying if tag in theirs.base},
        any(tag & 0x10000 for tag in clean.varying),
        case.days,
        dict(case.successors),
        dict(case.origins),
    )


def _is_creator(tag: int) -> bool:
    return bool(tag & 0x10000) and 0x10 <= tag & 0xFFFF <= 0xFF


def _leaves(elements: DataSet) -> Iterator[tuple[bytes, bytes]]:
    for vr, value in elements.values():
        if isinstance(value, bytes):
            yield vr, value
        elif isinstance(value, list):
            for item in value:
                yield from _leaves(item)
