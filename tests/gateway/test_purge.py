"""Only what is proved to be at its destinations is deleted here; a death in the middle leaves nothing half done."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from stowgate import events
from stowgate.errors import Temporary
from stowgate.gateway.purge import Keeping, Purge
from stowgate.lifecycle import Delivery, Evidence, State
from stowgate.store.deliveries import Bound, Outcome
from stowgate.store.room import Room
from tests.builder import small
from tests.gateway.parts import Parts

DAY = 86_400.0
CLOCK = 4e9
"""Long after all of it."""


def arrived(parts: Parts, number: int, evidence: Evidence = Evidence.CONTENT) -> str:
    """An item of which so much is known at its destination."""
    id = parts.accept(small(uid=f"1.2.{number}"))
    parts.work()
    clean = parts.ledger.clean_of_item(id)
    assert clean
    parts.ledger.deliveries.bind({clean.id: [Bound("pacs")]})
    (due,) = parts.ledger.deliveries.lease("pacs", 1, 1 << 30)
    state = Delivery.ACKNOWLEDGED if evidence is Evidence.STATUS else Delivery.VERIFIED
    parts.ledger.deliveries.record([Outcome(due.number, state, "", evidence, done=True)])
    return id


def purge_of(parts: Parts, keeping: Keeping, clock: float = CLOCK) -> Purge:
    return Purge(keeping, parts.ledger, parts.spool, parts.told.append, lambda: clock)


def test_what_is_proved_goes_when_it_is_old_enough_and_the_row_stays_and_counts(parts: Parts) -> None:
    proved, waits = arrived(parts, 1), arrived(parts, 2, Evidence.STATUS)
    assert purge_of(parts, Keeping()).step() == 0, "by itself nothing goes"
    assert purge_of(parts, Keeping(payload=DAY), clock=0.0).step() == 0, "nor before its time"
    assert purge_of(parts, Keeping(payload=DAY)).step() == 1
    assert parts.raw_ids == {waits} and len(parts.clean_ids) == 1
    assert parts.counts() == {"purged": 1, "waiting": 1}
    assert parts.ledger.deliveries.delivered() == {"ct": {State.PURGED: 1, State.WAITING: 1}}
    (told,) = parts.events(events.Purged)
    assert (told.ids, told.count, told.originals) == ((proved,), 1, False)


def test_a_copy_that_comes_after_that_is_still_a_duplicate(parts: Parts) -> None:
    id = arrived(parts, 1)
    purge_of(parts, Keeping(payload=0.0)).step()
    again = parts.take_in(small(uid="1.2.1"))
    assert again.original == id if hasattr(again, "original") else parts.counts() == {"purged": 1, "duplicate": 1}
    assert parts.raw_ids == set()


def test_originals_can_go_earlier_by_the_same_evidence(parts: Parts) -> None:
    proved, waits = arrived(parts, 1), arrived(parts, 2, Evidence.PRESENCE)
    third = arrived(parts, 3, Evidence.STATUS)
    keeping = purge_of(parts, Keeping(originals=DAY))
    assert keeping.step() == 2, "one of two that are there was read again"
    assert parts.raw_ids == {third} and len(parts.clean_ids) == 3
    assert parts.counts() == {"waiting": 3}
    assert [told.originals for told in parts.events(events.Purged)] == [True]
    assert keeping.step() == 0
    assert {proved, waits} == set(parts.events(events.Purged)[0].ids)
    found = parts.recover()
    assert (found.lost, found.adopted, found.remade) == (0, 0, 0)


def test_under_pressure_the_oldest_go_until_there_is_room(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [arrived(parts, number) for number in range(1, 4)]
    monkeypatch.setattr("stowgate.gateway.purge.GROUP", 1)
    monkeypatch.setattr(parts.spool, "room", lambda _=0: Room.SOFT if len(parts.raw_ids) > 1 else Room.OPEN)
    assert purge_of(parts, Keeping()).step() == 0
    assert purge_of(parts, Keeping(pressure=True), clock=0.0).step() == 2
    assert parts.raw_ids == {ids[2]}


def test_a_full_disk_wakes_it(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    from threading import Event

    room, looked = [Room.OPEN], Event()

    def asked(_: int = 0) -> Room:
        looked.set()
        return room[0]

    monkeypatch.setattr(parts.spool, "room", asked)
    purge = purge_of(parts, Keeping(pressure=True))
    purge.start()
    try:
        assert looked.wait(30)
        arrived(parts, 1)
        room[0] = Room.SOFT
        purge.watch(events.Reserve(True, 0))
        for _ in range(300):
            if not parts.raw_ids:
                break
            Event().wait(0.1)
        assert parts.raw_ids == set()
    finally:
        purge.stop()


def test_a_person_may_have_it_now_but_only_what_is_proved(parts: Parts) -> None:
    proved, not_yet = arrived(parts, 1), arrived(parts, 2, Evidence.STATUS)
    assert purge_of(parts, Keeping()).now([proved, not_yet]) == [proved]
    assert parts.raw_ids == {not_yet}


def test_what_was_dropped_is_only_noted(parts: Parts) -> None:
    id = arrived(parts, 1, Evidence.STATUS)
    parts.ledger.move([id], State.HELD, "held_by_person")
    parts.ledger.move([id], State.DROPPED)
    assert purge_of(parts, Keeping()).now([id]) == [id]
    assert parts.state(id) == (State.PURGED, "")
    assert parts.raw_ids == parts.clean_ids == set()


def test_keys_of_what_is_gone_are_destroyed_and_others_are_not(parts: Parts) -> None:
    arrived(parts, 1)
    before = set(parts.spool.epochs.ids())
    monkey = parts.spool.destroy_unused_epochs
    calls: list[int] = []
    parts.spool.destroy_unused_epochs = lambda: calls.append(monkey()) or calls[-1]  # type: ignore[method-assign]
    purge = purge_of(parts, Keeping(payload=0.0))
    assert purge.step() == 1 and len(calls) == 1, "headers are read once, and only when something went"
    assert purge.step() == 0 and len(calls) == 1
    assert set(parts.spool.epochs.ids()) <= before


DEATHS = ("move", "clean.delete", "raw.delete", "forget_payload", "purged")


@pytest.mark.parametrize("at", DEATHS)
def test_a_death_at_any_step_is_ended_at_the_next_start(parts: Parts, at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    id = arrived(parts, 1)

    class Dead(BaseException):
        """The process is gone."""

    def dies(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def instead(*given: object, **named: object) -> object:
            if name == "purged" and State.PURGED not in given:
                return real(*given, **named)
            if name == "move":
                real(*given, **named)
            raise Dead

        return instead

    with monkeypatch.context() as patch:
        match at:
            case "move" | "purged":
                patch.setattr(parts.ledger, "move", dies(at, parts.ledger.move))
            case "forget_payload":
                patch.setattr(parts.ledger, "forget_payload", dies(at, parts.ledger.forget_payload))
            case "clean.delete":
                patch.setattr(parts.spool.clean, "delete", dies(at, parts.spool.clean.delete))
            case _:
                patch.setattr(parts.spool.raw, "delete", dies(at, parts.spool.raw.delete))
        with pytest.raises(Dead):
            purge_of(parts, Keeping(payload=0.0)).step()
    assert parts.state(id)[0] is State.PURGING
    found = parts.recover()
    assert (found.lost, found.adopted) == (0, 0)
    purge_of(parts, Keeping()).step()
    assert parts.state(id)[0] is State.PURGED
    assert parts.raw_ids == parts.clean_ids == set()
    row = parts.ledger.row(id)
    assert row and not row.has_raw and not row.has_clean and row.delivered


def test_a_disk_that_fails_leaves_it_for_the_next_look(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    id = arrived(parts, 1)

    def fails(_: str) -> None:
        raise Temporary("spool_failed")

    with monkeypatch.context() as patch:
        patch.setattr(parts.spool.raw, "delete", fails)
        with pytest.raises(Temporary):
            purge_of(parts, Keeping(payload=0.0)).step()
    assert purge_of(parts, Keeping()).step() == 1
    assert parts.state(id)[0] is State.PURGED


def test_more_than_a_page_goes_and_what_may_not_go_is_passed_over(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stowgate.gateway.purge.GROUP", 2)
    kinds = [Evidence.CONTENT, Evidence.STATUS] * 3
    ids = [arrived(parts, number, kind) for number, kind in enumerate(kinds, 1)]
    assert purge_of(parts, Keeping(payload=0.0)).step() == 3
    assert parts.raw_ids == set(ids[1::2])
