"""What pictures are looked at for on the way: the choice that a batch and a gateway share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Looking:
    """What is looked for; nothing by default.

    quality -- faults of pictures and of whole studies
    urgency -- what is measured that makes a study urgent
    fleet   -- scanners that differ from what they, or their like, were
    """

    quality: bool = False
    urgency: bool = False
    fleet: bool = False

    def __bool__(self) -> bool:
        return self.quality or self.urgency or self.fleet


NOTHING = Looking()
"""What is looked for unless somebody asks."""
