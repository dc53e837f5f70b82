"""What is leased becomes a parcel for a sink, and what the sink says becomes what the ledger writes down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from stowgate.deliver.sink import Answer, Found, Instance, Parcel, Sink
from stowgate.errors import Misconfigured, Rejected, Temporary
from stowgate.lifecycle import Delivery, Evidence
from stowgate.outbox.policy import pause, sampled
from stowgate.store.clean_ref import ref_of, ref_of_purged
from stowgate.store.deliveries import OTHER_BYTES, Deliveries, Due, Outcome
from stowgate.store.spool import CleanView

PATIENCE = 4
"""Tries of a delivery in which a peer may still be busy putting away what it says it has."""


class LedgerJournal:
    """See `deliver.sink.Journal`: the notes of the deliveries at hand, in the ledger."""

    def __init__(self, deliveries: Deliveries, due: Iterable[Due]) -> None:
        self._deliveries = deliveries
        self._numbers = {one.clean.instance: one.number for one in due}
        self._notes = {one.clean.instance: one.note for one in due}

    def read(self, uid: str) -> str:
        """As it was leased, or as it was written since."""
        return self._notes.get(uid, "")

    def write(self, uid: str, text: str) -> None:
        """One commit."""
        self._deliveries.note(self._numbers[uid], text)
        self._notes[uid] = text


def parcel_of(due: Sequence[Due], shelf: CleanView) -> tuple[Parcel, dict[str, Due], dict[int, str]]:
    """What can be sent, by UID; and the codes of those that cannot, by number, because their object is damaged.

    Every byte of each was read and compared with the ledger's digest before it may leave. A UID that is there twice
    goes once; whoever is left is given back. What was purged is there to be asked for, and opens no more.
    """
    instances: list[Instance] = []
    sent: dict[str, Due] = {}
    damaged: dict[int, str] = {}
    for one in due:
        if one.clean.instance in sent:
            continue
        try:
            ref = (ref_of_purged if one.purged else ref_of)(one.clean, shelf)
        except Rejected as rejected:
            damaged[one.number] = rejected.code
            continue
        id = one.clean.id
        instances.append(Instance(ref, one.clean.digest, lambda id=id: shelf.open(id)))  # type: ignore[misc]
        sent[one.clean.instance] = one
    return Parcel(tuple(instances)), sent, damaged


def after_sending(
    sent: Mapping[str, Due], answers: Mapping[str, Answer], wanted: Evidence, chance: float
) -> list[Outcome]:
    """What is written down of what was sent. An instance without an answer is one nobody knows about."""
    outcomes = []
    for uid, one in sent.items():
        answer = answers.get(uid, Answer(Delivery.SENT, "peer_broke_off"))
        if wanted is Evidence.STATUS and answer.state is Delivery.SENT:
            answer = _unasked(answer)
        known = Evidence.STATUS if answer.state is Delivery.ACKNOWLEDGED else Evidence.NONE
        done = known is not Evidence.NONE and known.worth >= wanted.worth
        wait = pause(one.attempts, chance, answer.after) if answer.state is Delivery.QUEUED else None
        if answer.code == "peer_broke_off":
            wait = None  # the way to it is what has to wait, not the object
        outcomes.append(Outcome(one.number, answer.state, answer.code, known, wait, done))
    return outcomes


def _unasked(answer: Answer) -> Answer:
    """Where only the peer's word counts nobody is asked: what it knows is there, the rest is sent again."""
    return replace(answer, state=Delivery.QUEUED if answer.code else Delivery.ACKNOWLEDGED)


def without_asking(left: Mapping[str, Due]) -> list[Outcome]:
    """The same of what was to be asked for when more than the peer's word was wanted, or a process died."""
    return [
        Outcome(one.number, Delivery.QUEUED)
        if one.state is Delivery.SENT
        else Outcome(one.number, one.state, evidence=Evidence.STATUS, done=True)
        for one in left.values()
    ]


def after_asking(
    asked: Mapping[str, Due], found: Mapping[str, Found], wanted: Evidence, chance: float
) -> list[Outcome]:
    """What is written down of what the place was asked for; what is not there is sent again."""
    return [_asked(one, found.get(uid, Found(wait=0.0)), wanted, chance) for uid, one in asked.items()]


def _asked(one: Due, found: Found, wanted: Evidence, chance: float) -> Outcome:
    wait = pause(one.attempts, chance, found.wait)
    if one.purged:
        return _of_purged(one, found, wait)
    if found.evidence is not Evidence.NONE:
        done = found.evidence.worth >= wanted.worth
        code = "" if done else found.code
        return Outcome(one.number, Delivery.VERIFIED, code, found.evidence, None if done else wait, done)
    if found.code == OTHER_BYTES and one.attempts >= PATIENCE:  # it was sent again, and that changed nothing
        return Outcome(one.number, Delivery.REFUSED, found.code)
    early = one.state is Delivery.ACKNOWLEDGED and one.attempts < PATIENCE and found.code == "peer_lost_object"
    if found.wait is not None or early:
        return Outcome(one.number, one.state, found.code, wait=wait)
    broke_off = one.state is Delivery.SENT and found.code == "peer_lost_object"
    return Outcome(one.number, Delivery.QUEUED, found.code, wait=None if broke_off else wait)


def _of_purged(one: Due, found: Found, wait: float) -> Outcome:
    """It was proved to be there once and cannot be sent again: what is known now is a code, and that is the end."""
    if found.wait is not None:
        return Outcome(one.number, one.state, found.code, wait=wait)
    code = (
        "" if found.evidence is not Evidence.NONE else found.code if found.code == OTHER_BYTES else "peer_lost_purged"
    )
    known = found.evidence if not code else Evidence.STATUS  # its word of then; what was proved then stays written
    return Outcome(one.number, one.state, code, known, done=True)


def read_again(
    sink: Sink, parcel: Parcel, found: Mapping[str, Found], asked: Mapping[str, Due], chance: float
) -> dict[str, Found]:
    """What was found, with a sample of what is only known to be there read again and compared.

    A place that gives nothing back, or breaks off while it does, leaves what is known of it. What was purged cannot be
    compared.
    """
    present = [one for one in parcel.instances if found.get(one.uid, Found()).evidence is Evidence.PRESENCE]
    there = [one for one in present if not asked[one.uid].purged]
    seen = dict(found)
    with suppress(Temporary, Misconfigured):
        for place in sampled(len(there), chance):
            back = sink.read_back(there[place])
            if back.evidence is Evidence.CONTENT or back.code:
                seen[there[place].uid] = back
    return seen
