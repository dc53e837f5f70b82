"""How numbers and moments are written in sentences for people."""

from __future__ import annotations

import time

_SEVERAL = {"study": "studies"}


def counted(number: int, one: str, many: str = "") -> str:
    """A number of things in words: "1 image", "2,000 studies"; `many` where that is not `one` with an s."""
    return f"{number:,} {one if number == 1 else many or _SEVERAL.get(one, f'{one}s')}"


def moment(seconds: float) -> str:
    """Date and time in this machine's zone, in which headers without a zone are read, too."""
    return time.strftime("%d %b %Y, %H:%M", time.localtime(seconds))
