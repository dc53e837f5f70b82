"""A clean object as the ledger knows it: what the gate passed, with its digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CleanObject:
    """A clean object on the clean shelf, as the gate passed it.

    id       -- on the clean shelf, 32 random hex digits
    instance -- its new SOP Instance UID
    digest   -- SHA-256 (hex) of its bytes
    policy, key_id -- what it was made with
    study    -- its new Study Instance UID; series likewise
    names    -- the fields of `objects.Names`, clean values only, for paths and listings
    """

    id: str
    instance: str
    study: str
    series: str
    size: int
    digest: str
    policy: str
    key_id: str
    sop_class: str
    transfer_syntax: str
    names: Mapping[str, str] = field(default_factory=dict)
