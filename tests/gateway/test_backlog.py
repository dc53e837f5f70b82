"""Work wakes workers, too much of it slows sources down, and a count that went astray heals."""

from __future__ import annotations

import threading
import time

import pytest

from stowgate.gateway.backlog import ENOUGH, LONGEST_BURST, QUIET, Backlog


def in_a_thread(wait: object) -> tuple[threading.Thread, threading.Event]:
    done = threading.Event()

    def run() -> None:
        wait(30)  # type: ignore[operator]
        done.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, done


def test_a_worker_is_woken_by_what_came() -> None:
    backlog = Backlog()
    _, done = in_a_thread(backlog.wait_for_work)
    assert not done.wait(0.05)
    backlog.came()
    assert done.wait(5)


def test_a_source_waits_while_too_much_waits_and_goes_on_when_work_ended() -> None:
    backlog = Backlog(most=10)
    backlog.came(10)
    _, done = in_a_thread(backlog.wait_for_room)
    assert not done.wait(0.05)
    backlog.ended()
    assert done.wait(5)


@pytest.mark.parametrize("wait", ["wait_for_work", "wait_for_room"])
def test_nobody_waits_longer_than_told(wait: str) -> None:
    backlog = Backlog(0 if wait == "wait_for_work" else 5, most=5)
    began = time.monotonic()
    getattr(backlog, wait)(0.05)
    assert 0.04 < time.monotonic() - began < 2


@pytest.mark.parametrize("wait", ["wait_for_work", "wait_for_room"])
def test_nobody_waits_once_it_is_closed(wait: str) -> None:
    backlog = Backlog(0 if wait == "wait_for_work" else 5, most=5)
    _, done = in_a_thread(getattr(backlog, wait))
    backlog.close()
    assert done.wait(5)
    getattr(backlog, wait)(30)


def test_a_worker_that_is_faster_than_the_sources_word_leaves_no_trace() -> None:
    backlog = Backlog()
    for _ in range(100):
        backlog.ended()
        backlog.came()
    assert backlog.waiting == 0


def test_the_ledger_sets_it_right() -> None:
    backlog = Backlog(most=10)
    backlog.came(1000)
    backlog.is_now(3)
    assert backlog.waiting == 3
    backlog.wait_for_room(30)


class TestLull:
    """A worker that begins in the middle of a burst takes its time from the answers to a scanner."""

    def test_a_worker_waits_until_nothing_has_come_for_a_moment(self) -> None:
        now = [100.0]
        backlog = Backlog(clock=lambda: now[0])
        backlog.came()
        _, done = in_a_thread(lambda _: backlog.wait_for_lull())
        assert not done.wait(0.05)
        now[0] += QUIET
        assert done.wait(5)

    @pytest.mark.parametrize("why", ["it goes on for long", "much came", "it is closed"])
    def test_it_does_not_wait_for_ever(self, why: str) -> None:
        now = [100.0]
        backlog = Backlog(clock=lambda: now[0])
        for _ in range(int(LONGEST_BURST / (QUIET / 2)) + 2 if why == "it goes on for long" else 1):
            backlog.came()
            now[0] += QUIET / 2
        if why == "much came":
            backlog.came(ENOUGH)
        if why == "it is closed":
            backlog.close()
        began = time.monotonic()
        backlog.wait_for_lull()
        assert time.monotonic() - began < QUIET / 2

    def test_it_waits_for_nothing_where_nothing_came(self) -> None:
        began = time.monotonic()
        Backlog(7).wait_for_lull()
        assert time.monotonic() - began < QUIET / 2
