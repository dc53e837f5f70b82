"""A fleet that watches itself: outliers, drift, and scanners somebody should see to; protocols are never mixed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from stowgate.analyse.baseline import Baseline
from stowgate.analyse.drift import Drift, drifts_of
from stowgate.analyse.features import FEATURES, Floats, matrix
from stowgate.analyse.groups import Group, groups_of, shifts_of
from stowgate.analyse.outliers import FEWEST, Centre, centre_of, habit_of, reasons, together

Places = npt.NDArray[np.int64]
SURE = 0.01
"""How likely, over all scanners, a share of outliers that alarms may be by chance."""
FEWEST_OUTLIERS = 3
DIFFERS = 5.0
"""Of a fleet of at least three: by how much the median of a scanner's images is off the others', in what its own differ
from each other; healthy scanners of the tuning seeds stay below 3."""
BLANK = "picture_blank"
CLOCK = 300.0
"""Seconds by which a scanner's clock may be off."""


@dataclass(frozen=True, slots=True)
class Scan:
    """One image, as far as fleets are compared by it.

    when  -- seconds since 1970, None where it is not known
    codes -- what is amiss with it by itself, see `quality`
    clock -- seconds from the time in its header to its arrival
    series -- what it is a slice of, so that slices of one are one scan over time; "" for a scan by itself
    """

    source: str
    scanner: str
    protocol: str
    when: float | None = None
    features: Mapping[str, float] = field(default_factory=dict)
    codes: tuple[str, ...] = ()
    clock: float | None = None
    series: str = ""


@dataclass(frozen=True, slots=True)
class JudgedImage:
    """One image; `farthest`: its largest deviation in robust standard deviations."""

    scan: Scan
    outlier: bool
    reasons: tuple[str, ...]
    farthest: float


