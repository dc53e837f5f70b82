"""Looks at clean objects behind the workers' backs: tells of a bad acquisition while the patient is still there.

Nothing waits for it, and nothing it does can hold an object back: what it cannot see is noted and passed over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Protocol

from stowgate import events
from stowgate.analyse import triage
from stowgate.errors import Rejected, Temporary
from stowgate.gateway.rounds import Rounds
from stowgate.lifecycle import State
from stowgate.look.looked import Looked
from stowgate.look.looking import Looking
from stowgate.outbox.policy import Urgency
from stowgate.store.custody import Custody
from stowgate.store.loan import Loan
from stowgate.store.looks import Look, Scanned, Unseen

GROUP = 8
"""Objects that are noted in one commit."""
QUIET = 2.5
"""Seconds without a new object after which a study is judged: what is amiss is told within 5 s of the last image."""
FLEET_EVERY = 60.0
"""Seconds between comparisons of the scanners, at least."""
MOST_SCANS = 20_000
"""The latest objects that scanners are judged by."""
_KEPT = 5_000
"""Objects of studies that are not judged yet that are kept in mind; of more, all of a study are looked at again."""
_LOOK, _PAUSE = 1.0, 5.0


class Lender(Protocol):
    """The clean shelf, as far as it lends."""

    def loan(self, id: str) -> Loan:
        """See `store.clean_shelf.SealedCleanShelf.loan`."""


class Eye(Protocol):
    """Who looks; `look.looker.Looker` is one."""

    def look_lent(self, loan: Loan) -> Looked:
        """What is seen of one object. Raises `Rejected`."""

    def close(self) -> None:
        """Let go of it."""


class Judges(Protocol):
    """Who judges; the module `look.judges` is what a gateway uses."""

    def study(self, seen: Sequence[Looked]) -> tuple[str, ...]:
        """Codes of what is amiss with a study as a whole."""

    def fleet(self, scans: Sequence[Scanned]) -> dict[str, tuple[str, ...]]:
        """By the alias of a scanner that somebody should see to: codes of why."""


class Onlooker:
    """One thread of a gateway. The ledger says what nobody has looked at, so nothing is forgotten over a start."""

    def __init__(
        self,
        looking: Looking,
        ledger: Custody,
        shelf: Lender,
        eye: Eye,
        judges: Judges,
        tell: events.Watcher = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        reasons: Sequence[triage.Rule] | None = None,
    ) -> None:
        """reasons -- rules of urgency, by default the shipped ones"""
        self._reasons = triage.rules() if reasons is None else tuple(reasons)
        self._looking, self._ledger, self._shelf, self._eye = looking, ledger, shelf, eye
        self._judges, self._tell, self._clock = judges, tell, clock
        self._touched: dict[str, float] = {}
        self._seen: dict[str, dict[str, Looked]] = {}
        self._compared, self._new = -FLEET_EVERY, True
        self._rounds = Rounds("onlooker", self._round, eye.close)

    def start(self) -> None:
        """Begin, unless nothing is looked for."""
        if self._looking:
            self._rounds.start()

    def stop(self, seconds: float = 2.0) -> None:
        """End after the object at hand; one that takes longer is left to its process."""
        self._rounds.stop(seconds)

    def watch(self, event: events.GatewayEvent) -> None:
        """Something new waits."""
        if isinstance(event, events.Settled) and event.state is State.WAITING:
            self._rounds.ring()

    def _round(self) -> float:
        try:
            return 0.0 if self.step() else _LOOK
        except Exception:  # noqa: BLE001 - a disk that fails, or a bug in here, must not end what somebody relies on
            return _PAUSE

    def step(self) -> int:
        """Look at a few objects, judge the studies that are quiet, compare the scanners; how many were looked at."""
        group = self._ledger.looks.unseen(GROUP)
        looks = [look for one in group if not self._rounds.stopping and (look := self._look(one))]
        if looks:
            self._ledger.looks.note(looks)
            self._new = True
            self._tell_of(group, looks)
        self._judge_studies()
        self._compare_scanners()
        return len(looks)

    def _look(self, one: Unseen) -> Look | None:
        """What is seen of one; what cannot be seen is noted, so that it is not tried for ever."""
        if one.study:
            self._touched[one.study] = self._clock()
        try:
            seen = self._eye.look_lent(self._shelf.loan(one.clean))
        except Temporary:
            raise
        except Rejected as refused:
            return Look(one.item, codes=() if refused.code in _NOTHING_TO_SEE else (refused.code,))
        if one.study and self._looking.quality:
            self._keep(one.study, one.item, seen)
        if one.study and seen.urgent and self._looking.urgency:
            self._hurry(one, seen)
        codes = (*(seen.codes if self._looking.quality else ()), *(seen.urgent if self._looking.urgency else ()))
        return Look(one.item, seen.frames, codes, seen.features if self._looking.fleet else {})

    def _hurry(self, one: Unseen, seen: Looked) -> None:
        """Its study goes as soon as the rules say that fit it now, and so does what comes of it later."""
        row = self._ledger.row(one.item)
        measured = tuple(id for id, code in triage.CODES.items() if code in seen.urgent)
        because = triage.fitting(self._reasons, triage.Coded("", seen.image.modality, measured=measured))
        level = triage.level_of(self._reasons, (*because, *(row.triage if row else ())))
        if because:
            self._ledger.deliveries.raise_study(one.study, Urgency[level.upper()], because)

    def _keep(self, study: str, item: str, seen: Looked) -> None:
        self._seen.setdefault(study, {})[item] = seen
        while sum(map(len, self._seen.values())) > _KEPT and len(self._seen) > 1:
            del self._seen[next(iter(self._seen))]

    def _tell_of(self, group: Iterable[Unseen], looks: Iterable[Look]) -> None:
        sources = {one.item: one.source for one in group}
        for look in looks:
            for code in look.codes:
                self._tell(events.Noticed(code, sources[look.item], item=look.item))

    def _judge_studies(self) -> None:
        now = self._clock()
        for study in self._ledger.looks.unjudged():
            if self._rounds.stopping:
                return
            if now - self._touched.setdefault(study, now) >= QUIET:
                self._judge(study)

    def _judge(self, study: str) -> None:
        scans = self._ledger.looks.of_study(study)
        codes = self._judges.study(self._all_of(study, scans)) if self._looking.quality else ()
        before = self._ledger.looks.codes_of_study(study) or ()
        if not self._ledger.looks.judged(study, codes, len(scans)):
            return  # one more was seen meanwhile
        self._seen.pop(study, None)
        self._touched.pop(study, None)
        for code in codes:
            if code not in before:
                self._tell(events.Noticed(code, scans[-1].source, study=study))

    def _all_of(self, study: str, scans: Sequence[Scanned]) -> list[Looked]:
        """Those kept in mind; after a start, or of a study that was judged before, they are looked at again."""
        kept = self._seen.get(study, {})
        found: list[Looked] = []
        for scan in scans:
            seen = kept.get(scan.look.item)
            if seen is None and scan.look.frames and not self._rounds.stopping:
                with suppress(Rejected):
                    clean = self._ledger.clean_of_item(scan.look.item)
                    seen = self._eye.look_lent(self._shelf.loan(clean.id)) if clean else None
            if seen is not None:
                found.append(seen)
        return found

    def _compare_scanners(self) -> None:
        now = self._clock()
        if not (self._looking.fleet and self._new) or now - self._compared < FLEET_EVERY:
            return
        self._compared, self._new = now, False
        found = self._judges.fleet(self._ledger.looks.recent(MOST_SCANS))
        for scanner, codes in self._ledger.looks.alarm(found).items():
            for code in codes:
                self._tell(events.Noticed(code, scanner=scanner))


_NOTHING_TO_SEE = ("no_picture", "payload_lost")
