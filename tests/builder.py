"""One builder of synthetic DICOM objects: byte by byte in every encoding, or handed to pydicom and back."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydicom import Dataset, dcmread, dcmwrite
from pydicom.datadict import dictionary_VR, tag_for_keyword

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
RLE = "1.2.840.10008.1.2.5"

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
CR = "1.2.840.10008.5.1.4.1.1.1"
MG = "1.2.840.10008.5.1.4.1.1.1.2"
PT = "1.2.840.10008.5.1.4.1.1.128"
US = "1.2.840.10008.5.1.4.1.1.6.1"
SC = "1.2.840.10008.5.1.4.1.1.7"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
RT_PLAN = "1.2.840.10008.5.1.4.1.1.481.5"
RT_STRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"
KEY_OBJECT = "1.2.840.10008.5.1.4.1.1.88.59"
GSPS = "1.2.840.10008.5.1.4.1.1.11.1"
ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"

PIXEL_DATA = 0x7FE00010
LONG = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"))
_NUL_PADDED = frozenset(("UI", "OB", "UN"))
_NUMBERS = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q",
    "OW": "H", "OL": "I", "OF": "f", "OD": "d", "OV": "Q",
}  # fmt: skip
_SWAPPED = {"US": 2, "SS": 2, "OW": 2, "AT": 2, "UL": 4, "SL": 4, "FL": 4, "OL": 4, "OF": 4}
_SWAPPED |= {"FD": 8, "UV": 8, "SV": 8, "OD": 8, "OV": 8}


@dataclass(frozen=True)
class Fragments:
    """An encapsulated value: basic offset table first, then the fragments, each of even length."""

    pieces: tuple[bytes, ...]


@dataclass(frozen=True)
class Item:
    """An item of a sequence."""

    elements: tuple[Element, ...] = ()
    undefined: bool = False

    def __getitem__(self, tag: int | str) -> Element:
        return next(e for e in self.elements if e.tag == tag_of(tag))

    def with_(self, *more: Element) -> Item:
        return replace(self, elements=merged(self.elements, more))


@dataclass(frozen=True)
class Element:
    """One element; `value` is little endian bytes, items or fragments; `undefined` writes an undefined length."""

    tag: int
    vr: str
    value: bytes | tuple[Item, ...] | Fragments
    undefined: bool = False


def tag_of(name: int | str) -> int:
    """The tag of a keyword; a tag is given back."""
    if isinstance(name, int):
        return name
    tag = tag_for_keyword(name)
    assert tag is not None, name
    return tag


def vr_of(tag: int) -> str:
    """The dictionary's VR of a tag, its first form where there are several."""
    return dictionary_VR(tag).split(" ")[0]


def el(
    name: int | str, value: Any = b"", vr: str | None = None, *, undefined: bool = False, text: str = "latin-1"
) -> Element:
    """An element from a keyword or tag and a handy value: text, numbers, bytes, items. Padded to even length."""
    tag = tag_of(name)
    vr = vr or vr_of(tag)
    if isinstance(value, Fragments):
        return Element(tag, vr, value, True)
    if isinstance(value, Item):
        value = (value,)
    if vr == "SQ" or (isinstance(value, (tuple, list)) and value and isinstance(value[0], Item)):
        return Element(tag, vr, tuple(value or ()), undefined)
    data = _bytes(value, vr, text)
    if len(data) % 2:
        data += b"\0" if vr in _NUL_PADDED else b" "
    return Element(tag, vr, data, undefined)


def _bytes(value: Any, vr: str, text: str) -> bytes:
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if isinstance(value, str):
        return value.encode(text)
    values = list(value) if isinstance(value, (tuple, list)) else [value]
    if vr == "AT":
        return b"".join(struct.pack("<HH", v >> 16, v & 0xFFFF) for v in values)
    if vr in _NUMBERS:
        return struct.pack(f"<{len(values)}{_NUMBERS[vr]}", *values)
    return "\\".join(str(v) for v in values).encode(text)


def item(*elements: Element, undefined: bool = False) -> Item:
    """An item with its elements in tag order."""
    return Item(merged((), elements), undefined)


