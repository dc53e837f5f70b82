"""Looks at one object, in this process: its frames one by one, what is wrong with them, and what they measure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np

from stowgate.analyse import series_quality
from stowgate.analyse.features import of_header
from stowgate.analyse.finding import Finding
from stowgate.analyse.intensity import Intensity, intensity_of
from stowgate.analyse.measure import measure
from stowgate.analyse.measured import measured
from stowgate.analyse.quality import findings, is_judged
from stowgate.look.header import header_of
from stowgate.look.looked import Looked
from stowgate.pixels.image import Image
from stowgate.pixels.read import Frame, Opened, open_file


def look_at(file: BinaryIO, most: int) -> Looked:
    """What is seen of a DICOM file; of an object with more frames `most`, evenly from the first to the last.

    Raises `Rejected` where there is no picture, or one of its frames cannot be decoded.
    """
    return look(open_file(file), most)


def look(opened: Opened, most: int = 64) -> Looked:
    """The same of an object that is open."""
    image = opened.image
    digest, found, numbers, side = hashlib.sha256(), list[Finding](), list[dict[str, float]](), ""
    urgent: dict[str, None] = {}
    frames = 0
    for at, array in _frames(opened, most):
        frames += 1
        digest.update(np.ascontiguousarray(array).data)
        intensity = intensity_of(image, array, at)
        if is_judged(image):
            levels = measure(intensity)
            numbers.append(levels.as_dict())
            found += findings(image, levels, at)
            if (share := measured(intensity, at)) and share.finding:
                urgent[share.finding.code] = None
        side = side or _side(image, intensity)
    features = {**_medians(numbers), **of_header(image.acquisition)}
    seen = (frames, tuple(found), features, tuple(urgent), digest.hexdigest(), side)
    return Looked(header_of(opened.dataset), image, *seen)


def _frames(opened: Opened, most: int) -> Iterator[tuple[int, Frame]]:
    number = opened.image.frames
    if number <= most:
        yield from enumerate(opened.frames())
        return
    for at in np.unique(np.linspace(0, number - 1, most).astype(int)):
        yield int(at), opened.frame(int(at))


def _medians(numbers: Sequence[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for one in numbers for name in one)
    return {name: float(np.median([one[name] for one in numbers if name in one])) for name in names}


def _side(image: Image, intensity: Intensity) -> str:
    if image.modality != "MG" or not is_judged(image):
        return ""
    return series_quality.attached_at(intensity.values, image.photometric == "MONOCHROME1")
