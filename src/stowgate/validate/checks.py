"""The table of checks, and the one function that judges an object by it and by the modules of `attributes`."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from stowgate.validate import pixels as px
from stowgate.validate import relations as rel
from stowgate.validate.attributes import INSTANCE, VIEWS, Attribute
from stowgate.validate.judge import problem
from stowgate.validate.values import Finding, Values, place, trimmed


@dataclass(frozen=True, slots=True)
class Check:
    """One row: an object for which `broken` is true has the finding. `reads` lists every tag that `broken` asks for."""

    code: str
    severity: Literal["quarantine", "warning"]
    place: int
    broken: rel.Predicate
    reads: tuple[int, ...]


_C = Check
_ORDINARY = 16 * 1024
"""Bytes of values that are remembered; larger ones would stay in memory for the sake of a hostile file."""
_LENGTH = (px.ROWS, px.COLUMNS, px.ALLOCATED, px.FRAMES, px.SAMPLES, px.PHOTOMETRIC)

CHECKS: tuple[Check, ...] = (
    _C("missing_sop_class", "quarantine", rel.SOP_CLASS, rel.lacks(rel.SOP_CLASS), (rel.SOP_CLASS,)),
    _C("missing_instance_uid", "quarantine", rel.INSTANCE_UID, rel.lacks(rel.INSTANCE_UID), (rel.INSTANCE_UID,)),
    _C("pixel_length_mismatch", "quarantine", px.PIXEL_DATA, px.misfits, _LENGTH),
    _C("bits_stored_exceed_allocated", "quarantine", px.STORED, px.stored_exceeds_allocated, (px.STORED, px.ALLOCATED)),
    _C("sop_class_differs", "warning", 0x00020002, rel.class_announced_differs, (rel.SOP_CLASS,)),
    _C("instance_uid_differs", "warning", 0x00020003, rel.instance_announced_differs, (rel.INSTANCE_UID,)),
    _C("private_transfer_syntax", "warning", 0x00020010, rel.private_transfer_syntax, ()),
    _C("no_patient_id", "warning", rel.PATIENT_ID, rel.lacks(rel.PATIENT_ID), (rel.PATIENT_ID,)),
    _C("born_after_study", "warning", rel.BIRTH_DATE, rel.born_after_study, (rel.BIRTH_DATE, rel.STUDY_DATE)),
    _C("unknown_modality", "warning", rel.MODALITY, rel.unknown_modality, (rel.MODALITY,)),
    _C("modality_differs", "warning", rel.MODALITY, rel.class_and_modality_differ, (rel.SOP_CLASS, rel.MODALITY)),
    _C("missing_type_1", "warning", rel.POSITION, rel.position_missing, (rel.SOP_CLASS, rel.POSITION)),
    _C("bad_orientation", "warning", rel.ORIENTATION, rel.axes_not_orthonormal, (rel.ORIENTATION,)),
    _C("no_rows_or_columns", "warning", px.ROWS, rel.zero(px.ROWS), (px.ROWS,)),
    _C("no_rows_or_columns", "warning", px.COLUMNS, rel.zero(px.COLUMNS), (px.COLUMNS,)),
    _C("high_bit_differs", "warning", px.HIGH_BIT, rel.high_bit_differs, (px.STORED, px.HIGH_BIT)),
    _C("samples_differ", "warning", px.SAMPLES, rel.samples_and_colours_differ, (px.PHOTOMETRIC, px.SAMPLES)),
    _C("missing_type_1", "warning", rel.PLANAR, rel.planes_missing, (px.SAMPLES, rel.PLANAR)),
    _C("no_pixel_data", "quarantine", px.PIXEL_DATA, rel.pixels_missing, (rel.SOP_CLASS, rel.PROVIDER)),
    _C("rescale_slope_zero", "warning", rel.SLOPE, rel.has_zero(rel.SLOPE), (rel.SLOPE,)),
    _C("window_width_not_positive", "warning", rel.WIDTH, rel.not_positive(rel.WIDTH), (rel.WIDTH,)),
    _C("spacing_not_positive", "warning", rel.SPACING, rel.not_positive(rel.SPACING), (rel.SPACING,)),
    _C("spacing_not_positive", "warning", rel.IMAGER, rel.not_positive(rel.IMAGER), (rel.IMAGER,)),
)
"""What an object's values must be to one another, the grave ones first. New rows go to the end of their part."""

