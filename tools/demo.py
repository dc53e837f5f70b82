"""The demonstration behind `make demo`: real files and a made-up series through the real command line."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pydicom.data
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "demo-out"
HELD = 3
"""Exit code of a run in which something was held, quarantined or rejected."""
EXPECTED = """
Exit code 3 is expected here: some of these files are damaged on purpose, and some (reports, ultrasound, secondary
capture, directories of file-sets) are held or refused, because nothing may pass unless it is proved clean."""
_SIZE = 128
_SLICES = 12


def gather(folder: Path) -> int:
    """Copy the DICOM files that come inside the pydicom package; how many there are."""
    inside = Path(pydicom.data.__file__).parent
    found = 0
    for path in sorted(inside.rglob("*")):
        if path.is_file() and (path.suffix == ".dcm" or b"DICM" in path.read_bytes()[128:132]):
            target = folder / "pydicom" / path.relative_to(inside)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            found += 1
    return found


def make_series(folder: Path) -> int:
    """Write a CT series of a made-up patient, with identity in the usual and in less usual places; how many slices."""
    place = folder / "synthetic" / "FOSTER_MAEVE_19520417"
    place.mkdir(parents=True)
    for number in range(1, _SLICES + 1):
        dcmwrite(place / f"IM{number:04}.dcm", slice_of(number), enforce_file_format=True)
    return _SLICES


def slice_of(number: int) -> Dataset:
    """One slice: header and a sphere in 16 bits."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = f"2.25.20260401.{number}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "2.25.20260401.1000", "2.25.20260401.1001"
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
    ds.SeriesNumber, ds.AcquisitionNumber, ds.InstanceNumber = 2, 1, number
    ds.PositionReferenceIndicator, ds.PatientPosition = "", "HFS"
    ds.SliceThickness, ds.KVP, ds.ConvolutionKernel = "5.0", "120", "B30f"
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [-160, -160, 5 * number], [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = [2.5, 2.5], -1024, 1, "HU"
    ds.Rows = ds.Columns = _SIZE
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
    block = ds.private_block(0x0029, "EXAMPLE IMAGING", create=True)
    block.add_new(0x10, "LO", "Foster^Maeve")
    ds.PixelData = sphere(number)
    return ds


def sphere(number: int) -> bytes:
    """Pixels of one slice through a sphere of water in air, unsigned 16 bits."""
    depth = (number - (_SLICES + 1) / 2) * 10
    half = _SIZE / 2
    distances = ((x - half) ** 2 + (y - half) ** 2 + depth**2 for y in range(_SIZE) for x in range(_SIZE))
    values = [1024 if distance < (0.9 * half) ** 2 else 24 for distance in distances]
    return struct.pack(f"<{len(values)}H", *values)


def main() -> int:
    """Gather, run, and say where everything lies."""
    shutil.rmtree(OUT, ignore_errors=True)
    source = OUT / "input"
    source.mkdir(parents=True)
    real, made = gather(source), make_series(source)
    print(f"{real} files that come inside pydicom, {made} slices of a made-up patient; the originals stay untouched.\n")
    command = ["deid", "demo-out/input", "-o", "demo-out/clean", "--state", "demo-out/state"]
    command += ["--manifest", "demo-out/clean.csv", "--report", "demo-out/report.html"]
    print("$ stowgate " + " ".join(command), flush=True)
    code = subprocess.run([Path(sys.executable).with_name("stowgate"), *command], cwd=ROOT, check=False).returncode
    if code not in (0, HELD):
        return code
    if code == HELD:
        print(EXPECTED)
    print("\nWhat there is to look at:")
    print("  demo-out/clean/         the clean objects, by patient, study and series")
    print("  demo-out/clean.csv      one line for each of them")
    print("  demo-out/report.html    what was done, held and quarantined, and why (open it in a browser)")
    print("  demo-out/state/         the identified side: key and ledger; back the key up in real use")
    print("\nThen try:  .venv/bin/stowgate explain demo-out/input/synthetic/FOSTER_MAEVE_19520417/IM0001.dcm --values")
    return 0


if __name__ == "__main__":
    sys.exit(main())
