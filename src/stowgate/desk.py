"""Where one thread of a batch works: the engine here, the gate in a witness beside it, in rounds."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TypeVar

from stowgate.deident.memo import Memo
from stowgate.objects import Raw
from stowgate.pipeline import judged, process, write
from stowgate.verify.witness import Witness
from stowgate.way import Bench, Passed, Way, Written, in_place

Job = TypeVar("Job")

ROUND = 8
"""Objects a witness is asked about together: few, so that it is never far behind, yet asking costs little."""

WORTH_A_WITNESS = 100
"""Objects from which on the start of a second interpreter pays for itself."""


class Desk:
    """One thread's read buffer, memo and witness."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._bench = Bench(Memo() if way.memo else None)
        self._witness: Witness | None = None

    def take(self, jobs: Sequence[tuple[Job, Raw]], in_sight: int) -> Iterator[tuple[Job, Passed]]:
        """Take each through and yield it with how that ended; not always in order.

        in_sight -- how many objects there are to do at all, as far as is known
        Where it ends early the witness goes: what it would still say is of objects that nobody asks for any more.
        """
        try:
            yield from self._taken(jobs, in_sight)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let the witness go."""
        if self._witness:
            self._witness.close()
            self._witness = None

    def _taken(self, jobs: Sequence[tuple[Job, Raw]], in_sight: int) -> Iterator[tuple[Job, Passed]]:
        if self._witness is None and in_sight >= WORTH_A_WITNESS and self._way.open is in_place:
            self._witness = Witness(self._way.policy, self._way.key)
        waiting: deque[list[tuple[Job, Written]]] = deque()
        round_: list[tuple[Job, Written]] = []
        for job, raw in jobs:
            done = self._begun(raw)
            if isinstance(done, Passed):
                yield job, done
                continue
            round_.append((job, done))
            if len(round_) == ROUND:
                self._ask(round_, waiting)
                round_ = []
                yield from self._heard(waiting, 1)
        self._ask(round_, waiting)
        yield from self._heard(waiting, 0)

    def _begun(self, raw: Raw) -> Passed | Written:
        """With a witness that listens only the engine's half; without one all of it."""
        half = self._witness is not None and self._witness.is_ready()
        return (write if half else process)(raw, self._way, self._bench)

    def _ask(self, round_: list[tuple[Job, Written]], waiting: deque[list[tuple[Job, Written]]]) -> None:
        if round_ and self._witness:
            self._witness.ask([written.claim for _, written in round_])
            waiting.append(round_)

    def _heard(self, waiting: deque[list[tuple[Job, Written]]], leave: int) -> Iterator[tuple[Job, Passed]]:
        while self._witness and len(waiting) > leave:
            for (job, written), verdict in zip(waiting.popleft(), self._witness.answer(), strict=True):
                yield job, judged(written, verdict, self._way)