_REST = "rest"

_CHANGING = frozenset(row.tag for row in INSTANCE) - {rel.SOP_CLASS}
"""Tags that differ from one object of a series to the next; what reads them is not remembered."""

_STEADY_CHECKS = tuple(row for row in CHECKS if _CHANGING.isdisjoint(row.reads))
_OTHER_CHECKS = tuple(row for row in CHECKS if not _CHANGING.isdisjoint(row.reads))
_TAGS = {name: tuple(row.tag for row in rows) for name, rows in VIEWS.items()}

_WITHOUT_PATIENT = tuple("1.2.840.10008.5.1.4." + family for family in ("38.", "39.", "43.", "44.", "45."))
"""Hanging protocols, colour palettes and implants describe no patient (PS3.3 tables A.44 to A.65)."""

_BY_CLASS = {
    rel.CT_CLASS: ("CT",),
    rel.MR_CLASS: ("MR",),
    rel.US_CLASS: ("US",),
    rel.US_FRAMES_CLASS: ("US",),
    **dict.fromkeys(rel.MG_CLASSES, ("MG",)),
}


def check(values: Values) -> tuple[Finding, ...]:
    """Everything that is wrong with an object: grave findings first, each once, always in the same order."""
    get = values.get
    has_pixels = values.encapsulated or values.pixel_length is not None or get(px.ROWS) is not None
    modules = _modules(get(rel.SOP_CLASS), has_pixels)
    raws = tuple(map(get, modules.tags))
    ordinary = sum(len(raw) for raw in raws if raw) <= _ORDINARY
    found = (_steady if ordinary else _steady.__wrapped__)(
        modules,
        raws,
        values.codecs,
        values.pixel_length,
        values.encapsulated,
        values.transfer_syntax,
        values.media_sop_class,
    )
    found += tuple(Finding(row.code, place(row.place)) for row in _OTHER_CHECKS if row.broken(values))
    found += _judged("Instance", tuple(map(get, _TAGS["Instance"])), values.codecs)
    return tuple(sorted(dict.fromkeys(found), key=lambda finding: not finding.quarantines)) if found else ()


@dataclass(frozen=True, slots=True, eq=False)
class Rest:
    """What is left to look at in objects that differ from a judged one in a few elements only."""

    findings: tuple[Finding, ...]
    """Of what they share."""
    checks: tuple[Check, ...]
    rows: tuple[Attribute, ...]


def rest_of(values: Values, varying: AbstractSet[int]) -> Rest | None:
    """What to look at in objects that share all but these elements with a sound one; None if this one is not sound.

    A row hangs on the tags it `reads` and on what all these objects have in common: character set, transfer syntax,
    class, and length of Pixel Data. What also reads the announced UID is in `_OTHER_CHECKS`.
    """
    has_pixels = values.encapsulated or values.pixel_length is not None or values.get(px.ROWS) is not None
    names = (*_modules(values.get(rel.SOP_CLASS), has_pixels).names, "Instance")
    rows = [row for name in names for row in VIEWS[name]]
    if any(problem(row, values.get(row.tag), values.codecs) for row in rows):
        return None
    left = tuple(row for row in CHECKS if row in _OTHER_CHECKS or not varying.isdisjoint(row.reads))
    steady = (row for row in CHECKS if row not in left and row.broken(values))
    found = tuple(Finding(row.code, place(row.place)) for row in steady)
    return Rest(found, left, tuple(row for row in rows if row.tag in varying))


