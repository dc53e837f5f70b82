"""Threads that are made when the first is asked for: a run with one worker needs none, nor the modules behind them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

Given = TypeVar("Given")


class Threads:
    """At most so many threads, with what they are to do."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._pool: ThreadPoolExecutor | None = None

    def submit(self, work: Callable[[Given], None], given: Given) -> Future[None]:
        """Let one of them do it."""
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(self._most)
        return self._pool.submit(work, given)

    def close(self) -> None:
        """Wait for what has begun; what has not never does."""
        if self._pool:
            self._pool.shutdown(wait=True, cancel_futures=True)
