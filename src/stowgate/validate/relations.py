"""What the values of an object must be to one another: one small predicate for each row of `checks`, True if broken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

from stowgate.standard import iods
from stowgate.validate.pixels import HIGH_BIT, PHOTOMETRIC, PIXEL_DATA, SAMPLES, STORED, number
from stowgate.validate.syntax import calendar_day
from stowgate.validate.values import Values, trimmed

SOP_CLASS, INSTANCE_UID, MODALITY = 0x00080016, 0x00080018, 0x00080060
STUDY_DATE, PATIENT_ID, BIRTH_DATE = 0x00080020, 0x00100020, 0x00100030
IMAGER, POSITION, ORIENTATION, SPACING = 0x00181164, 0x00200032, 0x00200037, 0x00280030
PLANAR, WIDTH, SLOPE, PROVIDER = 0x00280006, 0x00281051, 0x00281053, 0x00287FE0

Predicate = Callable[[Values], bool]

_STORAGE = "1.2.840.10008.5.1.4.1.1."
CT_CLASS, MR_CLASS, US_CLASS, US_FRAMES_CLASS = _STORAGE + "2", _STORAGE + "4", _STORAGE + "6.1", _STORAGE + "3.1"
MG_CLASSES = (_STORAGE + "1.2", _STORAGE + "1.2.1")

MODALITY_OF: Mapping[str, frozenset[str]] = {
    CT_CLASS: frozenset(("CT",)),
    _STORAGE + "2.1": frozenset(("CT",)),
    MR_CLASS: frozenset(("MR",)),
    _STORAGE + "4.1": frozenset(("MR",)),
    MG_CLASSES[0]: frozenset(("MG",)),
    MG_CLASSES[1]: frozenset(("MG",)),
    US_CLASS: frozenset(("US", "IVUS")),
    US_FRAMES_CLASS: frozenset(("US", "IVUS")),
    _STORAGE + "20": frozenset(("NM",)),
    _STORAGE + "128": frozenset(("PT",)),
}
"""The modality that an IOD fixes (PS3.3 A.3 and following)."""

_MODALITIES = """
ANN AR ASMT AU BDUS BI BMD CFM CR CT CTPROTOCOL DG DMS DOC DX ECG EEG EMG EOG EPS ES FID GM HC HD IO IOL IVOCT
IVUS KER KO LEN LS M3D MG MR NM OAM OCT OP OPM OPR OPT OPTBSV OPTENF OPV OSS OT PA PLAN POS PR PT PX REG RESP RF
RG RTDOSE RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN RTSTRUCT RWV SEG SM SMR SR SRF STAIN TEXTUREMAP TG US
VA XA XAPROTOCOL XC AS CD CF CP CS DD DF DM DS EC FA FS LP MA MS OPTC ST TH VF
"""
MODALITIES = frozenset(_MODALITIES.split())
"""The defined terms of C.7.3.1.1.1, with the retired ones that archives are full of."""

SAMPLES_OF: Mapping[str, int] = {
    "MONOCHROME1": 1,
    "MONOCHROME2": 1,
    "PALETTE COLOR": 1,
    "RGB": 3,
    "HSV": 3,
    "YBR_FULL": 3,
    "YBR_FULL_422": 3,
    "YBR_PARTIAL_422": 3,
    "YBR_PARTIAL_420": 3,
    "YBR_ICT": 3,
    "YBR_RCT": 3,
    "XYB": 3,
    "ARGB": 4,
    "CMYK": 4,
}
"""Samples per Pixel by Photometric Interpretation (C.7.6.3.1.2)."""


def numbers(values: Values, tag: int) -> list[float]:
    """The values of a DS element; empty if one of them is no number, which another check says."""
    raw = (values.get(tag) or b"").strip(b" \0")
    try:
        return [float(part) for part in raw.split(b"\\")] if raw and raw.isascii() else []
    except ValueError:
        return []


def lacks(tag: int) -> Predicate:
    """The element is absent or empty."""
    return lambda values: not trimmed(values.get(tag))


def zero(tag: int) -> Predicate:
    """The US element is 0."""
    return lambda values: number(values, tag) == 0


def has_zero(tag: int) -> Predicate:
    """A value of the DS element is 0."""
    return lambda values: 0 in numbers(values, tag)


def not_positive(tag: int) -> Predicate:
    """A value of the DS element is 0 or below."""
    return lambda values: any(value <= 0 for value in numbers(values, tag))


def class_announced_differs(values: Values) -> bool:
    """The file meta information names another SOP class than the data set (PS3.10 7.1)."""
    inside = trimmed(values.get(SOP_CLASS))
    return bool(inside and values.media_sop_class) and inside != values.media_sop_class


def instance_announced_differs(values: Values) -> bool:
    """The file meta information names another instance than the data set (PS3.10 7.1)."""
    inside = trimmed(values.get(INSTANCE_UID))
    return bool(inside and values.media_instance) and inside != values.media_instance


def private_transfer_syntax(values: Values) -> bool:
    """The transfer syntax is not the standard's."""
    return bool(values.transfer_syntax) and not values.transfer_syntax.startswith("1.2.840.10008.")


