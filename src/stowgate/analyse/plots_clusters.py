"""A windowed slice beside its classes, with what each class is called, its range and its share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from stowgate.analyse.clusters import DISCLAIMER, MOST, Clusters

if TYPE_CHECKING:
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

Eight = npt.NDArray[np.uint8]
_PADDING = 255
_UNITS = {"HU": " HU", "SUV": " SUV", "stored": ""}


def clusters_figure(shown: Eight, labels: Eight, found: Clusters, title: str = "windowed") -> Figure:
    """The slice in 8 bits on the left, its classes on the right, a legend below, and what this picture is not.

    labels -- rows x columns, as `Clusters.labels` makes them; title -- how the slice was windowed
    Colours rise in brightness with the class (cividis), so they are told apart without seeing red or green, and in
    print.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    colours = _colours(len(found.classes))
    figure = Figure(figsize=(9.6, 6.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    left.set_title(title, fontsize=10)
    drawn = np.ma.masked_equal(labels, _PADDING)
    right.imshow(drawn, cmap=colours, vmin=-0.5, vmax=max(1, len(found.classes)) - 0.5, interpolation="nearest")
    right.set_title(f"{len(found.classes)} classes, silhouette {found.score:.2f}", fontsize=10)
    for axes in (left, right):
        axes.set_xticks([])
        axes.set_yticks([])
    unit = _UNITS[found.unit]
    patches = [
        Patch(
            facecolor=colours(number),
            edgecolor="#555555",
            label=f"{one.name}: {one.lower:g} to {one.upper:g}{unit}, {one.fraction:.1%}",
        )
        for number, one in enumerate(found.classes)
    ]
    if (labels == _PADDING).any():
        patches.append(Patch(facecolor="white", edgecolor="#555555", label="padding, not counted"))
    figure.legend(handles=patches, loc="outside lower center", ncols=min(3, max(1, len(patches))), fontsize=9)
    figure.suptitle(DISCLAIMER, fontsize=10, color="#7a2e00")
    return figure


def _colours(number: int) -> ListedColormap:
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    chosen = colormaps["cividis"](np.linspace(0, 1, max(2, min(number, MOST))))
    return ListedColormap(chosen)
