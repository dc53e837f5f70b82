"""STOW-RS uploads (PS3.18 10.5): the settings of such a source, and how one body becomes instances in custody."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from stowgate import events
from stowgate.errors import Rejected
from stowgate.ingest.multipart import Body, Bounds, Splitter, boundary_of, media_type
from stowgate.ingest.peek import FIRST, MOST, Peeked, peek
from stowgate.ingest.source import Announced, Arrival, BrokenOff, Intake, Refused
from stowgate.ingest.stow_answer import Result

DICOM = "application/dicom"
_log = logging.getLogger(__name__)


class Stow(BaseModel):
    """A [[source]] of kind "stow": uploads over HTTP, on the address of [web]."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: Literal["stow"] = Field(description="Uploads by STOW-RS.")
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")] = Field(
        description="Name of the source in counts and logs: small letters, digits, - and _."
    )
    path: Annotated[str, Field(pattern=r"^(/[A-Za-z0-9_-]+){1,4}$")] = Field(
        default="/dicom-web", description="Where the DICOMweb service begins; uploads go to PATH/studies."
    )
    issuer: str = Field(
        default="", max_length=64, description="Who issued the patient IDs of this source, where objects do not say."
    )
    complete_after: float = Field(
        default=600.0,
        gt=0,
        description="Seconds without a new object after which a study counts as complete, unless it is all there.",
    )
    sop_classes: tuple[str, ...] = Field(default=(), description="SOP Class UIDs that are taken; empty for all.")
    body_bytes: int = Field(default=64 << 30, ge=1, description="Bytes of one upload.")
    part_bytes: int = Field(default=8 << 30, ge=1, description="Bytes of one instance.")
    parts: int = Field(default=10_000, ge=1, description="Instances of one upload.")
    at_once: int = Field(default=32, ge=1, le=256, description="Uploads that are worked on at the same time.")
    silence: float = Field(default=20.0, gt=0, description="Seconds that a sender may be silent.")
    slowest: int = Field(default=4096, ge=1, description="Bytes per second below which a sender is given up.")

    @property
    def bounds(self) -> Bounds:
        """The limits as the reader of bodies takes them."""
        return Bounds(self.body_bytes, self.part_bytes, self.parts)


class _Readable(Protocol):
    def read(self, size: int) -> bytes: ...


class Upload:
    """One request on its way into custody; lives in one thread."""

    def __init__(self, source: Stow, intake: Intake, study: str, tell: events.Watcher) -> None:
        """`study` -- Study Instance UID in the address, "" if there is none."""
        self._source, self._intake, self._study, self._tell = source, intake, study, tell

    def run(self, content_type: str, chunk: Callable[[], bytes]) -> list[Result]:
        """Take everything the body holds; `chunk` as in `multipart.Body`.

        Raises Rejected("upload_syntax", "upload_too_large", "upload_type") and `BrokenOff`; what was received
        until then stays in custody, and the sender, who was told nothing, sends it again as a duplicate.
        """
        name, parameters = media_type(content_type)
        body: Body | _Single
        if name == DICOM:
            body = _Single(chunk, self._source.part_bytes)
        else:
            _check_kind(name, parameters)
            body = Body(chunk, Splitter(boundary_of(parameters), self._source.bounds))
        try:
            results = [
                self._take(part) if _is_instance(part.fields) else self._refuse(Peeked(), "upload_type")
                for part in body.parts()
            ]
        except BrokenOff:
            if body.fault:
                raise body.fault from None
            raise
        if not results:
            raise Rejected("upload_syntax")
        return results

    def _take(self, part: _Readable) -> Result:
        head = _read(part, b"", FIRST)
        peeked = peek(head)
        if self._study and not peeked.study and len(head) == FIRST:
            head = _read(part, head, MOST)
            peeked = peek(head)
        if self._study and peeked.study != self._study:
            return self._refuse(peeked, "upload_other_study")
        if self._source.sop_classes and peeked.sop_class not in self._source.sop_classes:
            return self._refuse(peeked, "sop_class_not_taken")
        announced = Announced(self._source.name, peeked.sop_class, peeked.transfer_syntax)
        try:
            outcome = self._intake.may_accept(announced) or self._intake.receive(
                Arrival(announced, _Rejoined(head, part).read)
            )
        except BrokenOff:
            raise
        except Exception:  # noqa: BLE001 - the others must not suffer, and the sender keeps this one
            _log.exception("upload_failed")
            return self._refuse(peeked, "internal_error")
        return Result(peeked, outcome.code if isinstance(outcome, Refused) else "")

    def _refuse(self, peeked: Peeked, code: str) -> Result:
        self._tell(events.Refused(self._source.name, code))
        return Result(peeked, code)


class _Single:
    """A body that is one instance by itself, which some senders make: its only part."""

    fields: Mapping[str, str] = {"content-type": DICOM}

    def __init__(self, chunk: Callable[[], bytes], most: int) -> None:
        self._chunk, self._left, self._rest = chunk, most, b""
        self.fault: Rejected | None = None

    def parts(self) -> Iterator[_Single]:
        yield self

    def read(self, size: int) -> bytes:
        if not self._rest:
            self._rest = self._chunk()
            self._left -= len(self._rest)
            if self._left < 0:
                self.fault = Rejected("upload_too_large")
                raise BrokenOff
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


class _Rejoined:
    """What was looked at already, then the rest."""

    def __init__(self, head: bytes, rest: _Readable) -> None:
        self._head, self._rest = memoryview(head), rest

    def read(self, size: int) -> bytes:
        if not self._head:
            return self._rest.read(size)
        data, self._head = bytes(self._head[:size]), self._head[size:]
        return data


def _read(part: _Readable, head: bytes, wanted: int) -> bytes:
    def pieces() -> Iterator[bytes]:
        missing = wanted - len(head)
        while missing and (data := part.read(missing)):
            missing -= len(data)
            yield data

    return head + b"".join(pieces())


def _check_kind(name: str, parameters: Mapping[str, str]) -> None:
    """A multipart/related body says of which type its parts are (RFC 2387 3.1), and it is ours."""
    if name != "multipart/related":
        raise Rejected("upload_type")
    if "type" not in parameters:
        raise Rejected("upload_syntax")
    if media_type(parameters["type"])[0] != DICOM:
        raise Rejected("upload_type")


def _is_instance(fields: Mapping[str, str]) -> bool:
    """Whether a part says that it is a whole PS3.10 file, as it is on the wire."""
    try:
        name, _ = media_type(fields.get("content-type", ""))
    except Rejected:
        return False
    encoding = fields.get("content-transfer-encoding", "binary").lower()
    return name == DICOM and encoding in ("binary", "8bit", "7bit")
