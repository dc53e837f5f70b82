"""What happened, as typed facts with codes and never values; the tally listens, and so may logs, metrics and audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from stowgate.item import Item


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A batch began, under the policy of this digest."""

    policy: str


@dataclass(frozen=True, slots=True)
class ItemSettled:
    """An input reached its final state of this run and is durable there.

    size         -- of the input, in bytes
    already_done -- an earlier run made it for the same target, or it is a duplicate
    counts       -- attributes changed, by action and origin of the rule ("X E.1-1")
    """

    item: Item
    size: int
    already_done: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A batch is over, and everything it counts is durable."""

    received: int


Event = RunStarted | ItemSettled | RunEnded
Listener = Callable[[Event], None]
