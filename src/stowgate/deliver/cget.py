"""Reads an instance back from a DIMSE node by C-GET (PS3.4 C.4.3), and compares it as it comes."""

from __future__ import annotations

from collections.abc import Iterator

from stowgate.deliver import dimse_command as commands
from stowgate.deliver.association import IMPLICIT, Association, associate
from stowgate.deliver.compare import is_same
from stowgate.deliver.connection import Peer
from stowgate.deliver.pdu import BrokeOff
from stowgate.deliver.sink import Found, Instance
from stowgate.errors import Temporary
from stowgate.lifecycle import Evidence

GET = "1.2.840.10008.5.1.4.1.2.2.3"
"""Study Root Query/Retrieve Information Model - GET (PS3.4 C.6.2)."""

_FIELD, _MESSAGE, _STATUS = 0x0100, 0x0110, 0x0900
_CLASS, _INSTANCE = 0x00000002, 0x00001000
_PENDING, _SUCCESS = 0xFF00, 0x0000
_OUT_OF_RESOURCES = 0xA7
_SAME, _OTHER, _LOST = Found(Evidence.CONTENT), Found(code="peer_has_other_bytes"), Found(code="peer_lost_object")


def read_back(peer: Peer, instance: Instance) -> Found:
    """See `deliver.sink.Sink.read_back`. Nothing where the node knows no C-GET, or not in this transfer syntax.

    Only the syntax that it was sent in is offered, so nothing is taken for altered that was merely encoded anew.
    """
    pair = (instance.ref.sop_class, instance.ref.transfer_syntax)
    association = associate(peer, [(GET, IMPLICIT), pair], stored_here=instance.ref.sop_class)
    try:
        if not {(GET, IMPLICIT), pair} <= association.accepted.keys():
            association.release()
            return Found()
        found = _asked(association, peer, instance)
        if found is _OTHER:
            association.abort()  # the rest of it is not wanted
        else:
            association.release()
        return found
    except BrokeOff:
        raise Temporary("peer_broke_off", peer.called) from None
    finally:
        association.close()


def _asked(association: Association, peer: Peer, instance: Instance) -> Found:
    names, message = instance.ref.names, association.next_message()
    wanted = commands.identifier(
        {0x00080052: "IMAGE", 0x0020000D: names.study, 0x0020000E: names.series, 0x00080018: instance.uid}
    )
    association.send(association.accepted[GET, IMPLICIT], commands.get(message, GET), [wanted], len(wanted))
    found = Found()
    while True:
        context, command, pieces = association.hear()
        said = commands.numbers(command)
        if said.get(_FIELD) == commands.C_STORE:
            found = _compared(command, instance, pieces)
            if found is _OTHER:
                return found
            association.send(context, commands.stored(said.get(_MESSAGE, 0), instance.ref.sop_class, instance.uid))
            continue
        if said.get(_FIELD) != commands.C_GET | commands.RESPONSE:
            raise BrokeOff
        for _ in pieces:
            """What could not be sent is listed; nobody needs to know."""
        status = said.get(_STATUS, _PENDING)
        if status == _PENDING:
            continue
        if status >> 8 == _OUT_OF_RESOURCES:
            raise Temporary("peer_busy", peer.called)
        return _LOST if status == _SUCCESS and found == Found() else found


def _compared(command: bytes, instance: Instance, pieces: Iterator[bytes]) -> Found:
    names = commands.elements(command, (_CLASS, _INSTANCE))
    if names.get(_INSTANCE, b"").rstrip(b"\0 ") != instance.uid.encode():
        return _OTHER
    return _SAME if is_same(instance, pieces) else _OTHER
