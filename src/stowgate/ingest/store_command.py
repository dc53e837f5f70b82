"""The command sets of C-STORE, read and written at once: every instance has two, and most look alike."""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

_REQUEST, _RESPONSE, _NO_DATA_SET = 0x0001, 0x8001, 0x0101
"""Command Field and Command Data Set Type (PS3.7 9.3.1)."""

_NUMBERS = {0x0100, 0x0110, 0x0700, 0x0800, 0x1031}
_UIDS = {0x0002, 0x1000}
_NAMES = {0x1030}
"""Elements of a request by their kind: unsigned shorts, UIDs, AE titles (PS3.7 9.3.1.1)."""

_is_uid = re.compile(rb"[0-9.]{1,64}\0?").fullmatch
_header = struct.Struct("<HHI")
_element = struct.Struct("<HHI").pack
_number = struct.Struct("<HHIH").pack


def store_response(message: int, sop_class: str, sop_instance: str, status: int) -> bytes:
    """Implicit VR little endian with its group length, as PS3.7 6.3.1 and 9.3.1.2 have it.

    message -- Message ID of the request; status -- PS3.7 annex C
    """
    body = b"".join(
        (
            _uid(0x0002, sop_class), _number(0, 0x0100, 2, _RESPONSE), _number(0, 0x0120, 2, message),
            _number(0, 0x0800, 2, _NO_DATA_SET), _number(0, 0x0900, 2, status), _uid(0x1000, sop_instance),
        )
    )  # fmt: skip
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def _uid(element: int, value: str) -> bytes:
    data = value.encode("ascii")
    data += b"\0" * (len(data) % 2)
    return _element(0, element, len(data)) + data


class StoreRequest(NamedTuple):
    """What the command of a C-STORE says (PS3.7 9.3.1.1)."""

    message: int
    sop_class: str
    sop_instance: str
    priority: int


def store_request(data: bytes | memoryview) -> StoreRequest | None:
    """A whole command set of a C-STORE request; None for any other, and for one that is not plainly written."""
    found = _elements(bytes(data))
    if found is None or not {0x0002, 0x0100, 0x0110, 0x0700, 0x0800, 0x1000} <= found.keys():
        return None
    numbers = {tag: int.from_bytes(value, "little") for tag, value in found.items() if tag in _NUMBERS}
    if numbers[0x0100] != _REQUEST or numbers[0x0800] == _NO_DATA_SET:
        return None
    sop_class, sop_instance = (found[tag].rstrip(b"\0").decode("ascii") for tag in (0x0002, 0x1000))
    return StoreRequest(numbers[0x0110], sop_class, sop_instance, numbers[0x0700])


def _elements(data: bytes) -> dict[int, bytes] | None:
    """The elements behind a group length that is right, in order, each once and of its kind."""
    if data[:8] != b"\0\0\0\0\4\0\0\0" or int.from_bytes(data[8:12], "little") != len(data) - 12:
        return None
    found: dict[int, bytes] = {}
    at, last = 12, 0
    while at + 8 <= len(data):
        group, tag, length = _header.unpack_from(data, at)
        value = data[at + 8 : at + 8 + length]
        if group or tag <= last or len(value) < length or not _is_sound(tag, value):
            return None
        found[tag], last, at = value, tag, at + 8 + length
    return found if at == len(data) else None


def _is_sound(tag: int, value: bytes) -> bool:
    if tag in _UIDS:
        return len(value) % 2 == 0 and _is_uid(value) is not None
    return len(value) == 2 if tag in _NUMBERS else tag in _NAMES
