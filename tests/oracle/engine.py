"""The one place where the tests call the engine: bytes in, bytes or a code out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from stowgate.errors import Rejected
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
    """The de-identified file; raises `Rejected`."""
    from stowgate.api import deidentify_bytes

    return bytes(deidentify_bytes(data, policy or Policy(), key, issuer))


def run(data: bytes, policy: Policy | None = None, key: bytes = KEY, issuer: str = "") -> Outcome:
    """What became of an input; only `Rejected` is caught."""
    try:
        return Outcome("cleaned", data=clean(data, policy, key, issuer))
    except Rejected as stop:
        return Outcome(REASONS[stop.code].fate, stop.code)


def gated(data: bytes, policy: Policy, key: bytes = KEY) -> Outcome:
    """The same, with the gate behind it: what would really leave."""
    from stowgate.dicom.emit import MemoryEmitter
    from stowgate.dicom.limits import DEFAULT
    from stowgate.dicom.source import ByteSource, MemorySource
    from stowgate.pipeline import cleaned, in_plain_encoding
    from stowgate.verify import gate

    def both(source: ByteSource) -> bytes:
        made, emitter = cleaned(source, policy, key), MemoryEmitter()
        emitter.emit(made.pieces, source)
        written = bytes(emitter.data)
        gate.check(source, MemorySource(written), policy, made.names, Path("-"), key)
        return written

    try:
        with TemporaryDirectory(prefix="stowgate-") as folder:
            return Outcome("cleaned", data=in_plain_encoding(MemorySource(data), DEFAULT, Path(folder), both))
    except Rejected as stop:
        return Outcome(REASONS[stop.code].fate, stop.code)


def policy(*options: Option, **more: object) -> Policy:
    """A policy with options; pictures pass, so that every kind of object is rewritten."""
    return Policy(options=frozenset(options), **{"pixels_risk": "pass"} | more)  # type: ignore[arg-type]
