"""What is sent comes no faster than it may, whoever sends it, and is still the same."""

from __future__ import annotations

from collections.abc import Mapping

from stowgate.deliver.memory import MemoryPeer, MemorySink
from stowgate.deliver.sink import Answer, Journal, Parcel
from stowgate.deliver.throttle import Bucket, Throttled
from tests.deliver.parcels import Notebook, bytes_of, parcel

SIZE = 200_000


class Clock:
    now = 100.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def throttled(rates: list[float | None], peer: MemoryPeer, clock: Clock) -> Throttled:
    """Behind a bucket whose rate is the next of these each time until the last."""
    return Throttled(
        MemorySink(peer), Bucket(lambda: rates.pop(0) if len(rates) > 1 else rates[0], lambda: clock.now, clock.sleep)
    )


def test_the_rate_is_kept_within_five_of_a_hundred_and_the_bytes_are_the_same() -> None:
    peer, clock = MemoryPeer(), Clock()
    sink = throttled([50_000.0], peer, clock)
    sink.open()
    sink.deliver(parcel(1, 2, 3, 4, 5, size=SIZE), Notebook())
    assert peer.held["2.25.3"] == bytes_of(3, SIZE)
    wanted = peer.sent / 50_000
    assert 0.95 * wanted <= clock.now - 100 <= 1.05 * wanted


def test_without_a_limit_nobody_waits() -> None:
    peer, clock = MemoryPeer(), Clock()
    throttled([None], peer, clock).deliver(parcel(1, size=SIZE), Notebook())
    assert clock.now == 100 and peer.sent > SIZE


def test_a_limit_that_ends_in_the_middle_of_an_object_is_over_at_once() -> None:
    peer, clock = MemoryPeer(), Clock()
    throttled([10_000.0] * 3 + [None], peer, clock).deliver(parcel(1, size=SIZE), Notebook())
    assert clock.now - 100 < 6


def test_two_workers_share_one_bucket() -> None:
    clock = Clock()
    bucket = Bucket(lambda: 50_000.0, lambda: clock.now, clock.sleep)
    peers = MemoryPeer(), MemoryPeer()
    for peer in peers:
        Throttled(MemorySink(peer), bucket).deliver(parcel(1, size=SIZE), Notebook())
    assert clock.now - 100 >= 0.95 * sum(peer.sent for peer in peers) / 50_000


def test_questions_and_trials_are_those_of_the_sink_inside() -> None:
    peer, clock = MemoryPeer(), Clock()
    sink = throttled([1.0], peer, clock)
    assert sink.reachable() and [step.said for step in sink.trial()] == ["It answers."]
    assert sink.verify(parcel(1), Notebook())["2.25.1"].code == "peer_lost_object"
    assert clock.now == 100
    sink.close()


class Watched(MemorySink):
    largest = 0

    def deliver(self, parcel: Parcel, journal: Journal) -> Mapping[str, Answer]:
        self.largest = max(len(data) for one in parcel.instances for data in one.chunks())
        return super().deliver(parcel, journal)


def test_a_slow_line_gets_small_pieces_and_a_fast_one_large_ones() -> None:
    for rate, most in ((50_000.0, 1 << 16), (None, 1 << 19)):
        clock, sink = Clock(), Watched(MemoryPeer())
        bucket = Bucket(lambda rate=rate: rate, lambda clock=clock: clock.now, clock.sleep)  # type: ignore[misc]
        Throttled(sink, bucket).deliver(parcel(1, size=2_000_000), Notebook())
        assert sink.largest == most
