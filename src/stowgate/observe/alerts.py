"""Alerts: tells a webhook what a person has to do, once, in codes; it never holds the gateway up."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from typing import Any

from stowgate import events
from stowgate.lifecycle import Delivery, State
from stowgate.reasons import REASONS

_MOST = 256
_SHORTEST, _LONGEST = 1.0, 600.0

Post = Callable[[bytes], bool]
"""Deliver one body; whether it arrived. Never raises."""


def webhook(url: str, seconds: float = 10.0) -> Post:
    """A POST of JSON to `url`, without following redirects; any 2xx counts. The address is a secret and never shown."""

    def post(body: bytes) -> bool:
        import httpx

        try:
            with httpx.Client(timeout=seconds, follow_redirects=False) as client:
                return client.post(url, content=body, headers={"Content-Type": "application/json"}).is_success
        except Exception:  # noqa: BLE001 - a proxy of the environment that cannot be had is an ImportError, for one
            return False

    return post


def trial(unit: str) -> bytes:
    """The body of a test message: shaped like every other, with the code "check"."""
    text = "stowgate check sends this to see whether alerts arrive. Nothing has to be done."
    return json.dumps({"unit": unit, "code": "check", "source": "", "item": "", "count": 1, "text": text}).encode()


class Alerts:
    """One thread that tells; the same thing again within `quiet` seconds is only counted."""

    def __init__(
        self,
        post: Post,
        unit: str = "",
        quiet: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._post, self._unit, self._quiet, self._clock, self._chance = post, unit, quiet, clock, chance
        self._changed = threading.Condition()
        self._waiting: dict[tuple[str, str], dict[str, Any]] = {}
        self._told: dict[tuple[str, str], tuple[float, int]] = {}
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)
        self._thread.start()

    def watch(self, event: events.GatewayEvent) -> None:
        """Take note of what a person has to act on; returns at once."""
        match event:
            case events.IntakeStopped():
                self.tell(event.code)
            case events.SourceFailed():
                self.tell(event.code, event.source)
            case events.Reserve(reached=True):
                self.tell("spool_reserve")
            case events.PayloadLost():
                self.tell("payload_lost", item=event.item)
            case events.DestinationPaused():
                self.tell(event.code, event.destination)
            case events.DestinationDown(code="internal_error"):
                self.tell(event.code, event.destination)
            case (
                events.Delivered(state=Delivery.REFUSED)
                | events.Delivered(code="peer_lost_object" | "peer_lost_purged" | "peer_has_other_bytes")
            ):
                self.tell(event.code, event.destination, event.item)
            case events.Noticed():
                self.tell(event.code, event.source, event.item)
            case events.Settled(state=State.QUARANTINED):
                self.tell(event.code, event.source, event.item)
            case _:
                pass

    def tell(self, code: str, source: str = "", item: str = "") -> None:
        """`code` of the table of reasons; what happens often is one alert with a count."""
        key = code, source
        with self._changed:
            if key in self._waiting:
                self._waiting[key]["count"] += 1
                return
            last, count = self._told.get(key, (-self._quiet, 0))
            if self._clock() - last < self._quiet or len(self._waiting) >= _MOST:
                self._told[key] = last, count + 1
                return
            reason = REASONS[code]
            facts = {"unit": self._unit, "code": code, "source": source, "item": item, "count": count + 1}
            self._waiting[key] = {**facts, "text": f"{reason.sentence} {reason.advice}".strip()}
            self._changed.notify()

    def close(self, seconds: float = 5.0) -> None:
        """Give what waits one more try, then stop."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(seconds)

    def _run(self) -> None:
        pause = 0.0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or self._waiting)
                if pause and not self._stopping:
                    self._changed.wait_for(lambda: self._stopping, pause)
                stopping, keys = self._stopping, list(self._waiting)
            arrived = [self._deliver(key) for key in keys]
            if stopping:
                return
            pause = 0.0 if all(arrived) else min(_LONGEST, max(_SHORTEST, pause * 2)) * (0.5 + self._chance() / 2)

    def _deliver(self, key: tuple[str, str]) -> bool:
        with self._changed:
            facts = dict(self._waiting[key])
        if not self._post(json.dumps(facts).encode()):
            return False
        with self._changed:
            more = self._waiting.pop(key)["count"] - facts["count"]
            self._told[key] = self._clock(), more
        return True
