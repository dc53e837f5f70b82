"""The data set of a C-STORE flows on as it comes; what breaks a rule of the protocol ends the association."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from stowgate import events
from stowgate.ingest.fragments import Fragments
from stowgate.ingest.memory import MemoryIntake
from tests.builder import CT, EXPLICIT, IMPLICIT, encode, instance
from tests.ingest.dimse import VERIFICATION, Peer, Served, associate, command, data_set_of, eventually, pdu, pdv, served

WHOLE = encode(instance(uid="1.2.3.4.5.6.7"))
CONTEXTS = ((1, CT, (EXPLICIT,)), (3, CT, (IMPLICIT,)), (5, VERIFICATION, (IMPLICIT,)))


@pytest.fixture
def intake() -> MemoryIntake:
    return MemoryIntake()


@pytest.fixture
def ct(intake: MemoryIntake) -> Iterator[Served]:
    with served(intake) as found:
        yield found


@pytest.fixture
def peer(ct: Served) -> Iterator[Peer]:
    found = Peer.associated(ct.port, contexts=CONTEXTS)
    yield found
    found.close()


def is_aborted(peer: Peer) -> bool:
    """Whether the next thing the peer gets is an A-ABORT."""
    return peer.answer()[0] == 7


def nothing_was_taken(intake: MemoryIntake, ct: Served) -> bool:
    """Nor does anybody wait for the rest of it."""
    eventually(lambda: not any(one.is_alive() for one in running(ct)), 15)
    return not intake.taken


def running(ct: Served) -> list[object]:
    import threading

    return [one for one in threading.enumerate() if one.name.startswith("AcceptorThread")]  # type: ignore[misc]


@pytest.mark.parametrize("size", [1, 7, 1000, 100_000])
def test_every_byte_arrives_however_it_is_cut(intake: MemoryIntake, peer: Peer, size: int) -> None:
    data = WHOLE if size < 1000 else encode(instance()) + os.urandom(300_001)
    assert peer.store(data, size=size) == 0
    assert [data_set_of(one.data) for one in intake.taken] == [data]


def test_many_values_in_one_pdu_are_as_good_as_one_each(intake: MemoryIntake, peer: Peer) -> None:
    first, second = command()[:50], command()[50:]
    halves = pdv(0, WHOLE[:100]), pdv(0, b""), pdv(2, WHOLE[100:])
    peer.values(pdv(1, first), pdv(3, second), *halves)
    assert peer.status() == 0
    assert data_set_of(intake.taken[0].data) == WHOLE


def test_the_transfer_syntax_is_that_of_the_context(intake: MemoryIntake, peer: Peer) -> None:
    peer.values(pdv(3, command(), 3), pdv(2, encode(instance(), implicit=True), 3))
    assert peer.status() == 0
    assert intake.taken[0].announced.transfer_syntax == IMPLICIT


def test_one_after_the_other_on_one_association(intake: MemoryIntake, peer: Peer) -> None:
    for n in range(1, 30):
        data = encode(instance(uid=f"1.2.{n}"))
        assert peer.store(data, f"1.2.{n}", message=n) == 0
        assert data_set_of(intake.taken[-1].data) == data


BROKEN = {
    "a command inside a data set": [pdv(3, command()), pdv(0, WHOLE[:50]), pdv(3, command()), pdv(2, WHOLE[50:])],
    "half a command inside a data set": [pdv(3, command()), pdv(1, b"x"), pdv(2, WHOLE)],
    "a data set on another context": [pdv(3, command()), pdv(2, WHOLE, 3)],
    "a context that was never agreed on": [pdv(3, command(), 7), pdv(2, WHOLE, 7)],
    "a value without its control byte": [b"\0\0\0\1\1"],
    "a value that claims more than there is": [b"\0\0\xff\xff\1\3" + command()],
    "no SOP Instance UID": [pdv(3, command(without=[0x1000])), pdv(2, WHOLE)],
    "no SOP Class UID": [pdv(3, command(without=[0x0002])), pdv(2, WHOLE)],
    "no priority": [pdv(3, command(without=[0x0700])), pdv(2, WHOLE)],
    "no message id": [pdv(3, command(without=[0x0110])), pdv(2, WHOLE)],
    "an unknown command": [pdv(3, command(field=0x7777)), pdv(2, WHOLE)],
    "a command that is none": [pdv(3, b"\xff" * 40), pdv(2, WHOLE)],
}


@pytest.mark.parametrize("values", BROKEN.values(), ids=BROKEN)
def test_what_breaks_a_rule_ends_the_association_and_leaves_nothing(
    intake: MemoryIntake, ct: Served, peer: Peer, values: list[bytes]
) -> None:
    for one in values:
        try:
            peer.values(one)
        except OSError:
            break
    assert is_aborted(peer)
    peer.close()
    assert nothing_was_taken(intake, ct)
    with_another = Peer.associated(ct.port)
    assert with_another.store(WHOLE) == 0
    with_another.close()


def test_a_store_without_a_data_set_is_no_success(intake: MemoryIntake, peer: Peer) -> None:
    peer.values(pdv(3, command(data_set=False)))
    kind, body = peer.answer()
    assert kind == 7 or body[body.index(b"\0\0\0\x09\2\0\0\0") + 8 :][:2] != b"\0\0"
    assert not intake.taken


def test_a_second_store_before_the_first_was_answered_is_no_window_that_was_agreed_on(ct: Served) -> None:
    """PS3.7 D.3.3.3: without negotiation one operation at a time; else a sender could make us hold any amount."""
    peer = Peer.associated(ct.port)
    batch = pdu(4, pdv(3, command(message=1)) + pdv(2, WHOLE)) * 200
    with suppress(OSError):
        peer.send(batch)
    answers = 0
    while (kind := peer.answer()[0]) == 4:
        answers += 1
    assert kind in (0, 7)
    assert answers < 10
    peer.close()
    eventually(lambda: not running(ct))
    counted = [one.opened for one in ct.events if isinstance(one, events.Association)]
    assert sorted(counted) == [False, True]


def test_a_message_that_is_no_store_may_not_grow_for_ever(ct: Served, peer: Peer) -> None:
    """Data of a C-FIND that nobody asked us to be able to do, or command sets without an end."""
    for control in (0, 1):
        other = Peer.associated(ct.port, contexts=CONTEXTS)
        with suppress(OSError):
            for _ in range(400):
                other.values(pdv(control, bytes(16_000)))
        while kind := other.answer()[0]:
            assert kind == 7
        other.close()


def test_the_intake_hears_of_a_sender_that_goes_away_in_the_middle(intake: MemoryIntake, ct: Served) -> None:
    for how in ("close", "reset", "abort", "release"):
        peer = Peer.associated(ct.port)
        peer.values(pdv(3, command()))
        peer.values(pdv(0, WHOLE[:200]))
        if how in ("abort", "release"):
            peer.send(pdu(7 if how == "abort" else 5, bytes(4)))
            time.sleep(0.05)
            peer.close()
        else:
            getattr(peer, how)()
    eventually(lambda: intake.broken_off == 4)
    assert not intake.taken


def test_what_is_announced_as_something_else_is_not_taken(intake: MemoryIntake, ct: Served) -> None:
    peer = Peer.associated(ct.port)
    peer.values(pdv(3, command(uid="1.2.3.99")), pdv(2, WHOLE))
    assert peer.status() == 0xA900
    assert peer.store(WHOLE, message=2) == 0
    peer.close()
    assert len(intake.taken) == 1


def test_an_echo_is_answered_between_two_objects(intake: MemoryIntake, peer: Peer) -> None:
    assert peer.store(WHOLE) == 0
    echo = command(sop_class=VERIFICATION, field=0x30, data_set=False, message=2, without=[0x1000, 0x0700])
    peer.values(pdv(3, echo, 5))
    assert peer.status() == 0
    assert peer.store(WHOLE, message=3) == 0
    assert intake.duplicates == 1


def test_an_association_is_asked_for_once(ct: Served, peer: Peer) -> None:
    peer.send(associate())
    assert is_aborted(peer)


def test_an_end_and_the_last_fragment_at_the_same_moment_do_not_trip_over_each_other() -> None:
    """One comes in the association's thread, the other in the network's."""
    from stowgate.ingest.dimse_stream import Streaming

    left = [Fragments(b"")]

    class Ending(Streaming):
        """Its data set ends after it was looked whether there is one."""

        _fragments = property(lambda _: left.pop() if left else None)  # type: ignore[assignment]

    Ending.__new__(Ending).break_off()
