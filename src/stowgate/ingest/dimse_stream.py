"""Lets the data set of a C-STORE flow into custody while it comes, instead of into memory or a file in clear.

Imported only when an association begins, because pynetdicom is.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from io import BytesIO
from typing import Any

from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu_primitives import P_DATA

from stowgate.ingest.file_meta import file_beginning
from stowgate.ingest.fragments import Announcement, Begin, Fragments
from stowgate.ingest.source import Outcome
from stowgate.ingest.store_command import StoreRequest, store_request, store_response

_COMMAND, _LAST = 1, 2
"""Bits of the message control header (PS3.8 E.2)."""

_MOST_OF_OTHERS = 1 << 20
"""Bytes that a message other than C-STORE, or a command set, may have."""

_INVALID = "Evt19"
"""The state machine's event for an invalid PDU (PS3.8 table 9-10): the association is aborted."""

_NEEDED = ("MessageID", "AffectedSOPClassUID", "AffectedSOPInstanceUID", "Priority")
"""What the command of a C-STORE cannot be answered without."""


_ANSWER = ("MessageIDBeingRespondedTo", "AffectedSOPClassUID", "AffectedSOPInstanceUID", "Status")


class Streaming(DIMSEServiceProvider):
    """The DIMSE provider of one association; data sets of C-STORE go through `begin`."""

    def __init__(self, association: Association, begin: Begin) -> None:
        super().__init__(association)
        self._begin_one = begin
        self._fragments: Fragments | None = None
        self._context = 0
        self._request: StoreRequest | None = None
        """What is coming in, where its command was read here."""
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
            if self._request is None:
                self._give(context, bytes((_LAST,)))
            else:
                self.msg_queue.put((context, _primitive(self._request)))
        return True

    def _command(self, context: int, data: bytes) -> bool:
        self._request = None
        if self.message is None and data[0] == _COMMAND | _LAST:
            self._request = store_request(memoryview(data)[1:])
            if self._request is not None:
                return self._begin(context, self._request)
        self._others += len(data)
        if self._others > _MOST_OF_OTHERS:
            return False
        self._give(context, data)
        if self.message is None:
            self._others = 0
        elif isinstance(self.message, C_STORE_RQ):
            self._others = 0
            said: list[Any] = [getattr(self.message.command_set, name, None) for name in _NEEDED]
            return None not in said and self._begin(context, StoreRequest(*said))
        return True

    def outcome(self) -> Future[Outcome] | None:
        """Of the oldest instance whose answer is due."""
        self._answering = bool(self._outcomes)
        return self._outcomes.popleft() if self._outcomes else None

    def send_msg(self, primitive: Any, context_id: int) -> None:
        """As pynetdicom has it; the answer to a C-STORE is written at once, where it would pass through a data set."""
        said: list[Any] = [getattr(primitive, name, None) for name in _ANSWER]
        try:
            if isinstance(primitive, C_STORE) and None not in said:
                self._send_answer(context_id, *said)
            else:
                super().send_msg(primitive, context_id)
        finally:
            self._answering = False

    def _send_answer(self, context_id: int, message: int, sop_class: str, sop_instance: str, status: int) -> None:
        answer = store_response(message, str(sop_class), str(sop_instance), status)
        part = P_DATA()
        part.presentation_data_value_list.append((context_id, bytes((_COMMAND | _LAST,)) + answer))
        self.dul.send_pdu(part)

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

    def _begin(self, context: int, said: StoreRequest) -> bool:
        """False for what comes while the answer to another is due, or was not agreed on (PS3.7 D.3.3.3)."""
        accepted = self.assoc._accepted_cx.get(context)
        if accepted is None or self._outcomes:
            return False
        told = Announcement(str(said.sop_class), str(said.sop_instance), str(accepted.transfer_syntax[0]))
        self._context = context
        self._fragments = Fragments(file_beginning(told.sop_class, told.sop_instance, told.transfer_syntax))
        self._outcomes.append(self._begin_one(told, self._fragments))
        return True


def _primitive(said: StoreRequest) -> C_STORE:
    """The request as pynetdicom's services want it; where its data set was, they need not know."""
    request = C_STORE()
    request.MessageID, request.Priority = said.message, said.priority
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = said.sop_class, said.sop_instance
    request.DataSet = BytesIO()
    return request
