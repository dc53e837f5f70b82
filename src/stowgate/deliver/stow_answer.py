"""What an answer to STOW-RS says of each instance, whatever its HTTP code says of all of them (PS3.18 10.5.3, I.2)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

_REFERENCED, _FAILED, _INSTANCE, _REASON = "00081199", "00081198", "00081155", "00081197"


def said_of(body: bytes, uids: Iterable[str]) -> dict[str, int]:
    """The status of each UID that the body speaks of, 0 for stored; of what is no DICOM JSON, of none.

    A failure goes before a reference: who says both has not stored it for sure. What is said of others is not heard.
    """
    wanted, data = set(uids), _parsed(body)
    found: dict[str, int] = {}
    for item in _items(data, _REFERENCED):
        if (uid := _text(item, _INSTANCE)) in wanted:
            found[uid] = 0
    for item in _items(data, _FAILED):
        if (uid := _text(item, _INSTANCE)) in wanted:
            found[uid] = _number(item, _REASON)
    return found


def is_of_store(body: bytes) -> bool:
    """Whether it is the answer of one that stores, whatever it says: no proxy writes those lists, even empty."""
    data = _parsed(body)
    sets = data if isinstance(data, list) else [data]
    return any(isinstance(one, dict) and (_REFERENCED in one or _FAILED in one) for one in sets)


def instances_of(body: bytes) -> set[str]:
    """SOP Instance UIDs in an answer to QIDO-RS; ValueError for what is no list of data sets."""
    try:
        data = json.loads(body or b"[]")
    except RecursionError:
        raise ValueError from None
    if not isinstance(data, list):
        raise ValueError
    return {_text(item, "00080018") for item in data if isinstance(item, dict)}


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _items(data: Any, tag: str) -> list[Mapping[str, Any]]:
    sets = data if isinstance(data, list) else [data]
    found = [one.get(tag) for one in sets if isinstance(one, dict)]
    values = [one.get("Value") for one in found if isinstance(one, dict)]
    return [item for value in values if isinstance(value, list) for item in value if isinstance(item, dict)]


def _first(item: Mapping[str, Any], tag: str) -> Any:
    element = item.get(tag)
    value = element.get("Value") if isinstance(element, dict) else None
    return value[0] if isinstance(value, list) and value else None


def _text(item: Mapping[str, Any], tag: str) -> str:
    value = _first(item, tag)
    return value.strip("\0 ") if isinstance(value, str) else ""


def _number(item: Mapping[str, Any], tag: str) -> int:
    """The reason, 0110 (processing failure) where there is none: then it can be tried again."""
    value = _first(item, tag)
    return value if isinstance(value, int) and 0 < value < 0x10000 else 0x0110
