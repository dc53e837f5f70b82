"""How long Pixel Data has to be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowgate.validate.pixels import ALLOCATED, COLUMNS, FRAMES, PHOTOMETRIC, ROWS, SAMPLES, expected_length, misfits
from tests.validate.sample import Sample, us


def _image(
    length: int | None,
    rows: int,
    columns: int,
    allocated: int,
    samples: int = 1,
    frames: bytes = b"",
    colours: bytes = b"",
) -> Sample:
    raw = {ROWS: us(rows), COLUMNS: us(columns), ALLOCATED: us(allocated), SAMPLES: us(samples)}
    return Sample(raw | {FRAMES: frames, PHOTOMETRIC: colours}, pixel_length=length)


@pytest.mark.parametrize(
    ("image", "length"),
    [
        (_image(None, 512, 512, 16), 524_288),
        (_image(None, 3, 3, 8), 9),
        (_image(None, 3, 3, 8, samples=3, colours=b"RGB "), 27),
        (_image(None, 3, 3, 8, frames=b"5 "), 45),
        (_image(None, 3, 3, 1), 2),
        (_image(None, 3, 3, 1, frames=b"8 "), 9),
        (_image(None, 4, 4, 8, samples=3, colours=b"YBR_FULL_422"), 32),
        (_image(None, 4, 4, 8, samples=3, colours=b"YBR_PARTIAL_422 "), 32),
        (_image(None, 4, 4, 8, samples=3, colours=b"YBR_FULL"), 48),
        (_image(None, 2, 2, 12), 6),
        (_image(None, 2, 2, 32), 16),
        (_image(None, 65535, 65535, 64, samples=4, frames=b"999999"), 65535 * 65535 * 8 * 4 * 999_999),
    ],
)
def test_the_length_follows_from_rows_columns_samples_frames_and_bits(image: Sample, length: int) -> None:
    assert expected_length(image) == length


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 8, 16, 32]), st.integers(1, 4), st.integers(1, 9))
def test_only_the_exact_length_or_its_padding_byte_fits(
    rows: int, columns: int, bits: int, samples: int, frames: int
) -> None:
    wanted = -(-rows * columns * bits * samples * frames // 8)
    fitting = [
        length
        for length in range(max(0, wanted - 3), wanted + 4)
        if not misfits(_image(length, rows, columns, bits, samples, str(frames).encode()))
    ]
    assert fitting == ([wanted] if wanted % 2 == 0 else [wanted, wanted + 1])


def test_no_native_pixel_data_has_no_wrong_length() -> None:
    assert not misfits(_image(None, 4, 4, 8))


def test_a_header_that_describes_no_image_asks_for_no_length() -> None:
    assert not misfits(Sample({}, pixel_length=2))


@pytest.mark.parametrize("tag", [ROWS, COLUMNS, ALLOCATED])
def test_a_cut_value_cannot_fit(tag: int) -> None:
    assert misfits(_image(16, 4, 4, 8).but({tag: b"\1"}))


@pytest.mark.parametrize("frames", [b"1A", b"-1", b"1.0 ", b"0 ", b"9" * 13])
def test_a_number_of_frames_that_counts_nothing_cannot_fit(frames: bytes) -> None:
    assert misfits(_image(16, 4, 4, 8, frames=frames))


def test_no_rows_cannot_fit_any_pixels() -> None:
    assert misfits(_image(16, 0, 4, 8))
