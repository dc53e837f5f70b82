"""Reads a data set in any encoding DICOM ever had into a tree of places in the file (PS3.5 section 7, Annex A).

Strict where pydicom's reader is lenient: a value shorter than its length says, a second element of the same tag and a
missing delimiter are refused. Values are not read, so a large object costs no memory. Runs in the child only.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

from pydicom.datadict import dictionary_VR, private_dictionary_VR

from stowgate.dicom.budget import Budget
from stowgate.dicom.walk import ITEM, ITEM_END, LONG_VRS, SEQUENCE_END, SHORT_VRS, UNDEFINED
from stowgate.errors import Rejected

_AHEAD = 64 * 1024
_DROPPED_GROUPS = frozenset((0x0000, 0x0002))
"""Command and file meta elements have no place in a data set; left in, they would pass for file meta."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """Explicit or implicit VR, big or little endian."""

    explicit: bool
    big: bool = False

    @property
    def order(self) -> str:
        """Byte order as `struct` writes it."""
        return ">" if self.big else "<"


IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG = Encoding(False), Encoding(True), Encoding(True, big=True)


@dataclass(slots=True)
class Node:
    """One element: its VR ("US or SS" and the like where the dictionary leaves it open) and where its value lies.

    Sequences have `items`; encapsulated Pixel Data has `fragments` and a range that ends before the delimiter.
    """

    tag: int
    vr: str
    offset: int
    length: int
    big: bool = False
    items: list[Nodes] | None = None
    fragments: bool = False


Nodes = dict[int, Node]
"""One data set, by tag."""


class Window:
    """Random access to a file through a small window that moves along with the reader."""

    def __init__(self, fd: int, size: int) -> None:
        self.fd, self.size = fd, size
        self._base, self._data = 0, b""

    def at(self, pos: int, length: int) -> bytes:
        """Up to `length` bytes from `pos`; fewer only at the end."""
        start = pos - self._base
        if start < 0 or start + length > len(self._data):
            self._base, start = pos, 0
            self._data = os.pread(self.fd, min(max(length, _AHEAD), max(self.size - pos, 0)), pos)
        return self._data[start : start + length]

    def only_nul(self, pos: int) -> bool:
        """Whether nothing but NUL bytes follows, and room for an element: padding as some archives write it."""
        if self.size - pos < 8:
            return False
        while pos < self.size:
            data = self.at(pos, _AHEAD)
            if data.strip(b"\0"):
                return False
            pos += len(data)
        return True


def header(head: bytes, encoding: Encoding) -> tuple[str, int, int]:
    """VR ("" where the file gives none), length of the value, and length of the header itself, from its first 12 bytes.

    An element without VR letters in an explicit data set is an implicit one. An unknown VR has a 32-bit length
    (PS3.5 6.2.2 note 1) unless the reserved bytes are in use.
    """
    vr = head[4:6]
    if encoding.explicit and vr.isalpha() and vr.isupper():
        if vr in LONG_VRS or (vr not in SHORT_VRS and head[6:8] == b"\0\0"):
            if len(head) < 12:
                raise Rejected("truncated")
            return _known(vr), struct.unpack_from(f"{encoding.order}I", head, 8)[0], 12
        return _known(vr), struct.unpack_from(f"{encoding.order}H", head, 6)[0], 8
    return "", struct.unpack_from(f"{encoding.order}I", head, 4)[0], 8


def _known(vr: bytes) -> str:
    return vr.decode() if vr in SHORT_VRS or vr in LONG_VRS else "UN"


def tag_at(head: bytes, encoding: Encoding) -> int:
    """Group << 16 | element of the first four bytes."""
    group, element = struct.unpack_from(f"{encoding.order}HH", head)
    return int(group << 16 | element)


def dictionary_vr(tag: int) -> str:
    """The VR of a standard attribute, repeating groups too; "UN" if unknown."""
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


class Reader:
    """Follows one file; `budget` bounds elements, depth and time."""

    def __init__(self, window: Window, budget: Budget) -> None:
        self.window = window
        self.budget = budget

    def data_set(
        self, pos: int, end: int, encoding: Encoding, depth: int = 0, open_ended: bool = False, cut: str = "truncated"
    ) -> tuple[Nodes, int]:
        """The elements from `pos`, and where they end. `cut` is the code for a value that reaches past `end`."""
        nodes: Nodes = {}
        while pos < end:
            head = self.window.at(pos, min(12, end - pos))
            if not depth and not head.strip(b"\0") and self.window.only_nul(pos):
                break
            if len(head) < 8:
                raise Rejected(cut)
            tag = tag_at(head, encoding)
            if tag >> 16 == 0xFFFE:
                if open_ended and tag == ITEM_END:
                    return nodes, pos + 8
                raise Rejected("bad_structure")
            node, pos = self._element(head, tag, pos, end, encoding, depth, cut, nodes)
            if tag & 0xFFFF == 0 or tag >> 16 in _DROPPED_GROUPS:
                continue
            if tag in nodes:
                raise Rejected("duplicate_element")
            nodes[tag] = node
            self.budget.hold(len(nodes))
        if open_ended:
            raise Rejected(cut)
        return nodes, pos

    def _element(
        self, head: bytes, tag: int, pos: int, end: int, encoding: Encoding, depth: int, cut: str, nodes: Nodes
    ) -> tuple[Node, int]:
        self.budget.spend(1)
        written, length, size = header(head, encoding)
        value = pos + size
        vr = written if written not in ("", "UN") else self._look_up(tag, nodes)
        inner = IMPLICIT_LITTLE if written == "UN" else encoding
        node = Node(tag, vr, value, length, inner.big)
        if length == UNDEFINED:
            if vr in ("OB", "OW", "OB or OW"):
                return node, self._fragments(node, end)
            if vr != "SQ" and written not in ("", "UN"):
                raise Rejected("bad_structure")
            node.vr = "SQ"
            node.items, stop = self._items(value, end, inner, depth + 1, True, cut)
            return node, stop
        stop = value + length
        if stop > end:
            raise Rejected(cut)
        if vr == "SQ":
            self._closed_sequence(node, stop, inner, depth, written)
        return node, stop

    def _closed_sequence(self, node: Node, stop: int, encoding: Encoding, depth: int, written: str) -> None:
        """A sequence of defined length; one that only the dictionary calls a sequence may turn out to be none."""
        try:
            node.items, _ = self._items(node.offset, stop, encoding, depth + 1, False, "bad_structure")
        except Rejected as refused:
            if written == "SQ" or refused.code != "bad_structure":
                raise
            node.vr = "UN"

    def _items(
        self, pos: int, end: int, encoding: Encoding, depth: int, open_ended: bool, cut: str
    ) -> tuple[list[Nodes], int]:
        self.budget.descend(depth)
        items: list[Nodes] = []
        while pos < end:
            head = self.window.at(pos, min(8, end - pos))
            if len(head) < 8:
                raise Rejected(cut)
            tag = tag_at(head, encoding)
            (length,) = struct.unpack_from(f"{encoding.order}I", head, 4)
            pos += 8
            if tag == SEQUENCE_END and open_ended:
                return items, pos
            if tag != ITEM:
                raise Rejected("bad_structure")
            self.budget.spend(1)
            if length == UNDEFINED:
                nodes, pos = self.data_set(pos, end, self.settle(pos, encoding), depth, True, cut)
            else:
                if pos + length > end:
                    raise Rejected(cut)
                stop = pos + length
                nodes, pos = self.data_set(pos, stop, self.settle(pos, encoding), depth, False, "bad_structure")
            items.append(nodes)
        if open_ended:
            raise Rejected(cut)
        return items, pos

    def _fragments(self, node: Node, end: int) -> int:
        """Hops over the fragments of encapsulated Pixel Data, which are little endian always (PS3.5 A.4)."""
        pos = node.offset
        while end - pos >= 8:
            head = self.window.at(pos, 8)
            tag = tag_at(head, EXPLICIT_LITTLE)
            (length,) = struct.unpack_from("<I", head, 4)
            if tag == SEQUENCE_END:
                node.fragments, node.length = True, pos - node.offset
                return pos + 8
            if tag != ITEM or length == UNDEFINED:
                raise Rejected("bad_structure")
            self.budget.spend(1)
            pos += 8 + length
        raise Rejected("truncated")

    def settle(self, pos: int, declared: Encoding) -> Encoding:
        """How the data set at `pos` is really encoded: some are explicit where they should be implicit, or swapped.

        Only VR letters that are right for the tag speak against the declaration, where they are not right for it as it
        is declared: some tags are known in both orders. "SQ" may be an implicit length.
        """
        head = self.window.at(pos, 8)
        if len(head) < 8 or head[4:6] not in SHORT_VRS | LONG_VRS or head[4:6] == b"UN":
            return declared
        vr = head[4:6].decode()
        first: tuple[Encoding, ...] = (declared,) if declared.explicit else ()
        for encoding in (*first, EXPLICIT_LITTLE, EXPLICIT_BIG):
            known = dictionary_vr(tag_at(head, encoding)).split(" or ")
            if vr in known and (declared.explicit or vr != "SQ"):
                return encoding
        return declared

    def _look_up(self, tag: int, nodes: Nodes) -> str:
        """The VR of an element that comes without one (PS3.5 6.2.2, 7.8.1)."""
        group, element = tag >> 16, tag & 0xFFFF
        if not group & 1:
            return dictionary_vr(tag)
        if 0x10 <= element <= 0xFF:
            return "LO"
        creator = nodes.get(group << 16 | element >> 8)
        if creator is None or creator.length > 64:
            return "UN"
        name = self.window.at(creator.offset, creator.length).decode("latin-1").strip(" \0")
        try:
            return private_dictionary_VR(tag, name)
        except KeyError:
            return "UN"
