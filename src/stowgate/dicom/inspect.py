"""Lists the elements of one object at every depth, with sizes, and with values only if they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stowgate.dicom.charset import codecs_of, decode
from stowgate.dicom.limits import Limits
from stowgate.dicom.scanner import Buffer, Scan, scan
from stowgate.dicom.source import ByteSource
from stowgate.dicom.walk import Elements, Walked, is_undefined, items
from stowgate.standard.dictionary import keyword_of

TEXT_VRS = frozenset(b"AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT".split())
_NUMBERS = {b"US": (2, False), b"SS": (2, True), b"UL": (4, False), b"SL": (4, True)}
_SHOWN = 64


@dataclass(frozen=True, slots=True)
class SeenElement:
    """One element: its place, VR, length of its value in bytes, and the value as text if it was asked for."""

    where: str
    depth: int
    vr: str
    length: int
    keyword: str
    value: str | None

    def as_json(self, values: bool) -> dict[str, str | int | None]:
        """For scripts."""
        plain: dict[str, str | int | None] = {
            "kind": "element",
            "where": self.where,
            "vr": self.vr,
            "length": self.length,
            "keyword": self.keyword,
        }
        return {**plain, "value": self.value} if values else plain

    def as_text(self, values: bool) -> str:
        """For people."""
        tag = self.where.rsplit(".", 1)[-1]
        text = f"{'  ' * self.depth}{tag} {self.vr} {self.length:>9,}  {self.keyword}"
        return f"{text:<64} {self.value}" if values and self.value is not None else text


@dataclass(frozen=True, slots=True)
class Seen:
    """One object, looked at."""

    scan: Scan
    elements: tuple[SeenElement, ...]

    @property
    def pixels(self) -> str:
        """How its Pixel Data is stored, in words."""
        if self.scan.encapsulated:
            return "encapsulated"
        length = self.scan.pixel_length
        return "none" if length is None else f"native, {length:,} bytes"


def look_at(source: ByteSource, limits: Limits, values: bool) -> Seen:
    """Everything in one little endian Part 10 object; raises as `scanner.scan` does."""
    found = scan(source, limits, Buffer())
    found.codecs = codecs_of(found.get(0x00080005) or b"")
    elements: list[SeenElement] = []
    for segment in found.segments:
        for seen in _elements(found, segment.view, segment.elements, "", 0, values):
            bulk = segment.bulk and seen.where == _tag(segment.bulk)
            elements.append(SeenElement(*_with_length(seen, segment.value.length)) if bulk else seen)
    return Seen(found, tuple(elements))


def _with_length(seen: SeenElement, length: int) -> tuple[str, int, str, int, str, str | None]:
    return seen.where, seen.depth, seen.vr, length, seen.keyword, None


def _tag(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _elements(
    found: Scan, view: memoryview, elements: Elements, path: str, depth: int, values: bool
) -> Iterator[SeenElement]:
    for tag, (vr, _, value, end) in elements.items():
        where = path + _tag(tag)
        text = shown(bytes(view[value:end]), vr, found.codecs) if values and vr != b"SQ" else None
        yield SeenElement(where, depth, vr.decode("latin-1"), end - value, keyword_of(tag) or "", text)
        if vr == b"SQ":
            undefined = is_undefined(view, value)
            inside = items(view, value, end, found.explicit, undefined, found.budget, depth + 1, Walked())
            for index, (_, _, inner) in enumerate(inside):
                yield from _elements(found, view, inner, f"{where}[{index}].", depth + 1, values)


def shown(raw: bytes, vr: bytes, codecs: tuple[str, ...]) -> str:
    """A raw value as a line of text, clipped; binary ones by their size."""
    if vr in TEXT_VRS:
        text = decode(raw[: 4 * _SHOWN], codecs).rstrip(" \0")
        clipped = text[:_SHOWN] + ("…" if len(text) > _SHOWN else "")
        return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in clipped)
    if vr in _NUMBERS:
        size, signed = _NUMBERS[vr]
        numbers = [
            int.from_bytes(raw[at : at + size], "little", signed=signed) for at in range(0, min(len(raw), 64), size)
        ]
        return "\\".join(map(str, numbers))
    return f"<{len(raw)} bytes>"
