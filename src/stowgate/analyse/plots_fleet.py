"""Pictures of a fleet: where its images lie, how its scanners change over time, and the odd ones side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from stowgate.analyse.drift import WATCHED
from stowgate.analyse.features import FEATURES, NAMES, Floats, unit_of
from stowgate.analyse.fleet import JudgedImage, Verdict
from stowgate.analyse.outliers import FARTHEST
from stowgate.wording import counted, moment

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#7a5195", "#5a5a5a")
"""Told apart by everybody (Okabe and Ito 2008)."""
MARKERS = "os^Dv<>P"
MOST_NAMED, MOST_LINES, MOST_PANELS, MOST_LEGEND = 8, 8, 6, 24
BEND = 12.0
"""Deviations up to which the axis of time lines is even, so that a step is seen beside what is usual."""
Style = tuple[str, str]


def scatter_figure(verdict: Verdict, across: str = "density", up: str = "contrast") -> Figure:
    """Every image by two of its features, a panel for each modality, for units differ; scanners by colour and mark.

    Outliers have a ring and, if few, a number.
    """
    from matplotlib.figure import Figure

    panels = _by_modality(verdict.images, across, up)
    shown = [name for name, images in panels.items() if len(images) >= 3][:MOST_PANELS] or list(panels)[:1]
    style = {name: _style(n) for n, name in enumerate(sorted({image.scan.scanner for image in verdict.images}))}
    rows, columns = max(1, -(-len(shown) // 2)), min(2, max(1, len(shown)))
    figure = Figure(figsize=(4.0 * columns + 2.6, 3.9 * rows), layout="constrained")
    places = np.ravel(figure.subplots(rows, columns, squeeze=False))
    for axes, name in zip(places, shown, strict=False):
        _panel(axes, name, panels[name], style, (across, up))
    for axes in places[len(shown) :]:
        axes.set_axis_off()
    _legend(figure, [name for name in style if any(_is_of(panels[one], name) for one in shown)], style)
    rest = [f"{counted(len(images), 'image')} of {name}" for name, images in panels.items() if name not in shown]
    if rest:
        figure.supxlabel(f"not drawn: {', '.join(rest)}", fontsize=9, x=0.01, ha="left")
    return figure


def has_points(verdict: Verdict) -> bool:
    """Whether `scatter_figure` has something to draw."""
    return bool(_by_modality(verdict.images, "density", "contrast"))


def _panel(
    axes: Axes, name: str, images: Sequence[tuple[int, JudgedImage]], style: Mapping[str, Style], of: tuple[str, str]
) -> None:
    for scanner in sorted({image.scan.scanner for _, image in images}):
        points = _points([image for _, image in images if image.scan.scanner == scanner], *of)
        colour, marker = style[scanner]
        axes.scatter(points[:, 0], points[:, 1], 18, c=colour, marker=marker, alpha=0.75, linewidths=0)
    odd = [(n, image) for n, image in images if image.outlier]
    points = _points([image for _, image in odd], *of)
    axes.scatter(points[:, 0], points[:, 1], 90, facecolors="none", edgecolors="#b00020", linewidths=1.3)
    if len(odd) <= MOST_NAMED:
        for (n, _), (x, y) in zip(odd, points, strict=True):
            axes.annotate(f"no. {n}", (x, y), (6, 6), textcoords="offset points", fontsize=8)
    protocols = {image.scan.protocol for _, image in images}
    title = f"{counted(len(images), 'image')} of {counted(len(protocols), 'protocol')}"
    axes.set_title(f"{name}: {title}" if name else title, loc="left", fontsize=10)
    axes.set_xlabel(_title(of[0], name), fontsize=9)
    axes.set_ylabel(_title(of[1], name), fontsize=9)
    axes.margins(0.12)
    _plain(axes)


def _legend(figure: Figure, names: Sequence[str], style: Mapping[str, Style]) -> None:
    from matplotlib.lines import Line2D

    def mark(colour: str, marker: str, label: str, **more: float | str) -> Line2D:
        return Line2D([], [], linestyle="", color=colour, marker=marker, markersize=6, label=label, **more)  # type: ignore[arg-type]

    marks = [mark(*style[name], name) for name in names[:MOST_LEGEND]]
    more = len(names) - MOST_LEGEND
    marks += [mark("none", "o", f"and {counted(more, 'scanner')} not named here")] if more > 0 else []
    marks.append(mark("#b00020", "o", "unlike the rest", markerfacecolor="none"))
    figure.legend(handles=marks, loc="outside right upper", frameon=False, fontsize=8)


def drift_figure(verdict: Verdict, scanners: Sequence[str] = ()) -> Figure:
    """Each scanner over time: what is watched, as deviations from what is usual for the protocol.

    Lines are medians of five scans; the grey band holds what healthy scans do. Those that drift come first.
    """
    from matplotlib.figure import Figure

    moved = moved_most(verdict)
    names = list(scanners) or moved[:MOST_LINES]
    figure = Figure(figsize=(8.4, 1.1 + 1.75 * max(1, len(names))), layout="constrained")
    panels = np.ravel(figure.subplots(max(1, len(names)), 1, squeeze=False))
    shown = [name for name in WATCHED if any(_moves(verdict.series[one], name) for one in names)]
    for axes, name in zip(panels, names, strict=False):
        _over_time(axes, name, verdict, shown)
    rest = (
        "" if len(names) >= len(moved) or scanners else f"; the {len(names)} of {len(moved)} scanners that moved most"
    )
    title = f"standard deviations (robust) from what is usual, beyond {BEND:g} in logarithmic steps{rest}"
    figure.suptitle(title, fontsize=9)
    if shown and names:
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    return figure


def moved_most(verdict: Verdict) -> list[str]:
    """Scanners that `drift_figure` has something to draw of: those that drift, then those that differ most."""
    drifting = {one.scanner for one in verdict.drifts}
    series = {name: rows for name, rows in verdict.series.items() if len(rows) > 1 and np.any(rows)}
    far = {name: float(abs(np.median(rows, axis=0)).max(initial=0.0)) for name, rows in series.items()}
    return sorted(far, key=lambda name: (name not in drifting, -far[name], name))


def _over_time(axes: Axes, name: str, verdict: Verdict, shown: Sequence[str]) -> None:
    from matplotlib.ticker import MaxNLocator

    series = verdict.series[name]
    at = _dates(verdict.times.get(name, ()))
    along = np.arange(1, len(series) + 1) if at is None else at
    axes.axhspan(-FARTHEST, FARTHEST, color="#e8e8e8", linewidth=0)
    for n, feature in enumerate(shown):
        values = _smooth(series[:, NAMES.index(feature)])
        dashes = "-" if n < len(COLOURS) else "-."
        label = feature.replace("_", " ")
        axes.plot(along, values, dashes, linewidth=1.4, color=COLOURS[n % len(COLOURS)], label=label)
    axes.set_yscale("symlog", linthresh=BEND)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, -BEND), max(high, BEND))
    axes.yaxis.set_major_formatter("{x:g}")
    noticed: dict[int, list[str]] = {}
    for drift in verdict.drifts:
        if drift.scanner == name:
            noticed.setdefault(drift.at, []).append(drift.feature.replace("_", " "))
    for n, (scan, features) in enumerate(list(noticed.items())[:3]):
        axes.axvline(along[scan], color="#b00020", linewidth=1, linestyle="--")
        words = f" drift of {', '.join(features)} noticed at scan {scan + 1}"
        height = 0.97 - 0.14 * n
        is_late = scan > len(series) / 2
        axes.text(
            along[scan], height, f"{words} ", color="#b00020", fontsize=7, va="top",
            ha="right" if is_late else "left", transform=axes.get_xaxis_transform(),
        )  # fmt: skip
    axes.set_title(f"{name}: {counted(len(series), 'scan')}", loc="left", fontsize=9)
    times = [one for one in verdict.times.get(name, ()) if one is not None]
    axes.set_xlabel(f"{moment(times[0])} to {moment(times[-1])}" if at is not None else "scan by scan", fontsize=8)
    if at is None:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _plain(axes)


def _dates(times: Sequence[float | None]) -> npt.NDArray[np.datetime64] | None:
    """Moments in this machine's zone, where all are known and they differ."""
    known = [one for one in times if one is not None]
    if len(known) < len(times) or len(set(known)) < 2:
        return None
    return np.array([datetime.fromtimestamp(one) for one in known], "datetime64[s]")  # noqa: DTZ006 - as headers mean


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


