"""Clocks and chance of the ways out, as an argument, so that ten days pass in a test at once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass


def minute_of_week() -> float:
    """Minutes since Monday 00:00, local time of this machine."""
    now = time.localtime()
    return now.tm_wday * 1440 + now.tm_hour * 60 + now.tm_min + now.tm_sec / 60


@dataclass(frozen=True, slots=True)
class Times:
    """Clocks and chance."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    minute: Callable[[], float] = minute_of_week
    chance: Callable[[], float] = random.random
    sleep: Callable[[float], None] = time.sleep
