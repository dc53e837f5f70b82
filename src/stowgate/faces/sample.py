"""A CT series of a made-up patient, with identity in the usual and in less usual places; and pydicom's own files."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom import Dataset

SLICES = 12
_SIZE = 128


def make_series(folder: Path, slices: int = SLICES, series: int = 1) -> list[Path]:
    """Write a CT series of a made-up patient; the files."""
    from pydicom import dcmwrite

    folder.mkdir(parents=True, exist_ok=True)
    places = [folder / f"IM{number:04}.dcm" for number in range(1, slices + 1)]
    for number, place in enumerate(places, 1):
        dcmwrite(place, slice_of(number, slices, series), enforce_file_format=True)
    return places


def real_files() -> Iterator[Path]:
    """The DICOM files that come inside the pydicom package."""
    import pydicom.data

    for path in sorted(Path(pydicom.data.__file__).parent.rglob("*")):
        if path.is_file() and (path.suffix == ".dcm" or b"DICM" in path.read_bytes()[128:132]):
            yield path


def slice_of(number: int, slices: int = SLICES, series: int = 1) -> Dataset:
    """One slice: header and a sphere in 16 bits."""
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    root = "2.25.20260401" if series == 1 else f"2.25.20260401.{series + 1000}"
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = f"{root}.{number}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "2.25.20260401.1000", f"{root}.1001"
    ds.FrameOfReferenceUID = "2.25.20260401.1002"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Foster^Maeve", "MRN-004417", "19520417", "F"
    ds.PatientAge, ds.PatientAddress = "073Y", "12 Harbour Lane"
    ds.ReferringPhysicianName, ds.OperatorsName, ds.AccessionNumber = "Adeyemi^Tunde", "Lindqvist^Saga", "A-55310"
    ds.InstitutionName, ds.StationName, ds.DeviceSerialNumber = "Northmoor Infirmary", "CTVAN03", "SN-88213"
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = "20260401"
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = "093000"
    ds.StudyID, ds.Modality, ds.Manufacturer, ds.ManufacturerModelName = "771", "CT", "Example Imaging", "Example 64"
    ds.StudyDescription, ds.SeriesDescription = "CT CHEST - M. FOSTER", "AXIAL 5.0 B30f"
    ds.ImageComments = "called Dr Adeyemi, 0131 496 0000"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SeriesNumber, ds.AcquisitionNumber, ds.InstanceNumber = series + 1, 1, number
    ds.PositionReferenceIndicator, ds.PatientPosition = "", "HFS"
    ds.SliceThickness, ds.KVP, ds.ConvolutionKernel = "5.0", "120", "B30f"
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [-160, -160, 5 * number], [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = [2.5, 2.5], -1024, 1, "HU"
    _picture(ds, number, slices)
    return ds


def _picture(ds: Dataset, number: int, slices: int) -> None:
    ds.Rows = ds.Columns = _SIZE
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
    block = ds.private_block(0x0029, "EXAMPLE IMAGING", create=True)
    block.add_new(0x10, "LO", "Foster^Maeve")
    ds.PixelData = sphere(number, slices)


def sphere(number: int, slices: int = SLICES) -> bytes:
    """Pixels of one slice through a sphere of water in air, unsigned 16 bits."""
    depth = (number - (slices + 1) / 2) * 10
    half = _SIZE / 2
    distances = ((x - half) ** 2 + (y - half) ** 2 + depth**2 for y in range(_SIZE) for x in range(_SIZE))
    values = [1024 if distance < (0.9 * half) ** 2 else 24 for distance in distances]
    return struct.pack(f"<{len(values)}H", *values)
