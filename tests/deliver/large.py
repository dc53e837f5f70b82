"""One object as large as one likes that lies nowhere; and a DICOMweb server that takes it and gives it back."""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from stowgate.deliver.sink import Instance
from stowgate.objects import CleanRef, Names
from tests.builder import CT
from tests.deliver.parcels import STUDY, bytes_of
from tests.deliver.web import JSON, answer, multipart

UID = "2.25.1"
HEAD = bytes_of(1, 2)[:-2]
"""An object up to its pixels, whose length is then set."""


class Large:
    """A source: the head of an object, then pixels that are made when they are read."""

    def __init__(self, pixels: int) -> None:
        self._head = HEAD[:-4] + pixels.to_bytes(4, "little")
        self.size = len(self._head) + pixels

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes."""
        length = max(0, min(length, self.size - offset))
        begun = self._head[offset : offset + length]
        return begun + bytes(length - len(begun)) if begun else bytes(length)

    def close(self) -> None:
        """Nothing is held."""


def large(pixels: int) -> Instance:
    """An instance of it. Its digest is computed by reading it."""
    from hashlib import sha256

    source, digest = Large(pixels), sha256()
    for offset in range(0, source.size, 1 << 20):
        digest.update(source.read(offset, 1 << 20))
    ref = CleanRef(
        "/large", source.size, Names("P1", STUDY, "2.25.1002", UID, "CT"), CT, "1.2.840.10008.1.2.1", "0" * 64
    )
    return Instance(ref, digest.hexdigest(), lambda: Large(pixels))  # type: ignore[arg-type, return-value]


def serve(port: int, pixels: int) -> None:
    """For ever."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            left = int(self.headers["Content-Length"])
            while left:
                left -= len(self.rfile.read(min(left, 1 << 20)))
            self._begin(JSON["Content-Type"], len(answer([UID], {})))
            self.wfile.write(answer([UID], {}))

        def do_GET(self) -> None:
            source = Large(pixels)
            _, fields, whole = multipart(b"@")
            before, _, behind = whole.partition(b"@")
            self._begin(fields["Content-Type"], len(before) + source.size + len(behind))
            self.wfile.write(before)
            for offset in range(0, source.size, 1 << 20):
                self.wfile.write(source.read(offset, 1 << 20))
            self.wfile.write(behind)

        def _begin(self, kind: str, size: int) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(size))
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nobody listens."""

    HTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]))