def unknown_modality(values: Values) -> bool:
    """Modality is none of the defined terms (C.7.3.1.1.1)."""
    modality = trimmed(values.get(MODALITY))
    return bool(modality) and modality not in MODALITIES


def class_and_modality_differ(values: Values) -> bool:
    """The SOP class fixes a modality and the object names another."""
    modality = trimmed(values.get(MODALITY))
    allowed = MODALITY_OF.get(trimmed(values.get(SOP_CLASS)))
    return bool(modality and allowed) and modality not in (allowed or ())


def born_after_study(values: Values) -> bool:
    """The patient was born after the study."""
    born, studied = (calendar_day((values.get(tag) or b"").strip(b" \0")) for tag in (BIRTH_DATE, STUDY_DATE))
    return born is not None and studied is not None and born > studied


def position_missing(values: Values) -> bool:
    """CT and MR need Image Position (Patient) (C.7.6.2); for others it is conditional."""
    return trimmed(values.get(SOP_CLASS)) in (CT_CLASS, MR_CLASS) and not trimmed(values.get(POSITION))


def axes_not_orthonormal(values: Values) -> bool:
    """Image Orientation (Patient) is not two orthogonal unit vectors (C.7.6.2.1.1)."""
    cosines = numbers(values, ORIENTATION)
    if len(cosines) != 6:
        return False
    row, column = cosines[:3], cosines[3:]
    lengths = sum(x * x for x in row), sum(x * x for x in column)
    leaning = sum(x * y for x, y in zip(row, column, strict=True))
    return not (all(abs(length - 1) < 0.02 for length in lengths) and abs(leaning) < 0.02)


def high_bit_differs(values: Values) -> bool:
    """High Bit is not one less than Bits Stored (C.7.6.3.1.1)."""
    stored, high = number(values, STORED), number(values, HIGH_BIT)
    return stored is not None and high is not None and high != stored - 1


def samples_and_colours_differ(values: Values) -> bool:
    """Samples per Pixel is not what Photometric Interpretation asks for."""
    wanted = SAMPLES_OF.get(trimmed(values.get(PHOTOMETRIC)))
    samples = number(values, SAMPLES)
    return wanted is not None and samples is not None and samples != wanted


def planes_missing(values: Values) -> bool:
    """Planar Configuration is required as soon as there is more than one sample (C.7.6.3)."""
    return (number(values, SAMPLES) or 0) > 1 and not values.get(PLANAR)


def pixels_missing(values: Values) -> bool:
    """An image of a class that has no other place for pixels, and none are there: it was cut off before them."""
    has_pixels = values.encapsulated or values.pixel_length
    return not has_pixels and _is_image(trimmed(values.get(SOP_CLASS))) and not values.get(PROVIDER)


@lru_cache(maxsize=256)
def _is_image(sop_class: str) -> bool:
    """Whether the IOD has the Image Pixel Module as a mandatory one."""
    iod = iods.iod_of(sop_class)
    return iod is not None and bool(iods.top_of(iod, "M").type_of(PIXEL_DATA))
