"""A pydicom data set as an `Image`: what cannot be read is left out, what contradicts itself is refused."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from stowgate.errors import Rejected
from stowgate.pixels.image import Acquisition, Facts, Geometry, Image, Lut, Rescale, Voi, VoiFunction, Window
from stowgate.pixels.positron import positron_of
from stowgate.pixels.values import integer, number, numbers, text, texts

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_LARGEST_LUT = 1 << 16
_FUNCTIONS: dict[str, VoiFunction] = {"LINEAR": "LINEAR", "LINEAR_EXACT": "LINEAR_EXACT", "SIGMOID": "SIGMOID"}


def describe(dataset: Dataset, transfer_syntax: str = "") -> Image:
    """The facts of an object with a picture.

    transfer_syntax -- where the data set has no file meta that says it
    Raises `Rejected`: "no_picture" without rows, "picture_bad_header" where rows, samples or bits cannot be.
    """
    rows, columns = integer(dataset, "Rows"), integer(dataset, "Columns")
    if rows is None or columns is None:
        raise Rejected("no_picture")
    samples = integer(dataset, "SamplesPerPixel") or 1
    allocated = integer(dataset, "BitsAllocated") or _float_bits(dataset)
    stored = integer(dataset, "BitsStored") or allocated
    if not (rows > 0 and columns > 0 and samples in (1, 3, 4) and 0 < stored <= allocated <= 64):
        raise Rejected("picture_bad_header")
    signed = integer(dataset, "PixelRepresentation") == 1
    shared = _facts(dataset, _group(dataset, "SharedFunctionalGroupsSequence"))
    meta = getattr(dataset, "file_meta", None)
    return Image(
        modality=text(dataset, "Modality"),
        sop_class=text(dataset, "SOPClassUID"),
        transfer_syntax=(text(meta, "TransferSyntaxUID") if meta else "") or transfer_syntax,
        rows=rows,
        columns=columns,
        frames=max(1, integer(dataset, "NumberOfFrames") or 1),
        samples=samples,
        photometric=text(dataset, "PhotometricInterpretation") or "MONOCHROME2",
        bits_allocated=allocated,
        bits_stored=stored,
        signed=signed,
        padding=_padding(dataset, signed, allocated),
        shared=shared,
        per_frame=tuple(_per_frame(dataset, shared)),
        acquisition=_acquisition(dataset),
        positron=positron_of(dataset),
        full=_full(dataset),
        overlays=sum(1 for group in range(0x6000, 0x6020, 2) if (group, 0x0010) in dataset),
    )


def _full(dataset: Dataset) -> float | None:
    """What is white in a segmentation: 1 of BINARY, Maximum Fractional Value, the highest label of a map."""
    kind = text(dataset, "SegmentationType")
    if kind == "FRACTIONAL":
        return float(integer(dataset, "MaximumFractionalValue") or 255)
    if kind == "LABELMAP":
        labels = (integer(item, "SegmentNumber") or 0 for item in _items(dataset, "SegmentSequence"))
        return float(max(labels, default=0)) or None
    return 1.0 if kind == "BINARY" else None


def _float_bits(dataset: Dataset) -> int:
    return 64 if "DoubleFloatPixelData" in dataset else 32 if "FloatPixelData" in dataset else 0


def _padding(dataset: Dataset, signed: bool, allocated: int) -> tuple[int, int] | None:
    """Pixel Padding Value, to Pixel Padding Range Limit where there is one, as the stored values' sign has them."""
    value = integer(dataset, "PixelPaddingValue")
    if value is None:
        return None
    limit = integer(dataset, "PixelPaddingRangeLimit")
    ends = [_as_stored(end, signed, allocated) for end in (value, value if limit is None else limit)]
    return min(ends), max(ends)


def _as_stored(value: int, signed: bool, bits: int) -> int:
    """A value whose VR was written with the other sign than Pixel Representation says."""
    if signed and value >= 1 << (bits - 1):
        return value - (1 << bits)
    return value + (1 << bits) if value < 0 and not signed else value


def _group(parent: Dataset, keyword: str) -> Dataset | None:
    """The first item of a sequence, if there is one."""
    return next(_items(parent, keyword), None)


def _items(parent: Dataset | None, keyword: str) -> Iterator[Dataset]:
    sequence = None if parent is None else parent.get(keyword)
    if sequence is not None and not isinstance(sequence, (str, bytes)) and isinstance(sequence, Sequence):
        yield from sequence


def _per_frame(dataset: Dataset, shared: Facts) -> Iterator[Facts]:
    for item in _items(dataset, "PerFrameFunctionalGroupsSequence"):
        yield _facts(None, item, shared)


def _facts(top: Dataset | None, groups: Dataset | None, otherwise: Facts | None = None) -> Facts:
    """Of a functional group; what it has not comes from the top level of a classic object, or from `otherwise`."""
    found = otherwise or _facts_of_top(top)
    if groups is None:
        return found
    rescale = _group(groups, "PixelValueTransformationSequence")
    voi = _group(groups, "FrameVOILUTSequence")
    anatomy = _group(groups, "FrameAnatomySequence")
    return Facts(
        rescale=found.rescale if rescale is None else _rescale(rescale),
        voi=found.voi if voi is None else _voi(voi),
        geometry=_geometry(groups, found.geometry),
        laterality=(text(anatomy, "FrameLaterality") if anatomy is not None else "") or found.laterality,
    )


