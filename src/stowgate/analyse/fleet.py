"""A fleet that watches itself: outliers, drift, and scanners somebody should see to; protocols are never mixed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from stowgate.analyse.baseline import Baseline
from stowgate.analyse.drift import Drift, drifts_of
from stowgate.analyse.features import FEATURES, Floats, comparable, matrix
from stowgate.analyse.groups import Group, groups_of, shifts_of
from stowgate.analyse.outliers import FEWEST, Centre, centre_of, habit_of, reasons, together
from stowgate.analyse.scan import JudgedImage, Scan
from stowgate.analyse.scanners import JudgedScanner, judged_scanners

__all__ = ["JudgedImage", "JudgedScanner", "Scan", "Verdict", "judge"]
Places = npt.NDArray[np.int64]
BLANK = "picture_blank"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A fleet, judged.

    cannot -- codes of what could not be judged
    series -- deviations of each scanner's scans over time, scans x features; slices of a series are one scan
    times  -- when these scans were made, seconds since 1970, None where it is not known
    """

    images: tuple[JudgedImage, ...]
    scanners: tuple[JudgedScanner, ...]
    groups: tuple[Group, ...]
    drifts: tuple[Drift, ...]
    cannot: tuple[str, ...]
    baseline: Baseline
    series: Mapping[str, Floats] = field(default_factory=dict, repr=False, compare=False)
    times: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict, repr=False, compare=False)


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
        is_known = baseline is not None and protocol in baseline.centres  # somebody said what this is to be like
        can = None if is_known else comparable({what for n in at for what in ordered[n].unknown})
        for mine in _by([ordered[one] for one in at], lambda scan: scan.scanner).values():
            own[at[mine]] -= habit_of(deviations[at[mine]], can)
        distance[at] = together(own[at])
    codes = [
        _codes(scan, own[n], distance[n]) if scan.protocol in centres else scan.codes for n, scan in enumerate(ordered)
    ]
    images = tuple(
        JudgedImage(scan, bool(codes[n]), codes[n], float(abs(own[n]).max(initial=0.0)))
        for n, scan in enumerate(ordered)
    )
    return _verdict(ordered, images, _Away(deviations, _away(ordered, values, centres)), centres, baseline)


@dataclass(frozen=True, slots=True, eq=False)
class _Away:
    """How far images are off what is usual, images x features: in robust standard deviations, and in units."""

    deviations: Floats
    units: Floats

    def compared(self, scans: Sequence[Scan]) -> tuple[Floats, Floats]:
        """Those that scanners can be compared by: zero where the headers of a protocol do not say enough."""
        protocols = _by(scans, lambda scan: scan.protocol)
        can = np.ones(self.deviations.shape, bool)
        for at in protocols.values():
            can[at] = comparable({what for n in at for what in scans[n].unknown})
        return np.where(can, self.deviations, 0.0), np.where(can, self.units, np.nan)


def _away(scans: Sequence[Scan], values: Floats, centres: Mapping[str, Centre]) -> Floats:
    """In units, or logarithms of them; NaN where there is nothing to compare."""
    found = np.full((len(scans), len(FEATURES)), np.nan)
    for protocol, at in _by(scans, lambda scan: scan.protocol).items():
        if protocol in centres:
            found[at] = values[at] - np.array(centres[protocol].middle)
    return found


def _verdict(
    ordered: Sequence[Scan],
    images: tuple[JudgedImage, ...],
    away: _Away,
    centres: Mapping[str, Centre],
    baseline: Baseline | None,
) -> Verdict:
    of_scanner = _by(ordered, lambda scan: scan.scanner)
    series, times, drifts = {}, {}, list[Drift]()
    for name, at in sorted(of_scanner.items()):
        own = [ordered[n] for n in at]
        scans = _over_time(own)
        series[name], units = _medians(away.deviations[at], scans), _medians(away.units[at], scans)
        times[name] = tuple(own[slices[0]].when for slices in scans)
        unknown = {what for scan in own for what in scan.unknown}
        drifts += drifts_of(name, series[name], units, times[name], unknown)
    names, protocols = [scan.scanner for scan in ordered], [scan.protocol for scan in ordered]
    shifts = shifts_of(names, protocols, *away.compared(ordered))
    small = any(scan.protocol not in centres for scan in ordered if scan.is_measured)
    scanners = tuple(judged_scanners(images, of_scanner, shifts, drifts, centres))
    cannot = [code for code, is_so in (("fleet_small", small), ("fleet_of_one", len(of_scanner) == 1)) if is_so]
    return Verdict(
        images, scanners, groups_of(shifts), tuple(drifts),
        tuple(cannot), Baseline.of(centres, baseline), series, times,
    )  # fmt: skip


def _codes(scan: Scan, deviations: Floats, distance: float) -> tuple[str, ...]:
    """What is amiss by itself, then what is unlike the rest; a blank picture is unlike it in everything."""
    unlike = () if BLANK in scan.codes else reasons(deviations, distance)
    return tuple(dict.fromkeys((*scan.codes, *unlike)))


def _over_time(scans: Sequence[Scan]) -> list[Places]:
    """Places of the images of each scan, in the order of time: slices of a series are one scan."""
    if not any(scan.series for scan in scans):
        return [np.array([n]) for n in range(len(scans))]
    return list(_by(scans, lambda scan: f"{scan.protocol}\n{scan.series or scan.source}").values())


def _medians(values: Floats, scans: Sequence[Places]) -> Floats:
    """One row a scan: the median of its slices, which change from head to foot."""
    if len(scans) == len(values):
        return values
    found: Floats = np.array([np.median(values[at], axis=0) for at in scans])
    return found


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
