"""A frame as numbers with a unit: Hounsfield units where they really are, SUV, else stored values that say so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

Unit = Literal["HU", "SUV", "stored"]
Array = npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Intensity:
    """One grey frame: value = stored x slope + intercept, in `unit`. A Modality LUT that is a table is already applied.

    stored  -- rows x columns, integers (floats only where the object holds floats); colour came in as its luminance
    valid   -- rows x columns of bool, False where Pixel Padding says there is no picture; None where all of it is
    spacing -- millimetres between rows and between columns, None where the header does not say
    """

    stored: Array = field(repr=False)
    slope: float = 1.0
    intercept: float = 0.0
    unit: Unit = "stored"
    valid: npt.NDArray[np.bool_] | None = field(default=None, repr=False)
    spacing: tuple[float, float] | None = None
    modality: str = ""

    @property
    def values(self) -> npt.NDArray[np.float32]:
        """Rows x columns in `unit`."""
        return self.stored.astype(np.float32) * np.float32(self.slope) + np.float32(self.intercept)


def of_array(array: npt.ArrayLike, unit: Unit = "stored", modality: str = "") -> Intensity:
    """An array of a programmer's own, rows x columns; `ValueError` for any other shape."""
    stored = np.asarray(array)
    if stored.ndim != 2:
        raise ValueError("one frame has rows and columns")
    return Intensity(stored, unit=unit, modality=modality)
