"""A frame as numbers with a unit: Hounsfield units where they really are, SUV, else stored values that say so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from stowgate.pixels.image import Facts, Image, Lut, Positron

Unit = Literal["HU", "SUV", "stored"]
Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Intensity:
    """One grey frame: value = stored x slope + intercept, in `unit`. A Modality LUT that is a table is already applied.

    stored  -- rows x columns, integers (floats only where the object holds floats); colour came in as its luminance
    valid   -- rows x columns of bool, False where Pixel Padding says there is no picture; None where all of it is
    spacing -- millimetres between rows and between columns, None where the header does not say
    uptake  -- what the output of the Modality LUT is multiplied by for `unit`, other than 1 for SUV alone; the windows
               of a header are meant for that output (C.11.2.1.2)
    full    -- of a segmentation: the stored value of what wholly belongs to a segment, 0 being what does not
    """

    stored: Array = field(repr=False)
    slope: float = 1.0
    intercept: float = 0.0
    unit: Unit = "stored"
    valid: npt.NDArray[np.bool_] | None = field(default=None, repr=False)
    spacing: tuple[float, float] | None = None
    modality: str = ""
    uptake: float = 1.0
    full: float | None = None

    @property
    def values(self) -> npt.NDArray[np.float32]:
        """Rows x columns in `unit`."""
        return self.stored.astype(np.float32) * np.float32(self.slope) + np.float32(self.intercept)


def of_array(array: npt.ArrayLike, unit: Unit = "stored", modality: str = "") -> Intensity:
    """An array of a programmer's own, rows x columns; False and True are 0 and 1, what is not finite is padding.

    `ValueError` for any other shape, `TypeError` for what are no real numbers.
    """
    stored = np.asarray(array)
    if stored.dtype.kind not in "biuf":
        raise TypeError("a frame is an array of numbers")
    if stored.ndim != 2:
        raise ValueError("one frame has rows and columns")
    stored = stored.astype(np.uint8) if stored.dtype.kind == "b" else stored
    return Intensity(stored, unit=unit, modality=modality, valid=_within(stored, None))


def _within(stored: Array, padding: tuple[int, int] | None) -> npt.NDArray[np.bool_] | None:
    """Where there is a picture: what is neither padding nor, in an object of floats, no number; None: everywhere."""
    inside: npt.NDArray[np.bool_] | None = np.isfinite(stored) if stored.dtype.kind == "f" else None
    if padding is not None:
        picture = (stored < padding[0]) | (stored > padding[1])
        inside = picture if inside is None else inside & picture
    return None if inside is None or inside.all() else inside


def intensity_of(image: Image, array: Array, frame: int = 0) -> Intensity:
    """A decoded frame of an object as numbers with a unit (Modality LUT, PS3.3 C.11.1; SUV by body weight for PET).

    array -- rows x columns of stored values, or rows x columns x 3 of colours, which become their luminance
    """
    facts = image.facts(frame)
    if array.ndim == 3:
        return Intensity(luminance(array), spacing=facts.geometry.spacing, modality=image.modality)
    slope, intercept, unit, uptake = _scale(image, facts)
    valid = _within(array, image.padding)
    if facts.rescale.lut is not None:
        array, slope, intercept, uptake = applied(facts.rescale.lut, array), 1.0, 0.0, 1.0
    return Intensity(array, slope, intercept, unit, valid, facts.geometry.spacing, image.modality, uptake, image.full)


def luminance(array: Array) -> Array:
    """Rows x columns x 3 of red, green and blue as brightness (ITU-R BT.601, as PS3.3 C.7.6.3.1.2 has it for Y)."""
    real = np.float32 if array.dtype.itemsize <= 2 else np.float64
    weighted: Array = array[..., :3].astype(real) @ np.array([0.299, 0.587, 0.114], real)
    grey: Array = np.rint(np.minimum(weighted, array.max(initial=0))).astype(array.dtype)
    return grey


def applied(lut: Lut, array: Array) -> Array:
    """Stored values through a table; beyond its ends its first and last value hold."""
    table = np.asarray(lut.values, np.uint16)
    return table[np.clip(array.astype(np.int64) - lut.first, 0, len(table) - 1)]


def _scale(image: Image, facts: Facts) -> tuple[float, float, Unit, float]:
    rescale = facts.rescale
    if rescale.slope == 0:  # says nothing, and would make every picture black
        return 1.0, 0.0, "stored", 1.0
    if _is_hounsfield(image, rescale.type):
        return rescale.slope, rescale.intercept, "HU", 1.0
    factor = _uptake(image.positron)
    if factor is not None:
        return rescale.slope * factor, rescale.intercept * factor, "SUV", factor
    return rescale.slope, rescale.intercept, "stored", 1.0


def _is_hounsfield(image: Image, kind: str) -> bool:
    """Rescale Type says HU, or a CT image has none, which means HU (C.8.2.1.1.3); a localizer measures no density."""
    if "LOCALIZER" in image.acquisition.image_type or image.samples != 1:
        return False
    return kind == "HU" or (kind == "" and image.modality == "CT" and image.sop_class in _CT)


_CT = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1")


def _uptake(positron: Positron) -> float | None:
    """What becquerels per millilitre are multiplied by for SUV by body weight in g/ml; None where it is not known."""
    if positron.units == "GML":
        return 1.0
    if positron.units != "BQML" or positron.weight is None or positron.dose is None or positron.decay_seconds is None:
        return None
    if positron.weight <= 0 or positron.dose <= 0:
        return None
    left = 1.0
    if positron.decay_seconds:
        if not positron.half_life or positron.half_life <= 0:
            return None
        left = 0.5 ** (positron.decay_seconds / positron.half_life)
    return positron.weight * 1000 / (positron.dose * left)
