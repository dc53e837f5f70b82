"""A simulated fleet of scanners with seeded faults, built from real series where they are there, and from phantoms.

Fault        what it does to the stored values                           strength, uniform in
gain         multiplies them                                             1.08 to 1.12, or 0.88 to 0.92
offset       adds or takes away                                          32 to 48 HU; MR: 8 to 12 % of the range
noise        adds normal noise                                           until there is 3 to 5 times as much
blur         convolves with a normal distribution                        sigma 1.2 to 2.5 pixels
rings        adds 3 to 6 circles of one or two pixels; CT only           30 to 80 HU
dead_rows    sets single rows in the middle to one value                 2 to 6 rows
half_field   sets one side to the least value                            40 to 60 % of the lines
black        sets all to the least value                                 -
saturated    multiplies, and cuts at the greatest value that fits        4 to 8 % of the body is cut

Healthy scans differ in slice, position (4 pixels), noise (10 %), level (1 HU) and gain (0.3 %); scanners in noise
(10 %), focus (sigma 0 to 0.45 pixels), level (2 HU) and gain (0.5 %).
Thresholds were fixed on the seeds of TUNED; tests use those of HELD_OUT alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy import ndimage

from stowgate.analyse.fleet import Scan, Verdict, judge
from stowgate.analyse.intensity import Intensity, Unit
from stowgate.analyse.measure import measure
from stowgate.analyse.quality import findings
from stowgate.pixels.image import Image
from tests.shared import SHARED

TUNED, HELD_OUT = (11, 12, 13, 101, *range(300, 342)), (401, 402, 403, 404)

Array = Any
Random = np.random.Generator


@dataclass(frozen=True, slots=True, eq=False)
class Protocol:
    """One kind of scan: its slices in HU or arbitrary units, as floats, and how stored values become them."""

    name: str
    modality: str
    slices: tuple[Array, ...]
    intercept: float
    least: int
    greatest: int

    @property
    def unit(self) -> Unit:
        return "HU" if self.modality == "CT" else "stored"


@dataclass(frozen=True, slots=True)
class Simulated:
    """One scan: its picture, who made it when, and what is wrong with it, "" for nothing."""

    intensity: Intensity
    scanner: str
    protocol: str
    when: float
    fault: str


@dataclass(frozen=True, slots=True)
class Scanner:
    """How one differs from its like; seeded."""

    name: str
    noise: float
    sigma: float
    offset: float
    gain: float


# ------------------------------------------------------------------------------------------------- phantoms


def _ellipse(size: int, centre: tuple[float, float], axes: tuple[float, float]) -> Array:
    y, x = np.mgrid[:size, :size]
    return ((y - centre[0]) / axes[0]) ** 2 + ((x - centre[1]) / axes[1]) ** 2 <= 1


def head(size: int, level: int, random: Random) -> Array:
    """A head of water-like brain in a ring of bone; `level` moves its ventricles."""
    c = size / 2
    image = np.full((size, size), -1000.0)
    image[_ellipse(size, (c, c), (0.40 * size, 0.33 * size))] = 40
    image[_ellipse(size, (c, c), (0.385 * size, 0.315 * size))] = 900
    image[_ellipse(size, (c, c), (0.355 * size, 0.285 * size))] = 34
    for side in (-1, 1):
        shape = _ellipse(size, (c - 0.02 * size, c + side * 0.05 * size), ((0.05 + 0.004 * level) * size, 0.02 * size))
        image[shape] = 6
    texture = ndimage.gaussian_filter(random.normal(size=image.shape), 6)
    brain = image == 34
    image[brain] += 4 * texture[brain] / texture.std()
    return ndimage.gaussian_filter(image, 0.7)


def abdomen(size: int, level: int, random: Random) -> Array:
    """A body of soft tissue with liver, spine, kidneys and fat about it."""
    c = size / 2
    image = np.full((size, size), -1000.0)
    image[_ellipse(size, (c, c), (0.33 * size, 0.44 * size))] = -100
    image[_ellipse(size, (c, c), (0.30 * size, 0.40 * size))] = 45
    image[_ellipse(size, (c - 0.02 * size, c - 0.18 * size), ((0.16 + 0.002 * level) * size, 0.15 * size))] = 62
    for side in (-1, 1):
        image[_ellipse(size, (c + 0.12 * size, c + side * 0.17 * size), (0.07 * size, 0.045 * size))] = 35
    image[_ellipse(size, (c + 0.2 * size, c), (0.055 * size, 0.05 * size))] = 650
    texture = ndimage.gaussian_filter(random.normal(size=image.shape), 5)
    body = image > -200
    image[body] += 5 * texture[body] / texture.std()
    return ndimage.gaussian_filter(image, 0.8)


def _real(pattern: str, take: slice) -> tuple[Array, ...]:
    """Slices of a real series, in the unit of their intensity; none where it is not there."""
    if SHARED is None:
        return ()
    from stowgate.imaging import seen

    files = sorted((SHARED / "data" / "dicom" / "series").glob(pattern), key=lambda path: (len(path.name), path.name))
    return tuple(seen(path).intensity.values.astype(float) for path in files[take])


@cache
def protocols() -> tuple[Protocol, ...]:
    """Heads and abdomens of phantoms in two sizes; a real head phantom and a real brain where they are there."""
    random = np.random.default_rng(7)
    made = [
        Protocol("CT HEAD H40s 120 512x512", "CT", tuple(head(512, n, random) for n in range(6)), -1024, 0, 4095),
        Protocol("CT ABDOMEN B30f 120 256x256", "CT", tuple(abdomen(256, n, random) for n in range(6)), -1024, 0, 4095),
    ]
    phantom = _real("ct_head_phantom_philips/axial_5mm/*", slice(4, 12))
    if phantom:
        made.append(Protocol("CT HEADPHANTOM UB 120 512x512", "CT", phantom, -1024, 0, 4095))
    brain = _real("mr_brain_ge/*", slice(8, 14))
    if brain:
        made.append(Protocol("MR BRAIN 256x256", "MR", brain, 0, 0, 4095))
    else:
        made.append(Protocol("MR BRAIN 256x256", "MR", tuple(_weighted(n, random) for n in range(6)), 0, 0, 4095))
    return tuple(made)


def _weighted(level: int, random: Random) -> Array:
    """A head as MR shows it: bright brain, dark bone and air."""
    base = head(256, level, random)
    return np.where(base > 500, 60, np.where(base < -500, 10, 420 + 4 * base)).astype(float)


# ------------------------------------------------------------------------------------------------- scanners and scans


def _scanners(random: Random, number: int) -> list[Scanner]:
    return [
        Scanner(
            f"S{n:02}", random.uniform(0.9, 1.1), random.uniform(0.0, 0.45), random.uniform(-2, 2),
            random.uniform(0.995, 1.005),
        )
        for n in range(number)
    ]  # fmt: skip


def _scan(protocol: Protocol, scanner: Scanner, random: Random) -> tuple[Array, float]:
    """A healthy scan as stored values in floats, and its noise: another slice, position, dose and patient each time."""
    moved = _rendered(protocol, int(random.integers(len(protocol.slices))), round(scanner.sigma, 1))
    moved = np.roll(moved, random.integers(-4, 5, 2), (0, 1))
    span = 1000.0 if protocol.modality == "CT" else 0.0
    values = (moved + span) * scanner.gain * random.normal(1, 0.003) - span
    noise = (6.0 if protocol.modality == "CT" else 9.0) * scanner.noise * random.uniform(0.9, 1.1)
    values += scanner.offset * (1 if protocol.modality == "CT" else 0) + random.normal(0, 1.0)
    return values + noise * random.standard_normal(values.shape, np.float32) - protocol.intercept, noise


@cache
def _rendered(protocol: Protocol, level: int, sigma: float) -> Array:
    """A slice as a scanner with this focus shows it."""
    base = protocol.slices[level]
    return (ndimage.gaussian_filter(base, sigma) if sigma else base).astype(np.float32)


def scans(
    seed: int,
    count: int,
    scanners: int = 8,
    fault: str | tuple[str, ...] = "",
    share: float = 0.0,
    drifting: Callable[[str, int], float] | None = None,
) -> Iterator[Simulated]:
    """`count` scans of a fleet, in the order of time, `share` of them with a fault (of several, one at random).

    drifting -- HU that a scanner (by name) is off at its n-th scan
    """
    random = np.random.default_rng(seed)
    fleet = _scanners(random, scanners)
    made: dict[str, int] = {}
    faults = (fault,) if isinstance(fault, str) else fault
    for n in range(count):
        scanner = fleet[random.integers(len(fleet))]
        protocol = protocols()[random.integers(len(protocols()))]
        stored, noise = _scan(protocol, scanner, random)
        made[scanner.name] = made.get(scanner.name, 0) + 1
        if drifting:
            stored = stored + drifting(scanner.name, made[scanner.name])
        is_faulty = bool(faults[0]) and random.random() < share
        name = str(faults[random.integers(len(faults))]) if is_faulty else ""
        name = "" if name == "rings" and protocol.modality != "CT" else name
        if name:
            stored = FAULTS[name](stored, protocol, noise, random)
        whole = np.rint(np.clip(stored, protocol.least, protocol.greatest)).astype(np.int16)
        intensity = Intensity(whole, 1.0, protocol.intercept, protocol.unit, None, (0.5, 0.5), protocol.modality)
        yield Simulated(intensity, scanner.name, protocol.name, 60.0 * n, name)


def judged(of: list[Simulated]) -> Verdict:
    """What the gateway would say of them: each by itself, then all together."""
    scans_ = []
    for n, one in enumerate(of):
        seen = measure(one.intensity)
        codes = tuple(finding.code for finding in findings(_image(one), seen))
        scans_.append(Scan(f"{n:06}", one.scanner, one.protocol, one.when, seen.as_dict(), codes))
    return judge(scans_)


def _image(one: Simulated) -> Image:
    rows, columns = one.intensity.stored.shape
    modality = one.intensity.modality
    return Image(modality, "", "", rows, columns, 1, 1, "MONOCHROME2", 16, 16, signed=False)


# ------------------------------------------------------------------------------------------------- faults


def _gain(stored: Array, _: Protocol, __: float, random: Random) -> Array:
    return stored * (random.uniform(1.08, 1.12) if random.random() < 0.5 else random.uniform(0.88, 0.92))


def _offset(stored: Array, protocol: Protocol, _: float, random: Random) -> Array:
    span = 40.0 if protocol.modality == "CT" else 0.1 * np.quantile(stored, 0.99)
    return stored + random.choice((-1, 1)) * random.uniform(0.8, 1.2) * span


def _noise(stored: Array, _: Protocol, noise: float, random: Random) -> Array:
    times = random.uniform(3, 5)
    return stored + noise * np.sqrt(times**2 - 1) * random.standard_normal(stored.shape, np.float32)


def _blur(stored: Array, _: Protocol, __: float, random: Random) -> Array:
    return ndimage.gaussian_filter(stored, random.uniform(1.2, 2.5))


def _rings(stored: Array, _: Protocol, __: float, random: Random) -> Array:
    rows, columns = stored.shape
    y, x = np.ogrid[:rows, :columns]
    radius = np.rint(np.hypot(y - (rows - 1) / 2, x - (columns - 1) / 2)).astype(int)
    out = stored.copy()
    for at in random.choice(np.arange(8, int(0.2 * min(rows, columns))), random.integers(3, 7), replace=False):
        circle = (radius >= at) & (radius < at + random.integers(1, 3))
        out[circle] += random.choice((-1, 1)) * random.uniform(30, 80)
    return out


def _dead_rows(stored: Array, protocol: Protocol, _: float, random: Random) -> Array:
    out, rows = stored.copy(), stored.shape[0]
    middle = np.arange(int(0.25 * rows), int(0.75 * rows))
    out[random.choice(middle, random.integers(2, 7), replace=False)] = protocol.least
    return out


def _half_field(stored: Array, protocol: Protocol, _: float, random: Random) -> Array:
    turned = np.rot90(stored, k := int(random.integers(4))).copy()
    turned[: int(random.uniform(0.4, 0.6) * len(turned))] = protocol.least
    return np.rot90(turned, -k)


def _black(stored: Array, protocol: Protocol, _: float, __: Random) -> Array:
    return np.full_like(stored, protocol.least)


def _saturated(stored: Array, protocol: Protocol, _: float, random: Random) -> Array:
    body = stored[stored > (624 if protocol.modality == "CT" else 0.12 * np.quantile(stored, 0.99))]
    cut = np.quantile(body, 1 - random.uniform(0.04, 0.08))
    return stored * protocol.greatest / cut


FAULTS: dict[str, Callable[[Array, Protocol, float, Random], Array]] = {
    "gain": _gain, "offset": _offset, "noise": _noise, "blur": _blur, "rings": _rings, "dead_rows": _dead_rows,
    "half_field": _half_field, "black": _black, "saturated": _saturated,
}  # fmt: skip
