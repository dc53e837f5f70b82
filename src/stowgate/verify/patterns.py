"""What a date, a telephone number or an e-mail address looks like in free text."""

from __future__ import annotations

import re
from functools import cache

_YEAR, _MONTH, _DAY = r"(?:19|20)\d\d", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"


def telling(text: str) -> re.Match[str] | None:
    """The first of them in a text, or None."""
    return _telling().search(text)


@cache
def _telling() -> re.Pattern[str]:
    """Compiled when a text asks for it: few policies let text of people through."""
    return re.compile(
        rf"(?<!\d){_YEAR}(?:{_MONTH}{_DAY}|[-./]{_MONTH}[-./]{_DAY})(?!\d)"  # 20240117, 2024-01-17
        rf"|(?<!\d)\d?\d[-./]\d?\d[-./]{_YEAR}(?!\d)"  # 17.1.2024, 01/17/2024
        r"|[\w.+-]+@[\w-]+\.[a-z]{2,}"
        r"|(?:tel|phone|fax|mobil)\w*\W{0,4}\d[\d /()-]{4,}"
        r"|(?<![\w.+-])\+\d[\d /()-]{7,}\d"
        r"|(?<![\w.-])\(?\d{3}\)?[- ]\d{3}-\d{4}(?![\w.-])",
        re.IGNORECASE,
    )
