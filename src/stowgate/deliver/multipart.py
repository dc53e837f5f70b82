"""The body of a STOW-RS request: whole PS3.10 files as parts, of a length that is known before it begins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stowgate.deliver.sink import Instance


class Body:
    """One multipart/related message (PS3.18 8.7.1). `sent` says which parts went out whole when it was read last."""

    def __init__(self, instances: Sequence[Instance], boundary: str) -> None:
        self._instances, self._boundary = instances, boundary
        self.sent: set[str] = set()

    @property
    def content_type(self) -> str:
        """With the boundary."""
        return f'multipart/related; type="application/dicom"; boundary={self._boundary}'

    def __len__(self) -> int:
        heads = len(self._instances) * len(self._head())
        return heads + sum(one.ref.size for one in self._instances) + len(self._end())

    def __iter__(self) -> Iterator[bytes]:
        self.sent.clear()
        for one in self._instances:
            yield self._head()
            yield from one.chunks()
            self.sent.add(one.uid)
        yield self._end()

    def _head(self) -> bytes:
        return f"\r\n--{self._boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode("ascii")

    def _end(self) -> bytes:
        return f"\r\n--{self._boundary}--\r\n".encode("ascii")
