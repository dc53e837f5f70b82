"""A CT as it comes in and as it has to go out, made by hand, and the means to spoil either of them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

from stowgate.dicom.source import MemorySource
from stowgate.objects import CleanRef, Names
from stowgate.policy import Policy
from stowgate.verify import gate

LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
CT = b"1.2.840.10008.5.1.4.1.1.2"
SECRET = b"secret of the windows"

Item = dict[int, "tuple[bytes, bytes | list[Item] | Fragments]"]


@dataclass
class Fragments:
    """Encapsulated Pixel Data, basic offset table first."""

    pieces: list[bytes]

    def encode(self) -> bytes:
        items = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(piece)) + piece for piece in self.pieces)
        return items + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def element(tag: int, vr: bytes, value: bytes, explicit: bool = True, length: int | None = None) -> bytes:
    """One element; the value is padded unless a length is given."""
    if len(value) & 1 and length is None:
        value += b"\0" if vr in (b"UI", b"OB", b"UN") else b" "
    size = len(value) if length is None else length
    group, number = tag >> 16, tag & 0xFFFF
    if not explicit:
        return struct.pack("<HHI", group, number, size) + value
    if vr in LONG:
        return struct.pack("<HH2sHI", group, number, vr, 0, size) + value
    return struct.pack("<HH2sH", group, number, vr, size) + value


def data_set(elements: Item, explicit: bool = True) -> bytes:
    """Elements in ascending order."""
    out = b""
    for tag, (vr, value) in sorted(elements.items()):
        if isinstance(value, list):
            items = (data_set(item, explicit) for item in value)
            body = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item for item in items)
            out += element(tag, b"SQ", body, explicit)
        elif isinstance(value, Fragments):
            out += element(tag, vr, value.encode(), explicit, 0xFFFFFFFF)
        else:
            out += element(tag, vr, value, explicit)
    return out


@dataclass
class File:
    """A Part 10 file in parts that can be changed."""

    top: Item
    meta: Item
    syntax: str = EXPLICIT
    preamble: bytes = bytes(128)
    trailing: bytes = b""

    def encode(self) -> bytes:
        meta = data_set(self.meta)
        length = element(0x00020000, b"UL", struct.pack("<I", len(meta)))
        body = data_set(self.top, self.syntax != IMPLICIT)
        return self.preamble + b"DICM" + length + meta + body + self.trailing


PSEUDONYM = b"7ZK4M0Q9XW2BT3HN"
INSTANCE, STUDY, SERIES, FRAME, REFERENCED = (b"1.2.826.0.1.3680043.8.498.%d" % n for n in range(70001, 70006))
NEW = {uid: b"2.25.1000000000000000000%d" % n for n, uid in enumerate((INSTANCE, STUDY, SERIES, FRAME, REFERENCED))}
PIXELS = bytes((n * n >> 3) & 0xFF for n in range(300_000))


def meta_of(instance: bytes, syntax: str) -> Item:
    return {
        0x00020001: (b"OB", b"\0\1"),
        0x00020002: (b"UI", CT),
        0x00020003: (b"UI", instance),
        0x00020010: (b"UI", syntax.encode()),
        0x00020012: (b"UI", gate.IMPLEMENTATION_CLASS),
        0x00020013: (b"SH", b"STOWGATE_1"),
    }


def code(value: bytes, scheme: bytes, meaning: bytes) -> Item:
    return {0x00080100: (b"SH", value), 0x00080102: (b"SH", scheme), 0x00080104: (b"LO", meaning)}


def original() -> Item:
    return {
        0x00080005: (b"CS", b"ISO_IR 100"),
        0x00080008: (b"CS", b"ORIGINAL\\PRIMARY\\AXIAL"),
        0x00080016: (b"UI", CT),
        0x00080018: (b"UI", INSTANCE),
        0x00080020: (b"DA", b"20240117"),
        0x00080021: (b"DA", b"20240118"),
        0x00080030: (b"TM", b"101112.5"),
        0x00080050: (b"SH", b"ACC-0815"),
        0x00080060: (b"CS", b"CT"),
        0x00080070: (b"LO", b"ACME"),
        0x00080080: (b"LO", b"NORTHSIDE GENERAL"),
        0x00080090: (b"PN", b"HOUSE^GREGORY"),
        0x00081010: (b"SH", b"CT7"),
        0x00081030: (b"LO", b"CHEST FOR DR HOUSE"),
        0x00081032: (b"SQ", [code(b"CTCH", b"99LOC", b"Chest")]),
        0x00081140: (
            b"SQ",
            [
                {
                    0x00081150: (b"UI", CT),
                    0x00081155: (b"UI", REFERENCED),
                    0x0040A170: (b"SQ", [code(b"121322", b"DCM", b"Source image")]),
                }
            ],
        ),
        0x00100010: (b"PN", "MÜLLER^JANE".encode("latin-1")),
        0x00100020: (b"LO", b"PID-4711"),
        0x00100030: (b"DA", b"19560311"),
        0x00100040: (b"CS", b"F"),
        0x00101010: (b"AS", b"067Y"),
        0x00180015: (b"CS", b"CHEST"),
        0x00180060: (b"DS", b"120"),
        0x00181000: (b"LO", b"SN123456"),
        0x00181020: (b"LO", b"VB10"),
        0x00181210: (b"SH", b"B30f"),
        0x0020000D: (b"UI", STUDY),
        0x0020000E: (b"UI", SERIES),
        0x00200010: (b"SH", b"S1"),
        0x00200013: (b"IS", b"17"),
        0x00200032: (b"DS", b"-250\\-250\\17.5"),
        0x00200052: (b"UI", FRAME),
        0x00280010: (b"US", b"\0\2"),
        0x00280303: (b"CS", b"UNMODIFIED"),
        0x00282000: (b"OB", b"colours of a space"),
        0x00290010: (b"LO", b"ACME CSA"),
        0x00291010: (b"OB", b"MULLER, JANE"),
        0x00400275: (b"SQ", [{0x00400007: (b"LO", b"CHEST MULLER"), 0x00401001: (b"SH", b"RP1")}]),
        0x60000022: (b"LO", b"overlay"),
        0x7FE00010: (b"OW", PIXELS),
    }


def cleaned(policy: Policy) -> Item:
    """What a correct engine makes of `original` under the Basic Profile."""
    top = original()
    for tag in (0x00081030, 0x00101010, 0x00290010, 0x00291010, 0x00400275, 0x60000022, 0x00080080, 0x00081010):
        del top[tag]
    for tag in (0x00080020, 0x00080030, 0x00080050, 0x00080090, 0x00100030, 0x00100040, 0x00200010, 0x00181000):
        top[tag] = (top[tag][0], b"")
    del top[0x00080021]
    top[0x00100010] = (b"PN", PSEUDONYM)
    top[0x00100020] = (b"LO", PSEUDONYM)
    for tag, old in ((0x00080018, INSTANCE), (0x0020000D, STUDY), (0x0020000E, SERIES), (0x00200052, FRAME)):
        top[tag] = (b"UI", NEW[old])
    items_of(top, 0x00081140)[0][0x00081155] = (b"UI", NEW[REFERENCED])
    top[0x00120062] = (b"CS", b"YES")
    top[0x00120063] = (b"LO", gate.method_text(policy))
    top[0x00120064] = (b"SQ", [code(b"113100", b"DCM", b"Basic Application Confidentiality Profile")])
    top[0x00280303] = (b"CS", b"REMOVED")
    return top


def items_of(top: Item, *path: int) -> list[Item]:
    """The items of a sequence; a path goes into the first item of each."""
    for tag in path[:-1]:
        top = items_of(top, tag)[0]
    found = top[path[-1]][1]
    assert isinstance(found, list)
    return found


def names() -> Names:
    return Names(
        PSEUDONYM.decode(),
        NEW[STUDY].decode(),
        NEW[SERIES].decode(),
        NEW[INSTANCE].decode(),
        modality="CT",
        instance_number="17",
    )


@dataclass
class Sample:
    """An original and its output. `clean` and `raw` can be changed before `check` shows both to the gate."""

    policy: Policy = field(default_factory=Policy)
    syntax: str = EXPLICIT

    def __post_init__(self) -> None:
        self.names = names()
        self.raw = File(original(), meta_of(INSTANCE, self.syntax), self.syntax, preamble=b"II*\0" + bytes(124))
        self.raw.meta[0x00020016] = (b"AE", b"STATIONAE")
        self.clean = File(cleaned(self.policy), meta_of(NEW[INSTANCE], self.syntax), self.syntax)

    def both(self, tag: int, vr: bytes, value: bytes | list[Item]) -> None:
        """An attribute that stays as it is."""
        self.raw.top[tag] = (vr, deepcopy(value))
        self.clean.top[tag] = (vr, deepcopy(value))

    def check(self, spoil: Callable[[bytes], bytes] = lambda data: data) -> CleanRef:
        """The gate's verdict; `spoil` may change the bytes of the output at last."""
        raw, written = MemorySource(self.raw.encode()), MemorySource(spoil(self.clean.encode()))
        return gate.check(raw, written, self.policy, self.names, Path("out.dcm"), SECRET)


VALUES = (
    *("MÜLLER", "MULLER", "JANE", "HOUSE", "GREGORY", "PID-4711", "ACC-0815", "NORTHSIDE", "STATIONAE", "SN123456"),
    *("19560311", "1956", "20240117", "3680043", "ACME", "CHEST"),
)
"""Nothing of this may ever stand in a message."""