def merged(old: Iterable[Element], new: Iterable[Element]) -> tuple[Element, ...]:
    """Elements in tag order; the newer of two with one tag wins."""
    return tuple(e for _, e in sorted(({e.tag: e for e in old} | {e.tag: e for e in new}).items()))


def without(elements: Iterable[Element], *names: int | str) -> tuple[Element, ...]:
    """All but the named ones."""
    gone = {tag_of(n) for n in names}
    return tuple(e for e in elements if e.tag not in gone)


# ---------------------------------------------------------------- bytes


def encode(elements: Iterable[Element], *, implicit: bool = False, big: bool = False) -> bytes:
    """The bytes of a data set; elements go out in the order given, so disorder and duplicates can be built."""
    return b"".join(_encode_element(e, implicit, big) for e in elements)


def _encode_element(element: Element, implicit: bool, big: bool) -> bytes:
    order = ">" if big else "<"
    inner_implicit = implicit or element.vr == "UN"
    value = element.value
    if isinstance(value, Fragments):
        data = b"".join(_item_head(order, len(p)) + p for p in value.pieces) + _delimiter(order, 0xE0DD)
    elif isinstance(value, tuple):
        data = b"".join(_encode_item(i, inner_implicit, big) for i in value)
        data += _delimiter(order, 0xE0DD) if element.undefined else b""
    else:
        data = _swap(value, _SWAPPED.get(element.vr, 1)) if big else value
        data += _delimiter(order, 0xE0DD) if element.undefined else b""
    length = 0xFFFFFFFF if element.undefined else len(data)
    head = struct.pack(order + "HH", element.tag >> 16, element.tag & 0xFFFF)
    if implicit:
        return head + struct.pack(order + "I", length) + data
    if element.vr in LONG:
        return head + element.vr.encode() + b"\0\0" + struct.pack(order + "I", length) + data
    return head + element.vr.encode() + struct.pack(order + "H", length) + data


def _encode_item(it: Item, implicit: bool, big: bool) -> bytes:
    order = ">" if big else "<"
    data = encode(it.elements, implicit=implicit, big=big)
    if it.undefined:
        return _item_head(order, 0xFFFFFFFF) + data + _delimiter(order, 0xE00D)
    return _item_head(order, len(data)) + data


def _item_head(order: str, length: int) -> bytes:
    return struct.pack(order + "HHI", 0xFFFE, 0xE000, length)


def _delimiter(order: str, element: int) -> bytes:
    return struct.pack(order + "HHI", 0xFFFE, element, 0)


def _swap(data: bytes, width: int) -> bytes:
    if width == 1 or len(data) % width:
        return data
    return b"".join(data[i : i + width][::-1] for i in range(0, len(data), width))


def nested(tag: int, depth: int, *, undefined: bool, implicit: bool = False) -> bytes:
    """A sequence that holds itself so many times, as bytes: thousands of levels are no work."""
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + (b"" if implicit else b"SQ\0\0")
    if undefined:
        opened = head + struct.pack("<I", 0xFFFFFFFF) + _item_head("<", 0xFFFFFFFF)
        return opened * depth + (_delimiter("<", 0xE00D) + _delimiter("<", 0xE0DD)) * depth
    level = len(head) + 12
    sizes = range((depth - 1) * level, -1, -level)
    return b"".join(head + struct.pack("<I", size + 8) + _item_head("<", size) for size in sizes)


def meta(elements: Iterable[Element], syntax: str, extra: Iterable[Element] = ()) -> bytes:
    """File meta information of a data set (PS3.10 7.1); `extra` replaces or adds elements of group 0002."""
    by_tag = {e.tag: e for e in elements}
    plain = [
        el(0x00020001, b"\0\1", "OB"),
        el(0x00020002, by_tag[0x00080016].value if 0x00080016 in by_tag else b"", "UI"),
        el(0x00020003, by_tag[0x00080018].value if 0x00080018 in by_tag else b"", "UI"),
        el(0x00020010, syntax, "UI"),
        el(0x00020012, "1.2.826.0.1.3680043.8.498.1", "UI"),
    ]
    body = encode(merged(plain, extra))
    return encode([el(0x00020000, len(body), "UL")]) + body


