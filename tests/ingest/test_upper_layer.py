"""An association that has nothing to do costs nothing, and one that has something to do does it at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from stowgate.ingest.memory import MemoryIntake
from tests.builder import encode, instance
from tests.ingest.dimse import Peer, Served, command, eventually, pdu, pdv, served


@pytest.fixture
def ct() -> Iterator[Served]:
    with served(MemoryIntake()) as found:
        yield found


def test_ten_idle_associations_take_less_than_a_tenth_of_a_processor(ct: Served) -> None:
    """Looking a thousand times a second, they took a half."""
    peers = [Peer.associated(ct.port) for _ in range(10)]
    time.sleep(0.3)
    used, began = time.process_time(), time.monotonic()
    time.sleep(1.0)
    share = (time.process_time() - used) / (time.monotonic() - began)
    for one in peers:
        one.close()
    assert share < 0.1


def test_answers_do_not_wait_for_the_next_look(ct: Served) -> None:
    peer = Peer.associated(ct.port)
    seconds = []
    for n in range(1, 31):
        began = time.monotonic()
        assert peer.store(encode(instance(uid=f"1.2.{n}")), f"1.2.{n}", n) == 0
        seconds.append(time.monotonic() - began)
        if n % 10 == 0:
            time.sleep(0.15)  # it sleeps in the meantime
    peer.close()
    assert sorted(seconds)[15] < 0.06


def test_a_release_is_answered_at_once(ct: Served) -> None:
    seconds = []
    for _ in range(5):
        peer = Peer.associated(ct.port)
        time.sleep(0.02)
        began = time.monotonic()
        peer.send(pdu(5, bytes(4)))
        assert peer.answer()[0] == 6
        seconds.append(time.monotonic() - began)
        peer.close()
    assert min(seconds) < 0.05


def test_messages_that_come_together_are_each_answered_at_once(ct: Served) -> None:
    echo = pdu(4, pdv(3, command(sop_class="1.2.840.10008.1.1", field=0x30, data_set=False)))
    peer = Peer.associated(ct.port)
    began = time.monotonic()
    peer.send(echo * 20)
    assert [peer.status() for _ in range(20)] == [0] * 20
    assert time.monotonic() - began < 1.0, "one look each would take two seconds"
    peer.close()


def test_a_stop_does_not_wait_for_those_who_sleep() -> None:
    ct = Served(MemoryIntake())
    peers = [Peer.associated(ct.port) for _ in range(10)]
    time.sleep(0.2)
    assert ct.stop() < 3
    assert all(one.answer()[0] in (0, 7) for one in peers)
    for one in peers:
        one.close()
    eventually(lambda: not [one for one in threading.enumerate() if one.name.startswith("AcceptorThread")])
