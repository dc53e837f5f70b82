"""What a way out does with every fault of a link and of a peer: nothing lost, nothing given up, nothing done early."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest

from stowgate import events
from stowgate.deliver.throttle import Throttled
from stowgate.errors import Temporary
from stowgate.gateway import drain
from stowgate.lifecycle import Delivery, Evidence, State
from stowgate.outbox.policy import LEAST, Urgency
from stowgate.outbox.timetable import hours_of
from stowgate.store.deliveries import Outcome
from tests.gateway.sending import Sent

D, S = Delivery, State
VERIFIED = (S.WAITING, D.VERIFIED, "", True)


@pytest.fixture
def sent() -> Sent:
    return Sent()


def test_what_is_due_arrives_and_counts_when_it_was_read_again_there(sent: Sent) -> None:
    sent.clean(1, 2, 3)
    sent.go()
    assert [sent.state(n) for n in (1, 2, 3)] == [VERIFIED] * 3
    assert len(sent.peer.held) == 3 and sent.way().evidence is Evidence.CONTENT
    assert [one.state for one in sent.events(events.Delivered)] == [D.ACKNOWLEDGED] * 3 + [D.VERIFIED] * 3  # type: ignore[attr-defined]


def test_where_the_peers_word_is_enough_it_is_done_with_that_and_called_no_more(sent: Sent) -> None:
    sent = Sent(Evidence.STATUS)
    sent.clean(1)
    sent.go()
    assert sent.state() == (S.WAITING, D.ACKNOWLEDGED, "", True)
    assert (sent.way().evidence, sent.way().stand) == (Evidence.STATUS, "over")


def test_where_the_peers_word_is_enough_nobody_is_asked_and_what_broke_off_is_sent_again() -> None:
    """A node that cannot be asked must not be paused for it."""
    sent = Sent(Evidence.STATUS)
    sent.sink.verify = lambda *_: 1 / 0  # type: ignore[method-assign, assignment, misc, return-value]
    sent.clean(1, 2, 3, size=1000)
    sent.peer.breaks = 1500
    sent.go()
    assert [sent.state(n)[1] for n in (1, 2, 3)] == [D.ACKNOWLEDGED, D.QUEUED, D.QUEUED]
    sent.peer.up = True
    sent.go(60)
    assert sent.delivered == 3 and not sent.events(events.DestinationPaused)


@pytest.mark.parametrize("state", [D.SENT, D.ACKNOWLEDGED, D.VERIFIED])
def test_what_was_to_be_asked_for_before_the_word_was_enough_is_settled_without(state: Delivery) -> None:
    sent = Sent(Evidence.STATUS)
    sent.sink.verify = lambda *_: 1 / 0  # type: ignore[method-assign, assignment, misc, return-value]
    sent.clean(1)
    sent.ledger.deliveries.lease("pacs", 1, 1 << 20)
    known = Evidence.NONE if state is D.SENT else Evidence.STATUS
    assert not sent.ledger.deliveries.record([Outcome(1, state, evidence=known)])
    sent.go()
    assert sent.delivered == 1
    assert len(sent.peer.held) == (1 if state is D.SENT else 0)


def test_ten_days_without_a_link_lose_nothing_and_the_first_try_comes_soon_after(
    sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent.clean(*range(1, 6))
    sent.peer.up = False
    with monkeypatch.context() as patch:  # ten days of looks every five seconds take this test too long
        patch.setattr(drain, "PROBE", 120.0)
        patch.setattr(drain, "LOOK", 120.0)
        sent.go(864_000)
    assert sent.delivered == 0 and sent.state() == (S.WAITING, D.QUEUED, "peer_unreachable", False)
    noted = sent.ledger.deliveries.destinations()["pacs"]
    assert noted.code == "peer_unreachable" and noted.failures > 1000 and noted.next_try
    assert sent.tries == [], "nobody called into the void"
    sent.peer.up = True
    back = sent.hands.monotonic
    sent.go(60)
    assert sent.tries[0] - back <= 10
    assert sent.delivered == 5
    assert sent.ledger.deliveries.destinations()["pacs"].code == ""
    assert len(sent.events(events.DestinationDown)) == len(sent.events(events.DestinationUp)) == 1


def test_after_ten_days_the_backlog_goes_most_urgent_first_and_all_of_it_arrives(
    sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent.peer.up = False
    with monkeypatch.context() as patch:
        patch.setattr(drain, "PROBE", 3600.0)
        patch.setattr(drain, "LOOK", 3600.0)
        for day in range(10):
            sent.clean(*range(day * 10 + 1, day * 10 + 11))
            sent.go(86_400)
    sent.clean(101, 102, urgency=Urgency.HIGH, study=lambda _: "2.25.77")
    sent.peer.up = True
    sent.go(600)
    assert sent.delivered == 102
    came = list(sent.peer.held)
    first = came.index("2.25.101")
    assert came[first + 1] == "2.25.102" and first <= drain.MOST, "but for one parcel in eight"
    rest = [uid for uid in came if uid not in ("2.25.101", "2.25.102")]
    assert rest == [f"2.25.{n}" for n in range(1, 101)], "and what is as urgent goes as it came"
    (outage,) = sent.ledger.deliveries.outages("pacs")
    assert outage.ended and outage.ended - outage.began > 9 * 86_400


def test_a_new_start_in_the_middle_of_an_outage_knows_of_it_and_forgets_it_when_it_is_over(sent: Sent) -> None:
    sent.clean(1)
    sent.peer.up = False
    sent.go(60)
    sent.begin()
    assert sent.drain.rest(1, sent.sink) == 0.0, "whichever is free, so that one that hangs keeps nobody from it"
    assert sent.drain.rest(0, sent.sink) > 0, "but one at a time"
    sent.drain.ended(1)
    sent.peer.up = True
    sent.go()
    assert sent.state() == VERIFIED
    noted = sent.ledger.deliveries.destinations()["pacs"]
    assert (noted.code, noted.failures, noted.next_try) == ("", 0, None)
    assert sent.events(events.DestinationUp)


def test_a_link_that_flaps_every_three_seconds_brings_no_storm_and_still_progress(sent: Sent) -> None:
    sent.clean(*range(1, 6), size=50_000)
    sent.chance = 0.0
    for _ in range(60):
        sent.peer.up, sent.peer.breaks = True, sent.peer.sent + 60_000
        sent.go(3)
        sent.peer.up = False
        sent.go(3)
        if sent.delivered == 5:
            break
    assert sent.delivered == 5
    assert all(later - earlier >= LEAST for earlier, later in itertools.pairwise(sent.tries))


def test_a_link_that_carried_something_before_it_broke_is_tried_again_soon(sent: Sent) -> None:
    sent.chance = 1.0
    sent.clean(*range(1, 30), size=1000)
    for n in range(1, 8):
        sent.peer.up, sent.peer.breaks = True, sent.peer.sent + 2500
        sent.passes(5)
        sent.go()
        assert sent.drain._link.failures == 1, f"break {n} came after progress"
    assert len(sent.peer.held) >= 14


@pytest.mark.parametrize("works", [False, True])
def test_a_place_that_is_there_and_takes_nothing_is_looked_at_ever_more_seldom(sent: Sent, works: bool) -> None:
    """Some keep a place for half a minute for each who only looks, and have ten: looks must not take them all."""
    sent.clean(1)
    right, looks = sent.sink.deliver, list[float]()

    def takes_nothing(*_: object) -> object:
        if works:  # when asked for something, or with one of many
            sent.drain._works()
        raise Temporary("peer_busy")

    def there() -> bool:
        looks.append(sent.hands.monotonic)
        return True

    sent.sink.deliver, sent.sink.reachable = takes_nothing, there  # type: ignore[method-assign, assignment]
    sent.go(300)
    assert max(sum(at <= one < at + 30 for one in looks) for at in looks) <= 5
    assert max(later - earlier for earlier, later in itertools.pairwise(looks)) <= 20
    sent.sink.deliver = right  # type: ignore[method-assign]
    sent.go(700)
    assert sent.state() == VERIFIED


def test_what_broke_off_is_asked_for_before_it_is_sent_again(sent: Sent) -> None:
    sent.clean(1, 2, 3, size=1000)
    sent.peer.breaks = 1500
    sent.go()
    assert [sent.state(n)[1] for n in (1, 2, 3)] == [D.ACKNOWLEDGED, D.SENT, D.QUEUED]
    sent.peer.up = True
    sent.go(30)
    assert sent.delivered == 3
    assert sent.peer.sent == sum(map(len, sent.peer.held.values())), "no byte went twice"


def test_a_death_between_the_peers_word_and_ours_sends_it_twice_and_has_it_once(sent: Sent) -> None:
    sent.clean(1)
    (due,) = sent.ledger.deliveries.lease("pacs", 9, 1 << 20)
    from stowgate.gateway.parcels import LedgerJournal, parcel_of

    sent.sink.deliver(parcel_of([due], sent.shelf)[0], LedgerJournal(sent.ledger.deliveries, [due]))
    sent.begin()
    assert sent.ledger.deliveries.release_all() == 1
    sent.go()
    assert sent.state() == VERIFIED and list(sent.peer.held) == ["2.25.1"]


def test_a_peer_that_says_yes_and_does_not_store_is_found_out_and_sent_to_again(sent: Sent) -> None:
    sent.clean(1, 2)
    sent.peer.forgets = {"2.25.1"}
    sent.go(3600)
    assert sent.state(2) == VERIFIED
    assert sent.state(1)[3] is False and sent.way(1).code == "peer_lost_object"
    assert any(isinstance(one, events.Delivered) and one.code == "peer_lost_object" for one in sent.told)
    sent.peer.forgets = set()
    sent.go(3600)
    assert sent.state(1) == VERIFIED


@pytest.mark.parametrize("fault", ["gone", "altered"])
def test_what_is_removed_or_altered_there_later_is_found_by_the_next_question(sent: Sent, fault: str) -> None:
    sent.clean(1, 2)
    sent.go()
    assert sent.delivered == 2
    if fault == "gone":
        del sent.peer.held["2.25.1"]
    else:
        sent.peer.held["2.25.1"] += b"!"
    assert sent.ledger.deliveries.recheck([sent.way(1).item, sent.way(2).item], ["pacs"]) == frozenset()
    sent.go()
    assert sent.state(2) == VERIFIED
    assert sent.state(1)[3] is False
    assert sent.way(1).code == {"gone": "peer_lost_object", "altered": "peer_has_other_bytes"}[fault]
    if fault == "gone":
        sent.go(3600)
        assert sent.state(1) == VERIFIED


@pytest.mark.parametrize("level", [Evidence.PRESENCE, Evidence.CONTENT])
def test_what_was_purged_here_is_asked_for_and_its_loss_is_told_and_so_is_that_it_came_back(level: Evidence) -> None:
    sent = Sent(level)
    sent.peer.level = level
    sent.clean(1, 2)
    sent.go()
    ids = [sent.way(n).item for n in (1, 2)]
    for clean in [one.id for ones in sent.ledger.deliveries.made_of(ids).values() for one in ones]:
        sent.shelf.delete(clean)
    assert not sent.ledger.move(ids, S.PURGING)
    sent.ledger.forget_payload(ids, raw=True, clean=True)
    sent.ledger.move(ids, S.PURGED)
    kept = sent.peer.held.pop("2.25.1")
    for held, code in ((None, "peer_lost_purged"), (kept, ""), (None, "peer_lost_purged")):
        sent.peer.held |= {"2.25.1": held} if held else {}
        sent.told.clear()
        assert sent.ledger.deliveries.recheck(ids, ["pacs"]) == frozenset()
        sent.go(60)
        assert sent.state(1) == (S.PURGED, D.VERIFIED, code, True) and sent.state(2) == (S.PURGED, D.VERIFIED, "", True)
        assert [one.code for one in sent.events(events.Delivered)] == [code][: bool(code)]  # type: ignore[attr-defined]
        assert sent.way(1).stand == "over"
        sent.peer.held.pop("2.25.1", None)


def test_a_peer_that_is_slow_to_put_away_is_asked_again_before_anything_is_sent_again(sent: Sent) -> None:
    sent.clean(1)
    sent.peer.forgets = {"2.25.1"}
    sent.go()
    sent.peer.held["2.25.1"] = b"1" + bytes(100)
    before = sent.peer.sent
    sent.go(120)
    assert sent.state() == VERIFIED and sent.peer.sent == before


def test_a_peer_that_holds_other_bytes_is_no_evidence(sent: Sent) -> None:
    sent.clean(1)
    sent.peer.held["2.25.1"] = b"somebody else's"
    sent.go(600)
    assert sent.state()[3] is False and sent.way().code == "peer_has_other_bytes"
    assert sent.peer.held["2.25.1"] == b"somebody else's"


def test_one_object_that_is_refused_is_quarantined_and_the_others_go_on(sent: Sent) -> None:
    sent.clean(1, 2, 3)
    sent.peer.refuses = {"2.25.2"}
    sent.go()
    assert sent.state(2)[:3] == (S.QUARANTINED, D.REFUSED, "peer_refused_object")
    assert sent.state(1) == sent.state(3) == VERIFIED


def test_a_peer_that_says_when_to_come_again_is_not_asked_before(sent: Sent) -> None:
    sent.clean(1)
    sent.peer.busy = 120
    sent.go()
    began = sent.hands.monotonic
    sent.peer.busy = None
    sent.go(110)
    assert sent.tries == []
    sent.go(30)
    assert sent.tries[0] - began >= 120 and sent.state() == VERIFIED


def test_a_destination_that_lets_nobody_in_is_paused_until_a_person_has_acted(sent: Sent) -> None:
    sent.clean(1)
    sent.peer.denies = True
    sent.go(3600)
    assert sent.events(events.DestinationPaused) == [events.DestinationPaused("pacs", "peer_unauthorised")]
    assert sent.ledger.deliveries.destinations()["pacs"].paused == "peer_unauthorised"
    assert sent.way().attempts == 0, "a wrong password is no fault of the object"
    sent.peer.denies = False
    sent.begin()
    sent.go(3600)
    assert sent.tries == [], "a new start does not forget it"
    sent.ledger.deliveries.pause("pacs", "")
    sent.drain.paused("")
    sent.go()
    assert sent.state() == VERIFIED


class TestAPlaceThatAnswers:
    """Whatever proves that a place is there ends its outage, also one that a process before this one began."""

    def is_up(self, sent: Sent) -> bool:
        noted = sent.ledger.deliveries.destinations()["pacs"]
        (outage,) = sent.ledger.deliveries.outages("pacs")
        return not noted.code and noted.failures == 0 and outage.ended is not None

    @pytest.mark.parametrize("starts", [False, True])
    def test_a_refusal_to_let_us_in_ends_the_outage_and_pauses(self, sent: Sent, starts: bool) -> None:
        sent.clean(1)
        sent.peer.up = False
        sent.go(60)
        assert not self.is_up(sent)
        if starts:
            sent.begin()
        sent.peer.up, sent.peer.denies = True, True
        sent.go(60)
        assert sent.ledger.deliveries.destinations()["pacs"].paused == "peer_unauthorised"
        assert self.is_up(sent)

    @pytest.mark.parametrize("starts", [False, True])
    def test_what_arrives_after_a_person_resumed_it_ends_the_outage(self, sent: Sent, starts: bool) -> None:
        sent.clean(1)
        sent.peer.up = False
        sent.go(60)
        sent.ledger.deliveries.pause("pacs", "paused_by_person")
        sent.drain.paused("paused_by_person")
        if starts:
            sent.begin()
        sent.peer.up = True
        sent.ledger.deliveries.pause("pacs", "")
        sent.drain.paused("")
        sent.go(10)
        assert sent.state() == VERIFIED and self.is_up(sent)

    def test_a_look_that_finds_it_does_so_where_nothing_is_left_to_send(self, sent: Sent) -> None:
        sent.clean(1)
        sent.go()
        sent.ledger.deliveries.link("pacs", "peer_unreachable", 3, None)
        sent.peer.up = False
        sent.begin()
        sent.go(60)
        assert not self.is_up(sent)
        sent.peer.up = True
        sent.go(60)
        assert self.is_up(sent)


def test_outside_its_hours_nothing_is_sent(sent: Sent) -> None:
    sent = Sent(hours=hours_of(("20:00-06:00",)))
    sent.minute = 12 * 60
    sent.clean(1)
    sent.go(7 * 3600)
    assert sent.peer.calls == 0
    sent.go(2 * 3600)
    assert sent.state() == VERIFIED and sent.minute >= 20 * 60


def test_an_object_that_is_damaged_on_the_shelf_never_leaves(sent: Sent) -> None:
    sent.clean(1, 2)
    item = sent.ledger.clean_of_item(sent.way(1).item)
    assert item
    sent.shelf.objects[item.id] = b"x" * item.size
    sent.go()
    assert list(sent.peer.held) == ["2.25.2"]
    assert sent.state(1)[0] is S.QUARANTINED
    assert sent.events(events.PayloadLost)


def test_an_item_that_is_held_while_it_waits_does_not_go(sent: Sent) -> None:
    sent.clean(1)
    sent.ledger.move([sent.way().item], State.HELD, "held_by_person")
    sent.go(60)
    assert sent.peer.calls == 0


def test_a_bug_in_a_sink_is_a_failure_that_passes_and_rings_once(sent: Sent) -> None:
    sent.clean(1)
    right = sent.sink.deliver
    sent.sink.deliver = lambda *_: 1 / 0  # type: ignore[method-assign, assignment, misc]
    sent.go(60)
    assert sent.events(events.DestinationDown) == [events.DestinationDown("pacs", "internal_error")]
    assert sent.state()[1:3] == (D.QUEUED, "internal_error")
    sent.sink.deliver = right  # type: ignore[method-assign]
    sent.go(3600)
    assert sent.state() == VERIFIED


def test_a_fault_of_ours_leaves_no_destination_without_its_workers(sent: Sent) -> None:
    sent.clean(1)
    right, fails = sent.drain.step, [True]

    def step(*how: object) -> bool:
        if fails.pop() if fails else False:
            raise KeyError
        sent.drain._stopping = True
        return right(*how)  # type: ignore[arg-type]

    sent.drain.step = step  # type: ignore[method-assign, assignment]
    sent.drain._run(0)
    assert sent.events(events.DestinationDown) == [events.DestinationDown("pacs", "internal_error")]
    assert sent.peer.held


def test_a_person_need_not_wait(sent: Sent) -> None:
    sent.clean(1)
    sent.peer.busy, sent.chance = 5000, 1.0
    sent.go()
    sent.peer.busy = None
    sent.drain.hurry()
    sent.go()
    assert sent.state() == VERIFIED


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_everything_arrives_once_and_unaltered(seed: int) -> None:
    chance = random.Random(seed)
    sent = Sent()
    sent.clean(*range(1, 30), size=3000)
    for _ in range(40):
        sent.peer.up = chance.random() < 0.7
        sent.peer.breaks = sent.peer.sent + chance.randrange(20_000) if chance.random() < 0.5 else None
        sent.peer.busy = 30.0 if chance.random() < 0.1 else None
        sent.peer.forgets = {f"2.25.{chance.randrange(30)}"} if chance.random() < 0.3 else set()
        sent.chance = chance.random()
        sent.go(chance.randrange(120))
        if chance.random() < 0.2:
            sent.begin()
            sent.ledger.deliveries.release_all()
    sent.peer.up, sent.peer.breaks, sent.peer.busy, sent.peer.forgets = True, None, None, set()
    sent.go(7200)
    assert sent.delivered == 29
    assert {uid: data[:2].rstrip(b"\0") for uid, data in sent.peer.held.items()} == {
        f"2.25.{n}": b"%d" % n for n in range(1, 30)
    }


def test_a_further_worker_that_the_place_has_no_room_for_is_sent_home_and_nothing_counts_as_down(sent: Sent) -> None:
    sent.clean(1, 2)
    sent.peer.busy = 5.0
    sent.drain.step(sent.sink, True, 1)
    assert not sent.events(events.DestinationDown) and sent.way().attempts == 0
    sent.drain.step(sent.sink, True, 0)
    assert sent.events(events.DestinationDown)


def test_what_a_line_carries_is_noted_and_an_outage_has_its_begin_and_end(sent: Sent) -> None:
    sent.clean(1, size=50_000)
    right = sent.sink.deliver

    def slow(*how: object) -> object:
        sent.passes(2.0)
        return right(*how)  # type: ignore[arg-type]

    sent.sink.deliver = slow  # type: ignore[method-assign, assignment]
    sent.go()
    assert sent.ledger.deliveries.destinations()["pacs"].rate == pytest.approx(25_000, rel=0.1)
    sent.peer.up = False
    sent.clean(2)
    sent.go(100)
    (down,) = sent.ledger.deliveries.outages("pacs")
    assert (down.code, down.ended) == ("peer_unreachable", None)
    sent.peer.up = True
    sent.go(100)
    (down,) = sent.ledger.deliveries.outages("pacs")
    assert down.ended and 90 <= down.ended - down.began <= 110


def test_what_is_not_urgent_goes_although_urgent_things_never_end(sent: Sent) -> None:
    sent.clean(1)
    sent.ledger.deliveries.lease("pacs", 1, 1)
    sent.ledger.deliveries.release([1])
    sent.clean(*range(2, 40), urgency=Urgency.HIGH, study=lambda n: f"2.25.9{n}")
    for _ in range(10):
        sent.drain.step(sent.sink)
    assert sent.state()[1] is not D.QUEUED, "it had one turn of the first eight"
    assert sent.state(39)[1] is D.QUEUED, "and the urgent ones had not ended"


class TestReadingBack:
    """Of what is only known to be there, one in a hundred is read again and compared."""

    def sent(self, *numbers: int) -> Sent:
        sent = Sent(Evidence.PRESENCE)
        sent.peer.level = Evidence.PRESENCE
        sent.clean(*numbers)
        return sent

    def test_one_of_each_parcel_at_least(self) -> None:
        sent = self.sent(*range(1, 6))
        sent.go()
        assert sorted(sent.way(n).evidence for n in range(1, 6)) == [Evidence.CONTENT] + [Evidence.PRESENCE] * 4
        assert len(sent.ledger.deliveries.purgeable(1e12)) == 5

    def test_a_place_that_gives_nothing_back_leaves_what_is_known(self) -> None:
        sent = self.sent(1, 2)
        sent.peer.gives_back = False
        sent.go()
        assert [sent.state(n) for n in (1, 2)] == [VERIFIED] * 2
        assert {sent.way(n).evidence for n in (1, 2)} == {Evidence.PRESENCE}
        assert sent.ledger.deliveries.purgeable(1e12) == [], "and nothing of it is ever deleted here"

    def test_a_break_while_it_is_read_leaves_what_is_known(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sent = self.sent(1)

        def breaks(_: object) -> None:
            raise Temporary("peer_broke_off")

        monkeypatch.setattr(sent.sink, "read_back", breaks)
        sent.go()
        assert sent.state() == VERIFIED and sent.way().evidence is Evidence.PRESENCE

    def test_a_peer_that_stores_altered_bytes_is_caught_and_the_item_kept(self) -> None:
        sent = self.sent(1)
        sent.peer.held = Altering()
        sent.go(86_400)
        assert sent.state() == (S.QUARANTINED, D.REFUSED, "peer_has_other_bytes", False)
        codes = [one.code for one in sent.events(events.Delivered)]  # type: ignore[attr-defined]
        assert "peer_has_other_bytes" in codes
        assert sent.ledger.deliveries.purgeable(1e12) == []


class Altering(dict[str, bytes]):
    """What a peer holds that changes a byte of all it stores."""

    def setdefault(self, key: str, default: bytes = b"") -> bytes:  # type: ignore[override]
        self[key] = default[:-1] + b"!"
        return self[key]


def test_what_goes_out_without_a_limit_is_measured_and_a_second_worker_is_tried(sent: Sent) -> None:
    """The bytes that are counted are those that a sink really reads."""
    sent.drain._pace._crew = replace(sent.drain._pace._crew, most=4)
    sent.clean(*range(1, 61), size=400_000)
    right = sent.sink.deliver

    def slow(*how: object) -> object:
        sent.passes(2.0)
        return right(*how)  # type: ignore[arg-type]

    sent.sink.deliver = slow  # type: ignore[method-assign, assignment]
    sizes, throttled = set(), Throttled(sent.sink, sent.drain._bucket)
    for _ in range(200):
        if sent.drain.rest(0, throttled) == 0:
            sent.drain.step(throttled)
            sizes.add(sent.drain._pace.workers)
    assert sent.drain._bucket.taken >= sum(map(len, sent.peer.held.values())) > 5_000_000
    assert 2 in sizes
