"""The one place where the tests call the engine: bytes in, bytes or a code out."""

from __future__ import annotations

from dataclasses import dataclass

from stowgate.errors import Rejected
from stowgate.policy import AVAILABLE, Option, Policy
from stowgate.reasons import REASONS

__all__ = ["AVAILABLE", "KEY", "OTHER_KEY", "Option", "Outcome", "Policy", "clean", "policy", "run"]

KEY = bytes(range(32))
OTHER_KEY = bytes(range(32, 64))


@dataclass(frozen=True)
class Outcome:
    """What became of an input: "cleaned" with its bytes, or a fate and its code."""

    fate: str
    code: str = ""
    data: bytes = b""

    @property
    def short(self) -> str:
        return f"{self.fate}:{self.code}" if self.code else self.fate


def clean(data: bytes, policy: Policy | None = None, key: bytes = KEY, issuer: str = "") -> bytes:
    """The de-identified file; raises `Rejected`."""
    from stowgate.api import deidentify_bytes

    return bytes(deidentify_bytes(data, policy or Policy(), key, issuer))


def run(data: bytes, policy: Policy | None = None, key: bytes = KEY, issuer: str = "") -> Outcome:
    """What became of an input; only `Rejected` is caught."""
    try:
        return Outcome("cleaned", data=clean(data, policy, key, issuer))
    except Rejected as stop:
        return Outcome(REASONS[stop.code].fate, stop.code)


def policy(*options: Option, **more: object) -> Policy:
    """A policy with options; pictures pass, so that every kind of object is rewritten."""
    return Policy(options=frozenset(options), **{"pixels_risk": "pass"} | more)  # type: ignore[arg-type]
