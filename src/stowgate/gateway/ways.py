"""The ways out of a gateway, as plain data: where something goes to, when, how fast, and with which evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from stowgate.deliver.sink import Sink
from stowgate.lifecycle import Evidence
from stowgate.outbox.timetable import Bandwidth, Hours


@dataclass(frozen=True, slots=True)
class WayOut:
    """One destination.

    sink     -- makes a way in to it; each worker has its own
    evidence -- what has to be known of an object before it counts as delivered there
    workers  -- how many there are at most
    """

    name: str
    sink: Callable[[], Sink]
    evidence: Evidence
    hours: Hours = field(default_factory=Hours)
    bandwidth: Bandwidth = field(default_factory=Bandwidth)
    workers: int = 1
