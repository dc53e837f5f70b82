"""Several lookers side by side over a stream of files: in order, a few ahead, and one result for each."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from stowgate.closing import Closing
from stowgate.errors import Rejected
from stowgate.look.looked import Looked
from stowgate.look.looker import USUAL, Looker, LookLimits

Given = TypeVar("Given")
AHEAD = 4
"""Files for each looker that are begun before the first one is asked for."""


class Crew(Closing):
    """So many lookers, each with a process of its own, made when it is needed."""

    def __init__(self, number: int = 0, limits: LookLimits = USUAL) -> None:
        """number -- 0 is as many as this process may use processors"""
        self.number = number or len(os.sched_getaffinity(0))
        self._limits = limits
        self._own = threading.local()
        self._lookers: list[Looker] = []
        self._pool = ThreadPoolExecutor(self.number, thread_name_prefix="looker")

    def each(self, files: Iterable[tuple[Given, Path | None]]) -> Iterator[tuple[Given, Looked | str]]:
        """Each with what was seen of its file, or the code of why nothing was; "" where there is no file."""
        ahead: deque[tuple[Given, Future[Looked | str] | None]] = deque()
        for given, path in files:
            ahead.append((given, self._pool.submit(self._look, path) if path else None))
            if len(ahead) > AHEAD * self.number:
                yield _done(ahead)
        while ahead:
            yield _done(ahead)

    def close(self) -> None:
        """End what is under way, and let all processes go."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for looker in self._lookers:
            looker.close()

    def _look(self, path: Path) -> Looked | str:
        looker: Looker | None = getattr(self._own, "looker", None)
        if looker is None:
            looker = self._own.looker = Looker(self._limits)
            self._lookers.append(looker)
        try:
            return looker.look(path)
        except Rejected as refused:
            return refused.code


def _done(ahead: deque[tuple[Given, Future[Looked | str] | None]]) -> tuple[Given, Looked | str]:
    given, promise = ahead.popleft()
    return given, promise.result() if promise else ""
