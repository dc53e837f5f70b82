"""What a gateway asks about many objects at once: a study as a whole, and its scanners."""

from __future__ import annotations

from collections.abc import Sequence

from stowgate.look.looked import Looked
from stowgate.store.looks import Scanned


def study(seen: Sequence[Looked]) -> tuple[str, ...]:
    """Codes of what is amiss with a study as a whole, each once."""
    from stowgate.look.study import findings

    return tuple(dict.fromkeys(finding.code for finding in findings(seen)))


def fleet(scans: Sequence[Scanned]) -> dict[str, tuple[str, ...]]:
    """By the alias of a scanner that somebody should see to: codes of why."""
    from stowgate.look.fleet import verdict_of

    return {one.scanner: one.reasons for one in verdict_of(scans).scanners if one.alert}
