"""A DIMSE node as a destination: C-STORE of the exact stored bytes, C-FIND as evidence, C-ECHO as a trial."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from stowgate.deliver import dimse_command as commands
from stowgate.deliver.association import (
    FIND,
    IMPLICIT,
    VERIFICATION,
    Association,
    Context,
    associate,
)
from stowgate.deliver.cget import read_back
from stowgate.deliver.commitment import CONTEXT, committed
from stowgate.deliver.compare import data_set_of
from stowgate.deliver.connection import Peer, reachable
from stowgate.deliver.dest import Dest
from stowgate.deliver.dest_tls import DestTls, context_of
from stowgate.deliver.pdu import BrokeOff
from stowgate.deliver.sink import Answer, Found, Instance, Journal, Parcel, Sink, Trial
from stowgate.deliver.status import answer_of
from stowgate.errors import Misconfigured, Temporary
from stowgate.lifecycle import Delivery, Evidence

AETitle = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[ -\[\]-~]+$")]
_STATUS, _PENDING = 0x0900, (0xFF00, 0xFF01)
_BROKE = Answer(Delivery.QUEUED, "peer_broke_off")
_QUERY, _FIND = (FIND, IMPLICIT), 0x00080018


class DimseDest(Dest):
    """A [[dest]] of kind "dimse": a PACS, an archive, another node, by C-STORE."""

    kind: Literal["dimse"] = Field(description="Objects are sent by C-STORE.")
    host: str = Field(min_length=1, max_length=255, description="Name or address of the node.")
    port: int = Field(ge=1, le=65535, description="Its port, 104 or 11112 by custom, 2762 with TLS.")
    called: AETitle = Field(description="AE title of the node.")
    calling: AETitle = Field(default="STOWGATE", description="Our AE title, as the node knows it.")
    evidence: Literal["status", "presence"] = Field(
        default="presence", description="presence asks whether it is there, see ask; status trusts its word."
    )
    ask: Literal["find", "commitment"] = Field(
        default="find",
        description="How presence is asked for: find by C-FIND; commitment has the node vouch for it by storage "
        "commitment, and report on the same association or to [commitment] listen.",
    )
    tls: DestTls | None = Field(default=None, description="TLS; without it everything is sent in clear.")

    @property
    def where(self) -> str:
        """AE title, host and port."""
        return f"{self.called}@{self.host}:{self.port}"

    def sink(self) -> Sink:
        """See `Dest.sink`."""
        return CStoreSink(Peer(self.host, self.port, self.called, self.calling), self.tls, self.ask == "commitment")


class CStoreSink:
    """See `deliver.sink.Sink`. The association is kept from one parcel to the next, as long as its contexts fit."""

    def __init__(self, peer: Peer, tls: DestTls | None = None, commitment: bool = False) -> None:
        """commitment -- whether it is asked by storage commitment, not by C-FIND"""
        self._peer, self._tls, self._commitment = peer, tls, commitment
        self._held: Association | None = None
        self._known: dict[Context, None] = {}
        """Pairs that were asked for before, so that the next association has them, too."""

    def open(self) -> None:
        """Read the certificates; the association begins with the first parcel."""
        if self._tls:
            plain = self._peer
            self._peer = Peer(plain.host, plain.port, plain.called, plain.calling, context_of(self._tls))

    def close(self) -> None:
        """Release the association."""
        if self._held:
            self._held.release()
            self._held = None

    def reachable(self) -> bool:
        """Whether somebody listens there."""
        return reachable(self._peer)

    def deliver(self, parcel: Parcel, journal: Journal) -> Mapping[str, Answer]:  # noqa: ARG002 - half an object is none
        """One after the other over one association; what comes behind a break is not sent."""
        pairs = [(one.ref.sop_class, one.ref.transfer_syntax) for one in parcel.instances]
        association = self._association(pairs)
        answers: dict[str, Answer] = {}
        try:
            for instance, pair in zip(parcel.instances, pairs, strict=True):
                answers[instance.uid] = self._store(association, instance, pair)
        except BrokeOff as broke:
            self._let_go()
            at = parcel.instances[len(answers)].uid
            answers[at] = Answer(Delivery.SENT, "peer_broke_off") if broke.args else _BROKE
            answers |= {one.uid: _BROKE for one in parcel.instances if one.uid not in answers}
        except BaseException:
            self._let_go()
            raise
        return answers

    def verify(self, parcel: Parcel, journal: Journal) -> Mapping[str, Found]:
        """By C-FIND at the level of instances: as a list, then one by one for those that a list does not find.

        Or by storage commitment, see `commitment`.
        """
        if self._commitment:
            return committed(self._peer, parcel, journal)
        association = self._association([_QUERY])
        if _QUERY not in association.accepted:
            raise Misconfigured("peer_cannot_be_asked", self._peer.called)
        try:
            there = self._there(association, parcel.instances)
            if len(parcel.instances) > 1:
                for one in parcel.instances:
                    there |= set() if one.uid in there else self._there(association, [one])
        except BrokeOff:
            self._let_go()
            raise Temporary("peer_broke_off", self._peer.called) from None
        except BaseException:
            self._let_go()
            raise
        present, lost = Found(Evidence.PRESENCE), Found(code="peer_lost_object")
        return {one.uid: present if one.uid in there else lost for one in parcel.instances}

    def read_back(self, instance: Instance) -> Found:
        """By C-GET, over an association of its own: on this one the peer would store with us."""
        return read_back(self._peer, instance)

    def trial(self) -> Iterator[Trial]:
        """Connect, negotiate, C-ECHO, and whether it can be asked by C-FIND."""
        try:
            self.open()
            asked = CONTEXT if self._commitment else _QUERY
            association = associate(self._peer, [(VERIFICATION, IMPLICIT), asked])
        except (Misconfigured, Temporary) as error:
            yield Trial("association", str(error), error.code)
            return
        try:
            yield Trial("association", "It takes our call.")
            if (VERIFICATION, IMPLICIT) in association.accepted:
                association.send(
                    association.accepted[VERIFICATION, IMPLICIT], commands.echo(association.next_message())
                )
                said = commands.numbers(association.receive()[0]).get(_STATUS)
                yield Trial(
                    "C-ECHO",
                    "It answers." if said == 0 else "It does not say success.",
                    "" if said == 0 else "peer_busy",
                )
            how = "storage commitment" if self._commitment else "C-FIND"
            can = f"It can be asked by {how}."
            cannot = f'It cannot be asked by {how}: another ask fits it, or evidence = "status".'
            yield Trial(how, can if asked in association.accepted else cannot)
        except BrokeOff:
            yield Trial("C-ECHO", str(Temporary("peer_broke_off")), "peer_broke_off")
        finally:
            association.release()

    def _association(self, pairs: Sequence[Context]) -> Association:
        """One that was asked for all these pairs; a new one where the last has ended or does not know them."""
        held = self._held
        if held and held.is_usable() and all(pair in held.accepted or pair in held.refused for pair in pairs):
            return held
        self.close()
        first = list(dict.fromkeys(pairs))
        self._known = dict.fromkeys([*first, *self._known][:64])
        self._held = associate(self._peer, [*self._known, _QUERY])
        return self._held

    def _store(self, association: Association, instance: Instance, pair: Context) -> Answer:
        context = association.accepted.get(pair)
        if context is None:
            return Answer(Delivery.REFUSED, "peer_takes_no_such_object")
        message = association.next_message()
        command = commands.store(message, instance.ref.sop_class, instance.uid)
        association.send(context, command, *data_set_of(instance))
        try:
            said = commands.numbers(association.receive()[0])
        except BrokeOff:
            raise BrokeOff("asked") from None  # it was sent whole, so it may be there
        if said.get(0x0100) != commands.C_STORE | commands.RESPONSE or said.get(0x0120) != message:
            raise BrokeOff("asked")
        return answer_of(said.get(_STATUS, 0x0110))

    def _there(self, association: Association, instances: Sequence[Instance]) -> set[str]:
        """UIDs among these that the peer has."""
        if not instances:
            return set()
        found: set[str] = set()
        for series in dict.fromkeys(one.ref.names.series for one in instances):
            names = [one for one in instances if one.ref.names.series == series]
            asked = {
                0x00080052: "IMAGE", _FIND: "\\".join(one.uid for one in names),
                0x0020000D: names[0].ref.names.study, 0x0020000E: series,
            }  # fmt: skip
            found |= self._found(association, commands.identifier(asked))
        return found & {one.uid for one in instances}

    def _found(self, association: Association, asked: bytes) -> set[str]:
        found: set[str] = set()
        association.send(
            association.accepted[_QUERY], commands.find(association.next_message(), FIND), [asked], len(asked)
        )
        while True:
            command, data = association.receive()
            status = commands.numbers(command).get(_STATUS)
            if status not in _PENDING:
                break
            uid = commands.elements(data, [_FIND]).get(_FIND, b"")
            found.add(uid.rstrip(b"\0 ").decode("ascii", "replace"))
        if status != 0:
            raise Temporary("peer_busy", self._peer.called)
        return found

    def _let_go(self) -> None:
        if self._held:
            self._held.abort()
            self._held = None
