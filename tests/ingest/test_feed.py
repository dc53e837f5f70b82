"""Between the event loop and a thread: few chunks at a time, nobody waits for ever, and a slow sender is given up."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from stowgate.errors import Rejected
from stowgate.ingest.feed import Feed, Incoming, Pace, pump
from stowgate.ingest.source import BrokenOff


def message(body: bytes, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def sender(*messages: dict[str, Any]) -> Any:
    waiting = iter(messages)

    async def receive() -> dict[str, Any]:
        found = next(waiting, None)
        if found is None:
            await asyncio.sleep(60)
        return found or {}

    return receive


def test_every_byte_arrives_in_order_in_the_other_thread() -> None:
    chunks = [bytes([number % 256]) * (number % 7 + 1) for number in range(500)]
    got: list[bytes] = []

    async def main() -> None:
        feed = Feed(asyncio.get_running_loop())

        def take() -> None:
            while data := feed.get():
                got.append(data)

        thread = threading.Thread(target=take)
        thread.start()
        receive = sender(*map(message, chunks), message(b"", more=False))
        await pump(receive, feed, Pace(10, 1))
        await asyncio.to_thread(thread.join)

    asyncio.run(main())
    assert b"".join(got) == b"".join(chunks)


def test_a_thread_that_takes_nothing_holds_the_sender_back_and_a_break_wakes_both() -> None:
    async def main() -> int:
        feed = Feed(asyncio.get_running_loop())
        task = asyncio.create_task(pump(sender(*[message(b"x")] * 100), feed, Pace(10, 1)))
        await asyncio.sleep(0.05)
        held = len(feed._chunks)
        assert not task.done()
        feed.break_off()
        with pytest.raises(BrokenOff):
            await asyncio.wait_for(task, 5)
        with pytest.raises(BrokenOff):
            feed.get()
        return held

    assert asyncio.run(main()) == 4


@pytest.mark.parametrize("gone", [{"type": "http.disconnect"}])
def test_a_sender_that_goes_away_breaks_it_off(gone: dict[str, Any]) -> None:
    async def main() -> None:
        feed = Feed(asyncio.get_running_loop())
        await pump(sender(message(b"x"), gone), feed, Pace(10, 1))
        with pytest.raises(BrokenOff):
            feed.get()

    asyncio.run(main())


def test_silence_and_slowness_are_given_up_but_time_on_our_side_does_not_count() -> None:
    async def main() -> None:
        with pytest.raises(Rejected):
            await Pace(0.02, 1).next(sender())
        times = iter([0.0, 5.0, 1000.0, 1005.0, 2000.0, 2005.0])
        pace = Pace(12.0, 100, lambda: next(times))
        receive = sender(*[message(b"x")] * 3)
        await pace.next(receive)
        await pace.next(receive)
        with pytest.raises(Rejected) as told:
            await pace.next(receive)
        assert told.value.code == "upload_stalled"

    asyncio.run(main())


def test_reading_on_after_a_refusal_ends_with_the_body_the_bound_or_the_clock() -> None:
    async def main() -> None:
        scope: dict[str, Any] = {"headers": []}
        whole = Incoming(scope, sender(message(b"x"), message(b"", more=False)))
        await whole.drain()
        assert whole.over
        await Incoming(scope, sender(*[message(b"x" * 10)] * 5)).drain(most=50)
        await Incoming(scope, sender()).drain(seconds=0.02)
        asks_first = {"headers": [(b"expect", b"100-continue")]}
        await asyncio.wait_for(Incoming(asks_first, sender()).drain(), 1)

    asyncio.run(main())