@dataclass(frozen=True, slots=True)
class JudgedScanner:
    """One scanner; `shift`: how far it is off the others by feature (`groups.shifts_of`), where that is more than 1."""

    scanner: str
    images: int
    outliers: int
    alert: bool
    reasons: tuple[str, ...]
    shift: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A fleet, judged.

    cannot -- codes of what could not be judged
    series -- deviations of each scanner's scans over time, scans x features
    """

    images: tuple[JudgedImage, ...]
    scanners: tuple[JudgedScanner, ...]
    groups: tuple[Group, ...]
    drifts: tuple[Drift, ...]
    cannot: tuple[str, ...]
    baseline: Baseline
    series: Mapping[str, Floats] = field(default_factory=dict, repr=False, compare=False)


def judge(scans: Sequence[Scan], baseline: Baseline | None = None) -> Verdict:
    """Judge a fleet by itself, or by what it was before. The same scans give the same verdict in any order."""
    ordered = sorted(scans, key=lambda scan: (scan.when or 0.0, scan.source))
    values = matrix(scan.features for scan in ordered)
    centres = _centres(ordered, values, baseline)
    deviations = np.zeros((len(ordered), len(FEATURES)))
    own = np.zeros_like(deviations)
    distance = np.zeros(len(ordered))
    for protocol, at in _by(ordered, lambda scan: scan.protocol).items():
        if protocol not in centres:
            continue
        deviations[at] = centres[protocol].deviations(values[at])
        own[at] = deviations[at]
        for mine in _by([ordered[one] for one in at], lambda scan: scan.scanner).values():
            own[at[mine]] -= habit_of(deviations[at[mine]])
        distance[at] = together(own[at])
    codes = [
        _codes(scan, own[n], distance[n]) if scan.protocol in centres else scan.codes for n, scan in enumerate(ordered)
    ]
    images = tuple(
        JudgedImage(scan, bool(codes[n]), codes[n], float(abs(own[n]).max(initial=0.0)))
        for n, scan in enumerate(ordered)
    )
    return _verdict(ordered, images, deviations, centres, baseline)


def _verdict(
    ordered: Sequence[Scan],
    images: tuple[JudgedImage, ...],
    deviations: Floats,
    centres: Mapping[str, Centre],
    baseline: Baseline | None,
) -> Verdict:
    of_scanner = _by(ordered, lambda scan: scan.scanner)
    series = {name: _over_time([ordered[n] for n in at], deviations[at]) for name, at in sorted(of_scanner.items())}
    shifts = shifts_of([scan.scanner for scan in ordered], [scan.protocol for scan in ordered], deviations)
    drifts = [one for name, own in series.items() for one in drifts_of(name, own)]
    scanners = _scanners(images, of_scanner, shifts, drifts)
    small = any(scan.protocol not in centres for scan in ordered)
    alone = len(of_scanner) == 1
    cannot = [code for code, is_so in (("fleet_small", small), ("fleet_of_one", alone)) if is_so]
    return Verdict(
        images, tuple(scanners), groups_of(shifts), tuple(drifts), tuple(cannot),
        Baseline.of(centres, baseline), series,
    )  # fmt: skip


def _codes(scan: Scan, deviations: Floats, distance: float) -> tuple[str, ...]:
    """What is amiss by itself, then what is unlike the rest; a blank picture is unlike it in everything."""
    unlike = () if BLANK in scan.codes else reasons(deviations, distance)
    return tuple(dict.fromkeys((*scan.codes, *unlike)))


def _over_time(scans: Sequence[Scan], deviations: Floats) -> Floats:
    """One row a scan, in the order of time: the median of the slices of a series, which change from head to foot."""
    if not any(scan.series for scan in scans):
        return deviations
    groups = _by(scans, lambda scan: f"{scan.protocol}\n{scan.series or scan.source}")
    return np.array([np.median(deviations[at], axis=0) for at in groups.values()])


def _by(scans: Sequence[Scan], key: Callable[[Scan], str]) -> dict[str, Places]:
    found: dict[str, list[int]] = defaultdict(list)
    for n, scan in enumerate(scans):
        found[key(scan)].append(n)
    return {name: np.array(at) for name, at in found.items()}


def _centres(scans: Sequence[Scan], values: Floats, baseline: Baseline | None) -> dict[str, Centre]:
    """What is usual, by protocol: what was before, or what these say themselves."""
    known = dict(baseline.centres) if baseline else {}
    for protocol, at in _by(scans, lambda scan: scan.protocol).items():
        if protocol not in known and len(at) >= FEWEST:
            known[protocol] = centre_of(values[at])
    return known


def _scanners(
    images: Sequence[JudgedImage],
    of_scanner: Mapping[str, Places],
    shifts: Mapping[str, Floats],
    drifts: Sequence[Drift],
) -> list[JudgedScanner]:
    outliers = {name: int(sum(images[n].outlier for n in at)) for name, at in of_scanner.items()}
    total, bad = len(images), sum(outliers.values())
    clocks = _clocks(images, of_scanner)
    found = []
    for name in sorted(of_scanner):
        own, shift = len(of_scanner[name]), _named(shifts.get(name))
        codes = []
        if _is_significant(outliers[name], own, bad - outliers[name], total - own, len(of_scanner)):
            codes.append("scanner_outliers")
        if any(one.scanner == name for one in drifts):
            codes.append("scanner_drifts")
        if len(of_scanner) >= 3 and own >= FEWEST and any(abs(value) > DIFFERS for value in shift.values()):
            codes.append("scanner_differs")
        if abs(clocks.get(name, 0.0)) > CLOCK:
            codes.append("scanner_clock")
        found.append(JudgedScanner(name, own, outliers[name], bool(codes), tuple(codes), shift))
    return found


def _is_significant(bad: int, number: int, others_bad: int, others: int, scanners: int) -> bool:
    """Whether a scanner has more outliers than the rest of its fleet, or, alone, than one image of a hundred."""
    if bad < FEWEST_OUTLIERS:
        return False
    from scipy.stats import binomtest, fisher_exact

    if others < FEWEST:
        return bool(binomtest(bad, number, 0.01, "greater").pvalue < SURE)
    table = [[bad, number - bad], [others_bad, others - others_bad]]
    return bool(fisher_exact(table, "greater").pvalue < SURE / scanners)


def _named(shift: Floats | None) -> dict[str, float]:
    pairs = zip(FEATURES, () if shift is None else shift, strict=shift is not None)
    return {feature.name: float(value) for feature, value in pairs if abs(value) > 1}


def _clocks(images: Sequence[JudgedImage], of_scanner: Mapping[str, Places]) -> dict[str, float]:
    """Seconds by which each scanner's clock is off the fleet's: medians, so that what was sent late does not count."""
    medians = {}
    for name, at in of_scanner.items():
        known = [clock for n in at if (clock := images[n].scan.clock) is not None]
        if len(known) >= FEWEST:
            medians[name] = float(np.median(known))
    if len(medians) < 3:
        return {}
    middle = float(np.median(list(medians.values())))
    return {name: value - middle for name, value in medians.items()}
