"""Lets the data set of a C-STORE flow into custody while it comes, instead of into memory or a file in clear.

Imported only when an association begins, because pynetdicom is.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future

from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.pdu_primitives import P_DATA

from stowgate.ingest.file_meta import file_beginning
from stowgate.ingest.fragments import Announcement, Begin, Fragments
from stowgate.ingest.source import Outcome

_COMMAND, _LAST = 1, 2
"""Bits of the message control header (PS3.8 E.2)."""


class Streaming(DIMSEServiceProvider):
    """The DIMSE provider of one association; data sets of C-STORE go through `begin`."""

    def __init__(self, association: Association, begin: Begin) -> None:
        super().__init__(association)
        self._begin_one = begin
        self._fragments: Fragments | None = None
        self._outcomes: deque[Future[Outcome]] = deque()

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Fragments of a data set are handed on; the rest takes pynetdicom's way."""
        for context, data in primitive.presentation_data_value_list:
            control = data[0]
            if self._fragments is None or control & _COMMAND:
                self._give(context, data)
                if self._fragments is None and isinstance(self.message, C_STORE_RQ):
                    self._begin(context)
                continue
            self._fragments.put(memoryview(data)[1:])
            if control & _LAST:
                self._fragments.end()
                self._fragments = None
                self._give(context, bytes((_LAST,)))

    def outcome(self) -> Future[Outcome] | None:
        """Of the oldest instance whose answer is due."""
        return self._outcomes.popleft() if self._outcomes else None

    def break_off(self) -> None:
        """What has not come whole is no instance."""
        if self._fragments is not None:
            self._fragments.break_off()

    @property
    def is_receiving(self) -> bool:
        """Whether an instance is coming in or its answer is due."""
        return self._fragments is not None or bool(self._outcomes)

    def _give(self, context: int, data: bytes) -> None:
        part = P_DATA()
        part.presentation_data_value_list.append((context, data))
        super().receive_primitive(part)

    def _begin(self, context: int) -> None:
        command = self.message.command_set if self.message else None
        accepted = self.assoc._accepted_cx.get(context)
        syntax = str(accepted.transfer_syntax[0]) if accepted else ""
        told = Announcement(
            str(getattr(command, "AffectedSOPClassUID", "") or ""),
            str(getattr(command, "AffectedSOPInstanceUID", "") or ""),
            syntax,
        )
        self._fragments = Fragments(file_beginning(told.sop_class, told.sop_instance, syntax))
        self._outcomes.append(self._begin_one(told, self._fragments))
