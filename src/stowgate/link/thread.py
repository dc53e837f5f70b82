"""A relay in a thread of its own, for whoever does not live in an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress

from stowgate.link.profiles import Profile
from stowgate.link.relay import Relay


@contextmanager
def relayed(
    target: tuple[str, int],
    profile: Profile | None = None,
    listen: tuple[str, int] = ("127.0.0.1", 0),
    *,
    record: bool = False,
) -> Iterator[Relay]:
    """A link to `target` that carries until the block ends. OSError where it cannot listen."""
    relay = Relay(target, profile, listen, record=record)
    running: Future[Callable[[], object]] = Future()

    async def work() -> None:
        carrying = asyncio.ensure_future(relay.run())
        loop = asyncio.get_running_loop()
        running.set_result(lambda: loop.call_soon_threadsafe(carrying.cancel))
        with suppress(asyncio.CancelledError):
            await carrying

    thread = threading.Thread(target=lambda: asyncio.run(work()), name="link", daemon=True)
    thread.start()
    stop = running.result()
    try:
        yield relay
    finally:
        stop()
        thread.join(5.0)
