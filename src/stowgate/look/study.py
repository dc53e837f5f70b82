"""A study as a whole, out of what was seen of its objects."""

from __future__ import annotations

from collections.abc import Sequence

from stowgate.analyse import series_quality
from stowgate.analyse.finding import Finding
from stowgate.analyse.series_quality import Member
from stowgate.look.looked import Looked


def findings(seen: Sequence[Looked]) -> tuple[Finding, ...]:
    """What is amiss with it, see `analyse.series_quality`."""
    return series_quality.findings([member_of(one) for one in seen])


def member_of(seen: Looked) -> Member:
    """What is kept of one object for judging its study."""
    return Member(seen.image, seen.header.series, seen.digest, seen.side, seen.features)
