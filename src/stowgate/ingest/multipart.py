"""Reads multipart/related bodies (RFC 2387, RFC 2046) as they come: strict, bounded, never a whole part in memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from stowgate.errors import Rejected
from stowgate.ingest.source import BrokenOff

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - a token of RFC 9110 is no secret
_MEDIA_TYPE = re.compile(rf"({_TOKEN})/({_TOKEN})")
_PARAMETER = re.compile(rf'[ \t]*;[ \t]*({_TOKEN})=(?:({_TOKEN})|"((?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*)")')
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,199}[0-9A-Za-z'()+_,./:=?-]")
_PADDING = 64
_FIELD = re.compile(rb"(" + _TOKEN.encode() + rb"):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much one body may ask for.

    body   -- bytes of the whole body
    part   -- bytes of one part
    parts  -- number of parts
    head   -- bytes of the header fields of one part; of what stands before the first and after the last part, too
    """

    body: int = 64 << 30
    part: int = 8 << 30
    parts: int = 10_000
    head: int = 8192


@dataclass(frozen=True, slots=True)
class Head:
    """A part begins. `fields` are its header fields by lower-case name; they are the sender's, never to be shown."""

    fields: Mapping[str, str] = field(repr=False)


class End:
    """The part that began last is complete."""


Found = Head | bytes | End


def media_type(text: str) -> tuple[str, dict[str, str]]:
    """Lower-case media type and parameters (names in lower case) of a Content-Type; Rejected("upload_syntax")."""
    begun = _MEDIA_TYPE.match(text)
    if begun is None:
        raise Rejected("upload_syntax")
    parameters: dict[str, str] = {}
    rest = text[begun.end() :].rstrip(" \t")
    while rest:
        found = _PARAMETER.match(rest)
        if found is None or found[1].lower() in parameters:
            raise Rejected("upload_syntax")
        plain = found[2] if found[2] is not None else re.sub(r"\\(.)", r"\1", found[3])
        parameters[found[1].lower()] = plain
        rest = rest[found.end() :]
    return begun[0].lower(), parameters


def boundary_of(parameters: Mapping[str, str]) -> bytes:
    """The boundary among the parameters of the type (RFC 2046 5.1.1); Rejected("upload_syntax").

    The RFC ends at 70 characters; Orthanc writes 73, so 200 are taken.
    """
    boundary = parameters.get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise Rejected("upload_syntax")
    return boundary.encode("ascii")


