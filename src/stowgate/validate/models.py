"""An object as a person reads it: frozen pydantic views of patient, study, series, equipment, instance and image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from stowgate.errors import Rejected
from stowgate.reasons import REASONS
from stowgate.validate.attributes import VIEWS, Attribute
from stowgate.validate.judge import Parsed, parse, problem
from stowgate.validate.values import Finding, Values, place

Words = tuple[str, ...]
Numbers = tuple[float, ...]


def _fault(code: str) -> PydanticCustomError:
    return PydanticCustomError(code, "{sentence}", {"sentence": REASONS[code].sentence})


class View(BaseModel):
    """A module of PS3.3. Made by `of`; printing one shows its name only, because its values may name a person.

    A legal empty Type 2 value is None, or () where several values are allowed.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", hide_input_in_errors=True)

    table: ClassVar[Mapping[str, Attribute]] = {}
    whole: ClassVar[Mapping[str, int]] = {}
    """Where a fault of the view as a whole is shown, by code."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls.table = {row.name: row for row in VIEWS[cls.__name__]}

    @classmethod
    def of(cls, values: Values) -> Self:
        """The view of an object; raises `Rejected` with the first finding if it is not as the standard asks."""
        try:
            return cls._made([values.get(row.tag) for row in cls.table.values()], values.codecs)
        except ValidationError as error:
            first = cls._findings(error)[0]
        raise Rejected(first.code, first.place)

    @classmethod
    def problems(cls, raws: Sequence[bytes | None], codecs: tuple[str, ...]) -> tuple[Finding, ...]:
        """Everything that keeps this view from being made of raw values in the order of its table."""
        try:
            cls._made(raws, codecs)
        except ValidationError as error:
            return cls._findings(error)
        return ()

    @classmethod
    def _made(cls, raws: Sequence[bytes | None], codecs: tuple[str, ...]) -> Self:
        return cls.model_validate(dict(zip(cls.table, raws, strict=True)), context=codecs)

    @classmethod
    def _findings(cls, error: ValidationError) -> tuple[Finding, ...]:
        """Codes and places of pydantic's errors; inputs stay behind."""
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        return tuple(cls._finding(fault["type"], fault["loc"]) for fault in faults)

    @classmethod
    def _finding(cls, code: str, where: tuple[int | str, ...]) -> Finding:
        tag = cls.table[str(where[0])].tag if where else cls.whole[code]
        return Finding(code, place(tag))

    @field_validator("*", mode="before")
    @classmethod
    def _read(cls, raw: Any, info: ValidationInfo) -> Parsed:
        """Raw bytes to a Python value, by the row of the tables; text stands for itself in UTF-8."""
        row = cls.table[str(info.field_name)]
        codecs: tuple[str, ...] = info.context or ("utf-8",)
        given = raw.encode() if isinstance(raw, str) else raw
        code = problem(row, given, codecs)
        if code:
            raise _fault(code)
        return parse(row, given, codecs)

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return []


class Patient(View):
    """Who was examined (PS3.3 C.7.1.1, C.7.2.2)."""

    patient_name: str | None
    patient_id: str | None
    issuer_of_patient_id: str | None = None
    patient_birth_date: date | None
    patient_birth_time: str | None = None
    patient_sex: str | None
    patient_age: str | None = None
    patient_size: float | None = None
    patient_weight: float | None = None


class Study(View):
    """Why and when (PS3.3 C.7.2.1)."""

    study_date: date | None
    study_time: str | None
    accession_number: str | None
    referring_physician_name: str | None
    study_description: str | None = None
    study_instance_uid: str
    study_id: str | None


class Series(View):
    """One run of one modality (PS3.3 C.7.3.1, C.7.4.1)."""

    series_date: date | None = None
    series_time: str | None = None
    modality: str
    series_description: str | None = None
    body_part_examined: str | None = None
    protocol_name: str | None = None
    patient_position: str | None = None
    series_instance_uid: str
    series_number: int | None
    laterality: str | None = None
    frame_of_reference_uid: str | None = None


