"""Pictures for people: each function returns a matplotlib Figure that a notebook shows and a file can keep."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from stowgate.analyse.intensity import Intensity
from stowgate.analyse.windows import Chosen

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Eight = npt.NDArray[np.uint8]
_SIDE = 3.2
"""Inches of one picture in a row."""
_MOST_IN_A_ROW = 5
"""More would be too small to be read on a screen."""
UNITS = {"HU": "HU", "SUV": "SUV (g/ml)", "stored": "stored values"}
"""What units are called in words."""
_SHORT = {"HU": " HU", "SUV": " SUV"}


def raw_figure(intensity: Intensity) -> Figure:
    """A frame from its lowest to its highest value, with a scale in its unit: what is there before any window."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 5.2), layout="constrained")
    axes = figure.add_subplot()
    drawn = axes.imshow(intensity.values, cmap="gray", interpolation="nearest")
    _bare(axes, "as acquired")
    figure.colorbar(drawn, ax=axes, label=UNITS[intensity.unit], shrink=0.85)
    return figure


def windows_figure(shown: Sequence[tuple[Eight, Chosen | None]], unit: str) -> Figure:
    """Up to five in one row, more in rows of one length; each with the centre C and the width W of its window above it.

    shown -- rows x columns of 8 bits each, as `windows.show` makes them; unit -- of their intensities
    """
    from matplotlib.figure import Figure

    rows = max(1, math.ceil(len(shown) / _MOST_IN_A_ROW))
    columns = max(1, math.ceil(len(shown) / rows))
    figure = Figure(figsize=(_SIDE * columns, (_SIDE + 0.6) * rows), layout="constrained")
    places = np.ravel(figure.subplots(rows, columns, squeeze=False))
    for axes in places[len(shown) :]:
        axes.remove()
    for axes, (pixels, chosen) in zip(places, shown, strict=False):
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        _bare(axes, title_of(chosen, unit))
    return figure


def title_of(chosen: Chosen | None, unit: str) -> str:
    """ "bone, C 400 W 1800 HU", for one; stored values have no unit to be named, SUV two digits after the point."""
    if chosen is None:
        return "colour"
    name = chosen.preset.replace("_", " ") or {"asked": "as asked", "header": "from the header"}.get(
        chosen.origin, "by default"
    )
    if chosen.window is None:
        return f"{name}, table"
    digits = 2 if unit == "SUV" and chosen.window.width >= 0.1 else 6
    centre, width = (f"{round(value, digits):g}" for value in (chosen.window.centre, chosen.window.width))
    return f"{name}\nC {centre} W {width}{_SHORT.get(unit, '')}"


def changes_figure(rows: Sequence[tuple[str, str, str]]) -> Figure:
    """A table of header attributes before and after: keyword, value before, value after. It may name a patient."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 0.6 + 0.32 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    axes.set_axis_off()
    cells = [[keyword, _short(before), _short(after)] for keyword, before, after in rows]
    table = axes.table(
        cells, colLabels=["attribute", "before", "after"], cellLoc="left", loc="center", colWidths=[0.3, 0.35, 0.35]
    )
    table.auto_set_font_size(False)
    table.set_fontsize(9)
    table.scale(1, 1.35)
    for (row, _), cell in table.get_celld().items():
        cell.set_edgecolor("#c8ccd0")
        cell.set_facecolor("#e8eef4" if row == 0 else "white")
    return figure


def _short(value: str) -> str:
    return value if len(value) <= 44 else value[:43] + "\u2026"


def _bare(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_xticks([])
    axes.set_yticks([])
