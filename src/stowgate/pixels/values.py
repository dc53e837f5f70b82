"""Values of a pydicom data set as plain numbers and texts; what is not one is left out, without a word about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def _all(dataset: Dataset, keyword: str) -> Sequence[Any]:
    """The values of an attribute; pydicom fails over some when it first looks at them."""
    try:
        value = dataset.get(keyword)
    except Exception:  # noqa: BLE001 - what it says could quote the value
        return ()
    if value is None:
        return ()
    return value if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else (value,)


def numbers(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """All values, if each is a finite number; otherwise none."""
    found = []
    for value in _all(dataset, keyword):
        try:
            found.append(float(value))
        except (TypeError, ValueError, OverflowError):
            return ()
    return tuple(found) if all(map(math.isfinite, found)) else ()


def number(dataset: Dataset, keyword: str) -> float | None:
    """The first value."""
    found = numbers(dataset, keyword)
    return found[0] if found else None


def integer(dataset: Dataset, keyword: str) -> int | None:
    """The first value, if it is a whole number."""
    found = number(dataset, keyword)
    return int(found) if found is not None and found == int(found) else None


def texts(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """All values as texts, spaces and NULs at their ends cut off."""
    return tuple(str(value).strip(" \0") for value in _all(dataset, keyword))


def text(dataset: Dataset, keyword: str) -> str:
    """The first value as text."""
    found = texts(dataset, keyword)
    return found[0] if found else ""
