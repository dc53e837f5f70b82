"""Makes the slices the benchmarks read: one header family, own UIDs and position, noise for pixels."""

from __future__ import annotations

import argparse
import random
import struct
from pathlib import Path

EXPLICIT = b"1.2.840.10008.1.2.1"
CT = b"1.2.840.10008.5.1.4.1.1.2"
BREAST_TOMOSYNTHESIS = b"1.2.840.10008.5.1.4.1.1.13.1.3"
LONG = (b"OB", b"OW", b"SQ", b"UN", b"UT")


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    """One explicit little endian element."""
    value += (b"\0" if vr == b"UI" else b" ") * (len(value) & 1)
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
    return head + (struct.pack("<HI", 0, len(value)) if vr in LONG else struct.pack("<H", len(value))) + value


def us(number: int) -> bytes:
    """A 16-bit number."""
    return struct.pack("<H", number)


def header(sop_class: bytes, study: int, series: int, number: int, rows: int, columns: int, frames: int = 1) -> bytes:
    """About 250 elements in about 8 KB: identity, geometry, private blocks, a sequence."""
    root = b"1.2.826.0.1.3680043.8.498.%d.%d" % (study, series)
    code = element(0x00080100, b"SH", b"CTCH") + element(0x00080102, b"SH", b"99LOC")
    code += element(0x00080104, b"LO", b"CT Chest")
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(code)) + code
    parts = [
        (0x00080005, b"CS", b"ISO_IR 100"),
        (0x00080008, b"CS", b"ORIGINAL\\PRIMARY\\AXIAL"),
        (0x00080012, b"DA", b"20240117"),
        (0x00080013, b"TM", b"101500"),
        (0x00080016, b"UI", sop_class),
        (0x00080018, b"UI", root + b".%d" % number),
        (0x00080020, b"DA", b"20240117"),
        (0x00080021, b"DA", b"20240117"),
        (0x00080023, b"DA", b"20240117"),
        (0x00080030, b"TM", b"101400"),
        (0x00080033, b"TM", b"%06d" % (101500 + number % 60)),
        (0x00080050, b"SH", b"ACC%07d" % study),
        (0x00080060, b"CS", b"CT"),
        (0x00080070, b"LO", b"BENCH MEDICAL SYSTEMS"),
        (0x00080080, b"LO", b"General Hospital Northfield"),
        (0x00080090, b"PN", b"Referring^Rita"),
        (0x00081010, b"SH", b"CTBAY3"),
        (0x00081030, b"LO", b"CT CHEST W CONTRAST"),
        (0x00081032, b"SQ", item),
        (0x0008103E, b"LO", b"AXIAL 1.25 MM"),
        (0x00081070, b"PN", b"Operator^Otto"),
        (0x00081090, b"LO", b"RHAPSODE"),
        (0x00100010, b"PN", b"Bench%d^Patient^Q" % study),
        (0x00100020, b"LO", b"MRN%08d" % study),
        (0x00100030, b"DA", b"19610305"),
        (0x00100040, b"CS", b"F"),
        (0x00101010, b"AS", b"062Y"),
        (0x00101030, b"DS", b"68.5"),
        (0x00180022, b"CS", b"HELICAL MODE"),
        (0x00180050, b"DS", b"1.250000"),
        (0x00180060, b"DS", b"120"),
        (0x00181000, b"LO", b"SN-4711-2024"),
        (0x00181020, b"LO", b"05"),
        (0x00181120, b"DS", b"0.000000"),
        (0x00181150, b"IS", b"1601"),
        (0x00181151, b"IS", b"%d" % (170 + number % 30)),
        (0x00181210, b"SH", b"STANDARD"),
        (0x00185100, b"CS", b"FFS"),
        (0x0020000D, b"UI", b"1.2.826.0.1.3680043.8.498.%d" % study),
        (0x0020000E, b"UI", root),
        (0x00200010, b"SH", b"S%d" % study),
        (0x00200011, b"IS", b"%d" % series),
        (0x00200012, b"IS", b"1"),
        (0x00200013, b"IS", b"%d" % number),
        (0x00200032, b"DS", b"-169.3\\-169.3\\%.3f" % (number * 1.25)),
        (0x00200037, b"DS", b"1\\0\\0\\0\\1\\0"),
        (0x00200052, b"UI", root + b".9"),
        (0x00200060, b"CS", b""),
        (0x00201040, b"LO", b""),
        (0x00201041, b"DS", b"%.3f" % (number * 1.25)),
        (0x00280002, b"US", us(1)),
        (0x00280004, b"CS", b"MONOCHROME2"),
        (0x00280008, b"IS", b"%d" % frames),
        (0x00280010, b"US", us(rows)),
        (0x00280011, b"US", us(columns)),
        (0x00280030, b"DS", b"0.661468\\0.661468"),
        (0x00280100, b"US", us(16)),
        (0x00280101, b"US", us(16)),
        (0x00280102, b"US", us(15)),
        (0x00280103, b"US", us(0)),
        (0x00281052, b"DS", b"-1024"),
        (0x00281053, b"DS", b"1"),
    ]
    groups: dict[int, bytes] = {}
    for tag, vr, value in parts:
        groups[tag >> 16] = groups.get(tag >> 16, b"") + element(tag, vr, value)
    for group in (0x0009, 0x0019, 0x0021, 0x0027, 0x0043, 0x0045):
        made = element(group << 16 | 0x10, b"LO", b"GEMS_BENCH_%02d" % group)
        for low in range(0x01, 0x1F):
            made += element(group << 16 | 0x1000 | low, b"DS", b"%.6f" % (low * 1.5 + (number if low == 3 else 0)))
        groups[group] = made
    data = b"".join(groups[group] for group in sorted(groups))
    meta = element(0x00020001, b"OB", b"\0\1") + element(0x00020002, b"UI", sop_class)
    meta += element(0x00020003, b"UI", root + b".%d" % number) + element(0x00020010, b"UI", EXPLICIT)
    meta += element(0x00020012, b"UI", b"1.2.826.0.1.3680043.8.498.1")
    meta += element(0x00020016, b"AE", b"CTBAY3")
    return bytes(128) + b"DICM" + element(0x00020000, b"UL", struct.pack("<I", len(meta))) + meta + data


