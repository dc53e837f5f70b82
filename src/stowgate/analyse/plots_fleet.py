"""Pictures of a fleet: where its images lie, how its scanners change over time, and the odd ones side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from stowgate.analyse.drift import WATCHED
from stowgate.analyse.features import FEATURES, NAMES, Floats
from stowgate.analyse.fleet import JudgedImage, Verdict
from stowgate.analyse.outliers import FARTHEST

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#7a5195", "#5a5a5a")
"""Told apart by everybody (Okabe and Ito 2008)."""
MARKERS = "os^Dv<>P"
MOST_NAMED, MOST_LINES = 8, 8


def scatter_figure(verdict: Verdict, across: str = "density", up: str = "contrast") -> Figure:
    """Every image by two of its features, scanners by colour and mark; outliers have a ring and, if few, a number."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.6, 4.8), layout="constrained")
    axes = figure.add_subplot()
    protocols = sorted({image.scan.protocol for image in verdict.images})
    for n, (scanner, images) in enumerate(_by_scanner(verdict.images).items()):
        points = _points(images, across, up)
        colour, marker = COLOURS[n % len(COLOURS)], MARKERS[n // len(COLOURS) % len(MARKERS)]
        label = scanner if n < 16 else None
        axes.scatter(points[:, 0], points[:, 1], 18, c=colour, marker=marker, alpha=0.75, linewidths=0, label=label)
    odd = [(n, image) for n, image in enumerate(verdict.images, 1) if image.outlier]
    points = _points([image for _, image in odd], across, up)
    axes.scatter(
        points[:, 0], points[:, 1], 90, facecolors="none", edgecolors="#b00020", linewidths=1.3, label="outlier"
    )
    if len(odd) <= MOST_NAMED:
        for (n, _), (x, y) in zip(odd, points, strict=True):
            if np.isfinite(x) and np.isfinite(y):
                axes.annotate(f"no. {n}", (x, y), (6, 6), textcoords="offset points", fontsize=8)
    axes.set_xlabel(_title(across))
    axes.set_ylabel(_title(up))
    several = "s" * (len(protocols) != 1)
    axes.set_title(f"{len(verdict.images):,} images of {len(protocols):,} protocol{several}", loc="left", fontsize=10)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8)
    _plain(axes)
    return figure


def drift_figure(verdict: Verdict, scanners: Sequence[str] = ()) -> Figure:
    """Each scanner over time: what is watched, as deviations from what is usual for the protocol.

    Lines are medians of five scans; the grey band holds what healthy scans do. Those that drift come first.
    """
    from matplotlib.figure import Figure

    names = list(scanners) or _most_moved(verdict)
    figure = Figure(figsize=(8.4, 0.9 + 1.5 * max(1, len(names))), layout="constrained")
    panels = np.ravel(figure.subplots(max(1, len(names)), 1, squeeze=False))
    shown = [name for name in WATCHED if any(_moves(verdict.series[one], name) for one in names)][:MOST_LINES]
    for axes, name in zip(panels, names, strict=False):
        series = verdict.series[name]
        axes.axhspan(-FARTHEST, FARTHEST, color="#e8e8e8", linewidth=0)
        for n, feature in enumerate(shown):
            axes.plot(
                np.arange(1, len(series) + 1), _smooth(series[:, NAMES.index(feature)]), linewidth=1.4,
                color=COLOURS[n % len(COLOURS)], label=feature.replace("_", " "),
            )  # fmt: skip
        for drift in verdict.drifts:
            if drift.scanner == name:
                axes.axvline(drift.at + 1, color="#b00020", linewidth=1, linestyle="--")
        axes.set_ylim(-12, 12)
        axes.set_ylabel(name if len(name) <= 14 else f"{name[:12]}…", fontsize=8)
        _plain(axes)
    panels[-1].set_xlabel("scan, in the order of time; red: a drift is noticed", fontsize=9)
    panels[0].set_title("robust standard deviations from what is usual", loc="left", fontsize=10)
    if shown:
        panels[0].legend(loc="lower left", bbox_to_anchor=(0, 1.12), ncols=len(shown), frameon=False, fontsize=8)
    return figure


def montage_figure(odd: Sequence[tuple[str, npt.NDArray[np.uint8]]]) -> Figure:
    """8-bit pictures with a title each, at most four in a row."""
    from matplotlib.figure import Figure

    rows = max(1, -(-len(odd) // 4))
    figure = Figure(figsize=(9.2, 2.7 * rows), layout="constrained")
    panels = np.ravel(figure.subplots(rows, 4, squeeze=False))
    for axes in panels:
        axes.set_axis_off()
    for axes, (title, pixels) in zip(panels, odd, strict=False):
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_title(title, fontsize=8)
    return figure


def _by_scanner(images: Sequence[JudgedImage]) -> Mapping[str, list[JudgedImage]]:
    found: dict[str, list[JudgedImage]] = {}
    for image in images:
        found.setdefault(image.scan.scanner, []).append(image)
    return dict(sorted(found.items()))


def _points(images: Sequence[JudgedImage], across: str, up: str) -> Floats:
    pairs = [(image.scan.features.get(across, np.nan), image.scan.features.get(up, np.nan)) for image in images]
    return np.array(pairs, float).reshape(-1, 2)


def _title(name: str) -> str:
    return next(feature.title for feature in FEATURES if feature.name == name)


def _most_moved(verdict: Verdict, most: int = 8) -> list[str]:
    """Those that drift, then those that differ most."""
    drifting = {one.scanner for one in verdict.drifts}
    far = {name: float(abs(np.median(series, axis=0)).max(initial=0.0)) for name, series in verdict.series.items()}
    return sorted(far, key=lambda name: (name not in drifting, -far[name], name))[:most]


def _moves(series: Floats, name: str) -> bool:
    return bool(np.any(series[:, NAMES.index(name)]))


def _smooth(values: Floats) -> Floats:
    padded = np.pad(values, 2, mode="reflect" if len(values) > 2 else "edge")
    smooth: Floats = np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1)
    return np.clip(smooth, -12, 12)


def _plain(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=8)
