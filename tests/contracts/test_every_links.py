"""What every ledger knows of the ways out as links: outages, the rate, what is left; SQLite and memory alike."""

from __future__ import annotations

import pytest

from stowgate.lifecycle import Delivery, State
from stowgate.store import links, links_memory, links_sqlite
from stowgate.store.custody import Custody
from stowgate.store.deliveries import Outcome
from tests.contracts.test_every_deliveries import MUCH, bound, lease, wait
from tests.store.custody_sample import Hands, coming, hex32

DOWN = ("pacs", "peer_unreachable", 1, 9.0)
STUDY = coming(1).study


def test_an_outage_begins_goes_on_and_ends_with_the_link(ledger: Custody, hands: Hands) -> None:
    began = hands.wall = 1000.0
    ledger.deliveries.link(*DOWN)
    ledger.deliveries.link("pacs", "peer_busy", 2, 9.0)
    (one,) = ledger.deliveries.outages("pacs")
    assert (one.destination, one.ended, one.code) == ("pacs", None, "peer_unreachable")
    assert one.began >= began
    hands.wall = 2000.0
    ledger.deliveries.link("pacs", "", 0, None)
    (one,) = ledger.deliveries.outages("pacs")
    assert one.ended and one.ended >= 2000.0
    ledger.deliveries.link("pacs", "", 0, None)
    assert ledger.deliveries.outages("pacs") == [one], "what works has no end"


def test_each_destination_has_outages_of_its_own_the_latest_first(ledger: Custody) -> None:
    for name in ("pacs", "nas", "pacs"):
        ledger.deliveries.link(name, "peer_unreachable", 1, None)
        ledger.deliveries.link(name, "", 0, None)
    first, second = ledger.deliveries.outages("pacs")
    assert first.began > second.began
    assert len(ledger.deliveries.outages("nas")) == 1 and ledger.deliveries.outages("elsewhere") == []
    assert ledger.deliveries.outages("pacs", 1) == [first] and ledger.deliveries.outages("pacs", 0) == []


def test_only_the_latest_outages_are_kept(ledger: Custody, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (links, links_memory, links_sqlite):
        monkeypatch.setattr(module, "MOST_OUTAGES", 3)
    ledger.deliveries.link("nas", "peer_unreachable", 1, None)
    for _ in range(6):
        ledger.deliveries.link(*DOWN)
        ledger.deliveries.link("pacs", "", 0, None)
    assert len(ledger.deliveries.outages("pacs", 99)) == 3
    assert len(ledger.deliveries.outages("nas")) == 1


def test_the_rate_is_that_which_was_measured_last(ledger: Custody) -> None:
    ledger.deliveries.link(*DOWN)
    assert ledger.deliveries.destinations()["pacs"].rate is None
    for rate in (10.0, 250_000.0):
        ledger.deliveries.measured("pacs", rate)
    place = ledger.deliveries.destinations()["pacs"]
    assert (place.rate, place.code, place.failures) == (250_000.0, "peer_unreachable", 1)
    ledger.deliveries.measured("nas", 5.0)
    assert ledger.deliveries.destinations()["nas"].rate == 5.0


def test_what_is_left_is_what_is_queued_and_not_parked(ledger: Custody) -> None:
    wait(ledger, 1, 2, 3)
    assert ledger.deliveries.bytes_left() == {}
    bound(ledger, 1, 2, 3)
    bound(ledger, 1, to="nas")
    sizes = [one.clean.size for one in ledger.deliveries.lease("pacs", 9, MUCH)]
    assert len(sizes) == 3
    assert ledger.deliveries.bytes_left() == {"pacs": sum(sizes), "nas": sizes[0]}
    numbers = [way.number for n in (1, 2) for way in ledger.deliveries.of_items([hex32(n)])[hex32(n)][:1]]
    ledger.deliveries.record([Outcome(numbers[0], Delivery.ACKNOWLEDGED), Outcome(numbers[1], Delivery.QUEUED)])
    assert ledger.deliveries.bytes_left() == {"pacs": sum(sizes[1:]), "nas": sizes[0]}
    assert ledger.deliveries.bytes_left_of([STUDY]) == {STUDY: ledger.deliveries.bytes_left()}
    assert ledger.deliveries.bytes_left_of([hex32(9)]) == {}
    ledger.move([hex32(2)], State.HELD, "held_by_person")
    assert ledger.deliveries.bytes_left()["pacs"] == sizes[2]
    assert ledger.deliveries.bytes_left_of([STUDY])[STUDY]["pacs"] == sizes[2]


def test_what_is_sent_again_is_left_again(ledger: Custody) -> None:
    wait(ledger, 1)
    bound(ledger, 1)
    (due,) = ledger.deliveries.lease("pacs", 9, MUCH)
    ledger.deliveries.record([Outcome(due.number, Delivery.SENT)])
    assert ledger.deliveries.bytes_left() == {}
    assert lease(ledger) == [1]
    ledger.deliveries.record([Outcome(due.number, Delivery.QUEUED, "peer_lost_object")])
    assert ledger.deliveries.bytes_left() == {"pacs": due.clean.size}