def _style(n: int) -> Style:
    return COLOURS[n % len(COLOURS)], MARKERS[n // len(COLOURS) % len(MARKERS)]


def _by_modality(images: Sequence[JudgedImage], across: str, up: str) -> dict[str, list[tuple[int, JudgedImage]]]:
    """Those that have both features, with their numbers, the most first; "" where a protocol is an alias."""
    found: dict[str, list[tuple[int, JudgedImage]]] = {}
    for number, image in enumerate(images, 1):
        if {across, up} <= image.scan.features.keys():
            modality, space, _ = image.scan.protocol.partition(" ")
            found.setdefault(modality if space else "", []).append((number, image))
    return dict(sorted(found.items(), key=lambda one: (-len(one[1]), one[0])))


def _is_of(images: Sequence[tuple[int, JudgedImage]], scanner: str) -> bool:
    return any(image.scan.scanner == scanner for _, image in images)


def _points(images: Sequence[JudgedImage], across: str, up: str) -> Floats:
    pairs = [(image.scan.features.get(across, np.nan), image.scan.features.get(up, np.nan)) for image in images]
    return np.array(pairs, float).reshape(-1, 2)


def _title(name: str, modality: str) -> str:
    title = next(feature.title for feature in FEATURES if feature.name == name)
    unit = unit_of(name, f"{modality} " if modality else "")
    return f"{title[: title.rindex(' (')]} ({unit})" if unit else title


def _moves(series: Floats, name: str) -> bool:
    return bool(np.any(series[:, NAMES.index(name)]))


def _smooth(values: Floats) -> Floats:
    padded = np.pad(values, 2, mode="reflect" if len(values) > 2 else "edge")
    smooth: Floats = np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1)
    return smooth


def _plain(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=8)
