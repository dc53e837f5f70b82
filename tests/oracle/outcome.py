"""What should become of an input before any attribute is judged: SEMANTICS 6 on a data set, one sentence per line."""

from __future__ import annotations

import io
import warnings

from pydicom import Dataset, dcmread

from stowgate.policy import Policy
from tests.oracle import tables
from tests.oracle.access import raw, raw_value

IMAGE = "1.2.840.10008.5.1.4.1.1."
RISKY_CLASSES = (
    IMAGE + "3.1", IMAGE + "6.1", IMAGE + "6.2", IMAGE + "3", IMAGE + "6",  # ultrasound, current and retired
    IMAGE + "7", IMAGE + "7.1", IMAGE + "7.2", IMAGE + "7.3", IMAGE + "7.4",  # secondary capture
    IMAGE + "77.1.1", IMAGE + "77.1.2", IMAGE + "77.1.3", IMAGE + "77.1.4",  # endoscopic, microscopic, photographic
    IMAGE + "77.1.1.1", IMAGE + "77.1.2.1", IMAGE + "77.1.4.1",  # video
    IMAGE + "77.1.5.1", IMAGE + "77.1.5.2", IMAGE + "77.1.5.4",  # ophthalmic
)  # fmt: skip
FAMILIES = (
    ("88.", "structured_content"), ("11.", "graphics"), ("9.100.", "graphics"), ("131", "graphics"), ("8", "graphics"),
    ("9", "graphics"), ("104.", "encapsulated_document"), ("9.4.", "recorded_voice"), ("68.", "recognizable_surface"),
    ("66", "kind_not_reviewed"), ("201.", "kind_not_reviewed"),
)  # fmt: skip
RISKY_WORDS = (b"SCREEN SAVE", b"REPORT", b"LABEL", b"OVERVIEW")


def expected(data: bytes, policy: Policy) -> str:
    """ "cleaned", or fate and code, for an input that is whole and sound."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = dcmread(io.BytesIO(data), force=True)
    if str(ds.file_meta.get("MediaStorageSOPClassUID", "")) == "1.2.840.10008.1.3.10":
        return "rejected:dicomdir"
    sop_class = _text(ds, 0x00080016)
    if not sop_class:
        return "quarantined:missing_sop_class"
    if not _text(ds, 0x00080018):
        return "quarantined:missing_instance_uid"
    if tables.must_have_pixels(sop_class) and not any(_value(ds, tag) for tag in (0x7FE00010, 0x00287FE0)):
        return "quarantined:no_pixel_data"
    return why_held(ds, sop_class, policy)


def why_held(ds: Dataset, sop_class: str, policy: Policy) -> str:
    """Whether a person or an option has to decide."""
    if tables.uid_type(sop_class) != "SOPClass" or not sop_class.startswith("1.2.840.10008.5.1.4."):
        return "held:unknown_sop_class"
    for family, code in FAMILIES:
        if sop_class == IMAGE + family or (family.endswith(".") and sop_class.startswith(IMAGE + family)):
            return f"held:{code}"
    if policy.pixels_risk == "pass":
        return "cleaned"
    if _text(ds, 0x00280301) == "YES" or sop_class in RISKY_CLASSES:
        return "held:burned_in_risk"
    if any(word in _value(ds, 0x00080008) for word in RISKY_WORDS):
        return "held:burned_in_risk"
    return "cleaned"


def _value(ds: Dataset, tag: int) -> bytes:
    return raw_value(raw(ds, tag))


def _text(ds: Dataset, tag: int) -> str:
    return _value(ds, tag).strip(b" \0").decode("latin-1")
