"""What a certificate says of each object: what is there, what is lost, and that all its numbers agree."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest

from stowgate.lifecycle import Delivery, Evidence, State
from stowgate.questions_certificate import certificate_of
from stowgate.store.custody import Custody
from stowgate.store.deliveries import Bound, OnItsWay, Outcome
from tests.contracts.conftest import hands, ledger
from tests.store.custody_sample import KEY, bring, clean, cleaned, coming, deliver, hex32

__all__ = ["hands", "ledger"]

LOST, ALTERED = "peer_lost_purged", "peer_has_other_bytes"


def asked_again(ledger: Custody, n: int, code: str = LOST) -> None:
    """Item `n` was purged; its destination is asked once more, and has it no more."""
    assert not ledger.deliveries.recheck([hex32(n)], ["pacs"])
    (due,) = ledger.deliveries.lease("pacs", 1, 1 << 30)
    known = Evidence.STATUS if code else Evidence.CONTENT
    assert not ledger.deliveries.record([Outcome(due.number, Delivery.VERIFIED, code, known, done=True)])


def of(ledger: Any, key: str = "") -> dict[str, Any]:
    return certificate_of(ledger, hex32(1, 4), "TRUCK07", 1_700_000_000.0, {}, key)


def places(data: dict[str, Any]) -> dict[str, int]:
    return {name: number for name, number in data["counts"].items() if number}


@pytest.mark.parametrize(("code", "known"), [(LOST, "lost"), (ALTERED, "altered")])
def test_what_is_lost_or_altered_there_is_evidence_of_nothing(ledger: Custody, code: str, known: str) -> None:
    for n in (1, 2):
        bring(ledger, n, State.PURGED)
    asked_again(ledger, 1, code)
    data = of(ledger)
    assert data["destinations"]["pacs"] == {"objects": 2, known: 1, "verified": 1, "evidence_content": 1, "done": 1}
    assert places(data) == {"received": 2, "delivered": 1, "lost": 1}
    assert [one["place"] for one in data["instances"]] == ["lost", "delivered"]
    assert [one["objects"][0]["deliveries"][0]["known"] for one in data["instances"]] == [known, "content"]


@pytest.mark.parametrize("state", [State.WAITING, State.PURGED])
@pytest.mark.parametrize("code", ["", "peer_unreachable"])
def test_what_is_asked_again_counts_as_what_it_was_until_the_answer(ledger: Custody, state: State, code: str) -> None:
    bring(ledger, 1, state)
    if state is State.WAITING:
        deliver(ledger, 1)
    assert not ledger.deliveries.recheck([hex32(1)], ["pacs"])
    if code:
        (due,) = ledger.deliveries.lease("pacs", 1, 1 << 30)
        assert not ledger.deliveries.record([Outcome(due.number, Delivery.VERIFIED, code, wait=60.0)])
    for key in ("", KEY.id):
        data = of(ledger, key)
        assert data["delivered_everywhere"] and places(data) == {"received": 1, "delivered": 1}
        assert data["destinations"]["pacs"] == {
            "objects": 1, "verified": 1, "evidence_content": 1, "done": 1, "asked_again": 1,
        }  # fmt: skip


class Again:
    """A ledger of which everything that went somewhere is being asked for, its code kept."""

    def __init__(self, ledger: Custody) -> None:
        self._ledger, self._deliveries = ledger, ledger.deliveries

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    @property
    def deliveries(self) -> Any:
        return self

    def made_of(self, ids: Collection[str]) -> Any:
        return self._deliveries.made_of(ids)

    def of_items(self, ids: Collection[str]) -> dict[str, list[OnItsWay]]:
        found = self._deliveries.of_items(ids)
        return {id: [replace(way, stand="ready") for way in ways] for id, ways in found.items()}


def test_what_is_lost_stays_lost_while_it_is_asked_for_once_more(ledger: Custody) -> None:
    bring(ledger, 1, State.PURGED)
    asked_again(ledger, 1)
    data = of(Again(ledger))
    assert places(data) == {"received": 1, "lost": 1} and not data["delivered_everywhere"]
    assert data["destinations"]["pacs"] == {"objects": 1, "lost": 1, "done": 0, "asked_again": 1}


def test_evidence_that_is_not_enough_yet_is_no_arrival(ledger: Custody) -> None:
    bring(ledger, 1, State.WAITING)
    ledger.deliveries.bind({hex32(1, 5): [Bound("pacs")]})
    (due,) = ledger.deliveries.lease("pacs", 1, 1 << 30)
    ledger.deliveries.record([Outcome(due.number, Delivery.VERIFIED, "peer_reencoded", Evidence.PRESENCE, wait=60.0)])
    data = of(ledger)
    assert data["destinations"]["pacs"] == {"objects": 1, "verified": 1, "evidence_presence": 1, "done": 0}
    assert places(data) == {"received": 1, "waiting": 1}


def test_what_was_given_up_with_its_destination_counts_nowhere(ledger: Custody) -> None:
    bring(ledger, 1, State.WAITING)
    ledger.deliveries.bind({hex32(1, 5): [Bound("pacs"), Bound("gone")]})
    (due,) = ledger.deliveries.lease("pacs", 1, 1 << 30)
    ledger.deliveries.record([Outcome(due.number, Delivery.VERIFIED, evidence=Evidence.CONTENT, done=True)])
    ledger.deliveries.forget("gone")
    data = of(ledger)
    assert list(data["destinations"]) == ["pacs"] and data["delivered_everywhere"]
    (one,) = data["instances"]
    assert sorted(way["known"] for way in one["objects"][0]["deliveries"]) == ["content", "given_up"]


def test_what_was_refused_is_told_of_as_that(ledger: Custody) -> None:
    bring(ledger, 1, State.WAITING)
    ledger.deliveries.bind({hex32(1, 5): [Bound("pacs")]})
    (due,) = ledger.deliveries.lease("pacs", 1, 1 << 30)
    ledger.deliveries.record([Outcome(due.number, Delivery.REFUSED, "peer_refused_object")])
    assert of(ledger)["destinations"]["pacs"] == {"objects": 1, "refused": 1, "done": 0}


def lost_and_back(ledger: Custody) -> None:
    bring(ledger, 1, State.PURGED)
    asked_again(ledger, 1)
    ledger.receive([coming(2, 1, 1)])
    assert [item.id for item in ledger.lease("w", 1)] == [hex32(2)]
    same = replace(clean(2, 1), digest=clean(1).digest)
    assert not ledger.end([replace(cleaned(2), cleans=(same,))])


def test_what_was_lost_and_came_again_is_one_instance(ledger: Custody) -> None:
    lost_and_back(ledger)
    deliver(ledger, 2)
    for key in ("", KEY.id):
        data = of(ledger, key)
        assert data["delivered_everywhere"] and data["instances_of_the_study"] == len(data["instances"]) == 1
        assert places(data) == {"received": 2, "delivered": 1, "duplicates": 1}
        assert data["destinations"]["pacs"] == {"objects": 1, "verified": 1, "evidence_content": 1, "done": 1}


def test_what_came_again_is_one_instance_also_when_the_first_is_found_there_again(ledger: Custody) -> None:
    lost_and_back(ledger)
    deliver(ledger, 2)
    asked_again(ledger, 1, "")
    data = of(ledger)
    assert data["instances_of_the_study"] == 1 and places(data) == {"received": 2, "delivered": 1, "duplicates": 1}


def test_what_came_again_and_went_elsewhere_is_still_lost_where_it_was(ledger: Custody) -> None:
    lost_and_back(ledger)
    deliver(ledger, 2, "research")
    data = of(ledger)
    assert places(data) == {"received": 2, "delivered": 1, "lost": 1}
    assert list(data["destinations"]) == ["pacs", "research"]


def test_what_came_again_and_is_lost_again_is_lost_once(ledger: Custody) -> None:
    lost_and_back(ledger)
    deliver(ledger, 2)
    assert not ledger.move([hex32(2)], State.PURGING)
    assert not ledger.move([hex32(2)], State.PURGED)
    asked_again(ledger, 2)
    assert places(of(ledger)) == {"received": 2, "lost": 1, "duplicates": 1}


def test_what_came_again_and_was_dropped_mends_nothing(ledger: Custody) -> None:
    lost_and_back(ledger)
    for state in (State.HELD, State.DROPPED):
        assert not ledger.move([hex32(2)], state, "held_by_person" if state is State.HELD else "")
    data = of(ledger)
    assert places(data) == {"received": 2, "lost": 1, "dropped": 1}
