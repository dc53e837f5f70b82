"""Opens a picture and decodes its frames one by one, in this process: for a child with limits, or data one trusts."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from stowgate.errors import Rejected
from stowgate.pixels.describe import describe
from stowgate.pixels.image import Image
from stowgate.pixels.values import integer

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from pydicom.pixels.decoders.base import Decoder

Frame = npt.NDArray[Any]
"""Rows x columns of stored values, or rows x columns x 3 of red, green and blue."""
LARGEST_FRAME = 512 * 1024 * 1024
"""Bytes of a decoded frame; a mammogram has 27 MB, a whole slide at full size is looked at elsewhere."""
_KEYWORDS = {
    (0x7FE0, 0x0010): "PixelData",
    (0x7FE0, 0x0009): "DoubleFloatPixelData",
    (0x7FE0, 0x0008): "FloatPixelData",
}
_IMPLICIT, _DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99"
_EXPLICIT = "1.2.840.10008.1.2.1"
_VRS = frozenset(("OB", "OW", "OF", "OD", "UN"))
_UNDEFINED = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Opened:
    """An object with a picture: what its header says, and its frames."""

    image: Image
    dataset: Dataset = field(repr=False)
    """Its header; Pixel Data may not be in it."""
    _source: BinaryIO | None = field(repr=False)
    """A file that stands at the value of Pixel Data; None where the data set holds it."""
    _options: dict[str, Any] = field(repr=False)
    _room: int = field(default=0, repr=False)
    """Bytes from there to the end of the file."""

    def frame(self, index: int) -> Frame:
        """One frame, counted from 0. Raises `Rejected` with the code of why it cannot be seen."""
        if not 0 <= index < self.image.frames:
            raise Rejected("frame_not_there")
        return next(self._decoded([index]))

    def frames(self) -> Iterator[Frame]:
        """All of them in order, one in memory at a time. Raises `Rejected` at the first that cannot be seen."""
        yield from self._decoded(None)

    def _decoded(self, indices: list[int] | None) -> Iterator[Frame]:
        image, decoder = self.image, _decoder(self.image)
        _bounded(image)
        if decoder.is_native and self._source is not None:
            last = image.frames - 1 if indices is None else indices[-1]
            if _bits_of_frame(image) * (last + 1) > 8 * (self._room + 1):
                raise Rejected("picture_cut_short")
        source = self.dataset if self._source is None else self._source
        count = 0
        try:
            for array, _ in decoder.iter_array(source, indices=indices, validate=True, **self._options):
                count += 1
                yield _in_colour(array, self.dataset, image)
                if indices is None and count == image.frames:
                    return
        except Rejected:
            raise
        except MemoryError:
            raise Rejected("picture_too_large") from None
        except Exception as error:  # noqa: BLE001 - a decoder's message may quote what it reads
            raise Rejected(_why(error)) from None
        if not count:
            raise Rejected("picture_cut_short")


def open_file(file: BinaryIO) -> Opened:
    """Open a DICOM file that can be read anywhere; the caller closes it, after the last frame.

    Raises `Rejected`: "not_dicom", "no_picture", "picture_cut_short" where it ends before them, "picture_bad_header".
    """
    from pydicom import dcmread

    try:
        file.seek(0)
        dataset = dcmread(file, stop_before_pixels=True, force=True)
        syntax = _syntax(dataset)
        if syntax == _DEFLATED:
            file.seek(0)
            return of_dataset(dcmread(file, force=True))
        at_pixels = file.tell()
    except MemoryError:
        raise Rejected("picture_too_large") from None
    except Exception:  # noqa: BLE001 - what it says could quote a value
        raise Rejected("not_dicom") from None
    if not len(dataset):
        raise Rejected("not_dicom")
    keyword, vr = _pixel_element(file, at_pixels, syntax)
    room = file.seek(0, 2)
    if not keyword:
        raise Rejected("picture_cut_short" if _announces_one(dataset) or _is_cut(dataset, file) else "no_picture")
    image = describe(dataset, syntax)
    value = at_pixels + (8 if vr is None else 12)
    file.seek(value)
    return Opened(image, dataset, file, _options(dataset, syntax, keyword, vr), room - value)


def of_dataset(dataset: Dataset) -> Opened:
    """A data set that holds its own Pixel Data. Raises as `open_file` does."""
    held = next((keyword for keyword in _KEYWORDS.values() if dataset.get(keyword)), None)
    if held is None:
        raise Rejected("picture_cut_short" if _announces_one(dataset) else "no_picture")
    syntax = _syntax(dataset)
    image = describe(dataset, syntax)
    return Opened(image, dataset, None, _options(dataset, syntax, held, None))


def _syntax(dataset: Dataset) -> str:
    """What the file meta says, else what the encoding showed itself to be."""
    meta = getattr(dataset, "file_meta", None)
    said = str(meta.get("TransferSyntaxUID", "")) if meta else ""
    implicit = dataset.original_encoding[0]
    return said or (_IMPLICIT if implicit else _EXPLICIT)


def _pixel_element(file: BinaryIO, at: int, syntax: str) -> tuple[str, str | None]:
    """Which element of pixels stands there, empty for none; and its VR where it is written.

    An encoder may forget the VR of this one element although the syntax asks for it.
    """
    file.seek(at)
    head = file.read(12)
    order = ">" if syntax == "1.2.840.10008.1.2.2" else "<"
    keyword = _KEYWORDS.get(struct.unpack(f"{order}HH", head[:4]), "") if len(head) == 12 else ""
    vr = head[4:6].decode("latin-1")
    return keyword, None if syntax == _IMPLICIT or vr not in _VRS else vr


def _announces_one(dataset: Dataset) -> bool:
    """Whether a header without Pixel Data was made for a picture; spectra have rows, too, and no bits."""
    asked = (integer(dataset, keyword) for keyword in ("Rows", "Columns", "BitsAllocated"))
    return all(asked) and "PixelDataProviderURL" not in dataset


def _is_cut(dataset: Dataset, file: BinaryIO) -> bool:
    """Whether a file, where it certainly is DICOM, ends within an element; NULs after the last one are filling."""
    last = dataset.get_item(max(dataset.keys())) if getattr(dataset, "preamble", None) else None
    length, begins = getattr(last, "length", None), getattr(last, "value_tell", None)
    if length is None or begins is None or length == _UNDEFINED:
        return False
    ends, size = begins + length, file.seek(0, 2)
    file.seek(min(ends, size))
    return bool(ends > size or (size - ends < 8 and file.read().strip(b"\0")))


def _options(dataset: Dataset, syntax: str, keyword: str, vr: str | None) -> dict[str, Any]:
    from pydicom.pixels.utils import as_pixel_options
    from pydicom.uid import UID

    try:
        options = as_pixel_options(dataset)
    except Exception:  # noqa: BLE001 - what it says could quote a value
        raise Rejected("picture_bad_header") from None
    return {**options, "transfer_syntax_uid": UID(syntax), "pixel_keyword": keyword, **({"pixel_vr": vr} if vr else {})}


def _decoder(image: Image) -> Decoder:
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    try:
        decoder = get_decoder(UID(image.transfer_syntax))
    except RuntimeError:  # no such decoder is known
        raise Rejected("picture_no_decoder") from None
    if not decoder.is_available:
        raise Rejected("picture_no_decoder")
    return decoder


def _bits_of_frame(image: Image) -> int:
    samples = 2 if image.photometric == "YBR_FULL_422" else image.samples
    return image.rows * image.columns * samples * image.bits_allocated


def _bounded(image: Image) -> None:
    """What a header of a few bytes claims is not reserved before it is checked."""
    bits = max(8, image.bits_allocated) * image.samples
    if image.rows * image.columns * bits > 8 * LARGEST_FRAME:
        raise Rejected("picture_too_large")


def _in_colour(array: Frame, dataset: Dataset, image: Image) -> Frame:
    """PALETTE COLOR through its tables, in 8 bits; everything else as it is."""
    if image.photometric != "PALETTE COLOR":
        return array
    from pydicom.pixels.processing import apply_color_lut

    coloured = apply_color_lut(array, dataset)
    if coloured.dtype == np.uint16:  # tables of 16 bits, and those of 8 bits that were written into 16
        coloured = coloured >> 8 if int(coloured.max(initial=0)) > 255 else coloured
    return coloured.astype(np.uint8)


def _why(error: Exception) -> str:
    """The code for what a decoder failed over."""
    with suppress(ImportError):
        from pydicom.errors import BytesLengthException, InvalidDicomError

        if isinstance(error, (BytesLengthException, InvalidDicomError)):
            return "picture_cut_short"
    if isinstance(error, (ValueError, AttributeError)) and "insufficient" in str(error):
        return "picture_cut_short"
    return "picture_no_decoder" if "does not support" in str(error) else "picture_not_decodable"
