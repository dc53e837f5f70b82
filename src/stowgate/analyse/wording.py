"""How numbers and moments are written in sentences for people."""

from __future__ import annotations

import time

_SEVERAL = {"study": "studies"}


def counted(number: int, noun: str) -> str:
    """ "1 image", "2 images", "1,000 studies": one of these nouns, or one that takes an s."""
    return f"{number:,} {noun if number == 1 else _SEVERAL.get(noun, f'{noun}s')}"


def moment(seconds: float) -> str:
    """Date and time in this machine's zone, in which headers without a zone are read, too."""
    return time.strftime("%d %b %Y, %H:%M", time.localtime(seconds))
