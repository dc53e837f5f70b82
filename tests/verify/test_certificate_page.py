"""The page of a certificate says only what is true: of what is lost, of what was dropped, of what is there."""

from __future__ import annotations

from typing import Any

import pytest

from stowgate.reasons import REASONS
from stowgate.verify.certificate_page import certificate_page, verdict

SAFE = "Nothing of it is lost"


def way(known: str = "content", code: str = "", destination: str = "pacs", state: str = "verified") -> dict[str, Any]:
    return {"destination": destination, "state": state, "known": known, "code": code, "evidence": ""}


def item(place: str = "delivered", state: str = "waiting", code: str = "", *ways: dict[str, Any]) -> dict[str, Any]:
    made = {"sop_instance_uid": "2.25.7", "sha256": "0" * 64, "bytes": 9, "deliveries": list(ways)}
    return {
        "item": "0" * 32, "state": state, "code": code, "arrived": "2026-01-01T00:00:00Z", "place": place,
        "delivered": place == "delivered", "still_here": True, "objects": [made] if ways else [],
    }  # fmt: skip


def certificate(*items: dict[str, Any], **destinations: dict[str, int]) -> dict[str, Any]:
    names = ("delivered", "lost", "waiting", "held", "quarantined", "rejected", "duplicates", "dropped")
    counts = {name: sum(one["place"] == name for one in items) for name in names}
    made_with = [{"policy": "a" * 64, "key": "k", "recipient": ""}] if any(one["objects"] for one in items) else []
    return {
        "unit": "", "made": "2026-01-01T00:00:00Z", "counts": {"received": len(items), **counts},
        "study": {"alias": "a" * 32, "new_uids": [], "sources": []}, "instances": list(items),
        "instances_of_the_study": len(items), "destinations": destinations,
        "made_with": made_with,
    }  # fmt: skip


def page(data: dict[str, Any]) -> str:
    return certificate_page(data, "0" * 64)


LOST = item("lost", "purged", "", way("lost", "peer_lost_purged"))
THERE = item("delivered", "waiting", "", way())


def test_what_is_lost_is_said_to_be_lost_with_what_to_do() -> None:
    data = certificate(THERE, LOST, pacs={"objects": 2, "verified": 1, "evidence_content": 1, "lost": 1, "done": 1})
    text, state = page(data), verdict(data)
    assert state.tone == "alarm" and "1 of 2 objects is everywhere they go; 1 is not: 1 lost." in state.sentence
    assert '<body class="alarm">' in text
    assert SAFE not in text and "on its way" not in text
    assert "1 is lost there: it was verified there and then deleted here" in text and "the scanner to send it" in text
    assert f"pacs: {REASONS['peer_lost_purged'].sentence}<code>peer_lost_purged</code>" in text
    assert "1: lost." in text and "1: its bytes were read again there" in text and "pacs: lost</span>" in text


@pytest.mark.parametrize("state", ["dropped", "purging", "purged"])
def test_what_was_dropped_is_said_to_be_dropped(state: str) -> None:
    text = page(certificate(THERE, item("dropped", state), pacs={"objects": 1, "evidence_content": 1, "done": 1}))
    assert SAFE not in text and "on its way" not in text
    assert "It was dropped: a person gave it up" in text and "1 was dropped here by a person." in text


def test_what_the_unit_has_is_safe_and_says_why_it_waits() -> None:
    waits = item("waiting", "waiting", "", way("none", "peer_unreachable", state="queued"))
    text = page(certificate(waits, pacs={"objects": 1, "queued": 1, "evidence_none": 1, "done": 0}))
    assert SAFE in text and f"pacs: {REASONS['peer_unreachable'].sentence}" in text
    assert "It is on its way." in page(certificate(item("waiting", "waiting", "", way("none", state="queued"))))
    both = page(certificate(LOST, waits))
    assert SAFE not in both and "1 is in the custody of the unit" in both


def test_what_a_destination_refused_is_said_to_be_refused() -> None:
    refused = item("quarantined", "quarantined", "destination_refused", way("refused", "peer_refused_object"))
    text = page(certificate(refused, pacs={"objects": 1, "refused": 1, "done": 0}))
    assert f"1: refused. {REASONS['peer_refused_object'].sentence}" in text and "nothing is known" not in text
    assert REASONS["destination_refused"].sentence in text


def test_what_is_asked_for_again_is_said_to_be() -> None:
    counts = {"objects": 1, "verified": 1, "evidence_content": 1, "done": 1, "asked_again": 1}
    assert "1: asked for again at the moment" in page(certificate(THERE, pacs=counts))


def test_only_a_destination_that_has_something_is_named() -> None:
    there = {"objects": 1, "verified": 1, "evidence_content": 1, "done": 1}
    gone = {"objects": 1, "refused": 1, "done": 0}
    assert verdict(certificate(THERE, gone=gone, pacs=there)).sentence.startswith("Its one object is at pacs, by")


def test_of_what_was_not_cleaned_no_rules_are_told() -> None:
    text = page(certificate(item("held", "held", "burned_in_risk")))
    assert "Nothing has been cleaned yet." in text and "de-identified by these rules" not in text
    assert "What was cleaned was de-identified by these rules" in page(certificate(THERE, LOST))


def test_on_a_narrow_page_tables_scroll_inside_their_cards() -> None:
    text = page(certificate(LOST, item("held", "held", "burned_in_risk")))
    assert ".card { overflow-x: auto; }" in text and '<table class="missing">' in text
