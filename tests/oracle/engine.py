"""The one place where the tests call the engine: bytes in, bytes or a code out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from stowgate.api import deidentify_bytes
from stowgate.dicom.emit import MemoryEmitter
from stowgate.dicom.limits import DEFAULT
from stowgate.dicom.source import ByteSource, MemorySource
from stowgate.errors import Rejected
from stowgate.pipeline import cleaned, in_plain_encoding
from stowgate.policy import AVAILABLE, Option, Policy
from stowgate.reasons import REASONS

__all__ = ["AVAILABLE", "KEY", "OTHER_KEY", "Option", "Outcome", "Policy", "clean", "gated", "policy", "run"]

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
    """What the engine alone makes of a file, without the gate behind it; raises `Rejected`."""

    def emitted(source: ByteSource) -> bytes:
        made, emitter = cleaned(source, policy or Policy(), key, issuer), MemoryEmitter()
        emitter.emit(made.pieces, source)
        return bytes(emitter.data)

    with TemporaryDirectory(prefix="stowgate-") as folder:
        return in_plain_encoding(MemorySource(data), DEFAULT, Path(folder), emitted)


def run(data: bytes, policy: Policy | None = None, key: bytes = KEY, issuer: str = "") -> Outcome:
    """What the engine alone makes of an input; only `Rejected` is caught."""
    try:
        return Outcome("cleaned", data=clean(data, policy, key, issuer))
    except Rejected as stop:
        return Outcome(REASONS[stop.code].fate, stop.code)


def gated(data: bytes, policy: Policy | None = None, key: bytes = KEY, issuer: str = "") -> Outcome:
    """What really leaves: the front door, with the gate behind the engine."""
    try:
        return Outcome("cleaned", data=deidentify_bytes(data, policy or Policy(), key, issuer))
    except Rejected as stop:
        return Outcome(REASONS[stop.code].fate, stop.code)


def policy(*options: Option, **more: object) -> Policy:
    """A policy with options; pictures pass, so that every kind of object is rewritten."""
    return Policy(options=frozenset(options), **{"pixels_risk": "pass"} | more)  # type: ignore[arg-type]
