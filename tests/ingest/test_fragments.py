"""Between the network's thread and custody's: every byte in order, a few megabytes at most, nobody waits for ever."""

from __future__ import annotations

import random
import threading
import time
import tracemalloc

import pytest

from stowgate.ingest.fragments import Fragments
from stowgate.ingest.source import BrokenOff


def later(action: object, seconds: float = 0.02) -> threading.Timer:
    timer = threading.Timer(seconds, action)  # type: ignore[arg-type]
    timer.start()
    return timer


def test_the_beginning_comes_first_and_every_byte_in_order() -> None:
    parts = [random.Random(n).randbytes(n * 37 % 5000) for n in range(200)]
    fragments = Fragments(b"beginning", most=10_000)

    def put() -> None:
        for part in parts:
            fragments.put(memoryview(part))
        fragments.end()

    thread = threading.Thread(target=put)
    thread.start()
    got = b""
    while data := fragments.read(777):
        assert len(data) <= 777
        got += data
    thread.join()
    assert got == b"beginning" + b"".join(parts)
    assert fragments.read(777) == b""


def test_a_writer_waits_while_too_much_waits() -> None:
    fragments = Fragments(b"", most=100)
    done = threading.Event()

    def put() -> None:
        for _ in range(50):
            fragments.put(bytes(10))
        fragments.end()
        done.set()

    threading.Thread(target=put).start()
    assert not done.wait(0.1)
    assert fragments._size <= 110
    while fragments.read(1000):
        pass
    assert done.wait(5)


def test_parts_of_one_byte_cost_no_more_than_others() -> None:
    count = 200_000
    fragments = Fragments(b"beginning")
    tracemalloc.start()
    for n in range(count):
        fragments.put(memoryview(bytes((1, n & 255)))[1:])
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2 * count
    fragments.end()
    got = fragments.read(5) + fragments.read(50_001) + fragments.read(1 << 20)
    assert got == b"beginning" + bytes(n & 255 for n in range(count))


def test_a_reader_waits_for_what_is_to_come() -> None:
    fragments = Fragments(b"")
    later(lambda: fragments.put(b"late"))
    assert fragments.read(4) == b"late"
    later(fragments.end)
    assert fragments.read(10) == b""


def test_a_reader_is_given_all_it_asked_for_though_it_came_in_parts() -> None:
    fragments = Fragments(b"")
    fragments.put(b"one ")
    later(lambda: fragments.put(b"two and"))
    assert fragments.read(7) == b"one two"
    later(fragments.end)
    assert fragments.read(10) == b" and"


def test_a_reader_that_asks_for_more_than_may_wait_gets_what_waits() -> None:
    fragments = Fragments(b"", most=8)
    fragments.put(b"eight...")
    assert fragments.read(100) == b"eight..."


def test_a_sender_that_goes_away_wakes_the_reader_and_what_came_is_no_object() -> None:
    fragments = Fragments(b"half")
    later(fragments.break_off)
    assert fragments.read(4) == b"half"
    with pytest.raises(BrokenOff):
        fragments.read(4)
    fragments.put(b"more")
    fragments.end()
    with pytest.raises(BrokenOff):
        fragments.read(4)


def test_a_sender_that_goes_away_after_the_end_takes_nothing_back() -> None:
    fragments = Fragments(b"whole")
    fragments.end()
    fragments.break_off()
    assert (fragments.read(9), fragments.read(9)) == (b"whole", b"")


def test_what_was_broken_off_once_stays_so_whatever_is_said_later() -> None:
    fragments = Fragments(b"beginning")
    fragments.break_off()
    fragments.put(b"thrown away")
    fragments.end()
    fragments.break_off()
    with pytest.raises(BrokenOff):
        fragments.read(9)


@pytest.mark.parametrize("how", ["close", "break_off"])
def test_a_writer_that_waits_is_let_go_when_nobody_reads_any_more(how: str) -> None:
    fragments = Fragments(b"", most=10)
    fragments.put(bytes(10))
    later(getattr(fragments, how))
    began = time.monotonic()
    fragments.put(bytes(10))
    assert time.monotonic() - began < 5


def test_nothing_is_kept_after_close() -> None:
    fragments = Fragments(b"start")
    fragments.close()
    for _ in range(1000):
        fragments.put(bytes(100_000))
    assert fragments._size == 0
    assert not fragments._parts
