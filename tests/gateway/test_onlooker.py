"""Who looks at clean objects behind the workers: tells in time, forgets nothing, holds nothing up."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from stowgate import events
from stowgate.analyse.finding import Finding
from stowgate.analyse.triage import Rule, with_own
from stowgate.errors import Rejected, Temporary
from stowgate.gateway.onlooker import FLEET_EVERY, QUIET, Onlooker
from stowgate.lifecycle import State
from stowgate.look.looked import Header, Looked
from stowgate.look.looking import Looking
from stowgate.outbox.policy import Urgency
from stowgate.pixels.image import Image
from stowgate.store.custody import Custody
from stowgate.store.custody_memory import MemoryCustody
from stowgate.store.deliveries import Bound
from stowgate.store.loan import Loan
from stowgate.store.looks import Scanned
from stowgate.store.sealed_header import Header as SealedHeader
from stowgate.store.spool import Facts
from tests.contracts.test_every_looks import OTHER, STUDY, of_studies
from tests.ingest.dimse import eventually
from tests.store.custody_sample import hex32

ALL = Looking(quality=True, urgency=True, fleet=True)
IMAGE = Image("CT", "", "", 4, 4, 1, 1, "MONOCHROME2", 16, 16, signed=False)
FINE = Looked(Header(), IMAGE, 1, features={"density": 1.0})


class Shelf:
    """Lends a loan that names its object and nothing else."""

    def loan(self, id: str) -> Loan:
        return Loan(id, "", SealedHeader(b"", b"", b"", Facts(""), b""))


@dataclass
class Eye:
    """Sees what it is told to; FINE by default."""

    sees: dict[str, Looked | Exception] = field(default_factory=dict)
    looked: list[str] = field(default_factory=list)
    closed: bool = False

    def look_lent(self, loan: Loan) -> Looked:
        self.looked.append(loan.id)
        found = self.sees.get(loan.id, FINE)
        if isinstance(found, Exception):
            raise found
        return found

    def close(self) -> None:
        self.closed = True


@dataclass
class Judges:
    """Judge as they are told to."""

    codes: tuple[str, ...] = ()
    alarms: dict[str, tuple[str, ...]] = field(default_factory=dict)
    studies: list[int] = field(default_factory=list)
    fleets: list[int] = field(default_factory=list)

    def study(self, seen: Sequence[Looked]) -> tuple[str, ...]:
        self.studies.append(len(seen))
        return self.codes

    def fleet(self, scans: Sequence[Scanned]) -> dict[str, tuple[str, ...]]:
        self.fleets.append(len(scans))
        return self.alarms


class Scene:
    """An onlooker over a ledger in memory, and what it told."""

    def __init__(self, looking: Looking = ALL) -> None:
        self.ledger: Custody = MemoryCustody()
        self.eye, self.judges, self.now = Eye(), Judges(), 1000.0
        self.told: list[events.GatewayEvent] = []
        self.onlooker = self.another(looking)

    def another(self, looking: Looking = ALL, reasons: Sequence[Rule] | None = None) -> Onlooker:
        own = (self.ledger, Shelf(), self.eye, self.judges, self.told.append, lambda: self.now)
        return Onlooker(looking, *own, reasons=reasons)

    def quiet(self) -> None:
        self.now += QUIET
        self.onlooker.step()


@pytest.fixture
def scene() -> Scene:
    return Scene()


def clean(n: int) -> str:
    return hex32(n, 5)


def test_what_is_seen_is_noted_and_what_is_amiss_is_told(scene: Scene) -> None:
    of_studies(scene.ledger, {1: STUDY, 2: STUDY})
    scene.eye.sees[clean(2)] = replace(FINE, findings=(Finding("truncated"), Finding("truncated")))
    assert scene.onlooker.step() == 2
    looks = scene.ledger.looks.of_items([hex32(1), hex32(2)])
    assert looks[hex32(1)].codes == () and looks[hex32(1)].features == {"density": 1.0}
    assert looks[hex32(2)].codes == ("truncated",)
    assert scene.told == [events.Noticed("truncated", "ct", item=hex32(2))]
    assert scene.onlooker.step() == 0 and len(scene.eye.looked) == 2, "nothing is looked at twice"


@pytest.mark.parametrize(
    ("refused", "codes"),
    [("picture_decoder_died", ("picture_decoder_died",)), ("no_picture", ()), ("payload_lost", ())],
)
def test_what_cannot_be_seen_is_noted_and_passed_over(scene: Scene, refused: str, codes: tuple[str, ...]) -> None:
    of_studies(scene.ledger, {1: STUDY})
    scene.eye.sees[clean(1)] = Rejected(refused)
    scene.onlooker.step()
    assert scene.ledger.looks.of_items([hex32(1)])[hex32(1)].codes == codes
    assert [one.code for one in scene.told if isinstance(one, events.Noticed)] == list(codes)
    assert scene.onlooker.step() == 0


def test_when_the_disk_fails_it_is_tried_again(scene: Scene) -> None:
    of_studies(scene.ledger, {1: STUDY})
    scene.eye.sees[clean(1)] = Temporary("spool_failed")
    with pytest.raises(Temporary):
        scene.onlooker.step()
    del scene.eye.sees[clean(1)]
    assert scene.onlooker.step() == 1


def test_a_study_is_judged_once_it_is_quiet_and_within_five_seconds(scene: Scene) -> None:
    of_studies(scene.ledger, {1: STUDY, 2: STUDY})
    scene.judges.codes = ("truncated",)
    scene.onlooker.step()
    scene.now += QUIET / 2
    scene.onlooker.step()
    assert scene.judges.studies == []
    scene.quiet()
    assert scene.judges.studies == [2] and QUIET <= 5 - 2
    assert scene.told == [events.Noticed("truncated", "ct", study=STUDY)]
    assert scene.ledger.looks.codes_of_study(STUDY) == ("truncated",)
    scene.quiet()
    assert scene.judges.studies == [2]


def test_a_study_that_grows_is_judged_again_with_all_of_it_and_nothing_is_told_twice(scene: Scene) -> None:
    of_studies(scene.ledger, {1: STUDY})
    scene.judges.codes = ("truncated",)
    scene.onlooker.step()
    scene.quiet()
    of_studies(scene.ledger, {2: STUDY})
    scene.judges.codes = ("truncated", "uid_reuse")
    scene.onlooker.step()
    scene.quiet()
    assert scene.judges.studies == [1, 2]
    assert [one.code for one in scene.told if isinstance(one, events.Noticed)] == ["truncated", "uid_reuse"]


def test_after_a_start_a_study_that_was_not_judged_is(scene: Scene) -> None:
    of_studies(scene.ledger, {1: STUDY, 2: STUDY, 3: OTHER})
    scene.onlooker.step()
    scene.onlooker = scene.another()
    scene.onlooker.step()
    scene.quiet()
    assert sorted(scene.judges.studies) == [1, 2]


def test_scanners_are_compared_now_and_then_and_an_alarm_is_told_once(scene: Scene) -> None:
    scanner = hex32(1, 6)
    of_studies(scene.ledger, {1: STUDY})
    scene.judges.alarms = {scanner: ("truncated",)}
    scene.onlooker.step()
    assert scene.judges.fleets == [1]
    of_studies(scene.ledger, {2: STUDY})
    scene.onlooker.step()
    assert scene.judges.fleets == [1], "not each time"
    scene.now += FLEET_EVERY
    scene.onlooker.step()
    assert scene.judges.fleets == [1, 2]
    assert [one for one in scene.told if one == events.Noticed("truncated", scanner=scanner)] == [scene.told[0]]
    scene.now += FLEET_EVERY
    scene.onlooker.step()
    assert scene.judges.fleets == [1, 2], "nothing new was seen"


def test_what_is_urgent_goes_first_and_so_does_what_comes_of_it_later(scene: Scene) -> None:
    of_studies(scene.ledger, {1: STUDY, 2: OTHER, 3: STUDY})
    scene.ledger.deliveries.bind({clean(n): [Bound("pacs")] for n in (1, 2)})
    scene.eye.sees[clean(1)] = replace(FINE, urgent=("hyperdense_share_high",))
    scene.onlooker.step()
    scene.ledger.deliveries.bind({clean(3): [Bound("pacs")]})
    ways = scene.ledger.deliveries.of_items([hex32(n) for n in (1, 2, 3)])
    assert [ways[hex32(n)][0].urgency for n in (1, 2, 3)] == [Urgency.HIGH, Urgency.MEDIUM, Urgency.HIGH]
    assert scene.told[0] == events.Noticed("hyperdense_share_high", "ct", item=hex32(1))
    reasons = [row.triage for row in scene.ledger.rows()]
    assert reasons == [("measured_hyperdense",), (), ("measured_hyperdense",)]


@pytest.mark.parametrize(
    ("header", "code", "urgency"),
    [
        ((), "lung_opacity_share_high", Urgency.MEDIUM),
        (("trauma_words",), "lung_opacity_share_high", Urgency.HIGH),
        (("priority_low", "screening_words"), "hyperdense_share_high", Urgency.MEDIUM),
        ((), "picture_blank", Urgency.LOW),
    ],
)
def test_how_urgent_it_is_the_rules_say_with_those_of_its_header(
    scene: Scene, header: tuple[str, ...], code: str, urgency: Urgency
) -> None:
    of_studies(scene.ledger, {1: STUDY}, triage=header)
    scene.ledger.deliveries.bind({clean(1): [Bound("pacs", Urgency.LOW)]})
    scene.eye.sees[clean(1)] = replace(FINE, urgent=(code,))
    scene.onlooker.step()
    assert scene.ledger.deliveries.of_items([hex32(1)])[hex32(1)][0].urgency == urgency


def test_a_rule_that_is_switched_off_hurries_nothing(scene: Scene) -> None:
    of_studies(scene.ledger, {1: STUDY})
    scene.ledger.deliveries.bind({clean(1): [Bound("pacs")]})
    scene.eye.sees[clean(1)] = replace(FINE, urgent=("hyperdense_share_high",))
    off = Rule("measured_hyperdense", 0, "Off.")
    scene.onlooker = scene.another(reasons=with_own([off]))
    scene.onlooker.step()
    row = scene.ledger.row(hex32(1))
    assert row and row.triage == ()
    assert scene.ledger.deliveries.of_items([hex32(1)])[hex32(1)][0].urgency is Urgency.MEDIUM


@pytest.mark.parametrize("looking", [Looking(quality=True), Looking(fleet=True), Looking(urgency=True)])
def test_only_what_is_asked_for_is_kept_and_told(looking: Looking) -> None:
    scene = Scene(looking)
    of_studies(scene.ledger, {1: STUDY})
    scene.judges.codes, scene.judges.alarms = ("truncated",), {hex32(1, 6): ("truncated",)}
    scene.eye.sees[clean(1)] = replace(FINE, findings=(Finding("truncated"),))
    scene.onlooker.step()
    scene.quiet()
    look = scene.ledger.looks.of_items([hex32(1)])[hex32(1)]
    assert bool(look.codes) is bool(scene.ledger.looks.codes_of_study(STUDY)) is looking.quality
    assert bool(look.features) is bool(scene.ledger.looks.alarms()) is looking.fleet


def test_its_thread_is_woken_by_what_waits_and_ends(scene: Scene) -> None:
    scene.onlooker.start()
    of_studies(scene.ledger, {1: STUDY})
    scene.onlooker.watch(events.Settled("ct", hex32(1), State.WAITING))
    eventually(lambda: bool(scene.ledger.looks.of_items([hex32(1)])))
    scene.onlooker.stop(5.0)
    assert scene.eye.closed and "onlooker" not in {thread.name for thread in threading.enumerate()}


def test_a_bug_of_its_own_ends_nothing(scene: Scene) -> None:
    def broken(_: Sequence[Looked]) -> tuple[str, ...]:
        raise ZeroDivisionError

    of_studies(scene.ledger, {1: STUDY})
    scene.judges.study = broken  # type: ignore[method-assign]
    scene.onlooker.start()
    eventually(lambda: bool(scene.ledger.looks.of_items([hex32(1)])))
    scene.now += QUIET
    eventually(lambda: any(thread.name == "onlooker" for thread in threading.enumerate()))
    scene.onlooker.stop(8.0)
    assert scene.eye.closed


def test_without_anything_to_look_for_nothing_begins() -> None:
    scene = Scene(Looking())
    scene.onlooker.start()
    assert "onlooker" not in {thread.name for thread in threading.enumerate()}
    scene.onlooker.stop()