class Splitter:
    """Cuts a body into parts, whatever the chunks it comes in. Holds one chunk and one part's header at most."""

    def __init__(self, boundary: bytes, bounds: Bounds = Bounds()) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._bounds = bounds
        self._held = bytearray(b"\r\n")  # the first delimiter may stand at the very beginning
        self._step: Callable[[], Iterator[Found]] = self._before
        self._total = self._parts = self._size = 0
        self.complete = False
        """The closing delimiter was there."""

    def feed(self, chunk: bytes | memoryview) -> Iterator[Found]:
        """What the next bytes complete. Raises Rejected("upload_syntax") or Rejected("upload_too_large")."""
        self._total += len(chunk)
        if self._total > self._bounds.body:
            raise Rejected("upload_too_large")
        self._held += chunk
        step = None
        while step != self._step:
            step = self._step
            yield from step()

    def _before(self) -> Iterator[Found]:
        """Text before the first delimiter means nothing and is short."""
        at = self._held.find(self._delimiter)
        if (at if at >= 0 else len(self._held)) > self._bounds.head:
            raise Rejected("upload_syntax")
        if at >= 0:
            del self._held[: at + len(self._delimiter)]
            self._step = self._after_delimiter
        yield from ()

    def _after_delimiter(self) -> Iterator[Found]:
        """Padding and a line end, or two hyphens after the last part; anything else is no delimiter of ours.

        Only then is the part before it complete: one that holds the boundary by accident is not taken for whole.
        """
        line = bytes(self._held[: _PADDING + 2]).lstrip(b" \t")
        if line.startswith(b"\r\n"):
            del self._held[: self._held.index(b"\r\n")]  # the line end stays: a header without fields is two of them
            self._step = self._header
            yield from self._ended()
        elif self._held.startswith(b"--"):
            del self._held[:2]
            self.complete, self._step = True, self._epilogue
            yield from self._ended()
        elif len(self._held) > _PADDING or not (b"\r\n".startswith(line) or self._held == b"-"):
            raise Rejected("upload_syntax")

    def _ended(self) -> Iterator[Found]:
        if self._parts:
            yield End()

    def _header(self) -> Iterator[Found]:
        end = self._held.find(b"\r\n\r\n")
        if (end if end >= 0 else len(self._held)) > self._bounds.head:
            raise Rejected("upload_too_large")
        if end < 0:
            return
        self._parts += 1
        if self._parts > self._bounds.parts:
            raise Rejected("upload_too_large")
        lines = bytes(self._held[2:end])
        del self._held[: end + 2]  # the empty line's end stays: it may belong to the next delimiter
        self._size, self._step = 0, self._first_of_part
        yield Head(_fields(lines))

    def _first_of_part(self) -> Iterator[Found]:
        if len(self._held) < len(self._delimiter) and self._delimiter.startswith(self._held):
            return
        if not self._held.startswith(self._delimiter):
            del self._held[:2]
        self._step = self._part
        yield from ()

    def _part(self) -> Iterator[Found]:
        at = self._held.find(self._delimiter)
        ready = at if at >= 0 else max(0, len(self._held) - len(self._delimiter) + 1)
        self._size += ready
        if self._size > self._bounds.part:
            raise Rejected("upload_too_large")
        if ready:
            with memoryview(self._held) as held:
                data = bytes(held[:ready])
            del self._held[:ready]
            yield data
        if at >= 0:
            del self._held[: len(self._delimiter)]
            self._step = self._after_delimiter

    def _epilogue(self) -> Iterator[Found]:
        """Text after the last delimiter means nothing and is short."""
        if len(self._held) > self._bounds.head:
            raise Rejected("upload_syntax")
        yield from ()


def _fields(lines: bytes) -> dict[str, str]:
    """Header fields by lower-case name: no folding, no name twice, no control character."""
    found: dict[str, str] = {}
    for line in lines.split(b"\r\n") if lines else ():
        matched = _FIELD.fullmatch(line)
        if matched is None:
            raise Rejected("upload_syntax")
        name = matched[1].decode("ascii").lower()
        if name in found:
            raise Rejected("upload_syntax")
        found[name] = matched[2].decode("latin-1").rstrip(" \t")
    return found


class Part:
    """One part while it comes in."""

    def __init__(self, body: Body, fields: Mapping[str, str]) -> None:
        self._body = body
        self.fields = fields

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, b"" at the end of the part. Raises `BrokenOff`; the body knows why."""
        try:
            return self._body.read(size)
        except Rejected as error:
            self._body.fault = error
            raise BrokenOff from None


class Body:
    """The parts of a body one after the other, pulled by one thread; what of a part was not read is skipped."""

    def __init__(self, chunk: Callable[[], bytes], splitter: Splitter) -> None:
        """`chunk` gives the next bytes, b"" at the end of the body, and raises `BrokenOff`."""
        self._chunk = chunk
        self._splitter = splitter
        self._events: Iterator[Found] = iter(())
        self._rest = b""
        self._in_part = False
        self.fault: Rejected | None = None
        """Why a part could not be read to its end, where it was not the sender who went away."""

    def parts(self) -> Iterator[Part]:
        """Raises Rejected("upload_syntax"), Rejected("upload_too_large") or `BrokenOff`."""
        while True:
            while self._in_part:
                self.read(1 << 20)
            found = self._next()
            if found is None:
                return
            if isinstance(found, Head):
                self._in_part = True
                yield Part(self, found.fields)

    def read(self, size: int) -> bytes:
        """Bytes of the part that is open."""
        while self._in_part and not self._rest:
            found = self._next()
            if isinstance(found, bytes):
                self._rest = found
            else:
                self._in_part = False
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def _next(self) -> Found | None:
        """The next thing found; None at the end of a body that is whole."""
        while True:
            found = next(self._events, None)
            if found is not None:
                return found
            chunk = self._chunk()
            if chunk:
                self._events = self._splitter.feed(chunk)
            elif self._splitter.complete:
                return None
            else:
                raise Rejected("upload_syntax")