def _facts_of_top(top: Dataset | None) -> Facts:
    if top is None:
        return Facts()
    laterality = text(top, "ImageLaterality") or text(top, "Laterality")
    geometry = Geometry(
        position=_three(top, "ImagePositionPatient"),
        orientation=_six(top, "ImageOrientationPatient"),
        spacing=_spacing(top),
        thickness=number(top, "SliceThickness"),
    )
    return Facts(_rescale(top), _voi(top), geometry, laterality)


def _geometry(groups: Dataset, found: Geometry) -> Geometry:
    measures = _group(groups, "PixelMeasuresSequence")
    position = _group(groups, "PlanePositionSequence")
    orientation = _group(groups, "PlaneOrientationSequence")
    return Geometry(
        position=found.position if position is None else _three(position, "ImagePositionPatient"),
        orientation=found.orientation if orientation is None else _six(orientation, "ImageOrientationPatient"),
        spacing=found.spacing if measures is None else _spacing(measures),
        thickness=found.thickness if measures is None else number(measures, "SliceThickness"),
    )


def _spacing(dataset: Dataset) -> tuple[float, float] | None:
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        found = numbers(dataset, keyword)
        if len(found) == 2 and min(found) > 0:
            return found[0], found[1]
    return None


def _three(dataset: Dataset, keyword: str) -> tuple[float, float, float] | None:
    found = numbers(dataset, keyword)
    return (found[0], found[1], found[2]) if len(found) == 3 else None


def _six(dataset: Dataset, keyword: str) -> tuple[float, float, float, float, float, float] | None:
    found = numbers(dataset, keyword)
    return (found[0], found[1], found[2], found[3], found[4], found[5]) if len(found) == 6 else None


def _rescale(dataset: Dataset) -> Rescale:
    table = _group(dataset, "ModalityLUTSequence")
    lut = None if table is None else _lut(table)
    slope, intercept = number(dataset, "RescaleSlope"), number(dataset, "RescaleIntercept")
    kind = text(dataset, "RescaleType") if lut is None or table is None else text(table, "ModalityLUTType")
    return Rescale(1.0 if slope is None else slope, 0.0 if intercept is None else intercept, kind, lut)


def _voi(dataset: Dataset) -> Voi:
    centres, widths = numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth")
    windows = tuple(Window(c, w) for c, w in zip(centres, widths, strict=False) if math.isfinite(c + w))
    luts = tuple(lut for item in _items(dataset, "VOILUTSequence") if (lut := _lut(item)) is not None)
    return Voi(windows, _FUNCTIONS.get(text(dataset, "VOILUTFunction"), "LINEAR"), luts)


def _lut(item: Dataset) -> Lut | None:
    """LUT Descriptor and LUT Data; 0 entries mean 65,536 (C.11.1.1). None where the two do not fit."""
    described = [int(value) for value in numbers(item, "LUTDescriptor")]
    if len(described) != 3:
        return None
    entries, first, bits = described[0] & 0xFFFF or _LARGEST_LUT, described[1], described[2]
    values = _lut_values(item.get("LUTData"), bits, entries)
    return Lut(first, bits, values[:entries]) if len(values) >= entries and 0 < bits <= 16 else None


def _lut_values(data: Any, bits: int, entries: int) -> tuple[int, ...]:
    if isinstance(data, bytes):
        if bits <= 8 and len(data) <= entries + 1:
            return tuple(data)
        return tuple(int.from_bytes(data[at : at + 2], "little") for at in range(0, len(data) - 1, 2))
    if isinstance(data, int):
        return (data & 0xFFFF,)
    return tuple(int(value) & 0xFFFF for value in data) if isinstance(data, Sequence) else ()


def _acquisition(dataset: Dataset) -> Acquisition:
    view = text(dataset, "ViewPosition")
    code = _group(dataset, "ViewCodeSequence")
    if not view and code is not None:
        view = text(code, "CodeMeaning")
    kernel = texts(dataset, "ConvolutionKernel")
    return Acquisition(
        manufacturer_model=text(dataset, "ManufacturerModelName"),
        body_part=text(dataset, "BodyPartExamined"),
        kernel=kernel[0] if kernel else "",
        image_type=texts(dataset, "ImageType"),
        view=view,
        sides=_sides(dataset),
        orientation=texts(dataset, "PatientOrientation"),
        kvp=number(dataset, "KVP"),
        exposure=_exposure(dataset),
        exposure_index=number(dataset, "ExposureIndex"),
        target_exposure_index=number(dataset, "TargetExposureIndex"),
        deviation_index=number(dataset, "DeviationIndex"),
        ctdi_vol=number(dataset, "CTDIvol"),
        instance_number=integer(dataset, "InstanceNumber"),
        acquisition_number=integer(dataset, "AcquisitionNumber"),
        images_in_acquisition=integer(dataset, "ImagesInAcquisition"),
        repetition_time=number(dataset, "RepetitionTime"),
        echo_time=number(dataset, "EchoTime"),
    )


def _sides(dataset: Dataset) -> tuple[str, ...]:
    """Frame Laterality is looked for in the functional groups that hold for all frames."""
    shared = _group(dataset, "SharedFunctionalGroupsSequence")
    anatomy = None if shared is None else _group(shared, "FrameAnatomySequence")
    told = [text(dataset, "ImageLaterality"), text(dataset, "Laterality")]
    told += [text(anatomy, "FrameLaterality")] if anatomy is not None else []
    return tuple(dict.fromkeys(one for one in told if one))


def _exposure(dataset: Dataset) -> float | None:
    """MAs: Exposure, else Exposure in µAs, which is finer but younger."""
    fine = number(dataset, "ExposureInuAs")
    return number(dataset, "Exposure") if fine is None else fine / 1000
