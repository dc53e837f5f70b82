"""Scanners somebody should see to: more unlike pictures than the healthy rest, drift, all of it off, a clock off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from stowgate.analyse.drift import Drift
from stowgate.analyse.features import FEATURES, Floats
from stowgate.analyse.groups import Shift
from stowgate.analyse.outliers import FEWEST
from stowgate.analyse.scan import JudgedImage

Places = npt.NDArray[np.int64]
SURE = 0.01
"""How likely, over all scanners, a share of outliers that alarms may be by chance."""
FEWEST_OUTLIERS = 3
DIFFERS = 5.0
"""By how much the median of a scanner's images is off the others', in what its own differ from each other; healthy
scanners of the tuning seeds stay below 3."""
CLOCK = 300.0
"""Seconds by which a scanner's clock may be off."""


@dataclass(frozen=True, slots=True)
class JudgedScanner:
    """One scanner.

    measured -- of its images: those that were measured; no other is compared
    compared -- of these: those that have enough of their like, or a baseline, to be compared with
    shift    -- how far it is off the others by feature (`groups.shifts_of`), in its own spread, where that is over 1
    off      -- the same in the unit of the feature; of one that is compared by its logarithm: so many times the others'
    codes    -- how many of its odd images have each code, the commonest first
    faults   -- the same of what an image shows by itself, with nothing to compare it with
    lacks    -- what its headers do not say, so that it is not compared with other scanners by what depends on it
    """

    scanner: str
    images: int
    outliers: int
    alert: bool
    reasons: tuple[str, ...]
    shift: Mapping[str, float] = field(default_factory=dict)
    off: Mapping[str, float] = field(default_factory=dict)
    measured: int = 0
    compared: int = 0
    codes: Mapping[str, int] = field(default_factory=dict)
    faults: Mapping[str, int] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()


def judged_scanners(
    images: Sequence[JudgedImage],
    of_scanner: Mapping[str, Places],
    shifts: Mapping[str, Shift],
    drifts: Sequence[Drift],
    usual: Container[str],
) -> list[JudgedScanner]:
    """All of them, by name.

    of_scanner -- places of its images by scanner; usual -- protocols of which it is known what is usual
    """
    own = {name: [images[at] for at in places] for name, places in sorted(of_scanner.items())}
    measured = {name: [one for one in some if one.scan.is_measured] for name, some in own.items()}
    counts = {name: (sum(one.outlier for one in some), len(some)) for name, some in measured.items()}
    reasons: dict[str, list[str]] = {name: [] for name in own}
    for name in own:
        reasons[name] += ["scanner_drifts"] if any(one.scanner == name for one in drifts) else []
        reasons[name] += _differs(shifts.get(name), counts[name][1])
    for name in with_too_many(counts, {name for name, codes in reasons.items() if codes}):
        if _scans_with_outliers(measured[name]) >= FEWEST_OUTLIERS:
            reasons[name].insert(0, "scanner_outliers")
    for name, seconds in _clocks(own).items():
        reasons[name] += ["scanner_clock"] if abs(seconds) > CLOCK else []
    found = [_judged(name, some, measured[name], tuple(reasons[name]), shifts.get(name)) for name, some in own.items()]
    return [replace(one, compared=sum(of.scan.protocol in usual for of in measured[one.scanner])) for one in found]


def _scans_with_outliers(images: Sequence[JudgedImage]) -> int:
    """Slices of one series are one scan: they change from head to foot, and one patient is no fault of a scanner."""
    return len({one.scan.series or one.scan.source for one in images if one.outlier})


def with_too_many(counts: Mapping[str, tuple[int, int]], sick: Set[str]) -> set[str]:
    """Scanners with more outliers than the healthy rest of the fleet.

    What alarms is no part of that rest, else one bad scanner hides the next. So the worst are taken out together, as
    many as each have significantly more than those that are left: at most half, for most of a fleet is as usual.
    counts -- outliers and images by scanner; sick -- those that alarm for something else
    """
    limit = SURE / max(1, len(counts))
    order = sorted(counts.keys() - sick, key=lambda name: (-counts[name][0] / max(1, counts[name][1]), name))
    worst: list[str] = []
    for number in range(max(1, len(order) // 2), 0, -1):
        rest = _sum(counts, order[number:])
        if all(_chance(counts[name], rest) < limit for name in order[:number]):
            worst = order[:number]
            break
    rest = _sum(counts, order[len(worst) :])
    return {*worst, *(name for name in sick if _chance(counts[name], rest) < limit)}


def _sum(counts: Mapping[str, tuple[int, int]], names: Sequence[str]) -> tuple[int, int]:
    return sum(counts[name][0] for name in names), sum(counts[name][1] for name in names)


def _chance(own: tuple[int, int], rest: tuple[int, int]) -> float:
    """How likely so many outliers are by chance: against the rest, or, without one, against one image of a hundred."""
    (bad, number), (others_bad, others) = own, rest
    if bad < FEWEST_OUTLIERS:
        return 1.0
    from scipy.stats import binomtest, fisher_exact

    if others < FEWEST:
        return float(binomtest(bad, number, 0.01, "greater").pvalue)
    table = [[bad, number - bad], [others_bad, others - others_bad]]
    return float(fisher_exact(table, "greater").pvalue)


def _differs(shift: Shift | None, number: int) -> list[str]:
    """Of two that differ nobody can say which one is off: both are named."""
    if shift is None or number < FEWEST or not bool((abs(shift.spreads) > DIFFERS).any()):
        return []
    return ["scanner_differs" if shift.scanners > 2 else "scanners_differ"]


def _judged(
    name: str,
    images: Sequence[JudgedImage],
    measured: Sequence[JudgedImage],
    reasons: tuple[str, ...],
    shift: Shift | None,
) -> JudgedScanner:
    odd = [one for one in images if one.outlier]
    codes = Counter(code for one in odd for code in one.reasons)
    faults = Counter(code for one in odd for code in one.scan.codes)
    unknown = Counter(what for one in measured for what in one.scan.unknown)
    lacks = tuple(sorted(what for what, number in unknown.items() if 2 * number > len(measured)))
    far, off = ({}, {}) if shift is None else _named(shift)
    return JudgedScanner(
        name, len(images), len(odd), bool(reasons), reasons, far, off, len(measured), 0,
        dict(sorted(codes.items(), key=lambda one: (-one[1], one[0]))),
        dict(sorted(faults.items(), key=lambda one: (-one[1], one[0]))), lacks,
    )  # fmt: skip


def _named(shift: Shift) -> tuple[dict[str, float], dict[str, float]]:
    """By name, what is off by more than its own spread: in spreads, and in its unit."""
    far = {feature.name: float(value) for feature, value in zip(FEATURES, shift.spreads, strict=True) if abs(value) > 1}
    units: dict[str, Floats] = {feature.name: value for feature, value in zip(FEATURES, shift.units, strict=True)}
    logs = {feature.name for feature in FEATURES if feature.log}
    return far, {name: float(np.exp(units[name]) if name in logs else units[name]) for name in far}


def _clocks(own: Mapping[str, Sequence[JudgedImage]]) -> dict[str, float]:
    """Seconds by which each scanner's clock is off the fleet's: medians, so that what was sent late does not count."""
    medians = {}
    for name, images in own.items():
        known = [one.scan.clock for one in images if one.scan.clock is not None]
        if len(known) >= FEWEST:
            medians[name] = float(np.median(known))
    if len(medians) < 3:
        return {}
    middle = float(np.median(list(medians.values())))
    return {name: value - middle for name, value in medians.items()}
