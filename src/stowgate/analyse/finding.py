"""What was noticed in a picture or a series: a code of the table of reasons, and the numbers that it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Finding:
    """A code of `reasons.REASONS` with its evidence: measured numbers by name, with their units in it.

    frame -- counted from 0, where it is about one frame
    """

    code: str
    evidence: Mapping[str, float] = field(default_factory=dict)
    frame: int | None = None
