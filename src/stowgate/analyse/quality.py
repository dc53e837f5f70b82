"""Faults of an acquisition that one picture shows by itself, with what to do while the patient is still there.

Thresholds are conservative: what needs its like to be compared with is judged by the study (`series_quality`) and the
fleet (`fleet`). They were fixed on the simulated fleet (seeds 11 to 13, 101, 300 to 341) and on real pictures.
"""

from __future__ import annotations

import math

from stowgate.analyse.finding import Finding
from stowgate.analyse.measure import Measured
from stowgate.pixels.image import Acquisition, Image

PROJECTION = frozenset(("CR", "DX", "MG", "RF", "XA"))
_JUDGED = frozenset(("CT", "MR", "PT")) | PROJECTION
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_LEAST = 64
"""Rows or columns below which nothing is judged."""

SATURATED = 0.006
"""Share at the greatest value: dental metal stays below a third of it, simulated saturation begins at 0.8 %."""
MISSING = 0.25
"""Share of the lines; a field of view that ends in air or zeroes never ends in the middle of the body."""
RING = 0.45
"""Real and simulated healthy pictures stay below 0.2."""
STRIPE = 0.85
"""Real and simulated healthy pictures stay below 0.62; the flat top of a couch does not count."""
NOISY = 100.0
"""Hounsfield units: nothing soft is told apart any more; a thin slice of a large patient has 40."""
STRAY = 0.05
"""Of projection X-ray: share at the end of the range that is not its background; real ones stay below 0.8 %."""
NARROW = 0.02
"""Of projection X-ray: share of the range of its bits that is used; real ones use more than half."""
DEVIATION = 3.0
"""Deviation Index (IEC 62494-1): beyond it an exposure is half, or twice, what was meant (AAPM TG 116)."""


def is_judged(image: Image) -> bool:
    """Whether it is a picture that a scanner made of a body: no localizer, screen shot, colour or thumbnail."""
    return (
        image.modality in _JUDGED
        and image.samples == 1
        and image.photometric.startswith("MONOCHROME")
        and min(image.rows, image.columns) >= _LEAST
        and not image.sop_class.startswith(_SECONDARY_CAPTURE)
        and "LOCALIZER" not in image.acquisition.image_type
    )


def findings(image: Image, of: Measured, frame: int = 0) -> tuple[Finding, ...]:
    """What is amiss with one frame, in fixed order; a blank one has no other fault."""
    if not is_judged(image):
        return ()
    if not of.spread > 0:
        return (Finding("picture_blank", {"spread": 0.0}, frame),)
    found = [*_lines(image, of, frame), *_levels(image, of, frame), *_patterns(image, of, frame)]
    return (*found, *exposure(image.acquisition, frame))


def _lines(image: Image, of: Measured, frame: int) -> list[Finding]:
    found = []
    if of.dead_rows + of.dead_columns > 0:
        evidence = {"dead_rows": float(of.dead_rows), "dead_columns": float(of.dead_columns)}
        found.append(Finding("picture_dead_lines", evidence, frame))
    if of.missing > MISSING and image.modality in ("CT", "MR", "MG"):  # others are collimated on purpose
        found.append(Finding("picture_part_missing", {"missing_share": of.missing}, frame))
    return found


def _levels(image: Image, of: Measured, frame: int) -> list[Finding]:
    found = []
    cut = min(of.at_low, of.at_high) if image.modality in PROJECTION else of.at_high
    if cut > {"CT": SATURATED, "MR": SATURATED, "PT": 1.0}.get(image.modality, STRAY):
        found.append(Finding("picture_saturated", {"saturated_share": cut}, frame))
    used = of.spread / (2.0**image.bits_stored * (abs(image.facts(frame).rescale.slope) or 1.0))
    if image.modality in PROJECTION and used < NARROW:
        found.append(Finding("picture_flat", {"used_share": used}, frame))
    if image.modality == "CT" and of.noise > NOISY:
        found.append(Finding("picture_noisy", {"noise_hu": of.noise}, frame))
    return found


def _patterns(image: Image, of: Measured, frame: int) -> list[Finding]:
    found = []
    if image.modality == "CT" and of.ring > RING:
        found.append(Finding("picture_rings", {"ring": of.ring}, frame))
    stripe = max((one for one in (of.row_stripe, of.column_stripe) if math.isfinite(one)), default=0.0)
    if image.modality in {"CT", *PROJECTION} and stripe > STRIPE:  # MR is interpolated, and lines of it alternate
        found.append(Finding("picture_stripes", {"stripe": stripe}, frame))
    return found


def exposure(of: Acquisition, frame: int = 0) -> tuple[Finding, ...]:
    """Of projection X-ray, by its Deviation Index, else by Exposure Index and its target (PS3.3 C.8.11.3)."""
    deviation = of.deviation_index
    if deviation is None and of.exposure_index and of.target_exposure_index:
        if of.exposure_index <= 0 or of.target_exposure_index <= 0:
            return ()
        deviation = 10 * math.log10(of.exposure_index / of.target_exposure_index)
    if deviation is None or not math.isfinite(deviation) or abs(deviation) <= DEVIATION:
        return ()
    code = "exposure_high" if deviation > 0 else "exposure_low"
    return (Finding(code, {"deviation_index": deviation}, frame),)
