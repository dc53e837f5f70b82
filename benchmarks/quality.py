"""What measuring and judging a picture costs in one thread, and quality control of many beside decoding them.

python benchmarks/quality.py [SLICES]
"""

from __future__ import annotations

import sys
import time
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pictures import median
from pydicom import dcmread
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, generate_uid
from threadpoolctl import threadpool_limits

from stowgate.analyse.clusters import clusters
from stowgate.analyse.fleet import Scan, judge
from stowgate.analyse.intensity import Intensity
from stowgate.analyse.measure import measure
from stowgate.analyse.measured import measured
from stowgate.analyse.quality import findings
from stowgate.analyse.windows import choose, show
from stowgate.look.crew import Crew
from stowgate.pixels.image import Image, Voi
from stowgate.pixels.read import open_file

DISTINCT = 200
SYNTAXES = {"uncompressed": ExplicitVRLittleEndian, "JPEG-LS": JPEGLSLossless, "JPEG 2000": JPEG2000Lossless}


def slice_(rows: int, columns: int, modality: str = "CT", seed: int = 0) -> Intensity:
    """An ellipse of soft tissue with a spine, in air, with noise of 6."""
    random = np.random.default_rng(seed)
    y, x = np.ogrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    values = np.where((y / 0.7) ** 2 + (x / 0.85) ** 2 < 1, 45.0, -1000.0)
    values[((y - 0.4) / 0.12) ** 2 + (x / 0.1) ** 2 < 1] = 650
    values += random.normal(0, 6, values.shape) + 1024
    return Intensity(
        np.clip(np.rint(values), 0, 4095).astype(np.int16), 1.0, -1024.0, "HU" if modality == "CT" else "stored",
        None, (0.7, 0.7), modality,
    )  # fmt: skip


def judged(of: Intensity) -> object:
    """Numbers of a picture, and what is amiss with it."""
    rows, columns = of.stored.shape
    image = Image(of.modality, "", "", rows, columns, 1, 1, "MONOCHROME2", 16, 16, signed=True)
    return findings(image, measure(of))


def all_of_it(of: Intensity) -> object:
    """What a gateway and a viewer do with one picture."""
    return judged(of), measured(of), clusters(of, 3), show(of, choose(of, Voi()))


def written(folder: Path, number: int, syntax: str) -> list[Path]:
    """Slices as files, `DISTINCT` of them, the others by further names."""
    paths: list[Path] = []
    for n in range(number):
        if n >= DISTINCT:
            paths.append(folder / f"{n:05}.dcm")
            paths[-1].hardlink_to(paths[n % DISTINCT])
            continue
        stored = slice_(512, 512, seed=n).stored
        meta = FileMetaDataset()
        meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, CTImageStorage
        dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
        dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
        meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.StudyInstanceUID = dataset.SeriesInstanceUID = "1.2.3"
        dataset.Modality, dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "CT", "MONOCHROME2", 1
        dataset.Rows, dataset.Columns, dataset.PixelRepresentation = 512, 512, 1
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
        dataset.RescaleSlope, dataset.RescaleIntercept, dataset.StationName = 1, -1024, f"CT{n % 4}"
        dataset.PixelData = stored.tobytes()
        dataset["PixelData"].VR = "OW"
        if syntax != ExplicitVRLittleEndian:
            dataset.compress(syntax, generate_instance_uid=False)
        paths.append(folder / f"{n:05}.dcm")
        dataset.save_as(paths[-1], enforce_file_format=True)
    return paths


def decoded(paths: list[Path]) -> float:
    """Seconds to decode all of them, one after the other, in this process."""
    began = time.perf_counter()
    for path in paths:
        with path.open("rb") as file:
            for frame in open_file(file).frames():
                frame.max()
    return time.perf_counter() - began


def by_pydicom(paths: list[Path]) -> float:
    """The same by pydicom alone, of a thousand at most and reckoned for all."""
    some = paths[:1000]
    began = time.perf_counter()
    for path in some:
        dcmread(BytesIO(path.read_bytes())).pixel_array.max()
    return (time.perf_counter() - began) * len(paths) / len(some)


def controlled(paths: list[Path]) -> float:
    """Seconds to look at all as `stowgate qc` does, a process a processor, start included, and to judge them."""
    began = time.perf_counter()
    scans = []
    with Crew() as crew:
        for path, seen in crew.each((path, path) for path in paths):
            if not isinstance(seen, str):
                scans.append(Scan(str(path), seen.header.station, "CT", None, seen.features, seen.codes))
    assert len(judge(scans).images) == len(paths)
    return time.perf_counter() - began


def main(number: int) -> None:
    """Print both tables."""
    print("| what | ms |\n| --- | ---: |")
    with threadpool_limits(1):
        ct, mg = slice_(512, 512), slice_(4096, 3328, "MG")
        print(f"| statistics and quality, 512 x 512 (asked: 5) | {median(lambda: judged(ct)):.1f} |")
        print(f"| measured findings of triage, 512 x 512 | {median(lambda: measured(ct)):.1f} |")
        print(f"| statistics and quality, 4,096 x 3,328 | {median(lambda: judged(mg), 5):.0f} |")
        print(f"| all of it, 4,096 x 3,328 (asked: 400) | {median(lambda: all_of_it(mg), 5):.0f} |")
    print(f"\n| {number:,} slices, 512 x 512 | decoding, s | pydicom alone, s | quality control, s | x decoding |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, syntax in SYNTAXES.items():
        with TemporaryDirectory() as folder:
            paths = written(Path(folder), number, syntax)
            decoded(paths[:5])
            plain, theirs, ours = decoded(paths), by_pydicom(paths), controlled(paths)
            print(f"| {name} | {plain:.1f} | {theirs:.1f} | {ours:.1f} | {ours / plain:.2f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
