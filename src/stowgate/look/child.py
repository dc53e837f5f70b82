"""The process of a looker: opens what it is told to, looks at it, and answers in numbers and codes."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Any, BinaryIO

from stowgate.child import serve
from stowgate.dicom.source import ByteSource
from stowgate.errors import Rejected
from stowgate.pixels.decoder import bound_memory, coded


class SourceFile(io.RawIOBase):
    """A byte source as a file that is read anywhere."""

    name = ""
    """pydicom asks every file for one."""

    def __init__(self, source: ByteSource) -> None:
        self._source, self._at = source, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of every file."""
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._source.size}[whence]
        self._at = max(0, begin + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """As much as there is."""
        view = memoryview(buffer).cast("B")
        wanted = max(0, min(len(view), self._source.size - self._at))
        read = self._source.read_into(self._at, view[:wanted]) if wanted else 0
        self._at += read
        return read


def answer(message: dict[str, Any], limits: dict[str, Any]) -> object:
    """One object; whatever goes wrong becomes a code."""
    from stowgate.look.at import look_at

    def looked() -> object:
        with _opened(message) as file:
            return asdict(look_at(file, int(limits["frames"])))

    return coded(looked, float(limits["seconds"]))


@contextmanager
def _opened(message: dict[str, Any]) -> Iterator[BinaryIO]:
    if "loan" not in message:
        try:
            file = open(message["path"], "rb")  # noqa: SIM115 - closed below
        except OSError:
            raise Rejected("not_dicom") from None
        with file:
            yield file
        return
    from stowgate.store.loan import loan_from
    from stowgate.store.sealed import open_lent

    loan = loan_from(message["loan"])
    source = open_lent(loan.path, loan.header)
    try:
        yield io.BufferedReader(SourceFile(source), 1 << 16)
    finally:
        source.close()


def begin(limits: dict[str, Any]) -> Callable[[Any], object]:
    """Load what decodes and measures, before memory is bounded."""
    import stowgate.look.at  # noqa: F401

    warnings.simplefilter("ignore")
    sys.setrecursionlimit(2000)
    bound_memory(int(limits["memory"]))
    with suppress(OSError):
        os.nice(int(limits["nice"]))
    return lambda message: answer(message, limits)


if __name__ == "__main__":
    serve(begin)
