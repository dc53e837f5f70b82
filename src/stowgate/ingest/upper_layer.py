"""The two threads of an association sleep until there is something to do; pynetdicom's look a thousand times a second.

Imported only when an association begins, because pynetdicom is.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import Any

from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider

from stowgate.ingest.bell import Bell

LOOK = 0.1
"""Seconds after which either thread looks by itself, for its timers."""


class UpperLayer(DULServiceProvider):
    """The thread of the network: woken by its peer, or by what it is given to send."""

    def __init__(self, association: Association) -> None:
        super().__init__(association)
        self.bell = Bell()

    def run_reactor(self) -> None:
        """As pynetdicom has it."""
        self.bell.hang()
        try:
            super().run_reactor()
        finally:
            self.bell.take_down()

    @property
    def patience(self) -> float:
        """Seconds that a wait for the network may take now."""
        return LOOK if self.event_queue.empty() and not self._kill_thread else 0.0

    def _is_transport_event(self) -> bool:
        if super()._is_transport_event():
            return True
        self._process_recv_primitive()  # what the bell was rung for
        return False

    def send_pdu(self, primitive: Any) -> None:
        """As pynetdicom has it."""
        super().send_pdu(primitive)
        self.bell.ring()

    def kill_dul(self) -> None:
        """As pynetdicom has it."""
        super().kill_dul()
        self.bell.ring()

    def stop_dul(self) -> bool:
        """As pynetdicom has it."""
        if self.state_machine.current_state == "Sta1":
            self.kill_dul()
        return super().stop_dul()


class Checkpoint(Event):
    """Where the thread of the services may be held up before it looks for work; now it waits for that as well."""

    def __init__(self, has_work: Callable[[], bool]) -> None:
        super().__init__()
        self._has_work, self._rung = has_work, Event()
        self.set()

    def set(self) -> None:
        """Let it pass."""
        super().set()
        self.ring()

    def ring(self) -> None:
        """There may be work."""
        self._rung.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Until there may be work, and it may pass."""
        if not self._has_work():
            self._rung.wait(LOOK)
        self._rung.clear()
        return super().wait(timeout)
