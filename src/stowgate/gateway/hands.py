"""What one worker works with: its own thread and, once there is much to do, a process beside it.

A thread shares its interpreter with every sender; a process does not, and what kills it kills nothing else (ADR 0013).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from stowgate.child import Child
from stowgate.deident.memo import Memo
from stowgate.errors import Rejected, StowgateError, Temporary
from stowgate.gateway import hand
from stowgate.gateway.hand import Job
from stowgate.pipeline import process, stopped
from stowgate.store.clean_shelf import LentSheet
from stowgate.store.loan import Loan
from stowgate.way import Bench, Passed, Way

WORTH_A_PROCESS = 50
"""Objects, done and waiting, from which on the start of an interpreter pays for itself."""

_AHEAD = 2
"""Objects a process is told of at once: while it writes one, the next one lies ready."""

_PATIENCE = 900.0
"""Seconds after which a process hangs: an object of some gigabytes on a slow disk takes a third of that."""

_STARTS = 2
"""Further starts for an object whose process died; the process of the last one was alone with it."""


class Originals(Protocol):
    """Where objects lie that are lent to be read."""

    def loan(self, id: str) -> Loan:
        """See `store.raw_shelf.SealedRawShelf.loan`."""


class Sheets(Protocol):
    """Where parts lie that are lent to be written."""

    def lend(self) -> LentSheet:
        """See `store.clean_shelf.SealedCleanShelf.lend`."""


class Lender(Protocol):
    """What a process is lent from; `store.spool_folder.Spool` is one."""

    @property
    def raw(self) -> Originals:
        """Identified objects."""

    @property
    def clean(self) -> Sheets:
        """Clean objects."""


class Hands:
    """One worker's own. `lender`: whose objects a process may be lent; without one all is done in the thread.

    ways -- by the name of the profile
    """

    def __init__(self, ways: Mapping[str, Way], lender: Lender | None = None) -> None:
        self._ways = ways
        self._benches = {name: Bench(Memo()) for name in ways}
        self._beside = Beside(ways, lender, self._here) if lender else None
        self._done = 0

    def take(self, jobs: Sequence[Job], waiting: int) -> Generator[Passed]:
        """Take each through, in this order. What the disk does wrong is raised; what was begun after it is dropped.

        waiting -- how many objects there are to do at all, about. What is clean is to be kept or dropped on the shelf.
        """
        beside = self._beside
        self._done += len(jobs)
        if beside and beside.is_there(call=self._done + waiting >= WORTH_A_PROCESS):
            yield from beside.take(jobs)
        else:
            yield from map(self._here, jobs)

    def close(self) -> None:
        """Let the process go."""
        if self._beside:
            self._beside.close()

    def _here(self, job: Job) -> Passed:
        try:
            return process(job.raw, self._ways[job.profile], self._benches[job.profile])
        except StowgateError:
            raise
        except Exception:  # noqa: BLE001 - given back it would be tried for ever; its text could quote a value
            return stopped(job.raw, "internal_error")


@dataclass(frozen=True, slots=True)
class _Errand:
    """An object a process was told of, or how it ended before."""

    job: Job
    child: Child
    sheet: LentSheet | None = None
    ended: Passed | None = None


class Beside:
    """The process beside a worker. `here`: takes an object through where no process can."""

    def __init__(self, ways: Mapping[str, Way], lender: Lender, here: Callable[[Job], Passed]) -> None:
        self._ways, self._lender, self._here = ways, lender, here
        self._child: Child | None = None

    @property
    def process(self) -> int:
        """Its process id, 0 if there is none."""
        return self._child.process if self._child else 0

    def is_there(self, *, call: bool) -> bool:
        """Whether it listens; `call`: it is wanted, if not at once."""
        gone = self._child is None or not (self._child.process or self._child.failed)
        if gone and call:
            self._child = self._called()
        return self._child is not None and self._child.is_ready()

    def take(self, jobs: Sequence[Job]) -> Generator[Passed]:
        """See `Hands.take`.

        Objects that a dead process was told of come first: the next one is told of nothing while it has one alone.
        """
        left, asked = deque(jobs), deque[_Errand]()
        try:
            while left or asked:
                while left and len(asked) < _AHEAD and all(one.child is self._child for one in asked):
                    asked.append(self._asked(left.popleft(), self._child or self._called()))
                yield self._answered(asked.popleft())
        finally:
            for errand in asked:
                self._forget(errand)

    def close(self) -> None:
        """Let it go."""
        if self._child is not None:
            self._child.close()

    def _called(self) -> Child:
        return Child(hand.__name__, hand.beginning(self._ways))

    def _asked(self, job: Job, child: Child) -> _Errand:
        try:
            original = self._lender.raw.loan(job.raw.id)
        except Rejected as error:
            return _Errand(job, child, ended=stopped(job.raw, error.code, error.place))
        sheet = self._lender.clean.lend()
        child.tell(hand.request(job, original, sheet.part.loan))
        return _Errand(job, child, sheet)

    def _answered(self, errand: _Errand) -> Passed:
        if errand.ended:
            return errand.ended
        answer = _answer(errand)
        if answer is None:
            self._drop(errand)
            return self._once_more(errand.job)
        return self._heard(errand, answer)

    def _heard(self, errand: _Errand, answer: dict[str, Any]) -> Passed:
        sheet = errand.sheet
        if sheet is None or hand.AGAIN in answer:
            self._drop(errand)
            if answer.get(hand.AGAIN):
                raise Temporary(answer[hand.AGAIN])
            return self._here(errand.job)
        done, sheet.written = hand.heard(errand.job.raw, answer, sheet.part.path, self._ways[errand.job.profile])
        if done.ref is None:
            self._drop(errand)
        return done

    def _once_more(self, job: Job) -> Passed:
        """Its process is gone, whoever's fault that was: now it has one to itself, and is held if that dies of it."""
        for _ in range(_STARTS):
            child = self._child
            if child is None or not child.is_ready():
                child = self._child = self._called()
            if not child.wait_until_ready():
                return self._here(job)  # there is no such process to be had
            errand = self._asked(job, child)
            if errand.ended:
                return errand.ended
            answer = _answer(errand)
            if answer is not None:
                return self._heard(errand, answer)
            self._drop(errand)
        return stopped(job.raw, "third_start")

    def _forget(self, errand: _Errand) -> None:
        """Nobody wants to know any more; its answer must not be taken for another's."""
        if errand.ended is None:
            errand.child.answer(_PATIENCE)
        self._drop(errand)

    def _drop(self, errand: _Errand) -> None:
        if errand.sheet is not None:
            self._ways[errand.job.profile].shelf.drop(errand.sheet.place)


def _answer(errand: _Errand) -> dict[str, Any] | None:
    """What its process says; None when it is gone, or speaks of another object: then nothing it says is believed."""
    answer: dict[str, Any] | None = errand.child.answer(_PATIENCE)
    if answer is not None and answer.get(hand.ID) != errand.job.mark:
        errand.child.close()
        return None
    return answer
