"""Numbers for Prometheus: the ledger's, asked for when somebody looks, and those counted as things pass by."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stowgate import events
from stowgate.lifecycle import Delivery, State

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Bounds of the histograms; 0.15 is what a scanner may have to wait for at most."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Where numbers come from that are not counted here. Each is quick, and called from any thread.

    counts         -- items by source and state, as `Custody.counts` gives them
    room           -- free bytes of the spool's file system above the reserve
    oldest_waiting -- seconds since 1970 when the oldest waiting item arrived, None if nothing waits
    deliveries     -- clean objects by destination and how far they are, as `DeliveriesView.counts` gives them
    links          -- by destination: bytes each second as they were measured last, if they were, and bytes still to go
    """

    counts: Callable[[], Mapping[str, Mapping[State, int]]]
    room: Callable[[], int]
    oldest_waiting: Callable[[], float | None]
    deliveries: Callable[[], Mapping[str, Mapping[Delivery, int]]] = dict
    links: Callable[[], Mapping[str, tuple[float | None, int]]] = dict


class Metrics:
    """The numbers of one gateway, in a registry of its own. Labels are names of the configuration, states and codes."""

    def __init__(self, asked: Asked, clock: Callable[[], float] = time.time, lost: int = 0) -> None:
        """lost -- objects that were found to be lost before anybody could watch: at the start of the gateway"""
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self._registry = CollectorRegistry(auto_describe=False)

        def named(*labels: str) -> dict[str, Any]:
            return {"labelnames": labels, "namespace": "stowgate", "registry": self._registry}

        self._intake = Histogram(
            "intake_seconds", "First byte of an instance to answer.", buckets=SECONDS, **named("source")
        )
        self._work = Histogram("work_seconds", "Work on one item.", buckets=SECONDS, **named("state"))
        self._bytes = Counter("received_bytes", "Bytes taken into custody.", **named("source"))
        self._refused = Counter("refused", "Instances that were not taken.", **named("source", "code"))
        self._away = Counter("turned_away", "Callers that were turned away.", **named("source"))
        self._associations = Gauge("associations", "Associations that are open.", **named("source"))
        self._open = Gauge("intake_open", "1 while instances are taken in.", **named())
        self._lost = Counter("payload_lost", "Objects of the ledger that are not on their shelf.", **named())
        self._lost.inc(lost)
        self._sent = Counter("sent_bytes", "Bytes that destinations acknowledged.", **named("destination"))
        self._purged = Counter("purged", "Items that were deleted here, proved to have arrived.", **named())
        self._up = Gauge("destination_up", "1 while a destination takes things.", **named("destination"))
        self._outages = Counter("destination_outages", "Outages that began.", **named("destination", "code"))
        self._down = Counter("destination_down_seconds", "Seconds of outages that ended.", **named("destination"))
        self._noticed = Counter("noticed", "What was amiss with pictures, studies and scanners.", **named("code"))
        self._stopped = False
        self._open.set(1)
        self._registry.register(_Ledger(asked, clock))

    def watch(self, event: events.GatewayEvent) -> None:
        """Count what happened."""
        match event:
            case events.Received():
                self._intake.labels(event.source).observe(event.seconds)
                self._bytes.labels(event.source).inc(event.size)
            case events.Refused():
                self._refused.labels(event.source, event.code).inc()
            case events.Settled():
                self._work.labels(str(event.state)).observe(event.seconds)
            case events.CallerTurnedAway():
                self._away.labels(event.source).inc()
            case events.Association():
                self._associations.labels(event.source).inc(1 if event.opened else -1)
            case events.Reserve():
                self._open.set(0 if event.reached or self._stopped else 1)
            case events.IntakeStopped():
                self._stopped = True
                self._open.set(0)
            case events.PayloadLost():
                self._lost.inc()
            case events.Purged(originals=False):
                self._purged.inc(event.count)
            case events.Delivered(state=Delivery.ACKNOWLEDGED):
                self._sent.labels(event.destination).inc(event.size)
            case events.DestinationDown():
                self._up.labels(event.destination).set(0)
                self._outages.labels(event.destination, event.code).inc()
            case events.DestinationPaused():
                self._up.labels(event.destination).set(0)
            case events.Noticed():
                self._noticed.labels(event.code).inc()
            case events.DestinationUp():
                self._up.labels(event.destination).set(1)
                self._down.labels(event.destination).inc(event.seconds)
            case _:
                pass

    def render(self) -> bytes:
        """The text that /metrics answers with."""
        from prometheus_client import generate_latest

        return generate_latest(self._registry)


class _Ledger:
    """Asks the ledger when somebody looks, so that no number here can differ from it."""

    def __init__(self, asked: Asked, clock: Callable[[], float]) -> None:
        self._asked, self._clock = asked, clock

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily

        counts = self._asked.counts()
        items = GaugeMetricFamily("stowgate_items", "Items by source and state.", labels=["source", "state"])
        received = GaugeMetricFamily("stowgate_received", "Items that ever arrived.", labels=["source"])
        for source, states in sorted(counts.items()):
            received.add_metric([source], sum(states.values()))
            for state in State:
                items.add_metric([source, str(state)], states.get(state, 0))
        ways = GaugeMetricFamily(
            "stowgate_deliveries", "Clean objects by destination and state.", labels=["destination", "state"]
        )
        for destination, steps in sorted(self._asked.deliveries().items()):
            for step, n in steps.items():
                ways.add_metric([destination, str(step)], n)
        yield ways
        yield from self._links()
        oldest = self._asked.oldest_waiting()
        age = max(0.0, self._clock() - oldest) if oldest is not None else 0.0
        yield items
        yield received
        yield GaugeMetricFamily("stowgate_room_bytes", "Room in the spool above the reserve.", self._asked.room())
        yield GaugeMetricFamily("stowgate_oldest_waiting_seconds", "Age of the oldest waiting item.", age)

    def _links(self) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily

        rates = GaugeMetricFamily("stowgate_destination_rate", "Bytes each second, measured.", labels=["destination"])
        left = GaugeMetricFamily("stowgate_destination_bytes_left", "Bytes still to go.", labels=["destination"])
        for name, (rate, size) in sorted(self._asked.links().items()):
            left.add_metric([name], size)
            if rate is not None:
                rates.add_metric([name], rate)
        yield from (rates, left)
