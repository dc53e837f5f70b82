"""From a volume to labels, behind one protocol: Hounsfield ranges with connected components, or classes of intensity.

A trained model joins as a further member of `SEGMENTERS`. No member here diagnoses anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from stowgate.analyse.clusters import clusters
from stowgate.analyse.intensity import Intensity, Unit

Mask = npt.NDArray[np.bool_]
_BODY, _AIRY, _BONE = -300.0, -400.0, 150.0
"""Hounsfield units: above the first is body, below the second inside it something airy, from the third on bone."""
_GAS = -930.0
"""Lung holds blood and walls; an airy space whose median is below is gas in bowel, windpipe or sinus."""
_LUNG_MILLILITRES, _BONE_MILLILITRES = 10.0, 1.0
"""Smaller ones are something else: a bubble, a calcified vessel."""
_MARROW = 3.0
"""Millimetres that marrow may interrupt a bone for, within a slice."""
_WIDEST_MARROW = 25.0
"""Square centimetres of the largest section of marrow, which is a femoral head's; what a skull surrounds is a brain."""
_THIN = 5.0
"""Millimetres: what is thinner than twice that and touches the body is a head rest or a sheet, and is cut off."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A series as numbers with a unit.

    values  -- slices x rows x columns
    spacing -- millimetres between slices, rows, columns
    """

    values: npt.NDArray[np.float32] = field(repr=False)
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    unit: Unit = "stored"
    modality: str = ""


@dataclass(frozen=True, slots=True)
class Labels:
    """slices x rows x columns of numbers, and the name of each number."""

    map: npt.NDArray[np.uint8] = field(repr=False)
    names: tuple[str, ...]

    def mask(self, name: str) -> Mask:
        """Where it is; `ValueError` for a name that is none of `names`."""
        found: Mask = self.map == self.names.index(name)
        return found


class Segmenter(Protocol):
    """What makes labels of a volume."""

    def segment(self, volume: Volume) -> Labels:
        """Labels of the same shape. `ValueError` for a unit that it cannot work with."""


class HounsfieldRanges:
    """Air outside, soft tissue, lung, bone and gas inside of a CT volume, by ranges and connected components."""

    NAMES = ("air", "soft tissue", "lung", "bone", "gas")

    def segment(self, volume: Volume) -> Labels:
        """See `Segmenter`; `ValueError` for anything that is not in Hounsfield units."""
        if volume.unit != "HU":
            raise ValueError("ranges are in Hounsfield units")
        body = body_of(volume)
        labels = np.zeros(volume.values.shape, np.uint8)
        labels[body] = 1
        labels[_bones(volume, body)] = 3
        labels[body & (volume.values < _AIRY)] = 4
        labels[_lungs(volume, body)] = 2
        return Labels(labels, self.NAMES)


class IntensityClasses:
    """Classes of intensity over the whole volume, from the darkest; it knows nothing of places."""

    def __init__(self, k: int = 3) -> None:
        self._k = k

    def segment(self, volume: Volume) -> Labels:
        """See `Segmenter`; any unit will do."""
        flat = Intensity(volume.values.reshape(len(volume.values), -1), unit=volume.unit, modality=volume.modality)
        found = clusters(flat, self._k)
        return Labels(found.labels(flat).reshape(volume.values.shape), tuple(one.name for one in found.classes))


SEGMENTERS: Mapping[str, Callable[[], Segmenter]] = {
    "hounsfield-ranges": HounsfieldRanges,
    "intensity-classes": IntensityClasses,
}


def body_of(volume: Volume) -> Mask:
    """The largest connected thing that is no air, with its holes filled slice by slice: table and clothes go."""
    from scipy import ndimage

    solid = volume.values > _BODY
    opened = ndimage.binary_opening(solid, np.ones((1, 3, 3), bool))  # a table that touches is cut off
    largest = _largest(opened)
    grown = ndimage.binary_dilation(largest, np.ones((1, 3, 3), bool)) & solid
    filled = np.stack([ndimage.binary_fill_holes(one) for one in grown])
    return _without_thin(filled, volume.spacing[1:])


def _without_thin(body: Mask, spacing: tuple[float, float]) -> Mask:
    """The largest part that is thick in its slice, and what of the rest is near it, as ears and a nose are."""
    from scipy import ndimage

    framed = np.pad(body, ((0, 0), (1, 1), (1, 1)), constant_values=True)  # a body that the edge cuts is not thin there
    depth = np.stack([ndimage.distance_transform_edt(one, sampling=spacing) for one in framed])[:, 1:-1, 1:-1]
    core = _largest(depth > _THIN)
    if not core.any():
        return body
    near = np.stack([ndimage.distance_transform_edt(~one, sampling=spacing) for one in core]) <= 2 * _THIN
    empty = ~core.any(axis=(1, 2))  # slices at the crown or the chin may hold nothing thick
    near[empty] = True
    found: Mask = body & near
    return found


def _lungs(volume: Volume, body: Mask) -> Mask:
    """Connected airy spaces within the body that are large enough, and no gas."""
    from scipy import ndimage

    airy, count = ndimage.label(body & (volume.values < _AIRY))
    medians = np.asarray(ndimage.median(volume.values, airy, np.arange(count + 1)), np.float64)
    return _chosen(airy, (_millilitres(volume, airy) >= _LUNG_MILLILITRES) & (medians > _GAS))


def _bones(volume: Volume, body: Mask) -> Mask:
    """What is dense, with the marrow that it surrounds slice by slice, where it is large enough."""
    from scipy import ndimage

    steps = max(1, round(_MARROW / max(volume.spacing[1:])))
    dense = ndimage.binary_closing(body & (volume.values >= _BONE), np.ones((1, 3, 3), bool), iterations=steps)
    pieces, _ = ndimage.label(dense | _marrow(dense, volume.spacing[1:]))
    return _chosen(pieces, _millilitres(volume, pieces) >= _BONE_MILLILITRES)


def _marrow(dense: Mask, spacing: tuple[float, float]) -> Mask:
    """What bone surrounds in a slice, where it is small enough."""
    from scipy import ndimage

    holes = np.stack([ndimage.binary_fill_holes(one) for one in dense]) & ~dense
    within = np.zeros((3, 3, 3), bool)
    within[1] = ndimage.generate_binary_structure(2, 1)
    pieces, _ = ndimage.label(holes, within)
    return _chosen(pieces, np.bincount(pieces.ravel()) * np.prod(spacing) / 100 <= _WIDEST_MARROW)


def _millilitres(volume: Volume, pieces: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """Of each piece, by its number."""
    found: npt.NDArray[np.float64] = np.bincount(pieces.ravel()) * np.float64(np.prod(volume.spacing) / 1000)
    return found


def _chosen(pieces: npt.NDArray[np.int32], wanted: Mask) -> Mask:
    """Where a piece is whose number is wanted; 0 is none."""
    wanted[0] = False
    found: Mask = wanted[pieces]
    return found


def _largest(mask: Mask) -> Mask:
    from scipy import ndimage

    labelled, count = ndimage.label(mask)
    if not count:
        return mask
    sizes = np.bincount(labelled.ravel())
    sizes[0] = 0
    found: Mask = labelled == int(sizes.argmax())
    return found
