"""Scores the segmenters against the masks of the shared data and prints the table of docs/explanation/segmenters.md.

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


if __name__ == "__main__":
    shared = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2] / "shared"
    print(table(list(scores(shared / "data" / "annotated"))))