def check_alike(values: Values, notes: dict[str, object], varying: AbstractSet[int]) -> tuple[Finding, ...]:
    """As `check`, for one of many objects that share all but the elements that vary.

    notes -- kept beside what they share: what is left to look at is noted there by the first of them
    """
    if _REST not in notes:
        notes[_REST] = rest_of(values, varying)
    rest = notes[_REST]
    return check_rest(values, rest) if isinstance(rest, Rest) else check(values)


def check_rest(values: Values, rest: Rest) -> tuple[Finding, ...]:
    """As `check`, for an object that shares all the rest with one that was judged; what is grave takes the full way."""
    for row in rest.rows:
        if problem(row, values.get(row.tag), values.codecs):
            return check(values)
    found = rest.findings
    for other in rest.checks:
        if other.broken(values):
            found += (Finding(other.code, place(other.place)),)
    return check(values) if any(finding.quarantines for finding in found) else tuple(dict.fromkeys(found))


def gravest(findings: Iterable[Finding]) -> Finding | None:
    """The first finding that quarantines, None if the object may go on."""
    return next((finding for finding in findings if finding.quarantines), None)


@dataclass(frozen=True, slots=True, eq=False)
class _Modules:
    """The modules that one kind of object has to satisfy, and all tags they and the steady checks read."""

    names: tuple[str, ...]
    tags: tuple[int, ...]


@lru_cache(maxsize=64)
def _modules(raw_sop_class: bytes | None, has_pixels: bool) -> _Modules:
    sop_class = trimmed(raw_sop_class)
    names: tuple[str, ...] = ("Patient", "Study", "Series", "Equipment")
    if sop_class.startswith(_WITHOUT_PATIENT):
        names = ("Equipment",)
    names += ("Image",) * has_pixels + _BY_CLASS.get(sop_class, ())
    tags = {tag for row in _STEADY_CHECKS for tag in row.reads}.union(*(_TAGS[name] for name in names))
    return _Modules(names, tuple(sorted(tags)))


@dataclass(frozen=True, slots=True)
class _Known:
    """The few values that the steady checks read, as `Values`."""

    raw: dict[int, bytes | None]
    pixel_length: int | None
    encapsulated: bool
    transfer_syntax: str
    media_sop_class: str
    codecs: tuple[str, ...]
    media_instance: str = ""

    def get(self, tag: int, /) -> bytes | None:
        return self.raw[tag]


@lru_cache(maxsize=256)
def _steady(
    modules: _Modules,
    raws: tuple[bytes | None, ...],
    codecs: tuple[str, ...],
    pixel_length: int | None,
    encapsulated: bool,
    transfer_syntax: str,
    media_sop_class: str,
) -> tuple[Finding, ...]:
    """What is true of all objects of a series alike: slices ask this again and again, so the answer is remembered."""
    raw = dict(zip(modules.tags, raws, strict=True))
    known = _Known(raw, pixel_length, encapsulated, transfer_syntax, media_sop_class, codecs)
    found = tuple(Finding(row.code, place(row.place)) for row in _STEADY_CHECKS if row.broken(known))
    return sum((_recalled(name, tuple(map(known.get, _TAGS[name])), codecs) for name in modules.names), found)


def _judged(name: str, raws: tuple[bytes | None, ...], codecs: tuple[str, ...]) -> tuple[Finding, ...]:
    """What a module says. The rows alone can tell that it is sound; only a faulty one is worth pydantic's import."""
    if not any(problem(row, raw, codecs) for row, raw in zip(VIEWS[name], raws, strict=True)):
        return ()
    from stowgate.validate.models import faults

    return faults(name, raws, codecs)


_remembered = lru_cache(maxsize=1024)(_judged)


def _recalled(name: str, raws: tuple[bytes | None, ...], codecs: tuple[str, ...]) -> tuple[Finding, ...]:
    """As `_judged`; of values of ordinary size what was found before."""
    ordinary = sum(len(raw) for raw in raws if raw) <= _ORDINARY
    return (_remembered if ordinary else _judged)(name, raws, codecs)