def part10(
    elements: Sequence[Element],
    syntax: str = EXPLICIT,
    *,
    preamble: bytes = bytes(128),
    meta_extra: Iterable[Element] = (),
    trailing: bytes = b"",
) -> bytes:
    """A whole file. `trailing` bytes follow the last element (inside the deflated stream when there is one)."""
    body = encode(elements, implicit=syntax == IMPLICIT, big=syntax == BIG_ENDIAN) + trailing
    if syntax == DEFLATED:
        deflate = zlib.compressobj(wbits=-15)
        body = deflate.compress(body) + deflate.flush()
        body += b"\0" * (len(body) % 2)
    return preamble + b"DICM" + meta(elements, syntax, meta_extra) + body


# ---------------------------------------------------------------- objects


def instance(
    sop_class: str = CT, modality: str = "CT", *more: Element, uid: str = "1.2.3.4.5.6.7"
) -> tuple[Element, ...]:
    """A small, complete and valid object of a kind that passes: identity, geometry, 4 x 4 pixels of 16 bits."""
    plain = (
        el("ImageType", "ORIGINAL\\PRIMARY\\AXIAL"),
        el("SOPClassUID", sop_class),
        el("SOPInstanceUID", uid),
        el("StudyDate", "20240131"),
        el("ContentDate", "20240131"),
        el("StudyTime", "101530"),
        el("ContentTime", "101530"),
        el("AccessionNumber", "ACC70011"),
        el("Modality", modality),
        el("Manufacturer", "Lumen Imaging"),
        el("ReferringPhysicianName", "Okonkwo^Ada"),
        el("ManufacturerModelName", "Lumen 3000"),
        el("PatientName", "Vandermeer^Liselotte"),
        el("PatientID", "PID-480026"),
        el("PatientBirthDate", "19471113"),
        el("PatientSex", "F"),
        el("PatientAge", "076Y"),
        el("SliceThickness", "2.5"),
        el("KVP", "120"),
        el("ConvolutionKernel", "B30f"),
        el("StudyInstanceUID", "1.2.3.4.5.6"),
        el("SeriesInstanceUID", "1.2.3.4.5.6.1"),
        el("StudyID", "STU9921"),
        el("SeriesNumber", "3"),
        el("AcquisitionNumber", "1"),
        el("InstanceNumber", "17"),
        el("ImagePositionPatient", "-125\\-125\\40.5"),
        el("ImageOrientationPatient", "1\\0\\0\\0\\1\\0"),
        el("FrameOfReferenceUID", "1.2.3.4.5.6.9"),
        el("SamplesPerPixel", 1),
        el("PhotometricInterpretation", "MONOCHROME2"),
        el("Rows", 4),
        el("Columns", 4),
        el("PixelSpacing", "0.5\\0.5"),
        el("BitsAllocated", 16),
        el("BitsStored", 12),
        el("HighBit", 11),
        el("PixelRepresentation", 0, "US"),
        el("RescaleIntercept", "-1024"),
        el("RescaleSlope", "1"),
        el("PixelData", tuple(range(100, 116)), "OW"),
    )
    return merged(plain, more)


def small(*more: Element, drop: Iterable[int | str] = (), syntax: str = EXPLICIT, **how: Any) -> bytes:
    """The file of a small CT object with elements added, replaced or dropped."""
    sop_class, modality, uid = how.pop("sop_class", CT), how.pop("modality", "CT"), how.pop("uid", "1.2.3.4.5.6.7")
    return part10(without(instance(sop_class, modality, *more, uid=uid), *drop), syntax, **how)


# ---------------------------------------------------------------- pydicom


def dataset(data: bytes) -> Dataset:
    """What pydicom makes of a file."""
    return dcmread(io.BytesIO(data), force=True)


def via_pydicom(elements: Sequence[Element], syntax: str = EXPLICIT) -> bytes:
    """The same object written by pydicom, as another implementation would encode it."""
    ds = dataset(part10(elements))
    ds.decode()
    ds.walk(lambda _, element: element.value)
    ds.file_meta.TransferSyntaxUID = syntax
    if syntax == BIG_ENDIAN and ds.get_item(PIXEL_DATA) is not None:
        ds.PixelData = _swap(ds.PixelData, 2)
    out = io.BytesIO()
    dcmwrite(out, ds, implicit_vr=syntax == IMPLICIT, little_endian=syntax != BIG_ENDIAN, force_encoding=True)
    return out.getvalue()
