"""The words of the report: what an action, the origin of a rule, a modality and a limitation are called."""

from __future__ import annotations

from collections.abc import Mapping

ACTIONS: Mapping[str, tuple[str, str]] = {
    "X": ("Removed", "the attribute is gone"),
    "Z": ("Emptied", "present without a value, or with the pseudonym"),
    "D": ("Replaced by a dummy", "a fixed value that says nothing"),
    "U": ("Given a new UID", "the same new one wherever the old one stood"),
    "C": ("Cleaned", "dates moved, texts cleared of what identifies"),
    "K": ("Kept", "values an option or a rule of your own retains"),
}
"""Action letter of PS3.15 Table E.1-1 -> its name and what it means."""

_ORIGINS: Mapping[str, str] = {
    "E.1-1": "Table E.1-1, Basic Profile",
    "override": "Your own rules",
    "repeating": "Overlays and curves, whole groups",
    "private": "Private attributes not known to be safe",
    "unknown": "Attributes the dictionary does not know",
    "type": "A stronger action, because the attribute is required",
    "structure": "Encoding, seals and old values, which always go",
}
_ROLES: Mapping[str, str] = {
    "technical": "technical texts",
    "operator": "texts typed by people",
    "person": "names of persons",
    "temporal": "dates and times",
    "ae": "application entity titles",
    "url": "addresses",
    "uid_instance": "UIDs of instances",
    "uid_definition": "UIDs of definitions",
    "bulk": "samples and palettes",
}

MODALITIES: Mapping[str, str] = {
    "CR": "Computed radiography",
    "CT": "Computed tomography",
    "DX": "Digital radiography",
    "MG": "Mammography",
    "MR": "Magnetic resonance",
    "NM": "Nuclear medicine",
    "PT": "Positron emission tomography",
    "RTDOSE": "Radiotherapy dose",
    "RTIMAGE": "Radiotherapy image",
    "RTPLAN": "Radiotherapy plan",
    "RTSTRUCT": "Radiotherapy structure set",
    "SEG": "Segmentation",
    "US": "Ultrasound",
    "XA": "X-ray angiography",
    "RF": "Radiofluoroscopy",
    "none": "No modality",
}

LIMITATIONS: Mapping[str, str] = {
    "pixels_risk_pass": (
        'The setting [pixels] risk = "pass" let through kinds of pictures that often have names burned in. They were '
        "not looked at, and neither code 113101 nor Burned In Annotation NO is claimed for them."
    ),
    "device_dates": (
        "Device identity was retained together with modified dates: the eleven dates of devices were replaced or "
        "removed, never moved by the patient's offset, and code 113109 is claimed for the rest only."
    ),
    "own_rules": "Rules of your own were in force beside the profile; the policy digest covers them.",
    "gate_windows": (
        "Pixel Data was compared with the original at both ends and in sixteen keyed windows. "
        'The setting [gate] pixels = "full" compares every byte.'
    ),
}
"""Code -> what a reader has to know about the policy that was in force."""

STANDING = (
    "What stands in the picture itself is not examined: kinds that often have names burned in are held instead.",
    "De-identified is not anonymous: who holds the project key and the originals can tell whose object this was.",
)
"""True of every run."""


def rule_label(origin: str) -> str:
    """What the origin of a rule ("E.1-1", "option:full-dates", "role:operator", ...) is called."""
    family, _, name = origin.partition(":")
    if family == "option":
        return f"Option: {name}"
    if family == "role":
        return f"Not in the table, reviewed: {_ROLES.get(name, name)}"
    return _ORIGINS.get(origin, origin)
