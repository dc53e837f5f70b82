"""When a header says that its image was made (PS3.3 C.7.6.1, C.7.6.16.2)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo

MOMENT = 0x0008002A
"""Acquisition DateTime."""
PAIRS = ((0x00080022, 0x00080032), (0x00080023, 0x00080033))
"""Acquisition, Content: Date and Time."""
ZONE = 0x00080201
"""Timezone Offset From UTC."""

_DATE_TIME = re.compile(rb"(\d{8})(\d{6})(?:\.\d{1,6})?([+-]\d{4})?")


def acquired(get: Callable[[int], bytes | None]) -> float | None:
    """Seconds since 1970, None where it does not say; without a Timezone Offset From UTC in this machine's zone.

    get -- raw values by tag
    """
    zone = (get(ZONE) or b"").strip(b" \0")
    whole = (get(MOMENT) or b"").strip(b" \0")
    found = _moment(whole, zone)
    for date, time in PAIRS:
        if found is not None:
            break
        found = _moment((get(date) or b"").strip(b" \0") + (get(time) or b"").strip(b" \0"), zone)
    return found


def _moment(text: bytes, zone: bytes) -> float | None:
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return None
    try:
        local = datetime.strptime((match[1] + match[2]).decode("ascii"), "%Y%m%d%H%M%S")  # noqa: DTZ007 - without a zone it is local
        return local.replace(tzinfo=_zone(match[3] or zone)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _zone(text: bytes) -> tzinfo | None:
    """None is this machine's."""
    if not re.fullmatch(rb"[+-]\d{4}", text):
        return None
    minutes = int(text[1:3]) * 60 + int(text[3:5])
    return timezone(timedelta(minutes=-minutes if text[:1] == b"-" else minutes)) if minutes else UTC
