"""Brings any input to a little endian data set with pydicom, as a second program would read it."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

from pydicom import Dataset, dcmread
from pydicom.datadict import dictionary_VR, private_dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.sequence import Sequence
from pydicom.values import convert_SQ

from tests.oracle import tables
from tests.oracle.access import children, file_vr, items_of, raw, raw_value

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
NOT_PLAIN = ("", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")
"""No transfer syntax, big endian, deflated."""
_WIDTH = {"US": 2, "SS": 2, "OW": 2, "AT": 2, "UL": 4, "SL": 4, "FL": 4, "OF": 4, "OL": 4}
_WIDTH |= {"FD": 8, "OD": 8, "SV": 8, "UV": 8, "OV": 8}


@dataclass
class Loaded:
    """`normalised`: the encoding was odd, so the engine, too, starts from explicit VR little endian."""

    dataset: Dataset
    syntax: str
    implicit: bool
    normalised: bool


def load(data: bytes) -> Loaded:
    """Raises whatever pydicom raises on what it cannot read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = dcmread(io.BytesIO(data), force=True)
    syntax = str(ds.file_meta.get("TransferSyntaxUID", "")).strip()
    implicit, _ = ds.original_encoding
    plain = data[128:132] == b"DICM" and syntax not in NOT_PLAIN and implicit == (syntax == IMPLICIT)
    loaded = Loaded(ds, syntax, syntax == IMPLICIT, False)
    return loaded if plain and not _has_oddities(ds, implicit) else normalised(loaded)


def normalised(loaded: Loaded) -> Loaded:
    """The same in explicit VR little endian; encapsulated syntaxes stay what they are."""
    known = tables.uid_type(loaded.syntax) == "TransferSyntax"
    encapsulated = known and loaded.syntax not in (IMPLICIT, EXPLICIT, *NOT_PLAIN)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = _explicit(loaded.dataset, 0, 16)
    return Loaded(plain, loaded.syntax if encapsulated else EXPLICIT, False, True)


def _has_oddities(ds: Dataset, implicit: bool) -> bool:
    """Whether UN has no length, a value has an odd one, or an element is implicit among explicit ones."""
    for element in children(ds):
        length = getattr(element, "length", 0)
        if (length == 0xFFFFFFFF and file_vr(element) == "UN") or (length % 2 and length != 0xFFFFFFFF):
            return True
        if not implicit and isinstance(element, RawDataElement) and element.VR is None:
            return True
        if any(_has_oddities(inner, implicit or file_vr(element) == "UN") for inner in items_of(element) or []):
            return True
    return False


def _explicit(ds: Dataset, signed: int, bits: int) -> Dataset:
    """The same values in explicit VR little endian: swapped where they were big endian, padded, otherwise untouched."""
    signed, bits = _number(ds, 0x00280103, signed), _number(ds, 0x00280100, bits)
    plain = Dataset()
    for element in children(ds):
        vr = _explicit_vr(ds, element, signed)
        items = _items(element, vr)
        if items is not None:
            inner = [_explicit(item, signed, bits) for item in items]
            plain._dict[element.tag] = DataElement(element.tag, "SQ", Sequence(inner))
            continue
        value = raw_value(element)
        if isinstance(element, RawDataElement) and not element.is_little_endian and element.VR != "UN":
            width = bits // 8 if element.tag == 0x7FE00010 and vr == "OW" and bits > 16 else _WIDTH.get(vr, 1)
            value = b"".join(value[i : i + width][::-1] for i in range(0, len(value), width))
        if len(value) % 2:
            value += b"\0" if vr in ("UI", "OB", "UN") else b" "
        plain._dict[element.tag] = RawDataElement(element.tag, vr, len(value), value, 0, False, True)
    return plain


def _number(ds: Dataset, tag: int, default: int) -> int:
    element = raw(ds, tag)
    value = raw_value(element)
    little = getattr(element, "is_little_endian", True)
    return int.from_bytes(value, "little" if little else "big") if len(value) == 2 else default


def _explicit_vr(ds: Dataset, element: RawDataElement | DataElement, signed: int) -> str:
    """The file's VR; where it has none or UN, pydicom's dictionaries'."""
    written = file_vr(element)
    if written == "OB or OW":  # fragments among implicit elements
        return "OB"
    if written not in (None, "UN"):
        return str(written)
    try:
        if not element.tag.is_private:
            found = dictionary_VR(element.tag)
        elif element.tag.is_private_creator:
            return "LO"
        else:
            creator = raw_value(raw(ds, element.tag.group << 16 | element.tag.element >> 8))
            found = private_dictionary_VR(element.tag, creator.decode("latin-1").strip(" \0"))
    except KeyError:
        return "UN"
    if "OW" in found:
        return "OW"
    return found if " or " not in found else "SS" if signed else "US"


def _items(element: RawDataElement | DataElement, vr: str) -> list[Dataset] | None:
    if vr != "SQ" or not isinstance(element, RawDataElement):
        return items_of(element)
    implicit = element.is_implicit_VR or element.VR == "UN"
    little = element.is_little_endian or element.VR == "UN"
    return list(convert_SQ(element.value or b"", implicit, little, None, 0))
