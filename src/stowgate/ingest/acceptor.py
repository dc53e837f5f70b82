"""Makes a pynetdicom association out of a connection that asked for one.

Imported only when an association begins, because pynetdicom is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pynetdicom import AE, evt
from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.acse import ACSE
from pynetdicom.association import Association
from pynetdicom.transport import AddressInformation, AssociationSocket

from stowgate.ingest.upper_layer import Checkpoint, UpperLayer
from stowgate.ingest.waiting_room import Admitted

Rejection = Callable[[], tuple[int, int, int] | None]
"""Result, source and reason of an A-ASSOCIATE-RJ, None if there is room for one more."""


class Choosy(ACSE):
    """Rejects before anything else of the request is looked at."""

    def __init__(self, association: Association, rejection: Rejection) -> None:
        super().__init__(association)
        self._rejection = rejection

    def _negotiate_as_acceptor(self) -> None:
        request = self.requestor.primitive
        if request is None:
            self.assoc.kill()
            return
        reason = self._rejection()
        if reason is None:
            super()._negotiate_as_acceptor()
            return
        self.requestor.ae_title = request.calling_ae_title
        self.send_reject(*reason)
        evt.trigger(self.assoc, evt.EVT_REJECTED, {})
        self.assoc.kill()


class Accepted(Association):
    """One that knows whether it was established, and leaves nothing open however it ends."""

    is_accepted_by_us = False
    gone: Callable[[Association], None]

    def __init__(self, entity: AE, mode: str) -> None:
        super().__init__(entity, mode)
        self.dul = self.upper_layer = UpperLayer(self)
        self._reactor_checkpoint = self.checkpoint = Checkpoint(lambda: not self.dimse.msg_queue.empty())

    def run_reactor(self) -> None:
        """As pynetdicom has it."""
        try:
            super().run_reactor()
        finally:
            self.gone(self)
            plain = self.dul.socket and self.dul.socket.socket
            if plain is not None and not self.dul.is_alive():
                plain.close()


def accept(
    entity: AE,
    title: str,
    admitted: Admitted,
    handlers: Sequence[tuple[Any, Callable[[Any], Any]]],
    rejection: Rejection,
    gone: Callable[[Association], None],
    local: tuple[str, int],
) -> Accepted:
    """An acceptor that is ready to be started; as `pynetdicom.transport.RequestHandler` does it.

    gone -- called in the association's thread when it has ended, however it did
    """
    association = Accepted(entity, MODE_ACCEPTOR)
    association.gone = gone
    association.name = f"AcceptorThread@{local[1]}"
    association.acse = Choosy(association, rejection)
    association.set_socket(AssociationSocket(association, client_socket=admitted.connection))
    acceptor, requestor = association.acceptor, association.requestor
    acceptor.maximum_length = entity.maximum_pdu_size
    acceptor.ae_title = title
    acceptor.address_info = AddressInformation.from_tuple(admitted.connection.getsockname())
    acceptor.implementation_class_uid = entity.implementation_class_uid
    acceptor.implementation_version_name = entity.implementation_version_name
    acceptor.supported_contexts = entity.supported_contexts
    requestor.address_info = AddressInformation.from_tuple(admitted.connection.getpeername())
    for event, handler in handlers:
        association.bind(event, handler)
    _never_raises(association)
    return association


def _never_raises(association: Accepted) -> None:
    """An event that pynetdicom's state machine does not know would end the thread and leave the connection open."""
    provider = association.dul
    carried_out = provider.state_machine.do_action

    def do_action(event: str) -> None:
        try:
            carried_out(event)
        except Exception:  # noqa: BLE001 - whatever it is, the peer is beyond help, and its text could quote
            association._kill = True
            association.is_established = False
            provider.kill_dul()
            if provider.socket is not None:
                provider.socket.close()
        finally:
            association.checkpoint.ring()

    provider.state_machine.do_action = do_action  # type: ignore[method-assign]
