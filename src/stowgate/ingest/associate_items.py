"""What can be told from the bytes of an A-ASSOCIATE-RQ before anybody decodes it, and how it is rejected (PS3.8)."""

from __future__ import annotations

from collections.abc import Iterator

FIXED = 74
"""Bytes before the variable items, header included (PS3.8 table 9-11)."""

_MOST_CONTEXTS = 128
"""Presentation contexts have odd numbers from 1 to 255 (PS3.8 9.3.2.2)."""
_MOST_ITEMS = 10_000
"""Items of all depths: 128 contexts of every transfer syntax there is, and as many roles, are fewer."""

_CONTEXT, _USER_INFORMATION, _COMMON_EXTENDED = 0x20, 0x50, 0x57
_SHORTEST_RELATED = 4
"""Bytes of one related SOP class, so that the lists within an item 57H count as well (PS3.7 D.3.3.6)."""


def calling_and_called(request: bytearray) -> tuple[str, str] | None:
    """Calling and called AE title without padding, None while they have not come.

    What no AE title may hold is replaced by a character that none on a list can have (PS3.5 6.2).
    """
    return (_title(request[26:42]), _title(request[10:26])) if len(request) >= FIXED else None


def rejection(result: int, source: int, reason: int) -> bytes:
    """An A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
    return bytes((3, 0, 0, 0, 0, 4, 0, result, source, reason))


def count_items(request: bytearray) -> None:
    """ValueError for more items than anybody needs: each costs its decoder a fraction of a millisecond."""
    contexts = items = 0
    for kind, start, end in _items(request, FIXED, len(request)):
        contexts += kind == _CONTEXT
        items += 1
        inner = start + 4 if kind == _CONTEXT else start if kind == _USER_INFORMATION else end
        for kind_inside, start_inside, end_inside in _items(request, inner, end):
            related = kind_inside == _COMMON_EXTENDED
            items += 1 + related * ((end_inside - start_inside) // _SHORTEST_RELATED)
            if items > _MOST_ITEMS:
                break
        if contexts > _MOST_CONTEXTS or items > _MOST_ITEMS:
            raise ValueError("nobody asks for that many")


def _items(data: bytearray, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Type, start and end of the value of each item; one that is cut short ends with the data."""
    while at + 4 <= end:
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        yield data[at], at + 4, min(at + 4 + length, end)
        at += 4 + length


def _title(field: bytearray) -> str:
    text = field.decode("ascii", "replace").strip(" \0")
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
