"""What fleets are compared by: the features of an image, how each is scaled, and the codes of being unlike the rest."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stowgate.pixels.image import Acquisition, Image

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Feature:
    """One number of an image.

    log   -- it is compared by its logarithm: noise and sharpness differ by factors
    least -- the smallest scale that is believed, in its unit (of a logarithm: as a share)
    title -- with its unit, for axes
    """

    name: str
    log: bool
    least: float
    low: str
    high: str
    title: str


FEATURES = (
    Feature("density", False, 2.0, "density_low", "density_high", "Average Density (HU or stored)"),
    Feature("contrast", False, 2.0, "contrast_low", "contrast_high", "Contrast (HU or stored)"),
    Feature("level", False, 2.0, "level_low", "level_high", "Commonest tissue (HU or stored)"),
    Feature("peak", True, 0.01, "peak_low", "peak_high", "Peak Bone Density (HU or stored)"),
    Feature("air", False, 2.0, "air_low", "air_high", "Air (HU)"),
    Feature("air_noise", True, 0.06, "air_noise_low", "air_noise_high", "Noise in air (HU)"),
    Feature("noise", True, 0.06, "noise_low", "noise_high", "Noise (HU or stored)"),
    Feature("sharpness", True, 0.03, "sharpness_low", "sharpness_high", "Sharpness (share)"),
    Feature("uniformity", False, 2.0, "uniformity_low", "uniformity_high", "Rim less middle (HU or stored)"),
    Feature("coverage", False, 0.01, "coverage_low", "coverage_high", "Body in the field (share)"),
    Feature("spread", True, 0.01, "spread_low", "spread_high", "Range of values (HU or stored)"),
    Feature("ring", False, 0.03, "ring_low", "ring_high", "Rings (share)"),
    Feature("row_stripe", False, 0.06, "stripe_low", "stripe_high", "Rows that stand out (share)"),
    Feature("column_stripe", False, 0.06, "stripe_low", "stripe_high", "Columns that stand out (share)"),
    Feature("exposure", True, 0.1, "exposure_below", "exposure_above", "Exposure (mAs)"),
    Feature("dose", True, 0.1, "dose_below", "dose_above", "CTDIvol (mGy)"),
    Feature("exposure_index", True, 0.1, "exposure_below", "exposure_above", "Exposure Index"),
)
NAMES = tuple(feature.name for feature in FEATURES)


def of_header(of: Acquisition) -> dict[str, float]:
    """The features that a header has: mAs, mGy, Exposure Index."""
    found = {"exposure": of.exposure, "dose": of.ctdi_vol, "exposure_index": of.exposure_index}
    return {name: value for name, value in found.items() if value is not None and 0 < value < 1e9}


def matrix(images: Iterable[Mapping[str, float]]) -> Floats:
    """Images x features, logarithms taken, NaN where an image does not have one."""
    return np.array([[_scaled(feature, image.get(feature.name)) for feature in FEATURES] for image in images], float)


def _scaled(feature: Feature, value: float | None) -> float:
    if value is None or not math.isfinite(value):
        return math.nan
    return math.log(max(value, 1e-6)) if feature.log else value


def protocol_of(image: Image) -> str:
    """What is comparable: modality, body part, kernel, kVp (in tens), rows x columns, as far as they are there."""
    of = image.acquisition
    kvp = f"{round(of.kvp / 10) * 10}kV" if of.kvp else ""
    parts = (image.modality or "OT", of.body_part, of.kernel, kvp, f"{image.rows}x{image.columns}")
    return " ".join(part for part in parts if part)


def not_grouped_by(image: Image) -> tuple[str, ...]:
    """What its header does not say, and its protocol therefore does not tell apart."""
    of, is_ray = image.acquisition, image.modality in ("CT", "CR", "DX", "MG", "RF", "XA")
    absent = {
        "modality": not image.modality,
        "body part": not of.body_part,
        "kernel": image.modality == "CT" and not of.kernel,
        "kVp": is_ray and not of.kvp,
    }
    return tuple(name for name, is_absent in absent.items() if is_absent)


_TEXTURE = frozenset(
    ("contrast", "air_noise", "noise", "sharpness", "ring", "row_stripe", "column_stripe", "peak", "spread")
)
_BEAM = frozenset(("density", "contrast", "level", "peak", "spread", "uniformity", "noise", "exposure", "dose"))
_ANYWHERE = frozenset(("air",))
"""What is the same whatever lies in the scanner."""
_DEPENDS = {
    "modality": frozenset(NAMES),
    "body part": frozenset(NAMES) - _ANYWHERE,
    "kernel": _TEXTURE,
    "kVp": _BEAM,
}


def comparable(unknown: Iterable[str]) -> npt.NDArray[np.bool_]:
    """By feature of `FEATURES`: whether scanners can be compared by it while headers do not say this.

    unknown -- as `not_grouped_by` names it
    """
    out = frozenset[str]().union(*(_DEPENDS.get(what, frozenset()) for what in unknown))
    return np.array([name not in out for name in NAMES])


def unit_of(name: str, protocol: str = "") -> str:
    """The unit of a feature: HU where the protocol (of a file, see `protocol_of`) is of CT, "" for a share."""
    title = next(feature.title for feature in FEATURES if feature.name == name)
    unit = title[title.rindex("(") + 1 : -1] if title.endswith(")") else ""
    if unit == "HU or stored" and protocol:
        return "HU" if protocol.startswith("CT ") else "stored values"
    if unit == "HU or stored":
        return "HU or stored values"
    return "" if unit == "share" else unit


def told(name: str, value: float, unit: str) -> str:
    """How much a feature is off in plain words: "density +38 HU", "noise 1.40 times".

    value -- in the unit; of one that is compared by its logarithm: so many times what is usual
    """
    feature = next(feature for feature in FEATURES if feature.name == name)
    plain = name.replace("_", " ")
    if feature.log:
        return f"{plain} {value:.2f} times"
    return f"{plain} {value:{'+,.0f' if abs(value) >= 10 else '+.2g'}} {unit}".rstrip()
