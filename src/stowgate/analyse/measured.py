"""Measured findings of one CT slice: the share that is as dense as fresh blood, and of the lungs that holds no air.

Reasons to look, never a diagnosis. Breaks of bones are not claimed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from stowgate.analyse.cells import Cells, Mask
from stowgate.analyse.finding import Finding
from stowgate.analyse.hyperdense import hyperdense
from stowgate.analyse.intensity import Intensity
from stowgate.analyse.lung_opacity import lung_opacity
from stowgate.analyse.triage import CODES, Measure

Measurer = Callable[[Intensity, Mapping[str, float]], tuple[Mask, Mask, Cells] | None]
MEASURERS: Mapping[Measure, Measurer] = {"lung_opacity": lung_opacity, "hyperdense": hyperdense}
"""What a rule of triage can name, and what finds structure and share; the sooner one first."""


@dataclass(frozen=True, slots=True)
class Measured:
    """How much of a structure is denser than it should be.

    fraction -- of the structure, from 0 to 1
    area     -- square millimetres of what is denser
    within   -- square millimetres of the structure
    finding  -- None where the structure is there and its share is not worth a word
    """

    id: Measure
    fraction: float
    area: float
    within: float
    finding: Finding | None = None


@cache
def limits() -> Mapping[str, Mapping[str, float]]:
    """The table tables/measured.toml, by id."""
    return tomllib.loads((files("stowgate.analyse") / "tables" / "measured.toml").read_text("utf-8"))


def measured(one: Intensity, frame: int | None = None) -> Measured | None:
    """The share of the structure that a slice holds; no slice holds both, and most hold neither.

    one   -- rows x columns; None is returned for anything but CT in Hounsfield units with a known spacing
    frame -- what the finding says where it is from, counted from 0
    """
    if one.unit != "HU" or one.modality != "CT":
        return None
    for id, measurer in MEASURERS.items():
        seen = measurer(one, limits()[id])
        if seen is not None:
            return _judged(id, *seen, frame)
    return None


def _judged(id: Measure, dense: Mask, within: Mask, cells: Cells, frame: int | None) -> Measured:
    area, whole = float(dense.sum() * cells.area), float(within.sum() * cells.area)
    fraction = area / whole if whole else 0.0
    told = area >= limits()[id]["area"] and fraction >= limits()[id]["fraction"]
    evidence = {"fraction": round(fraction, 4), "area_mm2": round(area), "of_mm2": round(whole)}
    return Measured(id, fraction, area, whole, Finding(CODES[id], evidence, frame) if told else None)
