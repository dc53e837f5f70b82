"""The report of a fleet as one page that loads nothing: who needs somebody first, then plots and the odd ones."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from stowgate.analyse.fleet import JudgedImage, Verdict
from stowgate.analyse.fleet_words import advice, because, headline, in_need_first, standing
from stowgate.analyse.plots_fleet import drift_figure, has_points, montage_figure, moved_most, scatter_figure
from stowgate.qc_run import Quality
from stowgate.reasons import REASONS
from stowgate.verify.page import template
from stowgate.wording import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ODD = 200
Eight = npt.NDArray[np.uint8]


def fleet_page(quality: Quality, odd_ones: Sequence[tuple[str, Eight]] = (), now: float | None = None) -> str:
    """odd_ones -- title and 8-bit picture of some images; stations and folders of studies stand in the page."""
    verdict = quality.verdict
    odd = [(number, image) for number, image in enumerate(verdict.images, 1) if image.outlier]
    word, sentence, tone = headline(verdict)
    return template("fleet.html").render(
        when=time.strftime("%d %b %Y, %H:%M UTC", time.gmtime(now)),
        word=word,
        sentence=sentence,
        tone=tone,
        scanners=[
            (one, standing(one), list(because(one, verdict)), advice(one)) for one in in_need_first(verdict.scanners)
        ],
        figures=list(_figures(verdict, odd_ones)),
        odd=odd[:MOST_ODD],
        more=len(odd) > MOST_ODD,
        reasons=REASONS,
        counted=counted,
        studies=sorted(quality.studies.items()),
        places=quality.places,
        left_out=sorted(quality.left_out.items()),
        not_grouped=sorted(quality.not_grouped.items()),
        cannot=verdict.cannot,
    )  # fmt: skip


def title_of(number: int, image: JudgedImage) -> str:
    """What stands above one of the odd ones."""
    return f"no. {number}: {image.reasons[0].replace('_', ' ') if image.reasons else ''}"


def _figures(verdict: Verdict, odd_ones: Sequence[tuple[str, Eight]]) -> Iterator[tuple[str, str, str]]:
    if has_points(verdict):
        words = "Each mark is an image, each scanner a colour and a shape; a red ring is about what is unlike the rest."
        yield "Density and contrast", _png(scatter_figure(verdict)), words
    if moved_most(verdict):
        words = (
            "Lines are medians of five scans; the grey band is what healthy scans do. A dashed red line is where a "
            "drift is noticed."
        )
        yield "Over time", _png(drift_figure(verdict)), words
    if odd_ones:
        words = (
            "Windowed as each header asks, or sensibly. These pictures are shown as they are and may show names that "
            "are burned in: keep the page as you keep the files. What says that it has such words, ultrasound and "
            "captures of screens are left out; --no-pictures leaves out all."
        )
        yield "Some of the odd ones", _png(montage_figure(odd_ones)), words


def _png(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
