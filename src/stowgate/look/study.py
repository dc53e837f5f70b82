"""A study as a whole, out of what was seen of its objects."""

from __future__ import annotations

from collections.abc import Sequence

from stowgate.analyse import series_quality
from stowgate.analyse.finding import Finding
from stowgate.look.looked import Looked


def findings(seen: Sequence[Looked]) -> tuple[Finding, ...]:
    """What is amiss with it, see `analyse.series_quality`."""
    members = [series_quality.Member(one.image, one.header.series, one.digest, one.side, one.features) for one in seen]
    return series_quality.findings(members)
