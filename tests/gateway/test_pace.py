"""How fast a way is and how long it holds, as its parcels and breaks show."""

from __future__ import annotations

import pytest

from stowgate.gateway.pace import ASSUMED, Pace
from stowgate.outbox.policy import UNBROKEN


class Way:
    def __init__(self, most: int = 4) -> None:
        self.now, self.taken, self.noted = 0.0, 0, list[float]()
        self.pace = Pace(most, lambda: self.taken, lambda: self.now, self.noted.append)


def test_before_the_first_parcel_a_rate_is_assumed_and_none_is_noted() -> None:
    way = Way()
    assert way.pace.each == ASSUMED and way.noted == []
    way.pace.sent(0, 1.0)
    way.pace.sent(5, 0.0)
    assert way.noted == []


def test_the_latest_parcels_count_most_and_a_rate_is_noted_every_ten_seconds() -> None:
    way = Way()
    for _ in range(30):
        way.now += 1.0
        way.pace.sent(1000, 1.0)
    assert way.pace.each == pytest.approx(1000) and len(way.noted) == 3
    for _ in range(20):
        way.pace.sent(4000, 1.0)
    assert way.pace.each == pytest.approx(4000, rel=0.01)


def test_a_way_holds_as_long_as_it_did_and_at_least_as_long_as_now() -> None:
    way = Way()
    assert way.pace.holds == UNBROKEN
    for _ in range(8):
        way.now += 10.0
        way.pace.broke()
        way.now += 3.0
        way.pace.returned()
    assert way.pace.holds == pytest.approx(10.0, rel=0.05)
    way.now += 3600.0
    assert way.pace.holds == 3600.0


def test_workers_that_bring_something_are_admitted_one_after_the_other() -> None:
    way = Way(3)
    assert [way.pace.admits(index) for index in range(3)] == [True, False, False]
    for _ in range(60):
        way.now += 5.0
        way.taken += 5_000_000 * way.pace.workers
        way.pace.admits(0)
    assert way.pace.workers >= 2


def test_only_a_further_worker_is_one_too_many() -> None:
    way = Way()
    assert not way.pace.is_crowded(0, "peer_busy")
    assert not way.pace.is_crowded(2, "peer_not_dicom")
    assert way.pace.is_crowded(2, "peer_busy")
