"""Windows: from numbers to eight bits, exactly as PS3.3 C.11.2 says; which one is meant, and the table of presets."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import numpy as np
import numpy.typing as npt

from stowgate.analyse.intensity import Array, Intensity
from stowgate.errors import Misconfigured
from stowgate.pixels.image import Lut, Voi, VoiFunction, Window

Grey = npt.NDArray[np.uint8]
Real = npt.NDArray[np.float64]
Origin = Literal["asked", "preset", "header", "default"]
NOTHING_SAID = Voi()
_MOST_STEPS = 1 << 17
"""Different stored values for which a table is made; beyond, every pixel is computed."""
_DENSITIES = "soft_tissue"
"""The preset for Hounsfield units of which nobody says how to show them."""
_UPTAKE = Window(2.5, 5.0)
"""From 0 to 5 for Standardized Uptake Values of which nobody says how to show them, as readers mostly begin."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """How a frame is shown: a window with its function, or a table of the header; and where that comes from."""

    origin: Origin
    window: Window | None
    function: VoiFunction = "LINEAR"
    lut: Lut | None = None
    preset: str = ""


@cache
def presets() -> Mapping[str, Window]:
    """The shipped presets by name, in Hounsfield units, in the order of the table."""
    text = (files("stowgate.analyse") / "tables" / "windows.toml").read_text("utf-8")
    return {name: Window(float(row["centre"]), float(row["width"])) for name, row in tomllib.loads(text).items()}


def choose(
    intensity: Intensity,
    voi: Voi = NOTHING_SAID,
    *,
    centre: float | None = None,
    width: float | None = None,
    preset: str = "",
    named: Mapping[str, Window] | None = None,
) -> Chosen:
    """Explicit before preset before header before what is sensible for the modality.

    named -- presets by name; None: the shipped ones
    preset -- case does not matter, and spaces and hyphens are underscores
    Raises `Misconfigured`: "window_incomplete" with the one that is missing where one of centre and width is given,
    "window_not_finite", "window_width" where the width is not above zero, "window_unknown" with the presets' names.
    """
    if (centre is None) != (width is None):
        raise Misconfigured("window_incomplete", "no centre" if centre is None else "no width")
    whole: VoiFunction = "LINEAR_EXACT" if intensity.unit == "SUV" else "LINEAR"  # half a step of LINEAR is 0.5 SUV
    if centre is not None and width is not None:
        return Chosen("asked", _sound(Window(centre, width), whole), whole)
    table = presets() if named is None else named
    if preset:
        name = next((name for name in table if _folded(name) == _folded(preset)), None)
        if name is None:
            raise Misconfigured("window_unknown", ", ".join(table))
        return Chosen("preset", _sound(table[name], whole), whole, preset=name)
    if voi.luts:
        return Chosen("header", None, lut=voi.luts[0])
    for window in voi.windows:
        if _is_sound(window, voi.function):
            return Chosen("header", *_in_unit(window, voi.function, intensity.uptake))
    return _sensible(intensity, table)


def show(intensity: Intensity, chosen: Chosen, inverse: bool = False) -> Grey:
    """Rows x columns of 0 to 255, rounded to the nearest step; `inverse` for MONOCHROME1, whose low values are bright.

    Linear, linear exact and sigmoid functions of C.11.2.1.2 and C.11.2.1.3, or a VOI LUT of C.11.2.1.1.
    """
    stored = intensity.stored
    if not stored.dtype.isnative:
        stored = stored.astype(stored.dtype.newbyteorder("="))
    if not stored.size:
        return np.zeros(stored.shape, np.uint8)
    if stored.dtype.kind not in "iu":
        return _eight_bits(stored, intensity, chosen, inverse)
    low, high = int(stored.min()), int(stored.max())
    if high - low >= min(_MOST_STEPS, 4 * stored.size):
        return _eight_bits(stored, intensity, chosen, inverse)
    table = _eight_bits(np.arange(low, high + 1), intensity, chosen, inverse)
    if low == 0 or stored.dtype.itemsize > 2:
        return np.take(table, stored - low if low else stored, mode="clip")
    turned = np.roll(_over_all(table, stored.dtype), low)  # every value of 16 bits, so that the index needs no sum
    return np.take(turned, stored.view(_unsigned(stored.dtype)), mode="wrap")  # twice as fast as an index


def _over_all(table: Grey, dtype: np.dtype[np.generic]) -> Grey:
    whole = np.zeros(1 << (8 * dtype.itemsize), np.uint8)
    whole[: len(table)] = table
    return whole


def _unsigned(dtype: np.dtype[np.generic]) -> np.dtype[np.generic]:
    return np.dtype(f"u{dtype.itemsize}")


def _eight_bits(stored: Array, intensity: Intensity, chosen: Chosen, inverse: bool) -> Grey:
    """The whole function in double precision, for stored values of any shape."""
    values = stored.astype(np.float64) * intensity.slope + intensity.intercept
    if stored.dtype.kind == "f":
        values[np.isnan(values)] = -np.inf  # what is no number is shown as the lowest one
    if chosen.lut is not None:
        scaled = _through(chosen.lut, values / intensity.uptake)
    elif chosen.window is not None:
        scaled = _windowed(values, chosen.window, chosen.function)
    else:
        raise ValueError("a window or a table")
    return np.rint(255 * (1 - scaled if inverse else scaled)).astype(np.uint8)


def _through(lut: Lut, values: Real) -> Real:
    table: Real = np.asarray(lut.values, np.float64) / ((1 << lut.bits) - 1)
    at = np.clip(np.floor(values) - lut.first, 0, len(table) - 1).astype(np.int64)
    found: Real = np.clip(table[at], 0, 1)
    return found


def _windowed(values: npt.NDArray[np.float64], window: Window, function: VoiFunction) -> npt.NDArray[np.float64]:
    """From 0 to 1."""
    centre, width = window.centre, window.width
    if function == "SIGMOID":
        return 1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -700, 700)))
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1
        if width == 0:  # a window of one step is a threshold
            return (values > centre).astype(np.float64)
    return np.clip((values - centre) / width + 0.5, 0, 1)


def _folded(name: str) -> str:
    """A name as it is compared."""
    return "_".join(name.casefold().replace("-", " ").replace("_", " ").split())


def _in_unit(window: Window, function: VoiFunction, uptake: float) -> tuple[Window, VoiFunction]:
    """A window of the header, and its function, for values that were multiplied after the Modality LUT."""
    if uptake == 1:
        return window, function
    centre, width = window.centre, window.width
    if function == "LINEAR":  # its half step and its whole one are of the unit before
        centre, width, function = centre - 0.5, max(width - 1, 1e-6), "LINEAR_EXACT"
    return Window(centre * uptake, width * uptake), function


def _is_sound(window: Window, function: VoiFunction) -> bool:
    return window.width >= 1 if function == "LINEAR" else window.width > 0


def _sound(window: Window, function: VoiFunction) -> Window:
    if not (math.isfinite(window.centre) and math.isfinite(window.width)):
        raise Misconfigured("window_not_finite")
    if not _is_sound(window, function):
        raise Misconfigured("window_width")
    return window


def _sensible(intensity: Intensity, table: Mapping[str, Window]) -> Chosen:
    """Soft tissue for HU, 0 to 5 for SUV, all of a segmentation; elsewhere all but the ends.

    These are the darkest and the brightest half of a hundredth, unless all between them is of one value.
    """
    if intensity.unit == "HU" and _DENSITIES in table:
        return Chosen("default", table[_DENSITIES], preset=_DENSITIES)
    if intensity.unit == "SUV":
        return Chosen("default", _UPTAKE, "LINEAR_EXACT")
    if intensity.full is not None:
        return Chosen("default", Window(intensity.full / 2, intensity.full), "LINEAR_EXACT")
    inside = intensity.stored if intensity.valid is None else intensity.stored[intensity.valid]
    if not inside.size:
        return Chosen("default", Window(0.5, 1.0), "LINEAR_EXACT")
    inside = inside[np.isfinite(inside)] if inside.dtype.kind == "f" else inside
    ends = np.percentile(inside, [0.5, 99.5])
    if ends[0] == ends[1]:  # little on much background: its grey would be that of the middle
        ends = np.percentile(inside, [0, 100])
    low, high = sorted(float(end) * intensity.slope + intensity.intercept for end in ends)
    return Chosen("default", Window((low + high) / 2, max(high - low, 1e-6)), "LINEAR_EXACT")
