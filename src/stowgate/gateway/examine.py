"""What custody wants to know of an instance it holds: is it whole, and by which keyed aliases does it go."""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stowgate.analyse.triage import DESCRIPTIONS, Coded, Rule, fitting, rules, words_fit
from stowgate.dicom.budget import OddEncoding
from stowgate.dicom.limits import DEFAULT, Limits
from stowgate.dicom.normalise import normalise
from stowgate.dicom.scanner import Buffer, scan
from stowgate.dicom.source import ByteSource
from stowgate.errors import Rejected
from stowgate.framing import mac
from stowgate.gateway import header_clock, header_counts
from stowgate.ingest.peek import FIRST, data_set_start
from stowgate.outbox.routing import PRIORITIES, SEND, marks_of, priority_of, text_of, wish_of
from stowgate.standard.uids import is_registered
from stowgate.store.custody import Coming
from stowgate.store.expected import NOTHING, Told
from stowgate.vault.key import Key

_STATION, _SERIAL, _MODEL = 0x00081010, 0x00181000, 0x00081090
_DESCRIPTIONS = (0x00081030, 0x0008103E)
"""Study Description, Series Description."""
_PROTOCOL, _BODY_PART, _KERNEL = 0x00181030, 0x00180015, 0x00181210


@dataclass(frozen=True, slots=True)
class Examined:
    """Aliases (32 hex digits, "" where the object does not say) and codes; nothing that names anybody."""

    instance: str = ""
    study: str = ""
    modality: str = ""
    sop_class: str = ""
    scanner: str = ""
    protocol: str = ""
    marks: tuple[str, ...] = ()
    priority: str = ""
    clock: int | None = None
    triage: tuple[str, ...] = ()
    series: str = ""
    told: Told = NOTHING


class Content:
    """The alias of a data set's bytes, worked out as they stream by; file meta information does not count."""

    def __init__(self, key: bytes) -> None:
        self._mac = hmac.new(key, digestmod="sha256")
        self._head = b""
        self._started = False

    def see(self, data: bytes | memoryview) -> None:
        """The next bytes of the file."""
        if self._started:
            self._mac.update(data)
            return
        self._head += data
        if len(self._head) >= FIRST:
            self._begin()

    def alias(self) -> str:
        """32 hex digits, once all bytes were seen."""
        if not self._started:
            self._begin()
        return self._mac.hexdigest()[:32]

    def _begin(self) -> None:
        self._started = True
        self._mac.update(self._head[data_set_start(self._head) :])
        self._head = b""


class Examiner:
    """Looks at instances under one project key. Calls come from any thread."""

    def __init__(
        self,
        key: Key,
        scratch: Path,
        limits: Limits = DEFAULT,
        patterns: Sequence[str] = (),
        triage: Sequence[Rule] | None = None,
    ) -> None:
        """scratch  -- a folder on the identified side for what has to be normalised
        patterns -- of descriptions, that routes are decided by
        triage   -- rules of urgency, by default the shipped ones
        """
        self._patterns, self._triage = tuple(patterns), rules() if triage is None else tuple(triage)
        self._instance, self._study = key.sub(b"custody-instance"), key.sub(b"custody-study")
        self._scanner, self._protocol = key.sub(b"custody-scanner"), key.sub(b"custody-protocol")
        self._content, self._series = key.sub(b"custody-content"), key.sub(b"custody-series")
        self._limits, self._scratch = limits, scratch
        self._threads = threading.local()

    def content(self) -> Content:
        """Where the bytes of one instance are shown as they come."""
        return Content(self._content)

    def content_of(self, source: ByteSource, step: int = 1 << 18) -> str:
        """The content alias of an instance that lies on a shelf."""
        content = self.content()
        for offset in range(0, source.size, step):
            content.see(source.read(offset, step))
        return content.alias()

    def examine(self, source: ByteSource) -> Examined:
        """Follow the header to its end. Raises `Rejected` for what is no whole instance (not_dicom, truncated, ...).

        What is oddly encoded is brought to plain little endian for the look, in a child with limits.
        """
        try:
            return self._seen(source)
        except OddEncoding:
            plain = normalise(source, self._limits, self._scratch)
        try:
            return self._seen(plain)
        except OddEncoding:
            raise Rejected("cannot_normalise") from None
        finally:
            plain.close()

    def _seen(self, source: ByteSource) -> Examined:
        found = scan(source, self._limits, self._buffer())

        def raw(*tags: int) -> bytes:
            return b"\n".join((found.get(tag) or b"").strip(b" \0") for tag in tags)

        modality, priority = _code(raw(0x00080060)), priority_of(map(raw, PRIORITIES))
        words = words_fit(self._triage, [text_of(found.get(tag) or b"") for tag in DESCRIPTIONS])
        return Examined(
            self._alias(self._instance, b"instance", raw(0x00080018)),
            self._alias(self._study, b"study", raw(0x0020000D)),
            modality,
            _uid(raw(0x00080016)),
            self._alias(self._scanner, b"scanner", raw(_STATION, _SERIAL, _MODEL)),
            self._alias(self._protocol, b"protocol", raw(0x00080060, _PROTOCOL, _BODY_PART, _KERNEL)),
            marks_of(self._patterns, map(raw, _DESCRIPTIONS)) if self._patterns else (),
            priority,
            header_clock.offset(found.get, time.time()),
            fitting(self._triage, Coded("", modality, priority, words)),
            self._alias(self._series, b"series", raw(0x0020000E)),
            header_counts.told(found.get),
        )

    def _buffer(self) -> Buffer:
        found: Buffer | None = getattr(self._threads, "buffer", None)
        if found is None:
            found = self._threads.buffer = Buffer()
        return found

    @staticmethod
    def _alias(key: bytes, domain: bytes, raw: bytes) -> str:
        return mac(key, domain, raw).hex()[:32] if raw.strip(b"\n") else ""


def coming(id: str, source: str, size: int, content: str, seen: Examined, peer: str = "") -> Coming:
    """The row an examined instance is about to get. `peer` of what a person sends is where it is sent."""
    marks = (*seen.marks, wish_of(peer)) if source == SEND else seen.marks
    return Coming(
        id, source, size, seen.instance, content, seen.study, seen.modality, seen.sop_class,
        seen.scanner, seen.protocol, peer, marks=marks, priority=seen.priority, clock=seen.clock,
        triage=seen.triage, series=seen.series, told=seen.told,
    )  # fmt: skip


def _code(raw: bytes) -> str:
    """A modality as a code string, "" where it is none: nothing typed by hand may stand in the ledger."""
    text = raw.decode("ascii", "replace")
    return text if len(text) <= 16 and text.isascii() and text.isupper() and text.isalnum() else ""


def _uid(raw: bytes) -> str:
    """A SOP Class UID of the standard, "" where it is another: a UID of somebody's own could name them."""
    text = raw.decode("ascii", "replace")
    return text if is_registered(text) else ""
