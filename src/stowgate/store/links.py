"""The contract of what the ledger knows of each way out as a link: outages, the rate, the bytes that are left."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

MOST_OUTAGES = 1_000
"""Of each destination, the latest; older ones are forgotten."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which a destination could not be reached or took nothing. Seconds since 1970; `ended` is None now."""

    destination: str
    began: float
    ended: float | None
    code: str


class LinksView(Protocol):
    """What can be asked; also of a ledger that is only read."""

    def outages(self, destination: str, most: int = 10) -> list[Outage]:
        """The latest first."""

    def bytes_left(self) -> dict[str, int]:
        """By destination: bytes of clean objects that are queued; without zeros."""

    def bytes_left_of(self, studies: Collection[str]) -> dict[str, dict[str, int]]:
        """The same of each of these studies, by their alias."""


class Links(LinksView, Protocol):
    """What is written down. An outage begins and ends with `Deliveries.link`."""

    def measured(self, destination: str, rate: float) -> None:
        """Note what the way to a destination carries, in bytes each second."""
