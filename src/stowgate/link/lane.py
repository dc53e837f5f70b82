"""One direction of a link: what all connections send that way shares its rate; chance makes it late, or stand still."""

from __future__ import annotations

import random
from collections.abc import Callable

from stowgate.link.profiles import Profile
from stowgate.link.trace import Span

STEP = 4096
"""Bytes of a piece, so that connections share a slow link evenly."""


class Lane:
    """Says when each piece is through. Pure but for its memory: time is an argument, chance is seeded."""

    def __init__(self, profile: Profile, span: Callable[[float], Span], seed: int) -> None:
        """span -- how the link is at a moment"""
        self._profile, self._span = profile, span
        self._chance = random.Random(seed)  # noqa: S311 - weather, no secret
        self._free, self._second, self._stalled = 0.0, 0, 0.0

    def through(self, size: int, now: float) -> float:
        """The moment at which `size` bytes have been sent, after those before them."""
        rate = self._span(now).rate
        begin = max(self._free, now, self._stalled_until(now))
        self._free = begin + (size / rate if rate else 0.0)
        return self._free

    def late(self, now: float) -> float:
        """Seconds that a piece takes to the other end: half of the way there and back, and what chance adds."""
        swing = self._profile.jitter
        return max(0.0, (self._span(now).delay + self._chance.uniform(-swing, swing)) / 2)

    def _stalled_until(self, now: float) -> float:
        while self._profile.stalls and self._second <= int(now):
            if self._chance.random() < self._profile.stalls:
                self._stalled = self._second + self._profile.stall
            self._second += 1
        return self._stalled
