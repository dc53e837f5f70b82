"""Which object it is and where it was made, out of a data set's header."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from stowgate.look.looked import Header

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_STATIONS = ("StationName", "DeviceSerialNumber", "ManufacturerModelName")
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
_MOMENTS = (("AcquisitionDate", "AcquisitionTime"), ("ContentDate", "ContentTime"))


def header_of(dataset: Dataset) -> Header:
    """What the header says; "" and None where it does not."""
    station = next((text for keyword in _STATIONS if (text := _text(dataset, keyword))), "")
    study, series, instance = (_text(dataset, keyword) for keyword in _UIDS)
    return Header(study, series, instance, station, _made(dataset))


def _text(dataset: Dataset, keyword: str) -> str:
    try:
        value: Any = dataset.get(keyword)
    except Exception:  # noqa: BLE001 - a value that cannot be read says nothing
        return ""
    return "" if value is None else str(value).strip(" \0")


def _made(dataset: Dataset) -> float | None:
    """Seconds since 1970, as if the scanner stood in this machine's time zone: only differences are made of it."""
    whole = _text(dataset, "AcquisitionDateTime")
    texts = [whole, *(_text(dataset, date) + _text(dataset, time) for date, time in _MOMENTS)]
    return next((moment for text in texts if (moment := _moment(text[:14])) is not None), None)


def _moment(text: str) -> float | None:
    if len(text) != 14 or not (text.isascii() and text.isdigit()):
        return None
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%S").timestamp()  # noqa: DTZ007 - see `_made`
    except (ValueError, OverflowError, OSError):
        return None
