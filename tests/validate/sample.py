"""Sound objects as plain values, to be broken one element at a time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"


@dataclass(frozen=True)
class Sample:
    """The simplest `Values`: a dict of raw values. `but` gives the same object with other elements."""

    raw: dict[int, bytes] = field(default_factory=dict)
    transfer_syntax: str = "1.2.840.10008.1.2.1"
    media_sop_class: str = CT_CLASS
    media_instance: str = "1.2.3.4"
    pixel_length: int | None = 4 * 6 * 2
    encapsulated: bool = False
    codecs: tuple[str, ...] = ("latin_1",)

    def get(self, tag: int, /) -> bytes | None:
        return self.raw.get(tag)

    def but(self, elements: dict[int, bytes | None] | None = None, **attributes: object) -> Sample:
        raw = {tag: value for tag, value in {**self.raw, **(elements or {})}.items() if value is not None}
        return replace(self, raw=raw, **attributes)  # type: ignore[arg-type]


def us(number: int) -> bytes:
    return number.to_bytes(2, "little")


PATIENT = {
    0x00100010: b"DOE^JANE",
    0x00100020: b"4711",
    0x00100030: b"19560311",
    0x00100040: b"F ",
    0x00101010: b"067Y",
    0x00101020: b"1.68",
    0x00101030: b"71.5",
}
STUDY = {
    0x00080020: b"20240117",
    0x00080030: b"101112.123",
    0x00080050: b"",
    0x00080090: b"HOUSE^GREGORY ",
    0x00081030: b"CHEST CT",
    0x0020000D: b"1.2.3\0",
    0x00200010: b"1 ",
}
SERIES = {
    0x00080060: b"CT",
    0x0008103E: b"AX 1.0 LUNG ",
    0x00180015: b"CHEST ",
    0x00185100: b"HFS ",
    0x0020000E: b"1.2.3.4.1\0",
    0x00200011: b"2 ",
    0x00200052: b"1.2.3.9\0",
}
EQUIPMENT = {0x00080070: b"ACME", 0x00081090: b"Turbo", 0x00181020: b"1.0\\2.0 "}
INSTANCE = {
    0x00080016: CT_CLASS.encode() + b"\0",
    0x00080018: b"1.2.3.4\0",
    0x00080022: b"20240117",
    0x00080032: b"101113",
    0x00200013: b"7 ",
    0x00200032: b"-250.0\\-250.0\\12.5",
    0x00201041: b"12.5",
}
IMAGE = {
    0x00080008: b"ORIGINAL\\PRIMARY\\AXIAL ",
    0x00200037: b"1\\0\\0\\0\\1\\0 ",
    0x00280002: us(1),
    0x00280004: b"MONOCHROME2 ",
    0x00280010: us(4),
    0x00280011: us(6),
    0x00280030: b"0.7\\0.7 ",
    0x00280100: us(16),
    0x00280101: us(12),
    0x00280102: us(11),
    0x00280103: us(0),
    0x00281050: b"40",
    0x00281051: b"400 ",
    0x00281052: b"-1024 ",
    0x00281053: b"1 ",
}
CT = {0x00180050: b"1.25", 0x00180060: b"120 ", 0x00181100: b"360 ", 0x00181210: b"BONE", 0x00200012: b"1 "}

CT_SLICE = Sample(PATIENT | STUDY | SERIES | EQUIPMENT | INSTANCE | IMAGE | CT)
"""A CT image without a single finding."""
