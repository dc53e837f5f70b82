"""The attributes that the models know, module by module (PS3.3 annex C), with type, VR, multiplicity and range."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from stowgate.validate.syntax import quick

MANY = 1_000_000


@dataclass(frozen=True, slots=True)
class Attribute:
    """One row: `name` is the keyword of PS3.6 in snake case; `least` to `most` the value multiplicity.

    type         -- 1, 1C, 2, 2C or 3; the condition of 1C and 2C is not judged, only that a 1C is not empty
    low, high    -- bounds of a number, both allowed; of an age in years
    terms        -- the enumerated values, if the list is closed
    absent_code  -- what to say when a Type 1 or 2 attribute is not there
    """

    name: str
    tag: int
    vr: str
    type: str
    least: int = 1
    most: int = 1
    low: float | None = None
    high: float | None = None
    terms: frozenset[bytes] = frozenset()
    required_code: str = "missing_type_1"
    absent: str | None = field(init=False)
    empty: str | None = field(init=False)
    quick: Callable[[bytes], object] | None = field(init=False)

    def __post_init__(self) -> None:
        nothing = {"1": self.required_code, "2": "missing_type_2"}.get(self.type)
        object.__setattr__(self, "absent", nothing)
        object.__setattr__(self, "empty", self.required_code if self.type in ("1", "1C") else None)
        plain = self.least == self.most and self.low is None and self.high is None and not self.terms
        object.__setattr__(self, "quick", quick(self.vr, self.most) if plain else None)


def _terms(words: str) -> frozenset[bytes]:
    return frozenset(words.encode().split())


_A = Attribute
_YES_NO = _terms("YES NO")

PATIENT = (
    _A("patient_name", 0x00100010, "PN", "2"),
    _A("patient_id", 0x00100020, "LO", "2"),
    _A("issuer_of_patient_id", 0x00100021, "LO", "3"),
    _A("patient_birth_date", 0x00100030, "DA", "2"),
    _A("patient_birth_time", 0x00100032, "TM", "3"),
    _A("patient_sex", 0x00100040, "CS", "2", terms=_terms("M F O")),
    _A("patient_age", 0x00101010, "AS", "3", high=150),
    _A("patient_size", 0x00101020, "DS", "3", low=0, high=3),
    _A("patient_weight", 0x00101030, "DS", "3", low=0, high=1000),
)
"""C.7.1.1 Patient and C.7.2.2 Patient Study."""

STUDY = (
    _A("study_date", 0x00080020, "DA", "2"),
    _A("study_time", 0x00080030, "TM", "2"),
    _A("accession_number", 0x00080050, "SH", "2"),
    _A("referring_physician_name", 0x00080090, "PN", "2"),
    _A("study_description", 0x00081030, "LO", "3"),
    _A("study_instance_uid", 0x0020000D, "UI", "1"),
    _A("study_id", 0x00200010, "SH", "2"),
)
"""C.7.2.1 General Study."""

SERIES = (
    _A("series_date", 0x00080021, "DA", "3"),
    _A("series_time", 0x00080031, "TM", "3"),
    _A("modality", 0x00080060, "CS", "1"),
    _A("series_description", 0x0008103E, "LO", "3"),
    _A("body_part_examined", 0x00180015, "CS", "3"),
    _A("protocol_name", 0x00181030, "LO", "3"),
    _A("patient_position", 0x00185100, "CS", "2C"),
    _A("series_instance_uid", 0x0020000E, "UI", "1"),
    _A("series_number", 0x00200011, "IS", "2"),
    _A("laterality", 0x00200060, "CS", "2C", terms=_terms("R L")),
    _A("frame_of_reference_uid", 0x00200052, "UI", "1C"),
)
"""C.7.3.1 General Series and C.7.4.1 Frame of Reference."""

EQUIPMENT = (
    _A("manufacturer", 0x00080070, "LO", "2"),
    _A("institution_name", 0x00080080, "LO", "3"),
    _A("station_name", 0x00081010, "SH", "3"),
    _A("manufacturer_model_name", 0x00081090, "LO", "3"),
    _A("device_serial_number", 0x00181000, "LO", "3"),
    _A("software_versions", 0x00181020, "LO", "3", most=MANY),
)
"""C.7.5.1 General Equipment."""

INSTANCE = (
    _A("sop_class_uid", 0x00080016, "UI", "1", required_code="missing_sop_class"),
    _A("sop_instance_uid", 0x00080018, "UI", "1", required_code="missing_instance_uid"),
    _A("acquisition_date", 0x00080022, "DA", "3"),
    _A("content_date", 0x00080023, "DA", "2C"),
    _A("acquisition_date_time", 0x0008002A, "DT", "3"),
    _A("acquisition_time", 0x00080032, "TM", "3"),
    _A("content_time", 0x00080033, "TM", "2C"),
    _A("instance_number", 0x00200013, "IS", "2"),
    _A("image_position_patient", 0x00200032, "DS", "1C", 3, 3),
    _A("slice_location", 0x00201041, "DS", "3"),
)
"""C.12.1 SOP Common and what else differs from one object of a series to the next."""

IMAGE = (
    _A("image_type", 0x00080008, "CS", "3", 2, MANY),
    _A("image_orientation_patient", 0x00200037, "DS", "1C", 6, 6, low=-1.01, high=1.01),
    _A("samples_per_pixel", 0x00280002, "US", "1", low=1, high=4),
    _A("photometric_interpretation", 0x00280004, "CS", "1"),
    _A("planar_configuration", 0x00280006, "US", "1C", high=1),
    _A("number_of_frames", 0x00280008, "IS", "1C", low=1),
    _A("rows", 0x00280010, "US", "1"),
    _A("columns", 0x00280011, "US", "1"),
    _A("pixel_spacing", 0x00280030, "DS", "1C", 2, 2),
    _A("pixel_aspect_ratio", 0x00280034, "IS", "1C", 2, 2, low=0),
    _A("bits_allocated", 0x00280100, "US", "1", low=1, high=64),
    _A("bits_stored", 0x00280101, "US", "1", low=1, high=64),
    _A("high_bit", 0x00280102, "US", "1", high=63),
    _A("pixel_representation", 0x00280103, "US", "1", high=1),
    _A("burned_in_annotation", 0x00280301, "CS", "3", terms=_YES_NO),
    _A("window_center", 0x00281050, "DS", "1C", most=MANY),
    _A("window_width", 0x00281051, "DS", "1C", most=MANY),
    _A("rescale_intercept", 0x00281052, "DS", "1C"),
    _A("rescale_slope", 0x00281053, "DS", "1C"),
    _A("lossy_image_compression", 0x00282110, "CS", "3", terms=_terms("00 01")),
)
"""C.7.6.1 General Image, C.7.6.2 Image Plane, C.7.6.3 Image Pixel, C.11.1 Modality LUT, C.11.2 VOI LUT."""

CT = (
    _A("image_type", 0x00080008, "CS", "1", 2, MANY),
    _A("slice_thickness", 0x00180050, "DS", "2", low=0),
    _A("kvp", 0x00180060, "DS", "2", low=0, high=300),
    _A("data_collection_diameter", 0x00180090, "DS", "3", low=0),
    _A("reconstruction_diameter", 0x00181100, "DS", "3", low=0),
    _A("gantry_detector_tilt", 0x00181120, "DS", "3", low=-90, high=90),
    _A("convolution_kernel", 0x00181210, "SH", "3", most=MANY),
    _A("acquisition_number", 0x00200012, "IS", "2"),
    _A("image_orientation_patient", 0x00200037, "DS", "1", 6, 6),
    _A("pixel_spacing", 0x00280030, "DS", "1", 2, 2),
    _A("rescale_intercept", 0x00281052, "DS", "1"),
    _A("rescale_slope", 0x00281053, "DS", "1"),
)
"""C.8.2.1 CT Image."""

MR = (
    _A("image_type", 0x00080008, "CS", "1", 2, MANY),
    _A("scanning_sequence", 0x00180020, "CS", "1", most=MANY, terms=_terms("SE IR GR EP RM")),
    _A("sequence_variant", 0x00180021, "CS", "1", most=MANY),
    _A("scan_options", 0x00180022, "CS", "2", most=MANY),
    _A("mr_acquisition_type", 0x00180023, "CS", "2", terms=_terms("2D 3D")),
    _A("slice_thickness", 0x00180050, "DS", "2", low=0),
    _A("repetition_time", 0x00180080, "DS", "2C", low=0),
    _A("echo_time", 0x00180081, "DS", "2", low=0),
    _A("inversion_time", 0x00180082, "DS", "2C", low=0),
    _A("magnetic_field_strength", 0x00180087, "DS", "3", low=0, high=20),
    _A("echo_train_length", 0x00180091, "IS", "2", low=0),
    _A("flip_angle", 0x00181314, "DS", "3"),
    _A("image_orientation_patient", 0x00200037, "DS", "1", 6, 6),
    _A("pixel_spacing", 0x00280030, "DS", "1", 2, 2),
)
"""C.8.3.1 MR Image."""

MG = (
    _A("image_type", 0x00080008, "CS", "1", 2, MANY),
    _A("presentation_intent_type", 0x00080068, "CS", "1"),
    _A("imager_pixel_spacing", 0x00181164, "DS", "1", 2, 2),
    _A("body_part_thickness", 0x001811A0, "DS", "3", low=0),
    _A("compression_force", 0x001811A2, "DS", "3", low=0),
    _A("positioner_type", 0x00181508, "CS", "1"),
    _A("view_position", 0x00185101, "CS", "3"),
    _A("image_laterality", 0x00200062, "CS", "1", terms=_terms("R L B")),
    _A("patient_orientation", 0x00200020, "CS", "1C", 2, 2),
    _A("burned_in_annotation", 0x00280301, "CS", "1", terms=_YES_NO),
    _A("breast_implant_present", 0x00281300, "CS", "3", terms=_YES_NO),
    _A("organ_exposed", 0x00400318, "CS", "1"),
)
"""C.8.11.7 Mammography Image, with what C.8.11.1 to C.8.11.5 (DX) ask of it."""

US = (
    _A("image_type", 0x00080008, "CS", "2", 2, MANY),
    _A("stage_number", 0x00082122, "IS", "3"),
    _A("number_of_stages", 0x00082124, "IS", "2C"),
    _A("view_number", 0x00082128, "IS", "3"),
    _A("trigger_time", 0x00181060, "DS", "3"),
    _A("frame_time", 0x00181063, "DS", "1C", low=0),
    _A("heart_rate", 0x00181088, "IS", "3", low=0, high=1000),
    _A("transducer_type", 0x00186031, "CS", "3"),
    _A("ultrasound_color_data_present", 0x00280014, "US", "3", high=1),
)
"""C.8.5.6 US Image."""

VIEWS = {
    "Patient": PATIENT,
    "Study": STUDY,
    "Series": SERIES,
    "Equipment": EQUIPMENT,
    "Instance": INSTANCE,
    "Image": IMAGE,
    "CT": CT,
    "MR": MR,
    "MG": MG,
    "US": US,
}
