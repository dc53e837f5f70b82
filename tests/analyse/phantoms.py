"""Numbers that look like slices of heads and chests, made from a seed; no patient is in them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stowgate.analyse.intensity import Intensity

SIZE, SPACING = 512, 0.5
Slice = npt.NDArray[np.float32]


def ellipse(centre: tuple[float, float], radii: tuple[float, float], spacing: float = SPACING) -> npt.NDArray[np.bool_]:
    """Millimetres from the middle of the picture: rows, columns."""
    rows, columns = (np.indices((SIZE, SIZE)) - SIZE / 2) * spacing
    found: npt.NDArray[np.bool_] = ((rows - centre[0]) / radii[0]) ** 2 + ((columns - centre[1]) / radii[1]) ** 2 < 1
    return found


def seen(values: Slice, spacing: float = SPACING, seed: int = 0, noise: float = 8.0, **more: object) -> Intensity:
    """A slice of CT with the blur and the noise of a scanner, as integers."""
    from scipy import ndimage

    blurred = ndimage.gaussian_filter(values, 1.0) + np.random.default_rng(seed).normal(0, noise, values.shape)
    facts: dict[str, object] = {"unit": "HU", "modality": "CT", "spacing": (spacing, spacing)}
    return Intensity(np.rint(blurred).astype(np.int16), **(facts | more))  # type: ignore[arg-type]


def head(seed: int = 0) -> Slice:
    """Scalp, a skull of 7 mm, grey matter around white matter, two ventricles; a healthy one."""
    chance = np.random.default_rng(seed)
    wide, long = chance.uniform(62, 72), chance.uniform(78, 90)
    values = np.full((SIZE, SIZE), -1000, np.float32)
    for grow, density in ((12, 40), (7, 1200), (0, 40), (-9, 28)):
        values[ellipse((0, 0), (long + grow, wide + grow))] = density
    for side in (-1, 1):
        values[ellipse((0, side * 12), (22, 7))] = 6
    return values


def with_lens(values: Slice, density: float = 65.0, thick: float = 14.0, seed: int = 0) -> Slice:
    """The same with a lens between skull and brain, on one side."""
    side = np.random.default_rng(seed).choice([-1, 1])
    bone = np.flatnonzero(values[SIZE // 2] > 1000)
    edge = (bone[bone > SIZE / 2][0] - SIZE / 2) * SPACING * side
    lens = ellipse((5, edge), (35, thick)) & (values > 0) & (values < 100)
    lens &= np.sign(np.arange(SIZE) - SIZE / 2) * np.abs(edge) * side > 0
    rows, columns = np.nonzero(values > 1000)
    skull = ellipse((0, 0), (np.ptp(rows) / 2 * SPACING - 7, np.ptp(columns) / 2 * SPACING - 7))
    return np.where(lens & skull, np.float32(density), values)


CHEST = 0.75
"""Spacing of a chest."""


def chest(seed: int = 0) -> Slice:
    """A body with two lungs, a heart between them, ribs, a spine, a windpipe and vessels; a healthy one."""
    chance = np.random.default_rng(seed)
    values = np.full((SIZE, SIZE), -1000, np.float32)
    values[ellipse((0, 0), (115, 165), CHEST)] = 45
    for side in (-1, 1):
        lung = ellipse((0, side * 72), (chance.uniform(82, 92), chance.uniform(52, 58)), CHEST)
        values[lung] = -820
        for _ in range(60):
            at = chance.uniform(-80, 80), side * 72 + chance.uniform(-50, 50)
            vessel = ellipse(at, (chance.uniform(0.8, 2.5), chance.uniform(0.8, 2.5)), CHEST)
            values[vessel & lung] = 40
    values[ellipse((0, 8), (45, 55), CHEST)] = 45
    values[ellipse((85, 0), (18, 18), CHEST)] = 300
    values[ellipse((45, 0), (8, 8), CHEST)] = -1000
    return values


def with_opacity(values: Slice, density: float, seed: int = 0, size: float = 34.0) -> Slice:
    """The same with clouds in the outer part of a lung, ragged as they are."""
    from scipy import ndimage

    chance = np.random.default_rng(seed)
    side = chance.choice([-1, 1])
    rough = ndimage.gaussian_filter(chance.normal(size=values.shape), 6)
    near = np.zeros(values.shape, bool)
    for row in (-40, 35):
        near |= ellipse((row, side * 84), (size, size * 0.8), CHEST)
    clouds = near & (values < -700) & (rough > -0.6 * rough.std())
    return np.where(clouds, np.float32(density), values)
