"""A strict reader of what was written: every byte accounted for, ascending tags, even lengths, little endian only."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from tests.oracle.tables import dictionary_vrs

LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
SHORT = (
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS",
    b"ST", b"TM", b"UI", b"UL", b"US",
)  # fmt: skip
UNDEFINED = 0xFFFFFFFF
IMPLICIT = "1.2.840.10008.1.2"


class Malformed(Exception):
    """The bytes are not a plain Part 10 file; the text names a place, never a value."""


@dataclass
class Node:
    """One element: `items` for a sequence, else `value` (encapsulated: fragments with headers, without delimiter)."""

    tag: int
    vr: str | None
    value: bytes = b""
    items: list[list[Node]] | None = None


@dataclass
class File:
    """A whole file. `implicit` says how the data set is encoded; `syntax` is the transfer syntax."""

    preamble: bytes
    meta: list[Node]
    body: list[Node]
    implicit: bool
    syntax: str
    by_tag: dict[int, Node] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.by_tag = {node.tag: node for node in self.body}


def read(data: bytes) -> File:
    """Read a whole file or raise `Malformed`."""
    if data[128:132] != b"DICM":
        raise Malformed("no DICM")
    head = _Reader(data, implicit=False)
    meta, pos = head.meta(132)
    syntax = next((n.value.rstrip(b"\0 ").decode("ascii") for n in meta if n.tag == 0x00020010), "")
    implicit = syntax == IMPLICIT
    reader = _Reader(data, implicit)
    body, end = reader.elements(pos, len(data))
    if end != len(data):
        raise Malformed("bytes after the last element")
    return File(data[:128], meta, body, implicit, syntax)


class _Reader:
    def __init__(self, data: bytes, implicit: bool) -> None:
        self.data, self.implicit = data, implicit

    def meta(self, pos: int) -> tuple[list[Node], int]:
        nodes: list[Node] = []
        while pos < len(self.data) and self.data[pos : pos + 2] == b"\2\0":
            node, pos = self.element(pos, len(self.data), nodes[-1].tag if nodes else -1)
            nodes.append(node)
        return nodes, pos

    def elements(self, pos: int, end: int, closed_by: int | None = None) -> tuple[list[Node], int]:
        nodes: list[Node] = []
        while pos < end:
            if closed_by is not None and struct.unpack_from("<HHI", self.data, pos) == (0xFFFE, closed_by, 0):
                return nodes, pos + 8
            node, pos = self.element(pos, end, nodes[-1].tag if nodes else -1)
            nodes.append(node)
        if closed_by is not None:
            raise Malformed("item without delimiter")
        return nodes, pos

    def element(self, pos: int, end: int, last: int) -> tuple[Node, int]:
        if end - pos < 8:
            raise Malformed("half an element")
        group, number = struct.unpack_from("<HH", self.data, pos)
        tag = group << 16 | number
        if tag <= last:
            raise Malformed(f"{tag:08X} out of order")
        vr, start, length = self._head(pos, tag, end)
        if length == UNDEFINED:
            return self._undefined(tag, vr, start, end)
        if start + length > end:
            raise Malformed(f"{tag:08X} longer than its place")
        if length % 2:
            raise Malformed(f"{tag:08X} of odd length")
        if vr == "SQ" or (vr is None and dictionary_vrs(tag) == ("SQ",)):
            return Node(tag, vr, items=self.items(start, start + length)[0]), start + length
        return Node(tag, vr, self.data[start : start + length]), start + length

    def _head(self, pos: int, tag: int, end: int) -> tuple[str | None, int, int]:
        if self.implicit:
            return None, pos + 8, struct.unpack_from("<I", self.data, pos + 4)[0]
        vr = self.data[pos + 4 : pos + 6]
        if vr in SHORT:
            return vr.decode(), pos + 8, struct.unpack_from("<H", self.data, pos + 6)[0]
        if vr not in LONG or end - pos < 12:
            raise Malformed(f"{tag:08X} without a VR")
        return vr.decode(), pos + 12, struct.unpack_from("<I", self.data, pos + 8)[0]

    def _undefined(self, tag: int, vr: str | None, start: int, end: int) -> tuple[Node, int]:
        if vr in ("OB", "OW"):
            stop = self._fragments(start, end)
            return Node(tag, vr, self.data[start : stop - 8]), stop
        if vr not in ("SQ", None):
            raise Malformed(f"{tag:08X} of undefined length")
        items, stop = self.items(start, end, open_ended=True)
        return Node(tag, vr, items=items), stop

    def _fragments(self, pos: int, end: int) -> int:
        while end - pos >= 8:
            group, number, length = struct.unpack_from("<HHI", self.data, pos)
            pos += 8
            if (group, number, length) == (0xFFFE, 0xE0DD, 0):
                return pos
            if (group, number) != (0xFFFE, 0xE000) or length % 2 or length == UNDEFINED:
                break
            pos += length
        raise Malformed("fragments without an end")

    def items(self, pos: int, end: int, open_ended: bool = False) -> tuple[list[list[Node]], int]:
        found: list[list[Node]] = []
        while pos < end:
            if end - pos < 8:
                raise Malformed("half an item")
            group, number, length = struct.unpack_from("<HHI", self.data, pos)
            if open_ended and (group, number, length) == (0xFFFE, 0xE0DD, 0):
                return found, pos + 8
            if (group, number) != (0xFFFE, 0xE000):
                raise Malformed("something else than an item")
            pos += 8
            if length == UNDEFINED:
                nodes, pos = self.elements(pos, end, closed_by=0xE00D)
            else:
                if pos + length > end:
                    raise Malformed("item longer than its place")
                nodes, pos = self.elements(pos, pos + length)
            found.append(nodes)
        if open_ended:
            raise Malformed("sequence without delimiter")
        return found, pos