def slices(folder: Path, count: int, rows: int, columns: int, per_series: int = 200, first: int = 0) -> None:
    """`count` CT slices in series of `per_series`, four series a patient; `first` is the number of the first series."""
    folder.mkdir(parents=True, exist_ok=True)
    noise = random.Random(7).randbytes(rows * columns * 2)
    pixels = element(0x7FE00010, b"OW", noise)
    for index in range(count):
        series = first + index // per_series
        place = folder / f"{series:04d}"
        place.mkdir(exist_ok=True)
        head = header(CT, 1000 + series // 4, series + 1, index % per_series + 1, rows, columns)
        (place / f"{index:06d}.dcm").write_bytes(head + pixels)


def large(path: Path, megabytes: int) -> None:
    """One multi-frame object of so many MB."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows, columns = 2048, 2560
    frames = megabytes * 1024 * 1024 // (rows * columns * 2)
    length = rows * columns * 2 * frames
    frame = random.Random(7).randbytes(rows * columns * 2)
    with path.open("wb") as file:
        file.write(header(BREAST_TOMOSYNTHESIS, 5000, 1, 1, rows, columns, frames))
        file.write(struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, length))
        for _ in range(frames):
            file.write(frame)


def main() -> None:
    """Make one corpus from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--slices", type=int, default=2000)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--large", type=int, metavar="MB", help="one object of so many MB instead")
    asked = parser.parse_args()
    if asked.large:
        large(asked.folder / "large.dcm", asked.large)
    else:
        slices(asked.folder, asked.slices, asked.side, asked.side)


if __name__ == "__main__":
    main()
