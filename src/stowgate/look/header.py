"""Which object it is and where it was made, out of a data set's header."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stowgate.dicom.acquired import acquired
from stowgate.look.looked import Header

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_STATIONS = ("StationName", "DeviceSerialNumber", "ManufacturerModelName")
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


def header_of(dataset: Dataset) -> Header:
    """What the header says; "" and None where it does not."""
    station = next((text for keyword in _STATIONS if (text := _text(dataset, keyword))), "")
    study, series, instance = (_text(dataset, keyword) for keyword in _UIDS)
    moment = acquired(lambda tag: _text(dataset, tag).encode("ascii", "replace"))
    return Header(study, series, instance, station, moment, _text(dataset, "BurnedInAnnotation") == "YES")


def _text(dataset: Dataset, keyword: str | int) -> str:
    try:
        value: Any = dataset.get(keyword)
        value = getattr(value, "value", value)
    except Exception:  # noqa: BLE001 - a value that cannot be read says nothing
        return ""
    return "" if value is None else str(value).strip(" \0")
