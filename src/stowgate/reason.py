"""What a code means: what happens to the object, what happened, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Fate = Literal["rejected", "quarantined", "held", "finding", "failed"]


@dataclass(frozen=True, slots=True)
class Reason:
    """What a code means: what happens to the object, what happened, and what to do about it."""

    fate: Fate
    sentence: str
    advice: str = ""
    not_dicom: bool = False
    """True where the input simply is no DICOM instance; such a rejection is no fault of the run."""


def rejected(sentence: str, advice: str = "", not_dicom: bool = False) -> Reason:
    """An input that is no instance."""
    return Reason("rejected", sentence, advice, not_dicom)


def quarantined(sentence: str, advice: str = "The original is untouched; get it again from its sender.") -> Reason:
    """An object that is damaged or hostile."""
    return Reason("quarantined", sentence, advice)


def stopped(sentence: str) -> Reason:
    """An output that the gate stopped."""
    return Reason("quarantined", sentence, "The output was removed, the original is untouched; report this code.")


def held(sentence: str, advice: str) -> Reason:
    """An object that a person or an option has to decide about."""
    return Reason("held", sentence, advice)


def finding(sentence: str, advice: str = "") -> Reason:
    """Something that is recorded; the object goes on."""
    return Reason("finding", sentence, advice)


def failed(sentence: str, advice: str) -> Reason:
    """A failure of the run, the gateway, or its surroundings."""
    return Reason("failed", sentence, advice)
