"""Each recipient gets bytes of its own, made once and judged by themselves; what is stopped for one goes to nobody."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stowgate.analyse import triage
from stowgate.api import deidentify_bytes
from stowgate.deident.profile import policy_from
from stowgate.errors import Misconfigured, Rejected
from stowgate.gateway.hands import Hands
from stowgate.gateway.opened import opened
from stowgate.gateway.outbox import Outbox
from stowgate.gateway.plan import Plan, Recipient
from stowgate.gateway.profiles import Profile, Profiles
from stowgate.gateway.recovery import let_go
from stowgate.gateway.workers import Station, Workers, newly_received
from stowgate.lifecycle import Delivery, Evidence, State
from stowgate.outbox.policy import Urgency
from stowgate.outbox.routing import Facts, Rule
from stowgate.store.clean_object import CleanObject
from stowgate.store.deliveries import Bound, Outcome
from stowgate.vault.key import Key
from stowgate.vault.key import load as load_key
from stowgate.verify import gate
from tests.builder import IMPLICIT, el, instance, part10, small
from tests.gateway.parts import KEY, OWN, POLICY, Parts, arrival
from tests.gateway.parts import parts as opened_parts
from tests.ingest.dimse import eventually
from tests.store.custody_sample import clean as clean_object

OTHER = Key(bytes(range(2, 34)))
RESEARCH = Profile("research", policy_from("basic", ["modified-dates"], ["descriptors"]), OTHER)
BOTH = (Rule(("pacs",)), Rule(("archive",), profile="research"))
FACTS = Facts("ct", "CT")


def station(parts: Parts, *rules: Rule, named: tuple[Profile, ...] = (RESEARCH,)) -> Station:
    """The unit with these routes."""
    profiles = Profiles(OWN, named, rules)
    return Station(parts.way, profiles, parts.ledger, parts.desk, parts.backlog, parts.told.append)


def work(station: Station) -> None:
    """What one worker does until nothing is left."""
    workers = Workers(station, 1)
    with closing(Hands(station.ways())) as hands:
        while leased := station.ledger.lease("test", 8):
            workers._work_on(leased, hands)


def outbox(station: Station) -> Outbox:
    return Outbox((), station.profiles, station.ledger, station.desk.clean)


def route(station: Station) -> int:
    return outbox(station).route()


def made(parts: Parts, id: str) -> dict[tuple[str, str], bytes]:
    """The bytes of what stands for an item, by policy and key."""
    found = {}
    for clean in parts.ledger.cleans_of_item(id):
        with parts.spool.clean.open(clean.id) as source:
            found[clean.policy, clean.key_id] = source.read(0, source.size)
    return found


def expected(data: bytes, *profiles: Profile) -> dict[tuple[str, str], bytes]:
    """What the batch makes of it by the same policies and keys."""
    return {one.mark: deidentify_bytes(data, one.policy, one.key.secret) for one in profiles}


def goes(parts: Parts, id: str) -> dict[str, tuple[str, str]]:
    """By destination: policy and key of what is on its way there."""
    cleans = {clean.id: (clean.policy, clean.key_id) for clean in parts.ledger.cleans_of_item(id)}
    return {way.destination: cleans[way.clean] for way in parts.ledger.deliveries.of_items([id]).get(id, ())}


def send(parts: Parts, destination: str, state: Delivery = Delivery.VERIFIED) -> int:
    """Everything that is due there arrives, or is refused; how much that was."""
    number = 0
    while due := parts.ledger.deliveries.lease(destination, 100, 1 << 40):
        done = state is Delivery.VERIFIED
        evidence, code = (Evidence.CONTENT, "") if done else (Evidence.NONE, "peer_refused_object")
        parts.ledger.deliveries.record([Outcome(one.number, state, code, evidence, done=done) for one in due])
        number += len(due)
    return number


def delivered(parts: Parts, id: str) -> bool:
    row = parts.ledger.row(id)
    assert row
    return row.delivered


class TestWhatIsLeft:
    """Pure: what an item has to be cleaned by, and what of it stays."""

    profiles = Profiles(OWN, (RESEARCH,), BOTH)
    own = clean_object(1, policy=OWN.policy.digest, key_id=OWN.key.id)
    research = clean_object(2, policy=RESEARCH.policy.digest, key_id=RESEARCH.key.id)
    old = clean_object(3, policy="0" * 64, key_id=OWN.key.id)

    def left(self, *standing: CleanObject, rules: tuple[Rule, ...] = BOTH, **been: CleanObject) -> tuple[Any, ...]:
        ways = {name: clean.id for name, clean in been.items()}
        found = Profiles(OWN, (RESEARCH,), rules).left(FACTS, standing, ways)
        by_id = {one.id: one for one in (self.own, self.research, self.old)}
        kept, spare = ([by_id[id] for id in ids] for ids in (found.kept, found.spare))
        return [one.name for one in found.missing], kept, spare

    def test_one_for_each_profile_that_a_fitting_route_asks_for(self) -> None:
        assert self.left() == (["", "research"], [], [])

    def test_only_those(self) -> None:
        assert self.left(rules=BOTH[1:]) == (["research"], [], [])
        assert self.left(rules=(Rule(("a", "b")), Rule(("c",)))) == ([""], [], [])

    def test_where_it_goes_nowhere_the_units_own(self) -> None:
        elsewhere = (Rule(("archive",), modalities=("MG",), profile="research"),)
        assert self.left(rules=elsewhere) == ([""], [], [])
        assert self.left(self.research, rules=elsewhere) == ([], [self.research], [])

    def test_what_stands_is_not_made_again(self) -> None:
        assert self.left(self.own) == (["research"], [self.own], [])
        assert self.left(self.own, self.research) == ([], [self.own, self.research], [])

    def test_what_nobody_wants_goes_unless_it_was_on_its_way(self) -> None:
        assert self.left(self.old) == (["", "research"], [], [self.old])
        assert self.left(self.old, pacs=self.old) == (["research"], [self.old], [])

    def test_two_names_for_one_policy_and_key_share_what_is_made(self) -> None:
        twin = Profile("twin", RESEARCH.policy, RESEARCH.key)
        profiles = Profiles(OWN, (RESEARCH, twin), (*BOTH[1:], Rule(("other",), profile="twin")))
        assert [one.mark for one in profiles.left(FACTS).missing] == [RESEARCH.mark]
        assert [one.destination for one in profiles.places(FACTS, self.research)] == ["archive", "other"]

    def test_only_what_was_made_for_it_goes_to_a_destination(self) -> None:
        assert self.profiles.places(FACTS, self.own) == [Bound("pacs", Urgency.MEDIUM)]
        assert self.profiles.places(FACTS, self.research) == [Bound("archive", Urgency.MEDIUM)]
        assert self.profiles.places(FACTS, self.old) == []

    def test_the_level_of_triage_is_that_of_rules_that_are_still_there(self) -> None:
        table = (triage.Rule("mine", 60, "Mine.", words=("*",)), triage.Rule("later", -20, "Later.", words=("*",)))
        profiles = Profiles(OWN, rules=[Rule(("pacs",))], destinations=["pacs"], reasons=table)
        for ids, urgency in (
            (("mine",), Urgency.HIGH), (("later",), Urgency.LOW), (("mine", "later"), Urgency.MEDIUM),
            (("stroke_words",), Urgency.MEDIUM), ((), Urgency.MEDIUM),
        ):  # fmt: skip
            assert profiles.places(replace(FACTS, triage=ids), self.own) == [Bound("pacs", urgency)]

    def test_an_export_never_takes_what_was_made_for_another(self) -> None:
        assert self.profiles.chosen("", [self.old, self.own, self.research]) == self.own
        assert self.profiles.chosen("", [self.old, self.research]) == self.old, "by an older policy, under its key"
        assert self.profiles.chosen("research", [self.old, self.own]) is None

    def test_two_policies_under_one_key_are_told_apart(self) -> None:
        shared = Profile("shared", RESEARCH.policy, OWN.key)
        theirs = clean_object(4, policy=RESEARCH.policy.digest, key_id=OWN.key.id)
        assert Profiles(OWN, (shared,)).chosen("", [theirs]) is None
        assert Profiles(OWN, (shared,)).chosen("shared", [self.own, theirs]) == theirs


class TestTheJourney:
    def test_each_gets_what_the_batch_makes_by_its_policy_and_key(self, parts: Parts) -> None:
        unit = station(parts, *BOTH)
        data = {
            parts.accept(one): one for one in (small(uid="1.2.1"), small(uid="1.2.2"), part10(instance(), IMPLICIT))
        }
        work(unit)
        assert parts.counts() == {"waiting": 3}, "an item is one row, whatever is made of it"
        for id, original in data.items():
            assert made(parts, id) == expected(original, OWN, RESEARCH)
        assert route(unit) == 6
        for id in data:
            assert goes(parts, id) == {"pacs": OWN.mark, "archive": RESEARCH.mark}

    def test_all_of_a_group_is_one_commit(self, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
        for n in range(4):
            parts.accept(small(uid=f"1.2.{n}"))
        end, groups = parts.ledger.end, []
        monkeypatch.setattr(parts.ledger, "end", lambda group: groups.append(len(group)) or end(group))
        work(station(parts, *BOTH))
        assert groups == [4]

    def test_with_one_profile_nothing_more_is_asked_of_the_ledger(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parts.accept(small())

        def never(*_: object) -> Any:
            raise AssertionError

        for name in ("cleans_of_item", "clean_more"):
            monkeypatch.setattr(parts.ledger, name, never)
        unit = station(parts, Rule(("pacs",)))
        work(unit)
        assert route(unit) == 1 and parts.counts() == {"waiting": 1}

    def test_a_process_beside_makes_the_same(self, parts: Parts) -> None:
        unit = station(parts, *BOTH)
        object.__setattr__(unit, "lender", parts.spool)
        data = {parts.accept(one): one for one in (small(uid=f"1.2.{n}") for n in range(5))}
        with closing(Hands(unit.ways(), parts.spool)) as hands:
            beside = hands._beside
            assert beside
            beside.is_there(call=True)
            assert beside._child
            assert beside._child.wait_until_ready()
            Workers(unit, 1)._work_on(parts.ledger.lease("test", 8), hands)
            assert beside.process
        for id, original in data.items():
            assert made(parts, id) == expected(original, OWN, RESEARCH)

    def test_under_two_keys_nothing_of_one_patient_is_the_same(self, parts: Parts) -> None:
        """Also with one policy: what links two recipients is the key, and it is not there."""
        twin = Profile("twin", POLICY, OTHER)
        unit = station(parts, BOTH[0], Rule(("archive",), profile="twin"), named=(twin,))
        id = parts.accept(small(el("StudyDate", "20260102")))
        work(unit)
        one, other = parts.ledger.cleans_of_item(id)
        for name in ("instance", "study", "series"):
            assert getattr(one, name) != getattr(other, name)
        assert {name for name in one.names if one.names[name] == other.names[name] != ""} <= {
            "modality", "view", "laterality", "series_number", "instance_number",
        }  # fmt: skip

    def test_the_same_key_and_policy_under_another_name_is_made_once(self, parts: Parts) -> None:
        twin = Profile("twin", POLICY, KEY)
        unit = station(parts, BOTH[0], Rule(("archive",), profile="twin"), named=(twin,))
        id = parts.accept(small())
        work(unit)
        assert len(parts.clean_ids) == 1
        assert route(unit) == 1
        assert goes(parts, id) == {"pacs": OWN.mark, "archive": OWN.mark}

    def test_kept_uids_of_two_recipients_do_not_stand_in_each_others_way(self, parts: Parts) -> None:
        keeping = policy_from("basic", ["uids"])
        named = (Profile("a", keeping, KEY), Profile("b", keeping, OTHER))
        unit = station(parts, Rule(("x",), profile="a"), Rule(("y",), profile="b"), named=named)
        id = parts.accept(small())
        work(unit)
        one, other = parts.ledger.cleans_of_item(id)
        assert one.instance == other.instance
        route(unit)
        assert goes(parts, id) == {"x": named[0].mark, "y": named[1].mark}

    def test_it_is_delivered_when_every_recipient_has_its_own(self, parts: Parts) -> None:
        unit = station(parts, *BOTH)
        id = parts.accept(small())
        work(unit)
        route(unit)
        assert send(parts, "pacs") == 1
        assert not delivered(parts, id)
        assert parts.ledger.move([id], State.PURGING) == {id}, "nothing is deleted before all of them have it"
        assert send(parts, "archive") == 1
        assert delivered(parts, id)

    def test_it_is_not_delivered_while_something_of_it_was_sent_nowhere_yet(self, parts: Parts) -> None:
        unit = station(parts, *BOTH)
        id = parts.accept(small())
        work(unit)
        first, _ = parts.ledger.deliveries.unbound()
        parts.ledger.deliveries.bind({first.clean: [Bound("pacs")]})
        send(parts, "pacs")
        assert not delivered(parts, id)
        route(unit)
        send(parts, "archive")
        assert delivered(parts, id)

    def test_what_is_held_by_a_person_goes_to_nobody_and_is_made_again_for_all(self, parts: Parts) -> None:
        unit = station(parts, *BOTH)
        id = parts.accept(small())
        work(unit)
        route(unit)
        parts.ledger.move([id], State.HELD, "held_by_person")
        assert send(parts, "pacs") == send(parts, "archive") == 0
        parts.ledger.move([id], State.RECEIVED)
        work(unit)
        route(unit)
        assert made(parts, id) == expected(small(), OWN, RESEARCH)
        assert (send(parts, "pacs"), send(parts, "archive")) == (1, 1)

    def test_what_one_recipient_refuses_still_reaches_the_other_and_is_then_set_aside(self, parts: Parts) -> None:
        unit = station(parts, *BOTH)
        id = parts.accept(small())
        work(unit)
        route(unit)
        send(parts, "archive", Delivery.REFUSED)
        assert parts.state(id)[0] is State.WAITING
        assert send(parts, "pacs") == 1
        assert parts.state(id) == (State.QUARANTINED, "destination_refused")

    def test_what_is_given_up_leaves_nothing(self, parts: Parts) -> None:
        unit = station(parts, *BOTH)
        id = parts.accept(small())
        work(unit)
        parts.ledger.move([id], State.HELD, "held_by_person")
        parts.ledger.move([id], State.DROPPED)
        let_go([id], parts.spool.raw, parts.spool.clean, parts.ledger)
        assert parts.clean_ids == parts.raw_ids == set()


class TestStopped:
    """By one profile: whatever is wrong with an object may be wrong with all that is made of it."""

    @pytest.fixture
    def research_fails(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
        checked = gate.check

        def check(raw: Any, written: Any, policy: Any, *more: Any) -> Any:
            if policy.digest == RESEARCH.policy.digest:
                raise Rejected("gate_token", "(0010,0010)")
            return checked(raw, written, policy, *more)

        monkeypatch.setattr(gate, "check", check)
        return lambda: monkeypatch.setattr(gate, "check", checked)

    def test_what_the_gate_stops_for_one_goes_to_nobody(self, parts: Parts, research_fails: Callable[[], None]) -> None:
        unit = station(parts, *BOTH)
        id = parts.accept(small())
        work(unit)
        assert parts.state(id) == (State.QUARANTINED, "gate_token")
        assert parts.clean_ids == set() and not [name for name in parts.files if name.startswith("parts")]
        assert route(unit) == 0
        research_fails()
        parts.ledger.move([id], State.RECEIVED)
        work(unit)
        assert made(parts, id) == expected(small(), OWN, RESEARCH)

    @pytest.mark.usefixtures("research_fails")
    def test_what_is_not_for_that_recipient_is_not_touched_by_it(self, parts: Parts) -> None:
        unit = station(parts, BOTH[0], Rule(("archive",), modalities=("MG",), profile="research"))
        id = parts.accept(small())
        work(unit)
        assert parts.state(id)[0] is State.WAITING

    @pytest.mark.usefixtures("research_fails")
    def test_what_is_stopped_when_it_is_asked_for_later_goes_no_further(self, parts: Parts) -> None:
        unit = station(parts, BOTH[0])
        id = parts.accept(small())
        work(unit)
        route(unit)
        later = station(parts, *BOTH)
        outbox(later).catch_up("archive")
        work(later)
        assert parts.state(id) == (State.QUARANTINED, "gate_token")
        assert send(parts, "pacs") == 0


class TestLater:
    """A recipient that is added, or changed, when there is something already."""

    def test_what_nobody_had_sent_anywhere_is_made_for_whom_it_is_now(self, parts: Parts) -> None:
        before = station(parts)
        ids = [parts.accept(small(uid=f"1.2.{n}")) for n in range(3)]
        work(before)
        route(before)
        after = station(parts, BOTH[1])
        assert route(after) == 0
        assert parts.counts() == {"received": 3}
        work(after)
        assert route(after) == 3
        for n, id in enumerate(ids):
            assert made(parts, id) == expected(small(uid=f"1.2.{n}"), RESEARCH)
        assert len(parts.clean_ids) == 3, "what nobody wants is gone from the disk"

    def test_a_start_with_another_route_sends_each_what_is_its_own(self, parts: Parts) -> None:
        """Killed between cleaning and routing, and the configuration was changed meanwhile."""
        work_before = station(parts, BOTH[0])
        id = parts.accept(small())
        work(work_before)
        after = station(parts, *BOTH)
        route(after)
        work(after)
        route(after)
        assert goes(parts, id) == {"pacs": OWN.mark, "archive": RESEARCH.mark}
        assert len(parts.ledger.made_of_item(id)) == 2, "what was there was not made again"

    def test_the_back_catalogue_goes_when_somebody_asks_and_nothing_is_sent_twice(self, parts: Parts) -> None:
        before = station(parts, BOTH[0])
        ids = [parts.accept(small(uid=f"1.2.{n}")) for n in range(3)]
        work(before)
        route(before)
        assert send(parts, "pacs") == 3
        after = station(parts, *BOTH)
        assert route(after) == 0
        assert outbox(after).catch_up("archive") == dict.fromkeys(ids, True)
        assert not any(delivered(parts, id) for id in ids)
        work(after)
        assert route(after) == 3
        assert (send(parts, "pacs"), send(parts, "archive")) == (0, 3)
        assert all(delivered(parts, id) for id in ids)
        assert outbox(after).catch_up("archive") == {}

    def test_no_source_waits_for_what_only_lacks_something(self, parts: Parts) -> None:
        before = station(parts, BOTH[0])
        for n in range(3):
            parts.accept(small(uid=f"1.2.{n}"))
        work(before)
        assert parts.backlog.waiting == newly_received(parts.ledger) == 0
        route(before)
        after = station(parts, *BOTH)
        outbox(after).catch_up("archive")
        new = parts.accept(small(uid="1.2.9"))
        assert parts.backlog.waiting == newly_received(parts.ledger) == 1
        first, *_ = parts.ledger.lease("test", 1)
        parts.ledger.release([first.id])
        assert first.id == new
        work(after)
        assert parts.backlog.waiting == 0

    def test_a_place_for_what_is_made_already_gets_it_at_once(self, parts: Parts) -> None:
        before = station(parts, BOTH[0])
        id = parts.accept(small())
        work(before)
        route(before)
        after = station(parts, BOTH[0], Rule(("nas",)))
        assert outbox(after).catch_up("nas") == {id: True}
        assert parts.counts() == {"waiting": 1}
        assert (send(parts, "nas"), len(parts.clean_ids)) == (1, 1)

    def test_only_what_its_routes_say_goes_there(self, parts: Parts) -> None:
        before = station(parts, BOTH[0])
        parts.accept(small())
        work(before)
        route(before)
        after = station(parts, BOTH[0], Rule(("archive",), modalities=("MG",), profile="research"))
        assert outbox(after).catch_up("archive") == {}
        assert parts.counts() == {"waiting": 1}

    def test_what_lost_its_original_stays_what_it_is(self, parts: Parts) -> None:
        before = station(parts, BOTH[0])
        id = parts.accept(small())
        work(before)
        route(before)
        parts.ledger.forget_payload([id], raw=True, clean=False)
        assert outbox(station(parts, *BOTH)).catch_up("archive") == {id: False}
        assert send(parts, "pacs") == 1 and delivered(parts, id)

    def test_what_came_everywhere_is_delivered_again_when_nothing_is_missing_after_all(self, parts: Parts) -> None:
        unit = station(parts, *BOTH)
        id = parts.accept(small())
        work(unit)
        route(unit)
        send(parts, "pacs")
        send(parts, "archive")
        parts.ledger.clean_more([id])
        assert not delivered(parts, id)
        work(unit)
        assert delivered(parts, id)
        assert len(parts.ledger.made_of_item(id)) == 2

    def test_another_policy_is_for_what_comes_and_not_for_what_was_sent(self, parts: Parts) -> None:
        before = station(parts, *BOTH)
        id = parts.accept(small())
        work(before)
        route(before)
        changed = Profile("research", policy_from("basic", ["full-dates"]), OTHER)
        after = station(parts, *BOTH, named=(changed,))
        assert route(after) == 0 and outbox(after).catch_up("archive") == {}
        assert goes(parts, id)["archive"] == RESEARCH.mark


class TestDuplicates:
    def test_a_copy_goes_to_whom_the_first_did_not_go(self, parts: Parts) -> None:
        unit = station(parts, BOTH[0], Rule(("archive",), sources=("usb",), profile="research"))
        first = parts.accept(small(), "ct")
        work(unit)
        second = parts.accept(part10(instance(), IMPLICIT), "usb")
        work(unit)
        route(unit)
        assert goes(parts, first) == {"pacs": OWN.mark}
        assert goes(parts, second) == {"archive": RESEARCH.mark}

    def test_a_copy_that_everybody_has_is_a_duplicate(self, parts: Parts) -> None:
        unit = station(parts, *BOTH)
        first = parts.accept(small())
        second = parts.accept(part10(instance(), IMPLICIT))
        work(unit)
        work(unit)
        assert parts.state(first)[0] is State.WAITING
        assert parts.state(second)[0] is State.DUPLICATE
        assert len(parts.clean_ids) == 2

    def test_a_uid_with_other_content_goes_to_nobody_even_where_it_is_new(self, parts: Parts) -> None:
        unit = station(parts, BOTH[0], Rule(("archive",), sources=("usb",), profile="research"))
        parts.accept(small(), "ct")
        work(unit)
        reused = parts.accept(small(el("InstanceNumber", "99")), "usb")
        work(unit)
        assert parts.state(reused) == (State.QUARANTINED, "uid_reuse")
        assert len(parts.clean_ids) == 1


class TestStarting:
    def test_what_has_no_row_is_deleted_and_all_of_it_is_made_again(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Killed after both were given their names, and before the ledger knew."""
        unit = station(parts, *BOTH)
        id = parts.accept(small())
        with monkeypatch.context() as patch:
            patch.setattr(parts.ledger, "end", lambda _: (_ for _ in ()).throw(SystemExit))
            with pytest.raises(SystemExit):
                work(unit)
        assert len(parts.clean_ids) == 2
        assert parts.recover().remade == 2
        assert parts.clean_ids == set()
        work(unit)
        assert made(parts, id) == expected(small(), OWN, RESEARCH)

    def test_all_that_stands_is_kept_and_one_that_is_gone_is_an_alarm(self, parts: Parts) -> None:
        unit = station(parts, *BOTH)
        id = parts.accept(small())
        work(unit)
        assert parts.recover().lost == 0 and len(parts.clean_ids) == 2
        parts.spool.clean.delete(parts.ledger.cleans_of_item(id)[0].id)
        assert parts.recover().lost == 1

    def test_what_is_asked_for_later_is_known_after_a_death(self, tmp_path: Path) -> None:
        with opened_parts(tmp_path / "spool") as parts:
            unit = station(parts, BOTH[0])
            id = parts.accept(small())
            work(unit)
            route(unit)
            send(parts, "pacs")
            later = station(parts, *BOTH)
            outbox(later).catch_up("archive")
            parts.ledger.lease("dead", 1)
        with opened_parts(tmp_path / "spool") as parts:
            parts.recover()
            later = station(parts, *BOTH)
            work(later)
            route(later)
            assert (send(parts, "pacs"), send(parts, "archive")) == (0, 1)
            assert delivered(parts, id)


