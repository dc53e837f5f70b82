"""Makes a pynetdicom association out of a connection that asked for one.

Imported only when an association begins, because pynetdicom is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydicom.uid import UID
from pynetdicom import AE, evt
from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.acse import ACSE
from pynetdicom.association import Association
from pynetdicom.sop_class import _STORAGE_CLASSES
from pynetdicom.transport import AddressInformation, AssociationSocket

from stowgate.ingest.dimse_settings import VERIFICATION, Dimse
from stowgate.ingest.upper_layer import Checkpoint, UpperLayer
from stowgate.ingest.waiting_room import Admitted

_CLASS_NOT_SUPPORTED, _SYNTAXES_NOT_SUPPORTED = 3, 4
"""Results of a presentation context (PS3.8 9.3.3.2)."""

_SERVED = frozenset((VERIFICATION, *_STORAGE_CLASSES.values()))

Rejection = Callable[[], tuple[int, int, int] | None]
"""Result, source and reason of an A-ASSOCIATE-RJ, None if there is room for one more."""


class Choosy(ACSE):
    """Rejects before anything else of the request is looked at."""

    def __init__(self, association: Association, rejection: Rejection, syntaxes: Sequence[str]) -> None:
        """syntaxes -- Transfer Syntax UIDs that are taken, none for all"""
        super().__init__(association)
        self._rejection, self._syntaxes = rejection, syntaxes

    def _negotiate_as_acceptor(self) -> None:
        request = self.requestor.primitive
        if request is None:
            self.assoc.kill()
            return
        reason = self._rejection()
        if reason is None:
            for context in request.presentation_context_definition_list if self._syntaxes else ():
                context.transfer_syntax = sorted(context.transfer_syntax, key=lambda one: one not in self._syntaxes)
            super()._negotiate_as_acceptor()
            return
        self.requestor.ae_title = request.calling_ae_title
        self.send_reject(*reason)
        evt.trigger(self.assoc, evt.EVT_REJECTED, {})
        self.assoc.kill()

    def send_accept(self) -> None:
        """As pynetdicom has it, without contexts for anything but storage and verification (PS3.8 9.3.3.2).

        One whose syntaxes are not taken goes, too, where another one of its class is. A class that has no other one is
        accepted: each of its instances is refused, and that is told.
        """
        accepted = self.assoc._accepted_cx
        takes = {number: one.transfer_syntax[0] in self._syntaxes for number, one in accepted.items()}
        served = {one.abstract_syntax for number, one in accepted.items() if takes[number]}
        for number, one in list(accepted.items()):
            if _is_known_for_something_else(one.abstract_syntax):
                one.result = _CLASS_NOT_SUPPORTED
            elif not takes[number] and one.abstract_syntax in served:
                one.result = _SYNTAXES_NOT_SUPPORTED
            else:
                continue
            self.assoc._rejected_cx.append(accepted.pop(number))
        super().send_accept()


def _is_known_for_something_else(uid: UID | None) -> bool:
    """Whether a SOP class of the standard is for another service, such as FIND. Private and later ones may store."""
    if uid is None or uid in _SERVED or uid.name in ("", uid):
        return False
    return "Storage" not in uid.name or "Storage Commitment" in uid.name


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
    settings: Dimse,
    admitted: Admitted,
    handlers: Sequence[tuple[Any, Callable[[Any], Any]]],
    rejection: Rejection,
    gone: Callable[[Association], None],
) -> Accepted:
    """An acceptor that is ready to be started; as `pynetdicom.transport.RequestHandler` does it.

    gone -- called in the association's thread when it has ended, however it did
    """
    association = Accepted(entity, MODE_ACCEPTOR)
    association.gone = gone
    association.name = f"AcceptorThread@{settings.address[1]}"
    association.acse = Choosy(association, rejection, settings.transfer_syntaxes)
    association.set_socket(AssociationSocket(association, client_socket=admitted.connection))
    acceptor, requestor = association.acceptor, association.requestor
    acceptor.maximum_length = entity.maximum_pdu_size
    acceptor.ae_title = settings.ae
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
