"""What peers report of the storage commitments that they were asked for; only what was asked for is heard."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock

MOST = 10_000
"""Transactions that are remembered; the oldest are forgotten, and then asked for again."""


@dataclass(slots=True)
class Asked:
    """One transaction. `failed`: reasons by UID, once it was reported."""

    uids: frozenset[str]
    since: float
    is_reported: bool = False
    stored: frozenset[str] = frozenset()
    failed: Mapping[str, int] = field(default_factory=dict)


class Reports:
    """Those of one process. A Transaction UID is 122 random bits: nobody knows it but the peer that was told."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, Lock()
        self._asked: dict[str, Asked] = {}

    def begin(self, uids: Iterable[str]) -> str:
        """A new transaction about these instances."""
        transaction = f"2.25.{uuid.uuid4().int}"
        with self._lock:
            self._asked[transaction] = Asked(frozenset(uids), self._clock())
            while len(self._asked) > MOST:
                del self._asked[next(iter(self._asked))]
        return transaction

    def report(self, transaction: str, stored: Collection[str], failed: Mapping[str, int]) -> bool:
        """A peer has reported; whether anybody asked. Its first word counts, and only of what it was asked about."""
        with self._lock:
            asked = self._asked.get(transaction)
            if asked is None:
                return False
            if not asked.is_reported:
                asked.is_reported = True
                asked.failed = {uid: why for uid, why in failed.items() if uid in asked.uids}
                asked.stored = asked.uids & frozenset(stored) - asked.failed.keys()
            return True

    def of(self, transaction: str) -> tuple[Asked, float] | None:
        """What is known of one, and the seconds since it was asked for."""
        with self._lock:
            asked = self._asked.get(transaction)
            return (asked, self._clock() - asked.since) if asked else None


REPORTS = Reports()
"""The listener hears what every way out of this process asked for."""
