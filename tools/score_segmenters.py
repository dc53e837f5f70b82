"""Scores the segmenters against the masks of the shared data and prints the tables of docs/explanation/segmenters.md.

python tools/score_segmenters.py [SHARED]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stowgate.analyse.agreement import Agreement, agreement
from stowgate.analyse.segment import HounsfieldRanges, IntensityClasses, Labels, Segmenter, Volume

LOBES = range(10, 15)
BONES = (*range(25, 51), *range(69, 79), 91, *range(92, 117))
"""Label numbers of TotalSegmentator 2: lobes of the lungs; sacrum, vertebrae, limbs, girdles, skull, ribs, sternum."""
LABELS = "ct_organs_totalsegmentator/example_seg.nii.gz"


@dataclass(frozen=True)
class Score:
    """One line of the table."""

    picture: str
    segmenter: str
    what: str
    found: Agreement
    voxels: int


@dataclass(frozen=True)
class Share:
    """One line of the second table: how much of a mask lies where it has to."""

    picture: str
    what: str
    within: str
    part: float
    voxels: int


def loaded(path: Path) -> tuple[npt.NDArray[np.float32], tuple[float, float, float]]:
    """A NIfTI volume as slices x rows x columns, and its spacing in that order."""
    import nibabel

    image = nibabel.funcs.as_closest_canonical(nibabel.load(path))  # type: ignore[no-untyped-call]
    across, along, up = (float(one) for one in image.header.get_zooms()[:3])
    return np.ascontiguousarray(np.asarray(image.dataobj, np.float32).T), (up, along, across)


def scores(annotated: Path) -> Iterator[Score]:
    """Every comparison that the sets allow."""
    values, spacing = loaded(annotated / "ct_organs_totalsegmentator" / "example_ct_sm.nii.gz")
    truth, _ = loaded(annotated / LABELS)
    volume = Volume(values, spacing, "HU", "CT")
    lungs, bones = np.isin(truth, LOBES), np.isin(truth, BONES)
    yield from _of("trunk, model's masks", HounsfieldRanges(), volume, {"lung": lungs, "bone": bones})
    yield from _of("trunk, model's masks", IntensityClasses(4), volume, {"lung": lungs, "bone": bones})
    values, spacing = loaded(annotated / "bone_vertebra_tptbox" / "sub-ct_label-22_ct.nii.gz")
    truth, _ = loaded(annotated / "bone_vertebra_tptbox" / "sub-ct_seg-vert_label-22_msk.nii.gz")
    vertebra = Volume(values, spacing, "HU", "CT")
    yield from _of("one vertebra, people's masks", HounsfieldRanges(), vertebra, {"bone": truth > 0})


def shares(annotated: Path) -> Iterator[Share]:
    """Masks of which there is no such label, but which have to lie within one."""
    values, spacing = loaded(annotated / "ct_organs_totalsegmentator" / "example_ct_sm.nii.gz")
    organs = loaded(annotated / LABELS)[0] > 0
    labels = HounsfieldRanges().segment(Volume(values, spacing, "HU", "CT"))
    yield Share("trunk, model's masks", "all organs", "body", float((labels.map[organs] > 0).mean()), int(organs.sum()))
    volume, liver = _liver(annotated / "ct_liver_seg_dcmqi")
    soft = HounsfieldRanges().segment(volume).mask("soft tissue")
    yield Share("3 slices, publisher's masks", "liver", "soft tissue", float(soft[liver].mean()), int(liver.sum()))


def _liver(folder: Path) -> tuple[Volume, npt.NDArray[np.bool_]]:
    """Slices of a CT and the frames of a segmentation, both from feet to head."""
    import pydicom

    slices = sorted(
        (pydicom.dcmread(path) for path in folder.glob("ct-3slice_*.dcm")), key=lambda one: one.ImagePositionPatient[2]
    )
    found = pydicom.dcmread(folder / "liver.dcm")
    heights = [
        float(group.PlanePositionSequence[0].ImagePositionPatient[2])
        for group in found.PerFrameFunctionalGroupsSequence
    ]
    if not np.allclose(sorted(heights), [float(one.ImagePositionPatient[2]) for one in slices], atol=0.01):
        raise ValueError("the masks lie in other slices")
    first = slices[0]
    stored = np.stack([one.pixel_array for one in slices]).astype(np.float32)
    values = stored * np.float32(first.RescaleSlope) + np.float32(first.RescaleIntercept)
    down, across = map(float, first.PixelSpacing)
    masks = found.pixel_array[np.argsort(heights)].astype(bool)
    return Volume(values, (abs(heights[1] - heights[0]), down, across), "HU", "CT"), masks


def _of(
    picture: str, segmenter: Segmenter, volume: Volume, truths: dict[str, npt.NDArray[np.bool_]]
) -> Iterator[Score]:
    labels = segmenter.segment(volume)
    for what, truth in truths.items():
        mask = _named(labels, what)
        yield Score(picture, type(segmenter).__name__, what, agreement(mask, truth, volume.spacing), int(truth.sum()))


def _named(labels: Labels, what: str) -> npt.NDArray[np.bool_]:
    """All classes whose name begins so: two classes of bone are bone."""
    chosen = [number for number, name in enumerate(labels.names) if name.startswith(what)]
    return np.isin(labels.map, chosen)


def table(lines: Sequence[Score]) -> str:
    """Markdown."""
    rows = ["| picture | segmenter | what | Dice | Hausdorff 95 % | Hausdorff | voxels of the mask |",
            "| --- | --- | --- | ---: | ---: | ---: | ---: |"]  # fmt: skip
    rows += [
        f"| {one.picture} | {one.segmenter} | {one.what} | {one.found.dice:.3f} | {one.found.hausdorff_95:.1f} mm | "
        f"{one.found.hausdorff:.1f} mm | {one.voxels:,} |"
        for one in lines
    ]
    return "\n".join(rows)


def second_table(lines: Sequence[Share]) -> str:
    """Markdown."""
    rows = ["| picture | what | lies within | part of it | voxels of the mask |", "| --- | --- | --- | ---: | ---: |"]
    rows += [f"| {one.picture} | {one.what} | {one.within} | {one.part:.2%} | {one.voxels:,} |" for one in lines]
    return "\n".join(rows)


if __name__ == "__main__":
    shared = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2] / "shared"
    print(table(list(scores(shared / "data" / "annotated"))), end="\n\n")
    print(second_table(list(shares(shared / "data" / "annotated"))))
