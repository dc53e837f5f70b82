"""What happened, as typed facts with codes and never values; logs, metrics, audit and progress listen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stowgate.item import Item


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A batch began; `expected` inputs were found (None while they are still being counted)."""

    expected: int | None


@dataclass(frozen=True, slots=True)
class ItemSettled:
    """An input reached its final state of this run; `size` is the input's size in bytes."""

    item: Item
    size: int


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A batch is over and everything it counts is durable."""

    received: int


Event = RunStarted | ItemSettled | RunEnded
Listener = Callable[[Event], None]
