"""Where one thread of a batch works: the engine here, the gate in a witness beside it, in rounds."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TypeVar

from stowgate.deident.memo import Memo
from stowgate.dicom.scanner import BUFFER, Buffer
from stowgate.objects import Raw
from stowgate.pipeline import begin, judged, process, set_down
from stowgate.verify.witness import Witness
from stowgate.way import Begun, Bench, Passed, Way, Written, in_place

Job = TypeVar("Job")

ROUND = 8
"""Objects a witness is asked about together: few, so that it is never far behind, yet asking costs little. As many are
cleaned before the first is written: copying its pixels would drive out of the caches what the next one needs."""

WORTH_A_WITNESS = 100
"""Objects from which on the start of a second interpreter pays for itself."""


class Desk:
    """One thread's read buffer, memo and witness."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._bench = Bench(Memo() if way.memo else None)
        self._buffers = [Buffer() for _ in range(ROUND)]
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
        left = iter(jobs)
        while round_ := list(islice(left, ROUND)):
            written: list[tuple[Job, Written]] = []
            for job, done in self._begun(round_):
                if isinstance(done, Written):
                    written.append((job, done))
                else:
                    yield job, done
            self._ask(written, waiting)
            yield from self._heard(waiting, 1)
        yield from self._heard(waiting, 0)

    def _begun(self, round_: list[tuple[Job, Raw]]) -> list[tuple[Job, Passed | Written]]:
        """With a witness that listens only the engine's half; without one all of it."""
        way, bench = self._way, self._bench
        if self._witness is None or not self._witness.is_ready():
            return [(job, process(raw, way, bench)) for job, raw in round_]
        done: list[tuple[Job, Passed | Begun | Written]] = []
        try:
            for index, (job, raw) in enumerate(round_):
                one: Passed | Begun | Written = begin(raw, way, bench, self._buffers[index])
                if len(self._buffers[index].data) > BUFFER:  # one such header in memory is enough
                    one = set_down(one, way) if isinstance(one, Begun) else one
                    self._buffers[index] = Buffer()
                done.append((job, one))
            return [(job, set_down(one, way) if isinstance(one, Begun) else one) for job, one in done]
        finally:
            for _, one in done:
                if isinstance(one, Begun):
                    one.source.close()

    def _ask(self, round_: list[tuple[Job, Written]], waiting: deque[list[tuple[Job, Written]]]) -> None:
        if round_ and self._witness:
            self._witness.ask([written.claim for _, written in round_])
            waiting.append(round_)

    def _heard(self, waiting: deque[list[tuple[Job, Written]]], leave: int) -> Iterator[tuple[Job, Passed]]:
        while self._witness and len(waiting) > leave:
            for (job, written), verdict in zip(waiting.popleft(), self._witness.answer(), strict=True):
                yield job, judged(written, verdict, self._way)
