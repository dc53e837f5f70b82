"""One image of a fleet, as far as fleets are compared by it, and what is thought of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Scan:
    """One image, as far as fleets are compared by it.

    when  -- seconds since 1970, None where it is not known
    codes -- what is amiss with it by itself, see `quality`
    clock -- seconds from the time in its header to its arrival
    series -- what it is a slice of, so that slices of one are one scan over time; "" for a scan by itself
    unknown -- what its header does not say, and its protocol therefore does not tell apart (`features.not_grouped_by`)
    """

    source: str
    scanner: str
    protocol: str
    when: float | None = None
    features: Mapping[str, float] = field(default_factory=dict)
    codes: tuple[str, ...] = ()
    clock: float | None = None
    series: str = ""
    unknown: tuple[str, ...] = ()

    @property
    def is_measured(self) -> bool:
        """Whether anything of it can be compared: of ultrasound, screen shots and the like nothing is measured."""
        return bool(self.features or self.codes)


@dataclass(frozen=True, slots=True)
class JudgedImage:
    """One image; `farthest`: its largest deviation in robust standard deviations."""

    scan: Scan
    outlier: bool
    reasons: tuple[str, ...]
    farthest: float
