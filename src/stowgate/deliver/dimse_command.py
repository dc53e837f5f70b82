"""Command sets of the DIMSE services that are asked for here, and what a peer, who may say anything, answers."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

C_STORE, C_GET, C_FIND, C_ECHO = 0x0001, 0x0010, 0x0020, 0x0030
N_EVENT_REPORT, N_ACTION = 0x0100, 0x0130
RESPONSE = 0x8000
"""Command Field (PS3.7 E.1); a response has the highest bit as well."""

_NO_DATA_SET, _DATA_SET = 0x0101, 0x0000
_LONGEST = 1 << 16
_element = struct.Struct("<HHI")


def store(message: int, sop_class: str, sop_instance: str, priority: int = 0) -> bytes:
    """A C-STORE request (PS3.7 9.3.1.1)."""
    return _command(C_STORE, message, sop_class, _DATA_SET, {0x0700: _us(priority), 0x1000: _ui(sop_instance)})


def find(message: int, model: str) -> bytes:
    """A C-FIND request (PS3.7 9.3.2.1); its identifier follows."""
    return _command(C_FIND, message, model, _DATA_SET, {0x0700: _us(0)})


def get(message: int, model: str) -> bytes:
    """A C-GET request (PS3.7 9.3.3.1); its identifier follows."""
    return _command(C_GET, message, model, _DATA_SET, {0x0700: _us(0)})


def stored(message: int, sop_class: str, sop_instance: str, status: int = 0) -> bytes:
    """The answer to a C-STORE request (PS3.7 9.3.1.2)."""
    more = {0x0120: _us(message), 0x0900: _us(status), 0x1000: _ui(sop_instance)}
    return _command(C_STORE | RESPONSE, None, sop_class, _NO_DATA_SET, more)


def action(message: int, sop_class: str, sop_instance: str, kind: int) -> bytes:
    """An N-ACTION request (PS3.7 10.1.4.1); what it is about follows."""
    more = {0x0003: _ui(sop_class), 0x1001: _ui(sop_instance), 0x1008: _us(kind)}
    return _command(N_ACTION, message, None, _DATA_SET, more)


def noted(message: int, sop_class: str, sop_instance: str, kind: int, status: int) -> bytes:
    """The answer to an N-EVENT-REPORT request (PS3.7 10.1.1.1)."""
    more = {0x0120: _us(message), 0x0900: _us(status), 0x1000: _ui(sop_instance), 0x1002: _us(kind)}
    return _command(N_EVENT_REPORT | RESPONSE, None, sop_class, _NO_DATA_SET, more)


def echo(message: int) -> bytes:
    """A C-ECHO request (PS3.7 9.3.5.1)."""
    return _command(C_ECHO, message, "1.2.840.10008.1.1", _NO_DATA_SET, {})


def identifier(values: Mapping[int, str]) -> bytes:
    """Texts and UIDs by tag as a data set, implicit VR little endian."""
    return b"".join(
        _put(tag >> 16, tag & 0xFFFF, _padded(text, b"\0" if _is_uid(tag) else b" "))
        for tag, text in sorted(values.items())
    )


def numbers(command: bytes) -> Mapping[int, int]:
    """Numbers of a command set by element; of what is not plainly written, nothing."""
    found = elements(command, {0x00000100, 0x00000110, 0x00000120, 0x00000800, 0x00000900, 0x00001002})
    return {tag & 0xFFFF: int.from_bytes(value, "little") for tag, value in found.items() if len(value) == 2}


def elements(data: bytes, wanted: Iterable[int]) -> dict[int, bytes]:
    """The values of these tags at the first level of an implicit little endian data set, up to the first oddity."""
    left, found, at = set(wanted), {}, 0
    while left and at + 8 <= len(data):
        group, element, length = _element.unpack_from(data, at)
        tag, at = group << 16 | element, at + 8
        if length > _LONGEST or at + length > len(data):
            break  # a sequence of undefined length, or nonsense; what is wanted stands before
        if tag in left:
            found[tag] = data[at : at + length]
            left.discard(tag)
        at += length
    return found


def _command(field: int, message: int | None, sop_class: str | None, data_set: int, more: Mapping[int, bytes]) -> bytes:
    """`message` is None in an answer, which names the one it answers; `sop_class` where that is no affected one."""
    values = {0x0100: _us(field), 0x0800: _us(data_set), **more}
    values |= {0x0110: _us(message)} if message is not None else {}
    values |= {0x0002: _ui(sop_class)} if sop_class is not None else {}
    body = b"".join(_put(0, element, value) for element, value in sorted(values.items()))
    return _put(0, 0, struct.pack("<I", len(body))) + body


def _put(group: int, element: int, value: bytes) -> bytes:
    return _element.pack(group, element, len(value)) + value


def _us(number: int) -> bytes:
    return struct.pack("<H", number)


def _ui(uid: str) -> bytes:
    return _padded(uid, b"\0")


def _padded(text: str, pad: bytes) -> bytes:
    data = text.encode("ascii")
    return data + pad * (len(data) % 2)


def _is_uid(tag: int) -> bool:
    return tag in (0x00080016, 0x00080018, 0x0020000D, 0x0020000E)
