"""Which objects a person or an option has to decide about before they may be cleaned: one table of kinds."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

from stowgate.policy import Policy
from stowgate.standard.uids import is_storage_sop_class

_IMAGE, _PRINT = "1.2.840.10008.5.1.4.1.1.", "1.2.840.10008.5.1.1."

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
    (_IMAGE + "9.100.", "graphics"),  # waveform presentation states
    (_IMAGE + "131", "graphics"),  # basic structured display
    (_PRINT + "27", "burned_in_risk"),  # stored print
    (_PRINT + "29", "burned_in_risk"),  # hardcopy greyscale
    (_PRINT + "30", "burned_in_risk"),  # hardcopy colour
    (_IMAGE + "68.", "recognizable_surface"),  # surface scan mesh and point cloud
    (_IMAGE + "66", "kind_not_reviewed"),  # raw data, by itself
    (_IMAGE + "201.", "kind_not_reviewed"),  # inventory
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

_FREE = frozenset((_IMAGE + "77.1.6", _IMAGE + "77.1.5.3", *(f"{_IMAGE}66.{number}" for number in range(1, 10))))
"""Whole slide microscopy (its label and overview images are judged by Image Type), stereometric relationship, and what
stands beside raw data: registrations, segmentations, surfaces, tractography, height maps."""

IMAGE_TYPE, BURNED_IN = 0x00080008, 0x00280301
_RISKY_TYPES = (b"SCREEN SAVE", b"REPORT", b"LABEL", b"OVERVIEW")


class Header(Protocol):
    """What has to be known of an object: raw values of top-level elements."""

    def get(self, tag: int) -> bytes | None:
        """Raw value of a top-level element, None if absent."""


def _by_sop_class(sop_class: str) -> str | None:
    if not is_storage_sop_class(sop_class):
        return "unknown_sop_class"
    for family, code in _KINDS:
        if sop_class == family or sop_class.startswith(family if family[-1] == "." else family + "."):
            return None if sop_class in _FREE else code
    return _RETIRED.get(sop_class)


def _by_header(image_type: bytes, burned_in: bytes) -> str | None:
    types = image_type.upper().replace(b"_", b" ")
    risky = burned_in.strip(b" \0").upper() == b"YES" or any(word in types for word in _RISKY_TYPES)
    return "burned_in_risk" if risky else None


@lru_cache(maxsize=256)
def _why(sop_class: str, image_type: bytes, burned_in: bytes, pixels_pass: bool) -> str | None:
    for code in (_by_sop_class(sop_class), _by_header(image_type, burned_in)):
        if code and not (code == "burned_in_risk" and pixels_pass):
            return code
    return None


def why_held(sop_class: str, header: Header, policy: Policy) -> str | None:
    """The code of the reason to hold an object, or None when it may pass (PS3.15 E.3.1 to E.3.4)."""
    return _why(sop_class, header.get(IMAGE_TYPE) or b"", header.get(BURNED_IN) or b"", policy.pixels_risk == "pass")
