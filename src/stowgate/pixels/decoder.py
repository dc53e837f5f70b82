"""The child process of `frames`: opens what it is told to, decodes a frame when it is asked for one, under limits."""

from __future__ import annotations

import resource
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict
from typing import Any

import numpy as np

from stowgate.child import WithBytes, serve
from stowgate.errors import Rejected, StowgateError
from stowgate.pixels.read import Frame, Opened, open_file

_GRACE = 30
"""Seconds of processor time beyond the limit of wall time: only for a child whose owner is gone."""


class Desk:
    """What is open at the moment."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._open = ExitStack()
        self._opened: Opened | None = None
        self._frames: Iterator[Frame] | None = None

    def answer(self, message: dict[str, Any]) -> object:
        """One request; whatever goes wrong becomes a code."""
        return coded(lambda: self._answered(message), self._seconds)

    def _answered(self, message: dict[str, Any]) -> object:
        if "open" in message:
            return self._take(message["open"])
        if self._opened is None:
            raise Rejected("no_picture")
        if "frame" in message:
            return framed(self._opened.frame(message["frame"]))
        if self._frames is None:
            self._frames = self._opened.frames()
        frame = next(self._frames, None)
        if frame is None:
            raise Rejected("picture_cut_short")
        return framed(frame)

    def _take(self, path: str) -> object:
        self._open.close()
        self._opened = self._frames = None
        try:
            file = self._open.enter_context(open(path, "rb"))  # noqa: SIM115 - stays open for the frames to come
        except OSError:
            raise Rejected("not_dicom") from None
        self._opened = open_file(file)
        return {"image": asdict(self._opened.image)}


def framed(array: Frame) -> WithBytes:
    """A frame as its shape, its type and its bytes, least significant byte first."""
    plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    if plain.dtype == np.bool_:
        plain = plain.view(np.uint8)
    return WithBytes({"shape": plain.shape, "dtype": plain.dtype.str, "bytes": plain.nbytes}, plain.data.cast("B"))


def coded(work: Callable[[], object], seconds: float) -> object:
    """What it returns, or the code of why it did not; within that much processor time, and some grace."""
    bound_processor_time(seconds + _GRACE)
    try:
        return work()
    except StowgateError as refused:
        return {"code": refused.code}
    except MemoryError:
        return {"code": "picture_too_large"}
    except Exception:  # noqa: BLE001 - a decoder's message may quote what it reads
        return {"code": "picture_not_decodable"}


def bound_memory(most: int) -> None:
    """No more address space than that, and no core dump, which would hold the picture."""
    for what, limit in ((resource.RLIMIT_AS, most), (resource.RLIMIT_CORE, 0)):
        with suppress(ValueError, OSError):  # a system may know the limit and not let it be set
            resource.setrlimit(what, (limit, limit))


def bound_processor_time(seconds: float) -> None:
    """So much more than was spent until now."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime + seconds) + 1
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def begin(limits: dict[str, Any]) -> Callable[[Any], object]:
    """Load what decodes, before memory is bounded."""
    import pydicom.pixels  # noqa: F401

    warnings.simplefilter("ignore")
    sys.setrecursionlimit(2000)
    bound_memory(int(limits["memory"]))
    return Desk(float(limits["seconds"])).answer


if __name__ == "__main__":
    serve(begin)
