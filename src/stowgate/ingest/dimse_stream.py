"""Lets the data set of a C-STORE flow into custody while it comes, instead of into memory or a file in clear."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stowgate.ingest.file_meta import file_beginning
from stowgate.ingest.fragments import Fragments
from stowgate.ingest.source import Outcome, Refused

if TYPE_CHECKING:
    from pynetdicom.association import Association
    from pynetdicom.dimse import DIMSEServiceProvider
    from pynetdicom.pdu_primitives import P_DATA

_COMMAND, _LAST = 1, 2
"""Bits of the message control header (PS3.8 E.2)."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """What the command of a C-STORE says (PS3.7 9.3.1.1), and the syntax of its presentation context."""

    sop_class: str
    sop_instance: str
    transfer_syntax: str


Begin = Callable[[Announcement, Fragments], "Future[Outcome]"]
"""Starts taking one instance in; the future is its outcome."""


def streaming(association: Association, begin: Begin) -> DIMSEServiceProvider:
    """A DIMSE provider for one association whose C-STORE data sets go through `begin`.

    It has two methods more than its base: `outcome()`, the future of the oldest instance not asked for yet, and
    `break_off()`, for when the association is gone.
    """
    from pynetdicom.dimse import DIMSEServiceProvider
    from pynetdicom.dimse_messages import C_STORE_RQ
    from pynetdicom.pdu_primitives import P_DATA

    class Streaming(DIMSEServiceProvider):
        """See the function."""

        def __init__(self) -> None:
            super().__init__(association)
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
            accepted = association._accepted_cx.get(context)
            syntax = str(accepted.transfer_syntax[0]) if accepted else ""
            told = Announcement(
                str(getattr(command, "AffectedSOPClassUID", "") or ""),
                str(getattr(command, "AffectedSOPInstanceUID", "") or ""),
                syntax,
            )
            self._fragments = Fragments(file_beginning(told.sop_class, told.sop_instance, syntax))
            self._outcomes.append(begin(told, self._fragments))

    return Streaming()


def refused(code: str) -> Future[Outcome]:
    """The outcome of an instance that nobody begins to take in."""
    future: Future[Outcome] = Future()
    future.set_result(Refused(code))
    return future
