"""How long native Pixel Data must be (PS3.3 C.7.6.3, PS3.5 8.1 and 8.2), and whether it is."""

from __future__ import annotations

from stowgate.validate.values import Values

SAMPLES, PHOTOMETRIC, FRAMES, ROWS, COLUMNS = 0x00280002, 0x00280004, 0x00280008, 0x00280010, 0x00280011
ALLOCATED, STORED, HIGH_BIT = 0x00280100, 0x00280101, 0x00280102
PIXEL_DATA = 0x7FE00010


def number(values: Values, tag: int) -> int | None:
    """The first value of a US element, None if it is absent, empty or cut."""
    raw = values.get(tag)
    return raw[0] | raw[1] << 8 if raw and len(raw) >= 2 else None


def frames(values: Values) -> int | None:
    """Number of Frames; one if absent or empty, None if it is no number."""
    raw = (values.get(FRAMES) or b"").strip(b" \0")
    if not raw:
        return 1
    return int(raw) if raw.isdigit() and len(raw) <= 12 else None


def expected_length(values: Values) -> int | None:
    """Bytes of native Pixel Data without the padding byte, None if the header does not say.

    One-bit images are packed without gaps between frames; YBR_FULL_422 and YBR_PARTIAL_422 share their chrominance
    between two pixels, which makes two samples a pixel of the three.
    """
    rows, columns, allocated = number(values, ROWS), number(values, COLUMNS), number(values, ALLOCATED)
    count = frames(values)
    if rows is None or columns is None or allocated is None or count is None:
        return None
    samples = number(values, SAMPLES) or 1
    colours = (values.get(PHOTOMETRIC) or b"").strip(b" \0")
    if samples == 3 and colours.endswith(b"_422"):
        samples = 2
    return (rows * columns * samples * count * allocated + 7) // 8


def misfits(values: Values) -> bool:
    """Whether native Pixel Data has another length than the header asks for, give or take the padding byte.

    A header without rows, columns or bits asks for nothing: that is a missing Type 1 attribute, not a wrong length.
    """
    if values.pixel_length is None or not all(map(values.get, (ROWS, COLUMNS, ALLOCATED))):
        return False
    wanted = expected_length(values)
    return wanted is None or values.pixel_length not in (wanted, wanted + wanted % 2)


def stored_exceeds_allocated(values: Values) -> bool:
    """Whether more bits are said to be used than there are (C.7.6.3.1.1)."""
    stored, allocated = number(values, STORED), number(values, ALLOCATED)
    return stored is not None and allocated is not None and stored > allocated
