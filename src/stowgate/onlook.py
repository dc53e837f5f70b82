"""Looks at what a batch made, on the way: findings of each picture, then of studies and scanners as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from stowgate.lifecycle import State
from stowgate.look.looking import Looking

if TYPE_CHECKING:
    from stowgate.analyse.fleet import Scan
    from stowgate.batch import Settled
    from stowgate.look.looked import Looked

_NOTHING_TO_SEE = frozenset(("", "no_picture"))


@dataclass(slots=True)
class Onlook:
    """One run's; what it sees holds nothing back.

    workers -- processes that look, side by side
    """

    looking: Looking
    workers: int = 1
    _seen: dict[str, list[Looked]] = field(default_factory=dict)
    _scans: list[Scan] = field(default_factory=list)

    def over(self, settled: Iterator[Settled]) -> Iterator[Settled]:
        """Each input in its order, with what was seen of its clean object among its findings."""
        from stowgate.look.crew import Crew

        with Crew(self.workers) as crew:
            for one, seen in crew.each((one, _to_look_at(one)) for one in settled):
                codes = self._noted(one, seen)
                findings = tuple(dict.fromkeys((*one.item.findings, *codes)))
                yield replace(one, item=replace(one.item, findings=findings)) if codes else one

    def codes(self) -> Counter[str]:
        """What is amiss with studies and scanners as a whole: how many of them have it. For the end of the run."""
        found = Counter[str]()
        if self.looking.quality:
            from stowgate.look.judges import study

            found.update(code for seen in self._seen.values() for code in study(seen))
        if self.looking.fleet:
            from stowgate.analyse.fleet import judge

            found.update(code for one in judge(self._scans).scanners for code in one.reasons)
        return found

    def _noted(self, one: Settled, seen: Looked | str) -> tuple[str, ...]:
        if isinstance(seen, str):
            return () if seen in _NOTHING_TO_SEE else (seen,)
        if self.looking.quality:
            self._seen.setdefault(seen.header.study, []).append(seen)
        if self.looking.fleet:
            from stowgate.look.fleet import scan_of_file

            self._scans.append(scan_of_file(one.item.id, seen))
        quality = seen.codes if self.looking.quality else ()
        return (*quality, *(seen.urgent if self.looking.urgency else ()))


def _to_look_at(one: Settled) -> Path | None:
    return one.output if one.item.state is State.CLEANED and not one.already_done else None