class Equipment(View):
    """What made it (PS3.3 C.7.5.1)."""

    manufacturer: str | None
    institution_name: str | None = None
    station_name: str | None = None
    manufacturer_model_name: str | None = None
    device_serial_number: str | None = None
    software_versions: Words = ()


class Instance(View):
    """The one object (PS3.3 C.12.1, and what of C.7.6 differs within a series)."""

    sop_class_uid: str
    sop_instance_uid: str
    acquisition_date: date | None = None
    content_date: date | None = None
    acquisition_date_time: str | None = None
    acquisition_time: str | None = None
    content_time: str | None = None
    instance_number: int | None
    image_position_patient: Numbers = ()
    slice_location: float | None = None


class Image(View):
    """How its pixels are to be read (PS3.3 C.7.6.1 to C.7.6.3, C.11.1, C.11.2)."""

    whole: ClassVar[Mapping[str, int]] = {"bits_stored_exceed_allocated": 0x00280101}

    image_type: Words = ()
    image_orientation_patient: Numbers = ()
    samples_per_pixel: int
    photometric_interpretation: str
    planar_configuration: int | None = None
    number_of_frames: int | None = None
    rows: int
    columns: int
    pixel_spacing: Numbers = ()
    pixel_aspect_ratio: tuple[int, ...] = ()
    bits_allocated: int
    bits_stored: int
    high_bit: int
    pixel_representation: int
    burned_in_annotation: str | None = None
    window_center: Numbers = ()
    window_width: Numbers = ()
    rescale_intercept: float | None = None
    rescale_slope: float | None = None
    lossy_image_compression: str | None = None

    @model_validator(mode="after")
    def _stored_fits_allocated(self) -> Self:
        if self.bits_stored > self.bits_allocated:
            raise _fault("bits_stored_exceed_allocated")
        return self


class CT(View):
    """Computed tomography (PS3.3 C.8.2.1)."""

    image_type: Words
    slice_thickness: float | None
    kvp: float | None
    data_collection_diameter: float | None = None
    reconstruction_diameter: float | None = None
    gantry_detector_tilt: float | None = None
    convolution_kernel: Words = ()
    acquisition_number: int | None
    image_orientation_patient: Numbers
    pixel_spacing: Numbers
    rescale_intercept: float
    rescale_slope: float


class MR(View):
    """Magnetic resonance (PS3.3 C.8.3.1)."""

    image_type: Words
    scanning_sequence: Words
    sequence_variant: Words
    scan_options: Words
    mr_acquisition_type: str | None
    slice_thickness: float | None
    repetition_time: float | None = None
    echo_time: float | None
    inversion_time: float | None = None
    magnetic_field_strength: float | None = None
    echo_train_length: int | None
    flip_angle: float | None = None
    image_orientation_patient: Numbers
    pixel_spacing: Numbers


class MG(View):
    """Mammography (PS3.3 C.8.11.7, with what DX asks of it)."""

    image_type: Words
    presentation_intent_type: str
    imager_pixel_spacing: Numbers
    body_part_thickness: float | None = None
    compression_force: float | None = None
    positioner_type: str
    view_position: str | None = None
    image_laterality: str
    patient_orientation: Words = ()
    burned_in_annotation: str
    breast_implant_present: str | None = None
    organ_exposed: str


class US(View):
    """Ultrasound (PS3.3 C.8.5.6)."""

    image_type: Words
    stage_number: int | None = None
    number_of_stages: int | None = None
    view_number: int | None = None
    trigger_time: float | None = None
    frame_time: float | None = None
    heart_rate: int | None = None
    transducer_type: str | None = None
    ultrasound_color_data_present: int | None = None


MODELS: Mapping[str, type[View]] = {
    model.__name__: model for model in (Patient, Study, Series, Equipment, Instance, Image, CT, MR, MG, US)
}


def faults(name: str, raws: Sequence[bytes | None], codecs: tuple[str, ...]) -> tuple[Finding, ...]:
    """What a module by name says about raw values in the order of its table."""
    return MODELS[name].problems(raws, codecs)
