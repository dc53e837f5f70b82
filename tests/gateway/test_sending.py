"""What a person sends somewhere goes there and nowhere else, whatever the routes say and whoever dies in between."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pydicom import dcmread

from stowgate.deident.profile import policy_from
from stowgate.deliver.memory import MemoryPeer, MemorySink
from stowgate.gateway.outbox import Outbox
from stowgate.gateway.profiles import Profile, Profiles
from stowgate.gateway.purge import Keeping, Purge
from stowgate.gateway.sending import CODE, COPY, ITEM, sent
from stowgate.gateway.ways import WayOut
from stowgate.lifecycle import Delivery, Evidence, State
from stowgate.outbox.routing import SEND, Facts, Rule, wish_of, wished
from stowgate.store.deliveries import Outcome
from stowgate.store.spool import Facts as Header
from stowgate.vault.key import Key
from tests.builder import IMPLICIT, small
from tests.gateway.parts import OWN, Parts

RESEARCH = Profile("research", policy_from("basic", ("patient-characteristics",), ()), Key(bytes(range(2, 34))))
RULES = (Rule(("pacs",)), Rule(("lab",), profile="research"))


@dataclass
class Desk:
    """A gateway's parts with three destinations: by a rule, by a rule with a profile, by none."""

    parts: Parts

    def __post_init__(self) -> None:
        names = ("pacs", "lab", "nas")
        self.profiles = Profiles(OWN, [RESEARCH], RULES, names)
        ways = [WayOut(name, lambda: MemorySink(MemoryPeer()), Evidence.CONTENT) for name in names]
        self.outbox = Outbox(ways, self.profiles, self.parts.ledger, self.parts.spool.clean)
        self.parts.__dict__["station"] = replace(self.parts.station, profiles=self.profiles)

    def send(self, path: Path, to: str) -> str:
        return sent(str(path), to, self.parts.intake, self.outbox)

    def work(self) -> None:
        workers = self.parts.workers()
        workers.start()
        for _ in range(600):
            if not self.parts.counts().get("received"):
                break
            time.sleep(0.05)
        workers.stop(30)
        self.outbox.route()

    def ways(self, id: str) -> set[str]:
        return {way.destination for way in self.parts.ledger.deliveries.of_items([id]).get(id, ())}


@pytest.fixture
def desk(parts: Parts) -> Desk:
    return Desk(parts)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "one.dcm"
    path.write_bytes(small(uid="1.2.3"))
    return path


@pytest.mark.parametrize("to", ["pacs", "lab", "nas"])
def test_it_goes_there_and_nowhere_else_by_the_profile_of_that_place(desk: Desk, file: Path, to: str) -> None:
    said = desk.send(file, to)
    assert said.startswith(ITEM)
    desk.work()
    id = said[len(ITEM) :]
    assert desk.ways(id) == {to}
    (clean,) = desk.parts.ledger.cleans_of_item(id)
    assert (RESEARCH if to == "lab" else OWN).made(clean)
    assert file.read_bytes() == small(uid="1.2.3")


def test_where_it_goes_outlives_a_death_between_its_name_and_its_row(desk: Desk) -> None:
    writing = desk.parts.spool.raw.new(Header(SEND, "nas"))
    writing.write(small(uid="1.2.3"))
    writing.finish()
    writing.keep()
    assert desk.parts.recover().adopted == 1
    desk.work()
    assert desk.ways(writing.id) == {"nas"}


def test_a_place_that_is_no_longer_known_gets_nothing_and_nor_does_another(desk: Desk, file: Path) -> None:
    said = desk.send(file, "nas")
    desk.profiles = Profiles(OWN, [RESEARCH], RULES, ("pacs", "lab"))
    desk.outbox._profiles = desk.profiles
    desk.parts.__dict__["station"] = replace(desk.parts.station, profiles=desk.profiles)
    desk.work()
    id = said[len(ITEM) :]
    assert desk.ways(id) == set() and desk.parts.state(id)[0] is State.WAITING


