"""What an answer to STOW-RS says of each instance, whatever its HTTP code says of all of them (PS3.18 10.5.3, I.2)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from stowgate.deliver.sink import Answer
from stowgate.deliver.status import STORED, answer_of

_REFERENCED, _FAILED, _INSTANCE, _REASON = "00081199", "00081198", "00081155", "00081197"


def said_of(body: bytes, uids: Iterable[str]) -> dict[str, Answer]:
    """The answer for each UID that the body speaks of; of what is no DICOM JSON, of none.

    A failure goes before a reference: who says both has not stored it for sure. What is said of others is not heard.
    """
    wanted = set(uids)
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    found: dict[str, Answer] = {}
    for item in _items(data, _REFERENCED):
        if (uid := _text(item, _INSTANCE)) in wanted:
            found[uid] = STORED
    for item in _items(data, _FAILED):
        if (uid := _text(item, _INSTANCE)) in wanted:
            found[uid] = answer_of(_number(item, _REASON))
    return found


def instances_of(body: bytes) -> set[str]:
    """SOP Instance UIDs in an answer to QIDO-RS; ValueError for what is no list of data sets."""
    try:
        data = json.loads(body or b"[]")
    except RecursionError:
        raise ValueError from None
    if not isinstance(data, list):
        raise ValueError
    return {_text(item, "00080018") for item in data if isinstance(item, dict)}


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
