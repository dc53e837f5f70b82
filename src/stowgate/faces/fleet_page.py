"""The report of a fleet as one page that loads nothing: who needs somebody first, then plots and the odd ones."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from stowgate.analyse.fleet import JudgedImage, JudgedScanner, Verdict
from stowgate.analyse.plots_fleet import drift_figure, montage_figure, scatter_figure
from stowgate.faces.counting import counted
from stowgate.qc_run import Quality
from stowgate.reasons import REASONS
from stowgate.verify.page import template

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ODD = 200
Eight = npt.NDArray[np.uint8]


def fleet_page(quality: Quality, odd_ones: Sequence[tuple[str, Eight]] = (), now: float | None = None) -> str:
    """odd_ones -- title and 8-bit picture of some images; no path stands in the page, stations do."""
    verdict = quality.verdict
    odd = [(number, image) for number, image in enumerate(verdict.images, 1) if image.outlier]
    word, sentence, tone = words_of(verdict)
    return template("fleet.html").render(
        when=time.strftime("%d %b %Y, %H:%M UTC", time.gmtime(now)),
        word=word,
        sentence=sentence,
        tone=tone,
        scanners=in_need_first(verdict.scanners),
        figures=list(_figures(verdict, odd_ones)),
        odd=odd[:MOST_ODD],
        more=len(odd) > MOST_ODD,
        reasons=REASONS,
        studies=sorted(quality.studies.items()),
        left_out=sorted(quality.left_out.items()),
        not_grouped=sorted(quality.not_grouped.items()),
        cannot=verdict.cannot,
    )


def in_need_first(scanners: Sequence[JudgedScanner]) -> list[JudgedScanner]:
    """Alerts, then by the share of outliers."""
    return sorted(scanners, key=lambda one: (not one.alert, -one.outliers / max(1, one.images), one.scanner))


def words_of(verdict: Verdict) -> tuple[str, str, str]:
    """Word, sentence and tone of how the fleet stands."""
    alerts = sum(one.alert for one in verdict.scanners)
    odd = sum(image.outlier for image in verdict.images)
    whose = f"{counted(len(verdict.images), 'image')} of {counted(len(verdict.scanners), 'scanner')}"
    told = f"{whose}; {odd:,} unlike the rest."
    if not verdict.images:
        return "Nothing to judge", "There was no picture that could be looked at.", "calm"
    if alerts:
        who = "One scanner needs" if alerts == 1 else f"{alerts:,} scanners need"
        return f"{who} somebody", told, "alarm"
    return "All scanners are as usual", told, "good"


def title_of(number: int, image: JudgedImage) -> str:
    """What stands above one of the odd ones."""
    return f"no. {number}: {image.reasons[0].replace('_', ' ') if image.reasons else ''}"


def _figures(verdict: Verdict, odd_ones: Sequence[tuple[str, Eight]]) -> Iterator[tuple[str, str, str]]:
    if not verdict.images:
        return
    yield "Density and contrast", _png(scatter_figure(verdict)), "Each mark is an image; a red ring is unlike the rest."
    words = "Medians of five scans; the grey band is what healthy scans do, a dashed line a drift."
    yield "Over time", _png(drift_figure(verdict)), words
    if odd_ones:
        yield "Some of the odd ones", _png(montage_figure(odd_ones)), "Windowed as each header asks, or sensibly."


def _png(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
