"""Element for element: what the engine wrote against what the oracle made. Differences name places, never values."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom import Dataset

from tests.oracle.access import children, file_vr, items_of, raw_value
from tests.oracle.reader import File, Node, read

PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
IMPLEMENTATION_VERSION = b"STOWGATE_1"
Leaf = tuple[str | None, bytes | int]
Flat = dict[str, Leaf]
"""Place -> VR and value, or the number of items of a sequence."""


def name_of(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def flat_nodes(nodes: list[Node], prefix: str = "") -> Flat:
    """All elements of what the strict reader read."""
    found: Flat = {}
    for node in nodes:
        place = prefix + name_of(node.tag)
        found[place] = (node.vr, node.value if node.items is None else len(node.items))
        for number, inner in enumerate(node.items or []):
            found |= flat_nodes(inner, f"{place}[{number}].")
    return found


def flat_dataset(ds: Dataset, implicit: bool, prefix: str = "") -> Flat:
    """All elements of an oracle's data set."""
    found: Flat = {}
    for element in children(ds):
        place = prefix + name_of(int(element.tag))
        vr = None if implicit else file_vr(element)
        items = items_of(element)
        found[place] = (vr, raw_value(element) if items is None else len(items))
        for number, inner in enumerate(items or []):
            found |= flat_dataset(inner, implicit, f"{place}[{number}].")
    return found


def differences(engine: Flat, oracle: Flat) -> Iterator[str]:
    """One line per element that is not the same in both."""
    for place in sorted(engine.keys() | oracle.keys()):
        ours, theirs = engine.get(place), oracle.get(place)
        if ours == theirs or _only_renamed(place, ours, theirs):
            continue
        if ours is None:
            yield f"{place} missing in the engine's output ({_shape(theirs)} in the oracle's)"
        elif theirs is None:
            yield f"{place} only in the engine's output ({_shape(ours)})"
        elif ours[0] != theirs[0]:
            yield f"{place} VR {ours[0]} in the engine's output, {theirs[0]} in the oracle's"
        else:
            yield f"{place} {ours[0] or ''} values differ: engine {_shape(ours)}, oracle {_shape(theirs)}"


def _only_renamed(place: str, ours: Leaf | None, theirs: Leaf | None) -> bool:
    """pydicom forgets, while it reads, that an empty element or the character set was written as UN."""
    if ours is None or theirs is None or ours[0] != "UN" or ours[1] != theirs[1]:
        return False
    return ours[1] == b"" or place.endswith("(0008,0005)")


def _shape(leaf: Leaf | None) -> str:
    assert leaf is not None
    return f"{leaf[1]} items" if isinstance(leaf[1], int) else f"{len(leaf[1])} bytes"


def assert_same(written: bytes, expected: Dataset, expected_uid: bytes, implicit: bool) -> None:
    """The whole file: preamble, meta information, every element at every depth."""
    file = read(written)
    assert file.preamble == bytes(128), "the preamble is not empty"
    assert file.implicit == implicit, "implicit VR became explicit, or the other way round"
    found = list(differences(flat_nodes(file.body), flat_dataset(expected, implicit)))
    assert not found, "\n".join([f"{len(found)} differences", *found[:40]])
    assert_meta(file, expected_uid)


def assert_meta(file: File, instance: bytes) -> None:
    """File meta information is ours and complete, and names the instance that follows."""
    meta = {node.tag: node.value for node in file.meta}
    assert sorted(meta) == [0x00020000, 0x00020001, 0x00020002, 0x00020003, 0x00020010, 0x00020012, 0x00020013]
    assert meta[0x00020001] == b"\0\1"
    assert meta[0x00020002].rstrip(b"\0") == file.by_tag[0x00080016].value.rstrip(b"\0 ")
    assert meta[0x00020003].rstrip(b"\0") == instance.rstrip(b"\0 ")
    assert meta[0x00020012].startswith(b"2.25.")
    assert meta[0x00020013] == IMPLEMENTATION_VERSION
    length = sum(len(v) + (12 if t == 0x00020001 else 8) for t, v in meta.items() if t != 0x00020000)
    assert int.from_bytes(meta[0x00020000], "little") == length