def test_a_copy_for_a_place_that_is_no_longer_known_is_held_until_it_is_back(
    desk: Desk, file: Path, tmp_path: Path
) -> None:
    first = desk.send(file, "pacs")[len(ITEM) :]
    desk.work()
    copy = desk.send(otherwise(file, tmp_path), "nas")[len(ITEM) :]
    there, desk.profiles = desk.profiles, Profiles(OWN, [RESEARCH], RULES, ("pacs", "lab"))
    for profiles in (desk.profiles, there):
        desk.parts.__dict__["station"] = replace(desk.parts.station, profiles=profiles)
        desk.work()
        assert desk.parts.state(copy) == (State.HELD, "original_stopped") and desk.ways(first) == {"pacs"}
    assert not desk.parts.ledger.move([copy], State.RECEIVED)
    desk.work()
    assert desk.parts.state(copy)[0] is State.DUPLICATE and desk.ways(first) == {"pacs", "nas"}


def test_a_copy_of_what_is_here_goes_there_too(desk: Desk, file: Path) -> None:
    first = desk.send(file, "pacs")[len(ITEM) :]
    desk.work()
    assert desk.send(file, "nas") == COPY + first
    assert desk.ways(first) == {"pacs", "nas"}
    assert desk.send(file, "nas") == COPY + first, "once is enough"
    assert desk.parts.counts() == {"waiting": 1, "duplicate": 2}


def test_a_copy_of_what_was_made_for_another_recipient_becomes_an_item_of_its_own(desk: Desk, file: Path) -> None:
    first = desk.send(file, "pacs")[len(ITEM) :]
    desk.work()
    said = desk.send(file, "lab")
    assert said.startswith(ITEM) and said[len(ITEM) :] != first
    desk.work()
    assert desk.ways(said[len(ITEM) :]) == {"lab"} and desk.ways(first) == {"pacs"}


def otherwise(file: Path, folder: Path) -> Path:
    """The same, encoded otherwise."""
    found = dcmread(file)
    found.decode()
    found.file_meta.TransferSyntaxUID = IMPLICIT
    found.save_as(folder / "other.dcm", implicit_vr=True, enforce_file_format=True)
    return folder / "other.dcm"


def test_a_copy_that_is_encoded_otherwise_has_what_is_here_go_there(desk: Desk, file: Path, tmp_path: Path) -> None:
    first = desk.send(file, "pacs")[len(ITEM) :]
    desk.work()
    said = desk.send(otherwise(file, tmp_path), "nas")
    assert said.startswith(ITEM)
    assert desk.ways(said[len(ITEM) :]) == set(), "nobody knows yet what it is"
    desk.work()
    assert desk.parts.counts() == {"waiting": 1, "duplicate": 1}
    assert desk.ways(first) == desk.ways(said[len(ITEM) :]) == {"pacs", "nas"}


@pytest.mark.parametrize("encoded", ["as it was", "otherwise"])
@pytest.mark.parametrize("came", ["sent", "from a scanner"])
def test_where_a_copy_was_sent_is_not_forgotten_when_its_original_is_judged_again(
    desk: Desk, file: Path, tmp_path: Path, encoded: str, came: str
) -> None:
    first = desk.send(file, "pacs")[len(ITEM) :] if came == "sent" else desk.parts.accept(file.read_bytes())
    desk.work()
    before = desk.ways(first)
    desk.send(file if encoded == "as it was" else otherwise(file, tmp_path), "nas")
    desk.work()
    assert desk.ways(first) == {*before, "nas"}
    for _ in range(2):
        assert not desk.parts.ledger.move([first], State.HELD, "held_by_person")
        assert not desk.parts.ledger.move([first], State.RECEIVED)
        desk.work()
        assert desk.ways(first) == {*before, "nas"}


