"""How wrong a scanner's clock is: from what a header says to the arrival of its image."""

from __future__ import annotations

from collections.abc import Callable

from stowgate.dicom.acquired import acquired

_FARTHEST = 10 * 366 * 86_400
"""Seconds beyond which an offset says nothing of a clock."""


def offset(get: Callable[[int], bytes | None], arrived: float) -> int | None:
    """Seconds from what the header says to `arrived` (seconds since 1970); None where it does not say.

    get -- raw values by tag. Without a Timezone Offset From UTC its times are taken for this machine's local ones.
    """
    moment = acquired(get)
    if moment is None:
        return None
    seconds = round(arrived - moment)
    return seconds if abs(seconds) <= _FARTHEST else None
