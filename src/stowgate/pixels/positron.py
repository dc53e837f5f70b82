"""What PET headers say for Standardized Uptake Values: units, weight, dose, and how long it decayed."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from stowgate.pixels.image import Positron
from stowgate.pixels.values import number, text

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def positron_of(dataset: Dataset) -> Positron:
    """The facts of a PET image (C.8.9.1); of anything else, none."""
    if text(dataset, "Modality") != "PT":
        return Positron()
    given = dataset.get("RadiopharmaceuticalInformationSequence") or []
    drug = given[0] if len(given) else None
    return Positron(
        units=text(dataset, "Units"),
        weight=number(dataset, "PatientWeight"),
        dose=None if drug is None else number(drug, "RadionuclideTotalDose"),
        half_life=None if drug is None else number(drug, "RadionuclideHalfLife"),
        decay_seconds=None if drug is None else _decayed(dataset, drug),
    )


def _decayed(dataset: Dataset, drug: Dataset) -> float | None:
    """Seconds from the injection to what the values are corrected to (Decay Correction: ADMIN, START).

    START is the start of the series in practice (QIBA's recipe): Series Time, unless it was set later by
    post-processing, which shows by an acquisition before it.
    """
    correction = text(dataset, "DecayCorrection")
    if correction == "ADMIN":
        return 0.0
    if correction != "START":
        return None
    injected = _moment(text(dataset, "SeriesDate"), text(drug, "RadiopharmaceuticalStartTime"))
    whole = text(drug, "RadiopharmaceuticalStartDateTime")
    if whole:
        injected = _moment(whole[:8], whole[8:]) or injected
    series = _moment(text(dataset, "SeriesDate"), text(dataset, "SeriesTime"))
    acquired = _moment(text(dataset, "AcquisitionDate"), text(dataset, "AcquisitionTime"))
    if injected is None or series is None or (acquired is not None and acquired < series):
        return None
    seconds = (series - injected).total_seconds()
    return seconds if 0 <= seconds < 86_400 else None


def _moment(date: str, time: str) -> datetime.datetime | None:
    """A DA and a TM, or the two halves of a DT, as a moment on some clock; only differences of these mean anything."""
    digits = time.partition(".")[0].partition("+")[0].partition("-")[0]
    try:
        return datetime.datetime.strptime(date + digits.ljust(6, "0"), "%Y%m%d%H%M%S")  # noqa: DTZ007
    except ValueError:
        return None
