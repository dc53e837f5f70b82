"""Writes a tree of `odd_reader` as explicit VR little endian: values swapped and padded, otherwise as they were."""

from __future__ import annotations

import os
import struct
from array import array
from dataclasses import dataclass
from typing import BinaryIO

from stowgate.dicom.budget import Budget
from stowgate.dicom.odd_reader import Node, Nodes, Window
from stowgate.dicom.walk import ITEM, ITEM_END, LONG_VRS, PIXEL_DATA, SEQUENCE_END, UNDEFINED

_CHUNK = 1024 * 1024
_LONG = frozenset(vr.decode() for vr in LONG_VRS)
_WIDTHS = {"US": 2, "SS": 2, "OW": 2, "AT": 2} | dict.fromkeys(("UL", "SL", "FL", "OF", "OL"), 4)
_WIDTHS |= dict.fromkeys(("FD", "OD", "SV", "UV", "OV"), 8)
_SMALLEST = {"AT": 4}
_TYPES = {2: "H", 4: "I", 8: "Q"}
_NUL_PADDED = frozenset(("UI", "OB", "UN"))
_PIXEL_REPRESENTATION, _BITS_ALLOCATED = 0x00280103, 0x00280100


@dataclass(frozen=True, slots=True)
class _Context:
    """What decides an open VR: Pixel Representation of the data set or, failing that, of one around it."""

    signed: bool = False
    bits: int = 16


class Writer:
    """Writes to `out`, reading values from `window`."""

    def __init__(self, window: Window, out: BinaryIO, budget: Budget) -> None:
        self.window, self.out, self.budget = window, out, budget

    def file_meta(self, syntax: str, sop_class: bytes, instance: bytes) -> None:
        """Preamble, prefix and the least File Meta Information a reader needs (PS3.10 7.1)."""
        body = struct.pack("<HH2sHIH", 2, 1, b"OB", 0, 2, 0x0100)
        for element, value in ((0x02, sop_class), (0x03, instance), (0x10, syntax.encode())):
            padded = value + b"\0" * (len(value) & 1)
            body += struct.pack("<HH2sH", 2, element, b"UI", len(padded)) + padded
        self.out.write(bytes(128) + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(body)) + body)

    def data_set(self, nodes: Nodes, around: _Context | None = None) -> None:
        """All elements in ascending order of their tags (PS3.5 7.1)."""
        context = self._context(nodes, around or _Context())
        for tag in sorted(nodes):
            self.budget.spend(0)
            node = nodes[tag]
            if node.items is not None:
                self._sequence(tag, node.items, context)
            elif node.fragments:
                self._header(tag, "OB" if node.vr == "OB or OW" else node.vr, UNDEFINED)
                self._copy(node.offset, node.length, 1)
                self._delimiter(SEQUENCE_END)
            else:
                self._value(node, context)

    def _sequence(self, tag: int, items: list[Nodes], context: _Context) -> None:
        self._header(tag, "SQ", UNDEFINED)
        for item in items:
            self._delimiter(ITEM, UNDEFINED)
            self.data_set(item, context)
            self._delimiter(ITEM_END)
        self._delimiter(SEQUENCE_END)

    def _value(self, node: Node, context: _Context) -> None:
        vr = _settled(node.vr, context)
        width = _WIDTHS.get(vr, 1)
        if node.length % _SMALLEST.get(vr, width) or (node.length > 0xFFFE and vr not in _LONG):
            vr, width = "UN", 1  # not a value of its VR, or too long for it: PS3.5 6.2.2 note 2
        if node.tag == PIXEL_DATA and vr == "OW" and context.bits in (32, 64) and not node.length * 8 % context.bits:
            width = context.bits // 8
        padding = node.length & 1
        self._header(node.tag, vr, node.length + padding)
        self._copy(node.offset, node.length, width if node.big else 1)
        if padding:
            self.out.write(b"\0" if vr in _NUL_PADDED else b" ")

    def _header(self, tag: int, vr: str, length: int) -> None:
        if vr in _LONG:
            self.out.write(struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr.encode(), 0, length))
        else:
            self.out.write(struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr.encode(), length))

    def _delimiter(self, tag: int, length: int = 0) -> None:
        self.out.write(struct.pack("<HHI", tag >> 16, tag & 0xFFFF, length))

    def _copy(self, offset: int, length: int, width: int) -> None:
        """Bytes of the input, at most 1 MiB in memory; `width` > 1 swaps each word of so many bytes."""
        if length <= _CHUNK:
            self.out.write(_swapped(self.window.at(offset, length), width))
            return
        for start in range(offset, offset + length, _CHUNK):
            self.budget.spend(0)
            data = os.pread(self.window.fd, min(_CHUNK, offset + length - start), start)
            self.out.write(_swapped(data, width))

    def _context(self, nodes: Nodes, around: _Context) -> _Context:
        signed = self._number(nodes.get(_PIXEL_REPRESENTATION))
        bits = self._number(nodes.get(_BITS_ALLOCATED))
        if signed is None and bits is None:
            return around
        return _Context(around.signed if signed is None else signed == 1, around.bits if bits is None else bits)

    def _number(self, node: Node | None) -> int | None:
        if node is None or node.length != 2:
            return None
        return int.from_bytes(self.window.at(node.offset, 2), "big" if node.big else "little")


def _settled(vr: str, context: _Context) -> str:
    """One VR out of "US or SS", "OB or OW", "US or OW", "US or SS or OW" (PS3.3 C.7.6.3.1, PS3.5 A.1)."""
    choices = vr.split(" or ")
    if len(choices) == 1:
        return vr
    if "OW" in choices:
        return "OW"
    return "SS" if context.signed else "US"


def _swapped(data: bytes, width: int) -> bytes:
    if width == 1:
        return data
    words = array(_TYPES[width], data)
    words.byteswap()
    return words.tobytes()
