"""What people ask of a gateway: lines that always add up, and reasons in plain words, whatever happened before."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stowgate.lifecycle import NEXT, Delivery, Evidence, State
from stowgate.outbox.policy import Urgency
from stowgate.questions import (
    PLACES,
    backlog_of,
    line_of,
    pages,
    quarantined_of,
    reason_of,
    status,
    story,
    studies,
    study_named,
    ways_in,
)
from stowgate.questions_delivery import state_of, waits
from stowgate.reasons import REASONS
from stowgate.store.custody import Custody, Event, Row
from stowgate.store.custody_memory import MemoryCustody
from stowgate.store.deliveries import Bound, OnItsWay
from tests.contracts.conftest import hands, ledger
from tests.store.custody_sample import Hands, bring, cleaned, coming, deliver, ended, hex32

__all__ = ["hands", "ledger"]

PLACE_NAMES = ["waiting", "delivered", "held", "quarantined", "rejected", "duplicates", "dropped"]
A_PERSON = {State.HELD, State.QUARANTINED}
THE_GATEWAY = {State.RECEIVED, State.CLEANED, State.WAITING}


def adds_up(line: dict[str, int]) -> bool:
    return line["received"] == sum(line[name] for name in PLACE_NAMES)


def row(state: State, code: str = "", **more: object) -> Row:
    made = Row(1, hex32(1), "ct", state, code, "", 9, hex32(1, 4), "CT", "", 0, 1.0, 2.0, True, False)
    return replace(made, **more)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------- the line


def test_every_state_is_in_exactly_one_place() -> None:
    assert sorted(state for states in PLACES.values() for state in states) == sorted(State)
    assert list(PLACES) == PLACE_NAMES


def test_the_status_is_the_object_that_scripts_rely_on(ledger: Custody) -> None:
    for n, state in enumerate(sorted(State, key=lambda state: state is State.RECEIVED)):  # work begins with the oldest
        bring(ledger, n, state)
    ledger.receive([coming(50, source="drop", code="not_dicom")])
    found = status(ledger, ["ct", "upload"])
    assert json.loads(json.dumps(found)) == found
    assert list(found) == ["received", *PLACE_NAMES, "sources", "destinations"]
    whole = {"waiting": 3, "delivered": 2, "held": 1, "quarantined": 1, "rejected": 2, "duplicates": 1, "dropped": 1}
    assert {name: found[name] for name in PLACE_NAMES} == whole
    assert found["received"] == 11
    assert found["destinations"]["pacs"]["verified"] == 2  # type: ignore[index]
    assert list(found["sources"]) == ["ct", "upload", "drop"]  # type: ignore[call-overload]
    assert found["sources"]["drop"] == line_of({State.REJECTED: 1})  # type: ignore[index]


def test_what_is_not_decided_yet_waits(ledger: Custody) -> None:
    bring(ledger, 1, State.CLEANED)
    bring(ledger, 2, State.RECEIVED)
    assert status(ledger)["waiting"] == 2


def test_what_is_gone_was_delivered_or_given_up_and_only_evidence_makes_the_difference(ledger: Custody) -> None:
    bring(ledger, 1, State.PURGED)
    bring(ledger, 2, State.DROPPED)
    for step in (State.PURGING, State.PURGED):
        assert not ledger.move([hex32(2)], step)
    bring(ledger, 3, State.WAITING)
    bring(ledger, 4, State.WAITING)
    deliver(ledger, 4)
    found = status(ledger)
    assert {name: found[name] for name in ("received", "waiting", "delivered", "dropped")} == {
        "received": 4, "waiting": 1, "delivered": 2, "dropped": 1,
    }  # fmt: skip
    (study,) = studies(ledger)
    assert (study.line["delivered"], study.line["dropped"]) == (2, 1)
    (source,) = ways_in(ledger, [("ct", "dimse", "")])
    assert source.line["delivered"] == 2
    told = story(ledger, hex32(4))
    assert told and told.who_acts == "nobody" and told.reason.startswith("It is where it belongs")


def test_each_destination_says_how_many_are_how_far_and_what_is_wrong_with_it(ledger: Custody) -> None:
    bring(ledger, 1, State.WAITING)
    deliver(ledger, 1)
    ledger.deliveries.bind({hex32(1, 5): [Bound("research")]})
    ledger.deliveries.pause("research", "peer_unauthorised")
    found = status(ledger, ["ct"], ["pacs", "later"])["destinations"]
    assert list(found) == ["pacs", "later", "research"]  # type: ignore[call-overload]
    assert found["pacs"]["verified"] == 1 and found["pacs"]["paused"] == ""  # type: ignore[index]
    assert found["research"] == {  # type: ignore[index]
        "queued": 1, "sent": 0, "acknowledged": 0, "verified": 0, "refused": 0,
        "paused": "peer_unauthorised", "code": "", "next_try": None,
    }  # fmt: skip
    assert sum(found["later"][state] for state in Delivery) == 0  # type: ignore[index]


@pytest.mark.parametrize("code", ["peer_takes_no_such_object", "peer_refused_object", "peer_has_other_bytes"])
def test_what_a_destination_refused_says_why_and_what_to_do(code: str) -> None:
    way = OnItsWay(hex32(1), 1, "pacs", Delivery.REFUSED, "over", code, Evidence.NONE, Urgency.LOW, 1, 1.0, 2.0, None)
    told, next_try, who = waits(way, None)
    meant = f"{REASONS[code].sentence} {REASONS[code].advice}"
    assert (told, next_try, who) == (f"pacs: {meant}", None, "a person")


@pytest.mark.parametrize(
    ("stand", "said"), [("over", "nothing more is asked for"), ("ready", "will be asked for evidence")]
)
def test_where_the_word_of_a_destination_is_enough_nobody_is_told_that_it_will_be_asked(stand: str, said: str) -> None:
    way = OnItsWay(
        hex32(1), 1, "pacs", Delivery.ACKNOWLEDGED, stand, "", Evidence.STATUS, Urgency.LOW, 1, 1.0, 2.0, None
    )
    assert said in waits(way, None)[0]


@pytest.mark.parametrize("stand", ["over", "ready", "later"])
@pytest.mark.parametrize("code", ["peer_lost_purged", "peer_has_other_bytes"])
def test_what_is_lost_there_is_told_of_as_lost_also_while_it_is_asked_for_again(code: str, stand: str) -> None:
    way = OnItsWay(hex32(1), 1, "pacs", Delivery.VERIFIED, stand, code, Evidence.STATUS, Urgency.LOW, 1, 1.0, 2.0, None)
    meant = f"pacs: {REASONS[code].sentence} {REASONS[code].advice}"
    assert reason_of(row(State.PURGED, delivered=True), [way]) == (meant, "a person")
    assert waits(way, None)[0] == meant
    there = replace(way, code="")
    assert reason_of(row(State.PURGED, delivered=True), [there])[0].startswith("It is where it belongs")


def test_what_waits_here_and_was_delivered_is_delivered_for_people() -> None:
    assert state_of(row(State.WAITING, delivered=True)) == "delivered"
    assert (state_of(row(State.WAITING)), state_of(row(State.PURGED, delivered=True))) == ("waiting", "purged")


def test_a_source_of_the_configuration_that_took_nothing_is_there_with_zeros(ledger: Custody) -> None:
    found = status(ledger, ["ct", "ct"])
    assert found["sources"] == {"ct": dict.fromkeys(["received", *PLACE_NAMES], 0)}
    assert found["received"] == 0


N = st.integers(0, 5)
STEPS = st.one_of(
    st.tuples(st.just("receive"), N, N, N, st.sampled_from(["ct", "drop"]), st.sampled_from(["", "", "truncated"])),
    st.tuples(st.just("end"), N, st.sampled_from(sorted(NEXT[State.RECEIVED]))),
    st.tuples(st.just("move"), N, st.sampled_from(sorted(State))),
    st.tuples(st.just("forget"), N, st.booleans(), st.booleans()),
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(STEPS, max_size=25))
def test_whatever_happens_every_line_adds_up_to_what_arrived(steps: list[tuple]) -> None:  # type: ignore[type-arg]
    ledger, arrived = MemoryCustody(Hands().clocks), {}
    for name, n, *more in steps:
        if name == "receive":
            instance, content, source, code = more
            ledger.receive([coming(n, instance, content, source=source, code=code)])
            arrived.setdefault(n, source)
        elif name == "end":
            ledger.lease("w", 9)
            (to,) = more
            ledger.end([cleaned(n, made=len(arrived) * 100 + n) if to is State.CLEANED else ended(n, to)])
        elif name == "move":
            ledger.move([hex32(n)], more[0], "uid_reuse")
        else:
            ledger.forget_payload([hex32(n)], raw=more[0], clean=more[1])
        found = status(ledger, ["ct", "drop", "upload"])
        lines = found["sources"]
        assert found["received"] == len(arrived)
        assert {name: line["received"] for name, line in lines.items()} == {  # type: ignore[attr-defined]
            source: list(arrived.values()).count(source) for source in ("ct", "drop", "upload")
        }
        assert all(adds_up(line) for line in (found, *lines.values()))  # type: ignore[arg-type, attr-defined]
        assert all(adds_up(dict(study.line)) for study in studies(ledger))
        assert sum(one.line["received"] for one in studies(ledger)) == len(arrived)


# ------------------------------------------------------------------------------------------------- why, and who


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("code", ["", "truncated", "held_by_person", "a_code_of_a_newer_version"])
def test_every_item_says_why_it_is_where_it_is_and_who_acts(state: State, code: str) -> None:
    reason, who = reason_of(row(state, code))
    assert reason.endswith(".")
    expected = "the gateway" if state in THE_GATEWAY else "a person" if state in A_PERSON else "nobody"
    assert who == expected


def test_what_a_person_has_to_decide_comes_with_advice() -> None:
    held = reason_of(row(State.HELD, "held_by_person"))[0]
    assert held == "A person holds this object back. `stowgate queue release` lets it go on."
    assert backlog_of(row(State.HELD, "held_by_person", next_try=7.0)).next_try == 7.0


@pytest.mark.parametrize("code", [code for code, reason in REASONS.items() if reason.fate == "quarantined"])
def test_what_is_quarantined_has_the_sentence_and_the_advice_of_its_code(code: str) -> None:
    found = quarantined_of(row(State.QUARANTINED, code, place="(0008,0018)", has_raw=False))
    assert (found.sentence, found.advice) == (REASONS[code].sentence, REASONS[code].advice)
    assert (found.code, found.place, found.who_acts, found.has_raw) == (code, "(0008,0018)", "a person", False)


def test_pages_give_every_item_once_in_the_order_of_arrival(ledger: Custody) -> None:
    ledger.receive([coming(n) for n in range(11)])
    ledger.move([hex32(4)], State.HELD, "uid_reuse")
    assert [one.id for one in pages(ledger, (State.RECEIVED,), page=3)] == [hex32(n) for n in range(11) if n != 4]
    assert [one.id for one in pages(ledger, (State.HELD,), page=3)] == [hex32(4)]
    assert not list(pages(ledger, (State.PURGED,)))


# ------------------------------------------------------------------------------------------------- story


def test_a_story_begins_with_the_arrival_and_ends_where_the_item_is(ledger: Custody) -> None:
    bring(ledger, 1, State.QUARANTINED)
    bring(ledger, 2, State.WAITING)
    ledger.note(Event(1_700_000_010.5, "release", hex32(1), "ct"))
    ledger.note(Event(1_700_000_009.5, "hold", hex32(1), "ct"))
    ledger.note(Event(1_700_000_009.5, "hold", hex32(2), "ct"))
    told = story(ledger, hex32(1)[:8])
    assert told
    assert [event.kind for event in told.events] == ["received", "hold", "release", "quarantined"]
    assert (told.events[-1].code, told.who_acts) == ("uid_reuse", "a person")
    assert told.events[0].at == told.row.arrived


def test_a_story_tells_of_every_stop_and_every_decision(ledger: Custody) -> None:
    bring(ledger, 1, State.QUARANTINED)
    assert not ledger.move([hex32(1)], State.RECEIVED)
    assert [item.id for item in ledger.lease("w", 1)] == [hex32(1)]
    assert not ledger.end([ended(1, State.HELD, "graphics")])
    assert not ledger.move([hex32(1)], State.DROPPED)
    told = story(ledger, hex32(1))
    assert told
    assert [(event.kind, event.code) for event in told.events] == [
        ("received", ""), ("quarantined", "uid_reuse"), ("received", ""), ("held", "graphics"), ("dropped", ""),
    ]  # fmt: skip


def test_what_was_only_received_has_a_short_story(ledger: Custody) -> None:
    bring(ledger, 1, State.RECEIVED)
    told = story(ledger, hex32(1))
    assert told
    assert [event.kind for event in told.events] == ["received"]


@pytest.mark.parametrize("id", ["", "0", hex32(7), "000000", "%", "..", "0' OR 1"])
def test_no_story_for_what_is_nobody_or_several(ledger: Custody, id: str) -> None:
    ledger.receive([coming(1), coming(2)])
    assert story(ledger, id) is None


# ------------------------------------------------------------------------------------------------- studies


def test_a_copy_is_no_further_instance_of_its_study(ledger: Custody) -> None:
    ledger.receive([coming(1), coming(2, 1, 1)])
    (study,) = studies(ledger)
    assert (study.instances, study.line["received"], study.line["duplicates"]) == (1, 2, 1)


def test_a_study_says_how_many_of_its_instances_are_where(ledger: Custody) -> None:
    bring(ledger, 1, State.HELD)
    ledger.receive([coming(2), coming(3), coming(4, source="drop"), coming(5, study=hex32(2, 4))])
    first, same_from_drop, other = studies(ledger, page=1)
    assert (first.alias, first.source, first.instances) == (hex32(1, 4), "ct", 3)
    assert first.counts == {"received": 2, "held": 1}
    assert first.line == line_of({State.RECEIVED: 2, State.HELD: 1})
    assert (same_from_drop.source, same_from_drop.instances) == ("drop", 1)
    assert (other.alias, other.instances, other.complete, other.expected) == (hex32(2, 4), 1, False, None)


def test_a_study_is_found_by_the_beginning_of_its_alias(ledger: Custody) -> None:
    aliases = ["0" * 32, "aaaaaa" + "0" * 26, "aaaaab" + "0" * 26, "aaaaab" + "f" * 26, "f" * 32]
    ledger.receive([coming(n, study=alias) for n, alias in enumerate(aliases)])
    ledger.receive([coming(9, study=aliases[1], source="drop")])
    assert study_named(ledger, "aaaaaa") == aliases[1]
    assert study_named(ledger, "aaaaab") is None
    assert study_named(ledger, "aaaaab0") == aliases[2]
    assert [study_named(ledger, alias) for alias in aliases] == aliases
    assert study_named(ledger, "000000") == aliases[0]
    assert study_named(ledger, "ffffff") == aliases[4]
    for nobody in ("bbbbbb", "aaaaa", "", "%", "AAAAAA", "aaaaaa" + "1" * 26):
        assert study_named(ledger, nobody) is None


def test_two_studies_that_begin_alike_are_none_although_one_came_from_two_sources(ledger: Custody) -> None:
    one, other = "aaaaaa" + "0" * 26, "aaaaaa" + "1" * 26
    ledger.receive([coming(1, study=one), coming(2, study=one, source="drop"), coming(3, study=other)])
    assert study_named(ledger, "aaaaaa") is None
    assert study_named(ledger, "aaaaaa0") == one


# ------------------------------------------------------------------------------------------------- ways in


def test_each_way_in_says_what_came_and_who_was_turned_away(ledger: Custody) -> None:
    ledger.receive([coming(1), coming(2, source="old")])
    ledger.turned_away("ct", "STRANGER", "192.168.5.9")
    ledger.turned_away("ct", "STRANGER", "192.168.5.9")
    ct, drop, old = ways_in(ledger, [("ct", "dimse", "0.0.0.0:11112"), ("drop", "folder", "/in")])
    assert (ct.name, ct.kind, ct.where, ct.received) == ("ct", "dimse", "0.0.0.0:11112", 1)
    assert [(one.calling, one.address, one.count) for one in ct.turned_away] == [("STRANGER", "192.168.5.9", 2)]
    assert (drop.received, drop.turned_away, drop.line) == (0, (), line_of({}))
    assert (old.name, old.kind, old.received) == ("old", "", 1)


def test_before_the_first_run_every_way_in_is_there_with_zeros() -> None:
    (only,) = ways_in(None, [("ct", "dimse", "127.0.0.1:11112")])
    assert (only.received, only.turned_away) == (0, ())
