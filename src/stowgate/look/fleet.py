"""A fleet, out of what was seen: of files with what their headers say, of a ledger with its keyed aliases."""

from __future__ import annotations

from collections.abc import Sequence

from stowgate.analyse.baseline import Baseline
from stowgate.analyse.features import not_grouped_by, protocol_of
from stowgate.analyse.fleet import Scan, Verdict, judge
from stowgate.look.looked import Looked
from stowgate.store.looks import Scanned

UNKNOWN = "unknown"
"""What a scanner is called that no header names."""


def verdict_of(scans: Sequence[Scanned], baseline: Baseline | None = None) -> Verdict:
    """What a ledger knows of its scanners. Objects without a picture that can be compared do not count."""
    return judge([scan_of(one) for one in scans if one.look.features], baseline)


def scan_of(one: Scanned) -> Scan:
    """What the ledger knows of one object."""
    look = one.look
    return Scan(
        look.item, one.scanner or UNKNOWN, one.protocol, one.arrived, look.features, look.codes,
        None if one.clock is None else float(one.clock),
    )  # fmt: skip


def scan_of_file(source: str, seen: Looked) -> Scan:
    """One file, by station and protocol of its header."""
    header = seen.header
    return Scan(
        source, header.station or UNKNOWN, protocol_of(seen.image), header.acquired, seen.features, seen.codes,
        series=header.series, unknown=not_grouped_by(seen.image),
    )  # fmt: skip