def test_what_is_sent_in_the_moment_before_its_routes_are_followed_goes_where_they_say_as_well(
    desk: Desk, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = desk.parts.accept(file.read_bytes())
    route = desk.outbox.route
    monkeypatch.setattr(desk.outbox, "route", lambda: 0)
    desk.work()
    assert desk.send(file, "nas") == COPY + first
    assert desk.ways(first) == {"nas"}
    route()
    assert desk.ways(first) == {"nas", "pacs", "lab"}


@pytest.mark.parametrize("encoded", ["as it was", "otherwise"])
def test_what_a_scanner_sends_goes_where_its_routes_lead_also_if_a_person_had_sent_it_elsewhere(
    desk: Desk, file: Path, tmp_path: Path, encoded: str
) -> None:
    first = desk.send(file, "nas")[len(ITEM) :]
    desk.work()
    copy = file if encoded == "as it was" else otherwise(file, tmp_path)
    second = desk.parts.accept(copy.read_bytes())
    desk.work()
    assert desk.ways(first) | desk.ways(second) == {"nas", "pacs", "lab"}
    assert not desk.ways(first) & desk.ways(second), "nothing goes anywhere twice"
    third = desk.parts.accept(copy.read_bytes())
    desk.work()
    assert desk.parts.state(third)[0] is State.DUPLICATE


@pytest.mark.parametrize("encoded", ["as it was", "otherwise"])
def test_a_copy_from_another_source_has_its_original_go_where_its_own_routes_lead(
    desk: Desk, file: Path, tmp_path: Path, encoded: str
) -> None:
    rules = (Rule(("pacs",), sources=("ct",)), Rule(("nas",), sources=("drop",)))
    desk.profiles = Profiles(OWN, [RESEARCH], rules, ("pacs", "lab", "nas"))
    desk.outbox._profiles = desk.profiles
    desk.parts.__dict__["station"] = replace(desk.parts.station, profiles=desk.profiles)
    first = desk.parts.accept(file.read_bytes(), "ct")
    desk.work()
    copy = file if encoded == "as it was" else otherwise(file, tmp_path)
    second = desk.parts.accept(copy.read_bytes(), "drop")
    desk.work()
    assert desk.parts.state(second)[0] is State.DUPLICATE and desk.ways(first) == {"pacs", "nas"}
    desk.parts.ledger.move([first], State.HELD, "held_by_person")
    third = desk.parts.accept(copy.read_bytes(), "other")
    desk.work()
    assert desk.parts.state(third)[0] is State.DUPLICATE, "no route leads it anywhere"
    desk.parts.ledger.move([first], State.RECEIVED)
    desk.work()
    assert desk.ways(first) == {"pacs", "nas"}


def test_a_copy_that_goes_further_than_what_is_stopped_here_is_for_a_person(desk: Desk, file: Path) -> None:
    first = desk.send(file, "nas")[len(ITEM) :]
    desk.work()
    desk.parts.ledger.move([first], State.HELD, "held_by_person")
    second = desk.parts.accept(file.read_bytes())
    desk.work()
    assert desk.parts.state(second) == (State.HELD, "original_stopped")
    desk.parts.ledger.move([first], State.RECEIVED)
    desk.work()
    desk.parts.ledger.move([second], State.RECEIVED)
    desk.work()
    assert desk.ways(first) | desk.ways(second) == {"nas", "pacs", "lab"}


def test_what_a_scanner_sends_after_a_person_had_sent_it_elsewhere_and_it_was_purged_goes_its_way(
    desk: Desk, file: Path
) -> None:
    first = gone(desk, file, "nas")
    second = desk.parts.accept(file.read_bytes())
    desk.work()
    assert desk.ways(second) == {"pacs", "lab"} and desk.ways(first) == {"nas"}


def test_what_is_sent_again_after_it_was_purged_goes_there(desk: Desk, file: Path) -> None:
    first = desk.send(file, "pacs")[len(ITEM) :]
    desk.work()
    deliveries = desk.parts.ledger.deliveries
    (due,) = deliveries.lease("pacs", 1, 1 << 20)
    deliveries.record([Outcome(due.number, Delivery.VERIFIED, "", Evidence.CONTENT, done=True)])
    desk.parts.ledger.move([first], State.PURGING)
    Purge(Keeping(), desk.parts.ledger, desk.parts.spool).ended()
    assert desk.parts.counts() == {"purged": 1}
    said = desk.send(file, "nas")
    desk.work()
    assert said.startswith(ITEM) and desk.ways(said[len(ITEM) :]) == {"nas"}
    assert desk.ways(first) == {"pacs"} and desk.parts.counts() == {"purged": 1, "duplicate": 1, "waiting": 1}
    (made,) = desk.parts.ledger.deliveries.made_of([first])[first]
    assert desk.parts.ledger.deliveries.recheck([first], ["pacs"]) == frozenset() and made.digest


def gone(desk: Desk, file: Path, to: str = "pacs") -> str:
    """An id of what was sent to the PACS, or elsewhere, arrived there, and was deleted here."""
    id = desk.send(file, to)[len(ITEM) :]
    desk.work()
    (due,) = desk.parts.ledger.deliveries.lease(to, 1, 1 << 20)
    desk.parts.ledger.deliveries.record([Outcome(due.number, Delivery.VERIFIED, "", Evidence.CONTENT, done=True)])
    assert Purge(Keeping(), desk.parts.ledger, desk.parts.spool).now([id]) == [id]
    return id


def lost(desk: Desk, id: str) -> None:
    """The PACS was asked for it and has it no more."""
    deliveries = desk.parts.ledger.deliveries
    deliveries.recheck([id], ["pacs"])
    (due,) = deliveries.lease("pacs", 1, 1 << 20)
    deliveries.record([Outcome(due.number, Delivery.VERIFIED, "peer_lost_purged", Evidence.STATUS, done=True)])


@pytest.mark.parametrize("by", ["a person", "a scanner"])
def test_what_was_lost_there_after_it_was_purged_here_is_taken_and_goes_there_again(
    desk: Desk, file: Path, by: str
) -> None:
    first = gone(desk, file)
    lost(desk, first)
    deliveries = desk.parts.ledger.deliveries
    again = desk.send(file, "pacs")[len(ITEM) :] if by == "a person" else desk.parts.accept(file.read_bytes())
    desk.work()
    assert desk.parts.state(again)[0] is State.WAITING
    assert desk.ways(again) == ({"pacs"} if by == "a person" else {"pacs", "lab"})
    assert [one.item for one in deliveries.lease("pacs", 9, 1 << 20)] == [again]


def test_a_copy_that_cannot_be_compared_with_what_was_purged_is_for_a_person(
    desk: Desk, file: Path, tmp_path: Path
) -> None:
    gone(desk, file)
    said = desk.send(otherwise(file, tmp_path), "nas")
    desk.work()
    assert desk.parts.state(said[len(ITEM) :]) == (State.QUARANTINED, "copy_of_purged")


def test_a_copy_of_what_was_lost_since_is_kept_for_a_person_because_it_may_be_all_that_is_left(
    desk: Desk, file: Path, tmp_path: Path
) -> None:
    lost(desk, gone(desk, file))
    said = desk.send(otherwise(file, tmp_path), "nas")
    desk.work()
    assert desk.parts.state(said[len(ITEM) :]) == (State.QUARANTINED, "copy_of_lost")


@pytest.mark.parametrize("why", ["held", "refused"])
def test_a_copy_of_what_is_stopped_here_is_held_until_that_was_decided(desk: Desk, file: Path, why: str) -> None:
    first = desk.send(file, "pacs")[len(ITEM) :]
    desk.work()
    if why == "held":
        desk.parts.ledger.move([first], State.HELD, "held_by_person")
    else:
        (due,) = desk.parts.ledger.deliveries.lease("pacs", 1, 1 << 20)
        desk.parts.ledger.deliveries.record([Outcome(due.number, Delivery.REFUSED, "peer_refused_object")])
    said = desk.send(file, "nas")
    desk.work()
    copy = said[len(ITEM) :]
    assert desk.parts.state(copy) == (State.HELD, "original_stopped")
    desk.parts.ledger.move([first], State.RECEIVED)
    desk.work()
    desk.parts.ledger.move([copy], State.RECEIVED)
    desk.work()
    assert desk.parts.state(copy)[0] is State.DUPLICATE and desk.ways(first) == {"pacs", "nas"}


def test_a_destination_that_was_given_up_and_is_back_gets_what_is_sent_there(desk: Desk, file: Path) -> None:
    first = desk.send(file, "pacs")[len(ITEM) :]
    desk.work()
    assert desk.parts.ledger.deliveries.forget("pacs") == 1
    assert desk.send(file, "pacs") == COPY + first
    assert [one.item for one in desk.parts.ledger.deliveries.lease("pacs", 9, 1 << 20)] == [first]


def test_what_is_none_is_said_to_be_none_and_the_rest_goes_on(desk: Desk, tmp_path: Path) -> None:
    other = tmp_path / "x.txt"
    other.write_text("no image")
    assert desk.send(other, "nas") == CODE + "not_dicom"
    assert desk.send(tmp_path / "gone.dcm", "nas") == CODE + "unreadable"


class TestWishes:
    """Pure: where something goes that a person sends."""

    def test_it_is_no_pattern_s_mark(self) -> None:
        assert len({wish_of(name) for name in ("a", "b", "c")}) == 3

    def test_only_what_it_names(self) -> None:
        facts = Facts(SEND, marks=(wish_of("b"),))
        assert set(wished(facts, ("a", "b", "c"))) == {"b"} and wished(facts, ("a", "c")) == {}
