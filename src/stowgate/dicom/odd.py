"""Brings one object of an odd but legible encoding to a Part 10 file in explicit VR little endian. Child only."""

from __future__ import annotations

from stowgate.dicom import odd_layout
from stowgate.dicom.budget import Budget
from stowgate.dicom.limits import Limits
from stowgate.dicom.odd_reader import Nodes, Reader, Window
from stowgate.dicom.odd_writer import Writer
from stowgate.dicom.walk import PIXEL_DATA
from stowgate.errors import Rejected

_SOP_CLASS, _SOP_INSTANCE = 0x00080016, 0x00080018


def rewrite(given: int, inflated: int, written: int, size: int, limits: Limits) -> None:
    """Write the object behind descriptor `given` (`size` bytes) to `written`; `inflated` is room for a deflated one.

    Values stay as they are, but for byte order and padding; encapsulated syntaxes and fragments stay what they are;
    group lengths, command and misplaced file meta elements go. Raises `Rejected`.
    """
    budget = Budget(limits)
    window = Window(given, size)
    layout = odd_layout.find(window, budget)
    start = layout.start
    if layout.deflated:
        with open(inflated, "wb", closefd=False) as room:
            window = Window(inflated, odd_layout.inflate(window, start, room, limits, budget))
        start = 0
    nodes, _ = Reader(window, budget).data_set(start, window.size, layout.encoding)
    sop_class, instance = _text(window, nodes, _SOP_CLASS), _text(window, nodes, _SOP_INSTANCE)
    if not (layout.prefixed or sop_class or instance):
        raise Rejected("not_dicom")
    if PIXEL_DATA in nodes and nodes[PIXEL_DATA].fragments and not layout.named:
        raise Rejected("cannot_normalise")
    with open(written, "wb", closefd=False) as out:
        writer = Writer(window, out, budget)
        writer.file_meta(layout.syntax, sop_class or layout.media_sop_class, instance or layout.media_instance)
        writer.data_set(nodes)


def _text(window: Window, nodes: Nodes, tag: int) -> bytes:
    node = nodes.get(tag)
    return window.at(node.offset, node.length).strip(b" \0") if node is not None and node.length <= 66 else b""
