"""Measures real CT slices, also with blood and clouds painted in; prints the tables of docs/explanation/triage.md.

python tools/score_measured.py [SHARED]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from score_segmenters import loaded

from stowgate.analyse.cells import enclosed
from stowgate.analyse.intensity import Intensity
from stowgate.analyse.measured import Measured, measured
from stowgate.errors import Rejected
from stowgate.imaging import opened

SEED, TIMES = 101, 40
"""Limits were chosen with other seeds; so often is each slice turned, shifted, made noisy and painted on."""
HEADS = ("dicom/series/ct_skull_incomplete/I14", "dicom/series/ct_skull_incomplete/I22")
CHESTS = (
    "dicom/syntax/pylibjpeg-data__CT1_JLSN.dcm",
    "annotated/ct_lung_tumour_rtstruct_4dlung/ct/z-919_1-28.dcm",
    "annotated/ct_lung_tumour_rtstruct_4dlung/ct/z-928_1-31.dcm",
)
Slice = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


def slices(folder: Path) -> Iterator[Intensity]:
    """Every frame in Hounsfield units below a folder, or of a file."""
    for path in sorted(folder.rglob("*")) if folder.is_dir() else [folder]:
        try:
            with opened(path) as frames:
                for frame in frames:
                    if frame.intensity.unit == "HU":
                        yield frame.intensity
        except (Rejected, IsADirectoryError):
            continue


def of_volume(path: Path) -> Iterator[Intensity]:
    """Every slice of a volume of CT."""
    values, spacing = loaded(path)
    for plane in values:
        yield Intensity(plane, unit="HU", modality="CT", spacing=spacing[1:])


def as_seen(one: Intensity, values: Slice) -> Intensity:
    """A slice with other values."""
    return replace(one, stored=values, slope=1.0, intercept=0.0, valid=None)


def varied(one: Intensity, chance: np.random.Generator) -> Slice:
    """Turned by up to 25 degrees, mirrored, up to 3 HU off, with up to 12 HU more noise."""
    values = ndimage.rotate(np.maximum(one.values, -1024), chance.uniform(-25, 25), reshape=False, order=1, cval=-1024)
    values = values[:, :: chance.choice([1, -1])] + chance.uniform(-3, 3)
    return np.asarray(values + chance.normal(0, chance.uniform(0, 12), values.shape), np.float32)


def largest(mask: Mask, least: float) -> Mask:
    """Enclosed pieces of so many pixels."""
    numbered, sizes = enclosed(mask)
    found: Mask = (sizes >= least)[numbered]
    return found


def with_blood(one: Intensity, values: Slice, thick: float, chance: np.random.Generator) -> tuple[Slice, float]:
    """A lens of 60 to 75 HU on the inner side of the skull, and its square millimetres."""
    apart = one.spacing[0] if one.spacing else 1.0
    brain = largest(~ndimage.binary_closing(values > 200, iterations=10), 5000 / apart**2)
    edge = np.argwhere(brain & ~ndimage.binary_erosion(brain))
    place = edge[chance.integers(len(edge))]
    inwards = np.argwhere(brain).mean(axis=0) - place
    inwards /= np.hypot(*inwards)
    rows, columns = np.indices(values.shape) - place[:, None, None]
    deep, along = rows * inwards[0] + columns * inwards[1], columns * inwards[0] - rows * inwards[1]
    lens = brain & ((deep * apart / thick) ** 2 + (along * apart / (2.5 * thick)) ** 2 < 1)
    density = chance.uniform(60, 75) - np.median(values[brain])
    return np.where(lens, values + np.float32(density), values), float(lens.sum() * apart**2)


def with_clouds(one: Intensity, values: Slice, area: float, chance: np.random.Generator) -> tuple[Slice, float]:
    """Ragged lung of -350 or 0 HU around any place in the lungs, and its square millimetres."""
    apart = one.spacing[0] if one.spacing else 1.0
    lungs = largest(ndimage.binary_opening(values < -500, iterations=2), 2000 / apart**2)
    place = np.argwhere(lungs)[chance.integers(lungs.sum())]
    away = np.hypot(*(np.indices(values.shape) - place[:, None, None])) * apart
    rough = ndimage.gaussian_filter(chance.normal(size=values.shape), 8 / apart)
    ragged = away - 18 * rough / rough.std()
    clouds = lungs & (ragged < np.sort(ragged[lungs])[min(int(area / apart**2), int(lungs.sum()) - 1)])
    density = chance.choice([-350, 0]) + chance.normal(0, 40, values.shape)
    share = ndimage.gaussian_filter(clouds.astype(np.float32), 1.5 / apart) * clouds
    return np.asarray(values * (1 - share) + share * density, np.float32), float(clouds.sum() * apart**2)


def told(found: Measured | None) -> bool:
    """Whether somebody is asked to look."""
    return found is not None and found.finding is not None


def real(shared: Path) -> None:
    """Every slice of the shared data."""
    print("| slices | frames | with a structure | largest share | told | median ms |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, folder in (
        ("skull", "dicom/series/ct_skull_incomplete"),
        ("head phantom", "dicom/series/ct_head_phantom_philips"),
        ("chest, others", "dicom/syntax"),
        ("chest with a tumour", "annotated/ct_lung_tumour_rtstruct_4dlung/ct"),
        ("liver and lung bases", "annotated/ct_liver_seg_dcmqi"),
        ("belly", "annotated/ct_organs_totalsegmentator/dicom"),
        ("trunk", "annotated/ct_organs_totalsegmentator/example_ct_sm.nii.gz"),
    ):
        found, spent = [], []
        for one in of_volume(shared / "data" / folder) if folder.endswith("gz") else slices(shared / "data" / folder):
            began = time.perf_counter()
            found.append(measured(one))
            spent.append(time.perf_counter() - began)
        held = [one for one in found if one]
        share = max((one.fraction for one in held), default=0.0)
        ms = 1000 * float(np.median(spent))
        print(f"| {name} | {len(found)} | {len(held)} | {share:.1%} | {sum(map(told, held))} | {ms:.1f} |")


def painted(shared: Path) -> None:
    """How often what is painted in is told, and how often the same slices without it are."""
    print("\n| what is painted into real slices | square centimetres | told |")
    print("| --- | ---: | ---: |")
    makers: tuple[tuple[str, tuple[str, ...], Callable[..., tuple[Slice, float]], tuple[float, ...]], ...] = (
        ("blood", HEADS, with_blood, (6, 10, 15, 20)),
        ("clouds", CHESTS, with_clouds, (1000, 2000, 3500, 5000)),
    )
    chance = np.random.default_rng(SEED)
    for name, paths, paint, sizes in makers:
        sources = [next(slices(shared / "data" / path)) for path in paths]
        plain = [told(measured(as_seen(one, varied(one, chance)))) for one in sources for _ in range(TIMES)]
        print(f"| no {name} | 0 | {np.mean(plain):.0%} of {len(plain)} |")
        for size in sizes:
            made = [(one, *paint(one, varied(one, chance), size, chance)) for one in sources for _ in range(TIMES)]
            seen = [told(measured(as_seen(one, values))) for one, values, _ in made]
            area = np.mean([area for _, _, area in made]) / 100
            print(f"| {name} | {area:.1f} | {np.mean(seen):.0%} of {len(seen)} |")


if __name__ == "__main__":
    shared = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parents[2] / "shared")
    real(shared)
    painted(shared)
