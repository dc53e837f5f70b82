"""Lets the data set of a C-STORE flow into custody while it comes, instead of into memory or a file in clear.

Imported only when an association begins, because pynetdicom is.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from typing import Any

from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.pdu_primitives import P_DATA

from stowgate.ingest.file_meta import file_beginning
from stowgate.ingest.fragments import Announcement, Begin, Fragments
from stowgate.ingest.source import Outcome

_COMMAND, _LAST = 1, 2
"""Bits of the message control header (PS3.8 E.2)."""

_MOST_OF_OTHERS = 1 << 20
"""Bytes that a message other than C-STORE, or a command set, may have."""

_INVALID = "Evt19"
"""The state machine's event for an invalid PDU (PS3.8 table 9-10): the association is aborted."""

_NEEDED = ("AffectedSOPClassUID", "AffectedSOPInstanceUID", "MessageID", "Priority")
"""What the command of a C-STORE cannot be answered without."""


class Streaming(DIMSEServiceProvider):
    """The DIMSE provider of one association; data sets of C-STORE go through `begin`."""

    def __init__(self, association: Association, begin: Begin) -> None:
        super().__init__(association)
        self._begin_one = begin
        self._fragments: Fragments | None = None
        self._context = 0
        self._others = 0
        self._outcomes: deque[Future[Outcome]] = deque()
        self._answering = False
        """Whether an outcome was asked for, and its answer is not on its way."""

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Fragments of a data set are handed on; the rest takes pynetdicom's way. What breaks a rule aborts."""
        try:
            sound = all(self._take(context, data) for context, data in primitive.presentation_data_value_list)
        except Exception:  # noqa: BLE001 - it would end the thread and leave the connection open; its text quotes
            sound = False
        if not sound:
            self.break_off()
            self.dul.event_queue.put(_INVALID)

    def _take(self, context: int, data: bytes) -> bool:
        """One presentation data value; False where it may not stand (PS3.8 E.2, PS3.7 8.1)."""
        if not data:
            return False
        if self._fragments is None:
            return self._command(context, data)
        if data[0] & _COMMAND or context != self._context:
            return False
        self._fragments.put(memoryview(data)[1:])
        if data[0] & _LAST:
            self._fragments.end()
            self._fragments = None
            self._give(context, bytes((_LAST,)))
        return True

    def _command(self, context: int, data: bytes) -> bool:
        self._others += len(data)
        if self._others > _MOST_OF_OTHERS:
            return False
        self._give(context, data)
        if self.message is None:
            self._others = 0
        elif isinstance(self.message, C_STORE_RQ):
            self._others = 0
            return self._begin(context)
        return True

    def outcome(self) -> Future[Outcome] | None:
        """Of the oldest instance whose answer is due."""
        self._answering = bool(self._outcomes)
        return self._outcomes.popleft() if self._outcomes else None

    def send_msg(self, primitive: Any, context_id: int) -> None:
        """As pynetdicom has it."""
        try:
            super().send_msg(primitive, context_id)
        finally:
            self._answering = False

    def break_off(self) -> None:
        """What has not come whole is no instance."""
        fragments = self._fragments  # once: the network's thread may let go of them now
        if fragments is not None:
            fragments.break_off()

    @property
    def is_receiving(self) -> bool:
        """Whether an instance is coming in or its answer is due."""
        return self._fragments is not None or bool(self._outcomes) or self._answering

    def _give(self, context: int, data: bytes) -> None:
        part = P_DATA()
        part.presentation_data_value_list.append((context, data))
        super().receive_primitive(part)

    def _begin(self, context: int) -> bool:
        """False for a command that says too little, or comes while the answer to another is due (PS3.7 D.3.3.3)."""
        command = self.message.command_set if self.message else None
        accepted = self.assoc._accepted_cx.get(context)
        said = [getattr(command, name, None) for name in _NEEDED]
        if accepted is None or None in said or self._outcomes:
            return False
        told = Announcement(str(said[0]), str(said[1]), str(accepted.transfer_syntax[0]))
        self._context = context
        self._fragments = Fragments(file_beginning(told.sop_class, told.sop_instance, told.transfer_syntax))
        self._outcomes.append(self._begin_one(told, self._fragments))
        return True