class TestKeys:
    @pytest.fixture
    def plan(self, tmp_path: Path) -> Plan:
        rules = (Rule(("archive",), profile="research"),)
        recipients = (Recipient("research", RESEARCH.policy),)
        return Plan(tmp_path / "spool", POLICY, base=tmp_path, reserve=1, rules=rules, recipients=recipients)

    def refused(self, plan: Plan) -> str:
        with pytest.raises(Misconfigured) as found, opened(plan):
            pass
        return found.value.code

    def test_each_recipient_gets_a_key_that_is_made_once_and_told(self, plan: Plan) -> None:
        path = plan.spool / "profile-research.key"
        with opened(plan) as gateway:
            assert path in gateway.made and path.stat().st_mode & 0o777 == 0o600
            gateway.intake.receive(arrival(small()))
            eventually(lambda: gateway.ledger.counts()["ct"][State.WAITING] == 1)
            (row,) = gateway.ledger.rows()
            (clean,) = gateway.ledger.cleans_of_item(row.id)
            key = load_key(f"file:{path}")
            assert clean.key_id == key.id != gateway.key.id
            with gateway.spool.clean.open(clean.id) as source:
                assert source.read(0, source.size) == deidentify_bytes(small(), RESEARCH.policy, key.secret)
        with opened(plan) as gateway:
            assert gateway.made == ()

    def test_a_key_that_is_lost_is_not_replaced_by_another(self, plan: Plan) -> None:
        with opened(plan):
            pass
        (plan.spool / "profile-research.key").unlink()
        assert self.refused(plan) == "key_missing"

    def test_a_recipient_keeps_its_key(self, plan: Plan, tmp_path: Path) -> None:
        from stowgate.vault.key import write

        with opened(plan):
            pass
        write(Key.new(), tmp_path / "other.key")
        other = Recipient("research", RESEARCH.policy, f"file:{tmp_path / 'other.key'}")
        object.__setattr__(plan, "recipients", (other,))
        assert self.refused(plan) == "wrong_key"

    def test_a_key_is_never_printed(self) -> None:
        assert OTHER.secret.hex() not in repr(RESEARCH) and repr(OTHER.secret) not in repr(RESEARCH)
