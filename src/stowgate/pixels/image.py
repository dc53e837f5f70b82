"""What a header says of a picture: facts for decoding, windows, findings and fleets, none about a person (PS3.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

VoiFunction = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]


@dataclass(frozen=True, slots=True)
class Lut:
    """A look-up table (PS3.3 C.11.1.1.1, C.11.2.1.1): `first` gives `values[0]`; beyond its ends these hold."""

    first: int
    bits: int
    """Bits of each value."""
    values: tuple[int, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rescale:
    """Modality LUT (C.11.1): stored value x slope + intercept, or a table; `type`: Rescale or Modality LUT Type."""

    slope: float = 1.0
    intercept: float = 0.0
    type: str = ""
    lut: Lut | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """Window centre and width, in the unit that the Modality LUT gives."""

    centre: float
    width: float


@dataclass(frozen=True, slots=True)
class Voi:
    """VOI LUT (C.11.2): windows of the header, their function, and tables, each first one being the default."""

    windows: tuple[Window, ...] = ()
    function: VoiFunction = "LINEAR"
    luts: tuple[Lut, ...] = ()


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where a frame lies (C.7.6.2): millimetres in the patient's system; None where the header does not say."""

    position: tuple[float, float, float] | None = None
    orientation: tuple[float, float, float, float, float, float] | None = None
    spacing: tuple[float, float] | None = None
    """Pixel Spacing, else Imager Pixel Spacing: between rows, between columns."""
    thickness: float | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What may differ from frame to frame: functional groups of an enhanced object (C.7.6.16), else its top level."""

    rescale: Rescale = Rescale()
    voi: Voi = Voi()
    geometry: Geometry = Geometry()
    laterality: str = ""
    """R, L, B, U (unpaired) or nothing: Frame Laterality, Image Laterality, Laterality."""


@dataclass(frozen=True, slots=True)
class Acquisition:
    """How it was made; empty or None where the header does not say. Nothing here names a person or a place."""

    manufacturer_model: str = ""
    body_part: str = ""
    kernel: str = ""
    """Convolution Kernel."""
    image_type: tuple[str, ...] = ()
    view: str = ""
    """CC, MLO and the like, for projection X-ray: View Position, else the View Code Sequence's code meaning."""
    sides: tuple[str, ...] = ()
    """All that Image Laterality, Laterality and Frame Laterality say, each once."""
    orientation: tuple[str, ...] = ()
    """Patient Orientation: where rows and columns lead to, such as A and F."""
    kvp: float | None = None
    exposure: float | None = None
    """mAs."""
    exposure_index: float | None = None
    target_exposure_index: float | None = None
    deviation_index: float | None = None
    ctdi_vol: float | None = None
    """mGy."""
    instance_number: int | None = None
    acquisition_number: int | None = None
    images_in_acquisition: int | None = None
    repetition_time: float | None = None
    echo_time: float | None = None


@dataclass(frozen=True, slots=True)
class Positron:
    """What Standardized Uptake Values need (PET): None where the header does not say, and then there are none."""

    units: str = ""
    """Units (0054,1001): BQML, CNTS, GML."""
    weight: float | None = None
    """Kilograms."""
    dose: float | None = None
    """Bq at injection."""
    half_life: float | None = None
    """Seconds."""
    decay_seconds: float | None = None
    """From injection to the moment that the image is decay corrected to; 0 where that is the injection."""


@dataclass(frozen=True, slots=True)
class Image:
    """One object with Pixel Data, as its header describes it."""

    modality: str
    sop_class: str
    transfer_syntax: str
    rows: int
    columns: int
    frames: int
    samples: int
    photometric: str
    bits_allocated: int
    bits_stored: int
    signed: bool
    padding: tuple[int, int] | None = None
    """Stored values from the first to the second are no part of the picture (Pixel Padding Value and Range Limit)."""
    shared: Facts = Facts()
    per_frame: tuple[Facts, ...] = field(default=(), repr=False)
    acquisition: Acquisition = Acquisition()
    positron: Positron = Positron()
    full: float | None = None
    """Of segmentations (C.8.20.2): the stored value of what wholly belongs to a segment, or of the last label."""
    overlays: int = 0
    """Overlay planes, which are apart from the picture and never drawn into it."""

    def facts(self, frame: int) -> Facts:
        """What holds for a frame, counted from 0."""
        return self.per_frame[frame] if frame < len(self.per_frame) else self.shared
