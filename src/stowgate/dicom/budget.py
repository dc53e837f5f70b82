"""What one object may still cost, and how a walk says that it cannot go on."""

from __future__ import annotations

import time

from stowgate.dicom.limits import Limits
from stowgate.errors import Rejected

MOST_IN_ONE = 100_000
"""Elements of one data set without those inside its sequences: all of them are in memory at once."""


class OddEncoding(Exception):
    """Legal or not, this is not plain little endian: bring it to explicit little endian first, then come back."""


class NeedMore(Exception):
    """The view ends inside an element; `tag`, `vr`, `value` and `length` say which, when that much is known."""

    def __init__(self, tag: int = 0, vr: bytes = b"", value: int = 0, length: int = 0) -> None:
        super().__init__()
        self.tag, self.vr, self.value, self.length = tag, vr, value, length


class Budget:
    """What one object may still cost: elements at all depths, wall time, nesting."""

    __slots__ = ("deadline", "depth", "elements")

    def __init__(self, limits: Limits) -> None:
        self.depth = limits.depth
        self.elements = limits.elements
        self.deadline = time.monotonic() + limits.seconds

    def spend(self, elements: int) -> None:
        """Count elements; raises `Rejected` when the object has become too expensive."""
        self.elements -= elements
        if self.elements < 0:
            raise Rejected("limit_elements")
        if time.monotonic() > self.deadline:
            raise Rejected("limit_time")

    def hold(self, elements: int) -> None:
        """Refuse one data set with more elements than memory should hold, or a walk that takes too long."""
        if elements > MOST_IN_ONE:
            raise Rejected("limit_elements")
        if time.monotonic() > self.deadline:
            raise Rejected("limit_time")

    def descend(self, depth: int) -> None:
        """Refuse to go below the deepest level allowed."""
        if depth > self.depth:
            raise Rejected("limit_depth")
