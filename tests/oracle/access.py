"""Raw values out of a pydicom Dataset: bytes as they stand in the file, never pydicom's converted ones."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydicom import Dataset
from pydicom.charset import convert_encodings, decode_bytes
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.valuerep import PN_DELIMS, TEXT_VR_DELIMS
from pydicom.values import convert_SQ

from tests.oracle import tables

TEXT_VRS = ("LO", "SH", "ST", "LT", "UC", "UT", "PN")


def children(ds: Dataset) -> Iterator[Any]:
    """The elements of one data set in tag order, raw where pydicom left them so."""
    for tag in sorted(ds.keys()):
        yield ds.get_item(tag)


def raw(ds: Dataset, tag: int) -> Any:
    return ds.get_item(Tag(tag)) if tag in ds else None


def raw_value(element: Any) -> bytes:
    """The value's bytes; sequences have none."""
    if element is None or items_of(element) is not None:
        return b""
    if isinstance(element, RawDataElement):
        return element.value or b""
    if element.is_empty:
        return b""
    # pydicom converts the character set, and creators it looks up, while it reads
    values = [element.value or ""] if isinstance(element.value, str | None) else list(element.value)
    text = "\\".join(values).encode("latin-1")
    return text + b" " * (len(text) % 2)


def file_vr(element: Any) -> str | None:
    """The VR that stands in the file, None for implicit VR."""
    if isinstance(element, RawDataElement):
        return element.VR
    return element.VR


def vr_of(element: Any) -> str:
    """The VR a value is read by: the file's, or the dictionary's first where the file has none or UN."""
    written = file_vr(element)
    if written not in (None, "UN"):
        return str(written)
    known = tables.dictionary_vrs(int(element.tag))
    if int(element.tag) == 0x7FE00010 and written is None:
        return "OW"
    return known[0] if known else "UN"


def items_of(element: Any) -> list[Dataset] | None:
    """The items of a sequence, None for anything else. UN that should be a sequence is read as implicit VR."""
    if not isinstance(element, RawDataElement):
        return list(element.value) if element.VR == "SQ" else None
    if vr_of(element) != "SQ":
        return None
    implicit = element.VR in (None, "UN")
    return list(convert_SQ(element.value or b"", implicit, element.is_little_endian, None, element.value_tell))


@dataclass(frozen=True)
class Charset:
    """The character set in force, as pydicom names it; an item may set its own (PS3.3 C.12.1.1.2)."""

    encodings: tuple[str, ...] = ("iso8859",)

    def inside(self, ds: Dataset) -> Charset:
        element = raw(ds, 0x00080005)
        if element is None:
            return self
        terms = raw_value(element).decode("latin-1").split("\\")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Charset(tuple(convert_encodings([term.strip(" \0") for term in terms])))


def text_of(element: Any, charset: Charset, vr: str) -> str:
    """The decoded value."""
    value = raw_value(element)
    if vr not in TEXT_VRS:
        return value.decode("latin-1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return decode_bytes(value, list(charset.encodings), PN_DELIMS if vr == "PN" else TEXT_VR_DELIMS)
