"""Which objects a person or an option has to decide about before they may be cleaned: one table of kinds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from stowgate.policy import Policy
from stowgate.standard.uids import is_storage_sop_class

_IMAGE = "1.2.840.10008.5.1.4.1.1."

_KINDS: tuple[tuple[str, str], ...] = (
    (_IMAGE + "88.", "structured_content"),  # SR documents, Key Object Selection included
    (_IMAGE + "11.", "graphics"),  # presentation states
    (_IMAGE + "104.", "encapsulated_document"),  # PDF, CDA, STL, OBJ, MTL
    (_IMAGE + "3.1", "burned_in_risk"),  # ultrasound multi-frame
    (_IMAGE + "6.1", "burned_in_risk"),  # ultrasound
    (_IMAGE + "6.2", "burned_in_risk"),  # enhanced ultrasound volume
    (_IMAGE + "7", "burned_in_risk"),  # secondary capture family
    (_IMAGE + "77.1.", "burned_in_risk"),  # visible light: photographs, endoscopy, microscopy, ophthalmic, video
    (_IMAGE + "9.4.", "recorded_voice"),  # audio waveforms
)
"""SOP class or family (a trailing dot, or followed by one) and why it is held."""

_RETIRED: dict[str, str] = {
    _IMAGE + "3": "burned_in_risk",  # ultrasound multi-frame (retired)
    _IMAGE + "6": "burned_in_risk",  # ultrasound (retired)
    _IMAGE + "77.1": "burned_in_risk",  # VL image (trial)
    _IMAGE + "77.2": "burned_in_risk",  # VL multi-frame (trial)
    _IMAGE + "8": "graphics",  # standalone overlay
    _IMAGE + "9": "graphics",  # standalone curve
}

_SLIDES = frozenset((_IMAGE + "77.1.6",))
"""Whole slide microscopy: pyramids carry no text, label and overview images do (judged by Image Type)."""

_PASS_BY_OPTION = frozenset(("burned_in_risk",))
_RISKY_TYPES = (b"SCREEN SAVE", b"REPORT", b"LABEL", b"OVERVIEW")


class Header(Protocol):
    """What has to be known of an object: raw values of top-level elements."""

    def get(self, tag: int) -> bytes | None:
        """Raw value of a top-level element, None if absent."""

    def text(self, tag: int) -> str:
        """Value of code characters, trimmed, empty if absent."""


def _by_sop_class(sop_class: str) -> str | None:
    if not is_storage_sop_class(sop_class):
        return "unknown_sop_class"
    if sop_class in _SLIDES:
        return None
    for family, code in _KINDS:
        if sop_class == family or (sop_class.startswith(family if family[-1] == "." else family + ".")):
            return code
    return _RETIRED.get(sop_class)


def _by_header(header: Header) -> str | None:
    if header.text(0x00280301).upper() == "YES":
        return "burned_in_risk"
    image_type = (header.get(0x00080008) or b"").upper()
    if any(word in image_type.replace(b"_", b" ") for word in _RISKY_TYPES):
        return "burned_in_risk"
    return None


_CHECKS: tuple[Callable[[str, Header], str | None], ...] = (
    lambda sop_class, _: _by_sop_class(sop_class),
    lambda _, header: _by_header(header),
)


def why_held(sop_class: str, header: Header, policy: Policy) -> str | None:
    """The code of the reason to hold an object, or None when it may pass (PS3.15 E.3.1 to E.3.4)."""
    for check in _CHECKS:
        code = check(sop_class, header)
        if code and not (code in _PASS_BY_OPTION and policy.pixels_risk == "pass"):
            return code
    return None
