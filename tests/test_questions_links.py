"""How the ways out stand as links, and how long what is left takes: never a number that nobody measured."""

from __future__ import annotations

import pytest

from stowgate.lifecycle import Delivery
from stowgate.questions_links import Left, left_of, links, span, speed
from stowgate.store.custody import Custody
from stowgate.store.deliveries import Bound, Outcome
from tests.contracts.conftest import hands, ledger
from tests.contracts.test_every_deliveries import MUCH, bound, wait
from tests.store.custody_sample import Hands, coming, hex32

__all__ = ["hands", "ledger"]
STUDY = coming(1).study
UNKNOWN = (None, None)


def times(left: Left) -> tuple[float | None, float | None]:
    return left.least, left.most


def queued(ledger: Custody) -> int:
    wait(ledger, 1, 2)
    bound(ledger, 1, 2)
    return ledger.deliveries.bytes_left()["pacs"]


def test_before_the_first_run_nothing_is_known() -> None:
    (state,) = links(None, ["pacs"])
    assert (state.up, state.since, state.rate, state.left) == (True, None, None, Left())


def test_a_rate_that_was_never_measured_makes_no_time(ledger: Custody) -> None:
    size = queued(ledger)
    (state,) = links(ledger, ["pacs"])
    assert (state.left.bytes, times(state.left), state.left.words) == (size, UNKNOWN, "unknown")


def test_bytes_over_rate_is_the_time_that_is_left(ledger: Custody) -> None:
    size = queued(ledger)
    ledger.deliveries.measured("pacs", size / 240)
    (state,) = links(ledger, ["pacs"])
    assert times(state.left) == pytest.approx((240.0, 240.0)) and state.left.words == "4 min"
    assert left_of(ledger, [STUDY])[STUDY].words == "4 min"


@pytest.mark.parametrize("fault", ["down", "paused", "shut"])
def test_where_nothing_is_sent_now_nobody_knows(ledger: Custody, fault: str) -> None:
    queued(ledger)
    ledger.deliveries.measured("pacs", 100.0)
    if fault == "down":
        ledger.deliveries.link("pacs", "peer_unreachable", 1, None)
    elif fault == "paused":
        ledger.deliveries.pause("pacs", "paused_by_person")
    shut = ["pacs"] if fault == "shut" else []
    (state,) = links(ledger, ["pacs"], shut)
    assert times(state.left) == UNKNOWN == times(left_of(ledger, [STUDY], shut)[STUDY])


def test_what_else_waits_may_go_before_and_the_slowest_destination_counts(ledger: Custody) -> None:
    wait(ledger, 1, 2)
    ledger.deliveries.bind({hex32(1, 5): [Bound("pacs"), Bound("nas")], hex32(2, 5): [Bound("pacs")]})
    ledger.deliveries.measured("pacs", 10.0)
    ledger.deliveries.measured("nas", 1.0)
    first = ledger.deliveries.bytes_left()["nas"]
    left = left_of(ledger, [STUDY])[STUDY]
    assert left.least == pytest.approx(max(first, left.bytes / 10 - first / 10))
    ledger.deliveries.link("nas", "peer_unreachable", 1, None)
    assert times(left_of(ledger, [STUDY])[STUDY]) == UNKNOWN


def test_what_has_gone_leaves_nothing(ledger: Custody) -> None:
    queued(ledger)
    due = ledger.deliveries.lease("pacs", 9, MUCH)
    ledger.deliveries.record([Outcome(one.number, Delivery.ACKNOWLEDGED) for one in due])
    assert left_of(ledger, [STUDY]) == {}
    (state,) = links(ledger, ["pacs"])
    assert (state.left, state.left.words) == (Left(), "")


def test_a_link_is_up_since_its_last_outage_ended_and_down_since_this_one_began(ledger: Custody, hands: Hands) -> None:
    hands.wall = 1000.0
    ledger.deliveries.link("pacs", "peer_busy", 1, None)
    (state,) = links(ledger, ["pacs"])
    assert not state.up and state.since and state.since < 1100
    hands.wall = 5000.0
    ledger.deliveries.link("pacs", "", 0, None)
    (state,) = links(ledger, ["pacs"])
    assert state.up and state.since and state.since >= 5000.0
    assert [one.code for one in state.outages] == ["peer_busy"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0, "1 min"), (59.0, "1 min"), (61.0, "2 min"), (5400.0, "2 h"), (86_400.0, "24 h"), (200_000.0, "3 days")],
)
def test_times_are_said_as_people_do_and_never_too_short(seconds: float, said: str) -> None:
    assert span(seconds) == said


def test_speeds_are_said_as_people_do() -> None:
    assert [speed(one) for one in (None, 12.0, 250_000.0, 3.2e6)] == ["unknown", "12 B/s", "250.0 kB/s", "3.2 MB/s"]


def test_a_range_is_said_where_others_may_go_first() -> None:
    assert Left(5, 100.0, 8000.0).words == "2 min to 3 h"
