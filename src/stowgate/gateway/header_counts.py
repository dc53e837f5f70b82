"""What a header says of how many objects belong together; whatever cannot be true of a study is not heard."""

from __future__ import annotations

import re
from collections.abc import Callable

from stowgate.store.expected import MOST, Told

_OF_STUDY, _SERIES, _OF_SERIES = 0x00201208, 0x00201206, 0x00201209
_NUMBER = re.compile(rb"\+?[0-9]{1,12}")  # PS3.5 6.2: IS


def told(get: Callable[[int], bytes | None]) -> Told:
    """The three numbers of a query's answer that some senders leave in the header (PS3.4 C.3.4).

    get -- raw values by tag
    """
    return Told(_number(get(_OF_STUDY)), _number(get(_SERIES)), _number(get(_OF_SERIES)))


def _number(raw: bytes | None) -> int | None:
    """None for one that is missing, no number, not positive, or larger than any study."""
    text = (raw or b"").strip(b" \0")
    number = int(text) if _NUMBER.fullmatch(text) else 0
    return number if 0 < number <= MOST else None
