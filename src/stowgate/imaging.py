"""The library's front door to the picture: a file, a pydicom data set or an array in, a frozen result out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from stowgate.analyse.intensity import Intensity, intensity_of, of_array
from stowgate.analyse.windows import Chosen, choose, presets, show
from stowgate.errors import Misconfigured
from stowgate.pixels.frames import Pictures
from stowgate.pixels.image import Image, Voi, Window
from stowgate.pixels.read import Frame, of_dataset

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


@dataclass(frozen=True, slots=True)
class Seen:
    """One frame, as decoded.

    array     -- rows x columns of stored values, or rows x columns x 3 of colours
    intensity -- the same as numbers with a unit; colours as their luminance
    image     -- what the header says; None where an array came in
    frame     -- counted from 0
    """

    array: Frame = field(repr=False)
    intensity: Intensity
    image: Image | None = None
    frame: int = 0

    @property
    def is_colour(self) -> bool:
        """Whether it has red, green and blue."""
        return bool(self.array.ndim == 3)

    @property
    def voi(self) -> Voi:
        """Windows and tables of the header."""
        return Voi() if self.image is None else self.image.facts(self.frame).voi

    @property
    def is_inverse(self) -> bool:
        """Whether its low values are bright (MONOCHROME1)."""
        return self.image is not None and self.image.photometric == "MONOCHROME1"


@dataclass(frozen=True, slots=True)
class Picture:
    """A frame that can be looked at: rows x columns, or rows x columns x 3, of 8 bits, and how it was windowed.

    chosen -- None for colours, which no window changes
    """

    pixels: npt.NDArray[np.uint8] = field(repr=False)
    chosen: Chosen | None
    unit: str

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a greyscale or RGB PNG of exactly rows x columns."""
        from PIL import Image as Pillow

        Pillow.fromarray(self.pixels).save(path, format="PNG")


@contextmanager
def opened(source: str | os.PathLike[str] | Dataset | npt.NDArray[Any]) -> Iterator[Iterator[Seen]]:
    """All frames of a source in order, one in memory at a time.

    A file is decoded in a child process with limits; a data set or an array, which one made or trusts, in this one.
    Raises `Rejected` with the code of why it cannot be seen, `Misconfigured` "no_input" where there is no such file to
    be read, `TypeError` or `ValueError` for what is no source or no picture of numbers.
    """
    if isinstance(source, np.ndarray):
        yield iter([_of_array(source)])
    elif isinstance(source, (str, os.PathLike)):
        with Pictures() as pictures:
            image = pictures.open(_there(source))
            yield (_seen(image, array, at) for at, array in enumerate(pictures.frames()))
    else:
        held = of_dataset(_held(source))
        yield (_seen(held.image, array, at) for at, array in enumerate(held.frames()))


def seen(source: str | os.PathLike[str] | Dataset | npt.NDArray[Any], frame: int = 0) -> Seen:
    """One frame, counted from 0. Raises as `opened` does, and "frame_not_there"."""
    if isinstance(source, np.ndarray):
        return _of_array(source)
    if isinstance(source, (str, os.PathLike)):
        with Pictures() as pictures:
            image = pictures.open(_there(source))
            return _seen(image, pictures.frame(frame), frame)
    held = of_dataset(_held(source))
    return _seen(held.image, held.frame(frame), frame)


def picture(
    source: str | os.PathLike[str] | Dataset | npt.NDArray[Any] | Seen,
    *,
    preset: str = "",
    centre: float | None = None,
    width: float | None = None,
    frame: int = 0,
    named: Mapping[str, Window] | None = None,
) -> Picture:
    """A frame, rightly windowed: explicit before preset before header before what is sensible for the modality.

    frame -- counted from 0; named -- presets of one's own beside the shipped ones
    Raises `Rejected` where there is no picture to be seen, `Misconfigured` for a window that cannot be meant, as one of
    colours cannot.
    """
    of = source if isinstance(source, Seen) else seen(source, frame)
    if of.is_colour and (preset or centre is not None or width is not None):
        raise Misconfigured("window_of_colour")
    table = {**presets(), **(named or {})}
    chosen = choose(of.intensity, of.voi, centre=centre, width=width, preset=preset, named=table)
    if of.is_colour:
        return Picture(_colours(of), None, of.intensity.unit)
    return Picture(show(of.intensity, chosen, of.is_inverse), chosen, of.intensity.unit)


def _there(path: str | os.PathLike[str]) -> str | os.PathLike[str]:
    if not os.access(path, os.R_OK):
        raise Misconfigured("no_input", os.fspath(path))
    return path


def _held(source: object) -> Dataset:
    from pydicom.dataset import Dataset

    if not isinstance(source, Dataset):
        raise TypeError("a picture comes out of a path, a pydicom data set or an array")
    return source


def _of_array(array: npt.NDArray[Any]) -> Seen:
    if array.ndim == 3 and array.shape[2] in (3, 4):
        from stowgate.analyse.intensity import luminance

        array = _of_bytes(array)
        return Seen(array, of_array(luminance(array)))
    return Seen(array, of_array(array))


def _of_bytes(colours: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Colours in the 8 or 16 bits that their values fit into, where they came in a wider type."""
    if colours.dtype.kind not in "iu":
        raise TypeError("colours of an array are whole numbers, such as those of uint8")
    if colours.dtype in (np.uint8, np.uint16):
        return colours
    low, high = int(colours.min(initial=0)), int(colours.max(initial=0))
    if low < 0 or high > 0xFFFF:
        raise ValueError("colours of an array are from 0 to 255, or to 65535")
    return colours.astype(np.uint8 if high <= 0xFF else np.uint16)


def _seen(image: Image, array: Frame, frame: int) -> Seen:
    return Seen(array, intensity_of(image, array, frame), image, frame)


def _colours(of: Seen) -> npt.NDArray[np.uint8]:
    """Colours of more than 8 bits in the uppermost 8 that are stored."""
    colours = of.array[..., :3]
    if colours.dtype == np.uint8:
        return np.ascontiguousarray(colours)
    bits = of.image.bits_stored if of.image else 8 * colours.dtype.itemsize
    return (colours >> max(0, bits - 8)).astype(np.uint8)
