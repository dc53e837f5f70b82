"""Decoded frames one by one out of a child process: a hostile stream can end its decoder, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from stowgate.child import Child
from stowgate.closing import Closing
from stowgate.errors import Rejected
from stowgate.pixels.image import Image
from stowgate.pixels.read import Frame
from stowgate.reasons_image import IMAGE

_DTYPES = frozenset("|u1 |i1 <u2 <i2 <u4 <i4 <u8 <i8 <f4 <f8".split())


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """Bounds for looking at one object.

    seconds -- wall time for its header, and for each frame
    memory  -- bytes of address space that the decoder may have
    """

    seconds: float = 60.0
    memory: int = 4 * 1024 * 1024 * 1024


class Pictures(Closing):
    """A decoder beside this process that serves one object after the other; it is replaced when it dies. One thread."""

    def __init__(self, limits: PictureLimits = PictureLimits()) -> None:
        self._limits = limits
        self._child: Child | None = None
        self._image: Image | None = None

    def open(self, path: str | os.PathLike[str]) -> Image:
        """What the header of a file says. Raises `Rejected` with the code of why there is no picture to be seen."""
        from pydantic import TypeAdapter

        self._image = None
        answer = self._asked({"open": os.path.abspath(path)})
        try:
            image: Image = TypeAdapter(Image).validate_python(answer["image"])
        except (KeyError, ValueError):
            raise self._died() from None
        self._image = image
        return image

    def frame(self, index: int) -> Frame:
        """A frame of the opened object, counted from 0. Raises `Rejected` where it cannot be seen."""
        return self._array(self._asked({"frame": index}))

    def frames(self) -> Iterator[Frame]:
        """All its frames in order, one in memory at a time. Raises `Rejected` at the first that cannot be seen."""
        for index in range(self._image.frames if self._image else 0):
            yield self._array(self._asked({"next": index}))

    def close(self) -> None:
        """Let the decoder go; the next object starts another."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def _asked(self, message: dict[str, Any]) -> dict[str, Any]:
        if self._child is None or not self._child.process:
            if "open" not in message:  # it died over this object
                raise Rejected("picture_decoder_died")
            self._child = Child("stowgate.pixels.decoder", asdict(self._limits))
            self._child.wait_until_ready()
        child = self._child
        child.tell(message)
        answer = child.answer(self._limits.seconds)
        if not isinstance(answer, dict):
            raise self._died()
        if answer.get("code") in IMAGE or answer.get("code") == "not_dicom":
            raise Rejected(answer["code"])
        return answer

    def _array(self, answer: dict[str, Any]) -> Frame:
        data = None if self._child is None else self._child.bytes_of(answer, self._limits.seconds)
        shape, dtype = answer.get("shape"), answer.get("dtype")
        if data is None or dtype not in _DTYPES or not isinstance(shape, list):
            raise self._died()
        try:
            return np.frombuffer(data, dtype).reshape(shape)
        except (ValueError, TypeError):
            raise self._died() from None

    def _died(self) -> Rejected:
        """A child that answers what it should not is not asked again; one that took too long was killed already."""
        slow = self._child is not None and self._child.timed_out
        self.close()
        return Rejected("picture_slow" if slow else "picture_decoder_died")
