"""The three times of a ledger: the wall's for display, the monotonic one and the boot it belongs to for decisions."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@cache
def boot_id(file: Path = Path("/proc/sys/kernel/random/boot_id")) -> str:
    """Which boot of the machine this is, "" where the system does not say: then monotonic times of others mislead."""
    try:
        return file.read_text("ascii").strip()
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class Moment:
    """One reading: wall clock for display, monotonic seconds and their boot for decisions."""

    now: float
    monotonic: float
    boot: str

    def values(self) -> dict[str, float | str]:
        """By their names, as statements want them."""
        return {"now": self.now, "monotonic": self.monotonic, "boot": self.boot}


@dataclass(frozen=True, slots=True)
class Clocks:
    """What a ledger reads the time from.

    wall      -- seconds since 1970, UTC; trucks boot with wrong ones, so nothing is decided by it
    monotonic -- seconds since some moment of this boot; no two boots can be compared
    boot      -- which boot this is
    """

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    boot: Callable[[], str] = boot_id

    def moment(self) -> Moment:
        """All three, read once."""
        return Moment(self.wall(), self.monotonic(), self.boot())


SYSTEM = Clocks()
"""Those of the machine."""
