"""The contract of what was seen in clean objects: measured numbers and codes, by the coded facts of their items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

Features = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Unseen:
    """A clean object that nobody has looked at. `study` is the alias of its item's, `series` its new UID."""

    item: str
    clean: str
    source: str
    study: str
    series: str
    size: int


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen in the clean object of an item; `codes` of the table of reasons, those of its frames once each.

    features -- measured numbers by name; what could not be measured is left out
    """

    item: str
    frames: int = 0
    codes: tuple[str, ...] = ()
    features: Features = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scanned:
    """A look with what is known of its item: keyed aliases of station and protocol, and when it arrived.

    arrived -- seconds since 1970
    clock   -- seconds from the time in its header to its arrival, None where it has none: the scanner's clock
    """

    look: Look
    source: str
    study: str
    scanner: str
    protocol: str
    arrived: float
    clock: int | None = None


class LooksView(Protocol):
    """What can be asked; also of a ledger that is only read."""

    def of_items(self, ids: Sequence[str]) -> dict[str, Look]:
        """Of those of these items that were looked at."""

    def of_study(self, study: str) -> list[Scanned]:
        """What was seen of a study, by its alias, in the order of arrival."""

    def codes_of_study(self, study: str) -> tuple[str, ...] | None:
        """What is amiss with a study as a whole; None while nobody has judged it."""

    def recent(self, most: int) -> list[Scanned]:
        """The latest that arrived and were looked at, the earliest of them first."""

    def alarms(self) -> dict[str, tuple[str, ...]]:
        """Scanners that somebody should see to, by their alias, with the codes of why."""


class Looks(LooksView, Protocol):
    """What is written down; each call is one whole durable step. Members pass tests/contracts/test_every_looks.py."""

    def unseen(self, most: int) -> list[Unseen]:
        """What waits, or was delivered and is still here, and nobody has looked at, the latest first."""

    def note(self, group: Sequence[Look]) -> None:
        """Write down what was seen; a second look at the same item replaces the first. Its study is to be judged."""

    def unjudged(self) -> list[str]:
        """Aliases of the studies of which something was seen since they were judged."""

    def judged(self, study: str, codes: Sequence[str], seen: int) -> bool:
        """Write down what is amiss with a study of which `seen` items were looked at.

        False, and nothing is written, where there are more by now: judge it again.
        """

    def alarm(self, scanners: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
        """All scanners that somebody should see to now; returns those that are new, or for other reasons."""
