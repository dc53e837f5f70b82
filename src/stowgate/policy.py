"""What was asked for, as plain data that both the engine and the gate read: profile, options, overrides, digest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

EDITION = "2026d"
"""Edition of PS3.15 whose Table E.1-1 is shipped in `standard/`."""

RULE_REVISION = 1
"""Raised only when output bytes may change for the same input, key and policy."""


class Option(StrEnum):
    """The options of PS3.15 Annex E, by their names in `--retain` and `--clean`."""

    SAFE_PRIVATE = "safe-private"
    UIDS = "uids"
    DEVICE_IDENTITY = "device-identity"
    INSTITUTION_IDENTITY = "institution-identity"
    PATIENT_CHARACTERISTICS = "patient-characteristics"
    FULL_DATES = "full-dates"
    MODIFIED_DATES = "modified-dates"
    DESCRIPTORS = "descriptors"
    STRUCTURED_CONTENT = "structured-content"
    GRAPHICS = "graphics"
    PIXEL_DATA = "pixel-data"
    RECOGNIZABLE_VISUAL_FEATURES = "recognizable-visual-features"


COLUMNS: dict[Option, str] = {
    Option.SAFE_PRIVATE: "rtnSafePriv",
    Option.UIDS: "rtnUIDs",
    Option.DEVICE_IDENTITY: "rtnDevId",
    Option.INSTITUTION_IDENTITY: "rtnInstId",
    Option.PATIENT_CHARACTERISTICS: "rtnPatChars",
    Option.FULL_DATES: "rtnLongFullDates",
    Option.MODIFIED_DATES: "rtnLongModifDates",
    Option.DESCRIPTORS: "cleanDesc",
    Option.STRUCTURED_CONTENT: "cleanStructCont",
    Option.GRAPHICS: "cleanGraph",
}
"""The column of Table E.1-1 of each option that has one; the two about pixels have none."""

RETAIN = tuple(Option)[:7]
CLEAN = tuple(Option)[7:]
AVAILABLE = frozenset(RETAIN) | {Option.DESCRIPTORS}


@dataclass(frozen=True, slots=True)
class Override:
    """One rule of the user's own.

    `target` is a tag path ("00081030", "00400275/00400007") in eight-digit upper-case hex joined by "/", or
    for private elements "gggg,CREATOR,ee". `action` is keep, remove, empty or replace; `value` the replacement.
    """

    target: str
    action: str
    value: str | None = None


@dataclass(frozen=True)
class Policy:
    """A frozen, hashable description of what happens to every object; `digest` names it in ledgers and reports."""

    profile: str = "basic"
    options: frozenset[Option] = frozenset()
    overrides: tuple[Override, ...] = ()
    pixels_risk: str = "hold"
    """"hold", or "pass" when a person has decided that the pictures are free of text."""
    gate_pixels: str = "windows"
    """"windows" compares both ends and 16 keyed windows of Pixel Data with the source, "full" all of it."""
    station_name: str = ""
    """A unit's name stamped into Station Name (SH, 16 characters) as provenance; empty for none."""
    edition: str = field(default=EDITION, init=False)
    revision: int = field(default=RULE_REVISION, init=False)

    def has(self, option: Option) -> bool:
        """Whether an option is on."""
        return option in self.options

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex, 64 characters) over everything that can change an output byte."""
        plain = asdict(self)
        plain["options"] = sorted(self.options)
        del plain["gate_pixels"]
        text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def plain(policy: Policy) -> dict[str, Any]:
    """A policy as JSON can carry it to another process of ours."""
    told = {**asdict(policy), "options": sorted(policy.options)}
    del told["edition"], told["revision"]
    return told


def from_plain(told: dict[str, Any]) -> Policy:
    """The policy again."""
    options, overrides = map(Option, told["options"]), (Override(**one) for one in told["overrides"])
    return Policy(**{**told, "options": frozenset(options), "overrides": tuple(overrides)})
