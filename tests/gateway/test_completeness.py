"""A gateway tells when a study is complete: at once where its headers say how large it is, else after a while."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stowgate import events
from stowgate.errors import Temporary
from stowgate.gateway.opened import Ears, Gateway, opened
from stowgate.gateway.plan import Plan
from stowgate.ingest.source import Accepted, Duplicate
from stowgate.lifecycle import State
from stowgate.questions import studies
from tests.builder import el, small
from tests.gateway.parts import POLICY, arrival
from tests.ingest.dimse import eventually

LONG = 3600.0


def told_number(number: object, uid: str, **more: Any) -> bytes:
    return small(el("NumberOfStudyRelatedInstances", str(number)), uid=uid, **more)


def plan(tmp_path: Path, complete_after: float = LONG) -> Plan:
    return Plan(tmp_path / "spool", POLICY, base=tmp_path, reserve=1, complete_after={"ct": complete_after})


def listening() -> tuple[Ears, list[events.GatewayEvent]]:
    """Ears, and what they hear."""
    ears, told = Ears(), list[events.GatewayEvent]()
    ears.add(told.append)
    return ears, told


def short(told: list[events.GatewayEvent]) -> list[tuple[str, int | None]]:
    return [(one.code, one.count) for one in told if isinstance(one, events.Noticed)]


def pseudonyms(gateway: Gateway) -> set[tuple[str, str]]:
    """The patient and the study that all clean objects of the one study have."""
    found = set()
    for row in gateway.ledger.rows():
        if clean := gateway.ledger.clean_of_item(row.id):
            found.add((dict(clean.names)["patient"], clean.study))
    return found


def test_a_study_with_a_number_is_complete_at_once_and_what_comes_later_still_belongs_to_it(tmp_path: Path) -> None:
    ears, told = listening()
    with opened(plan(tmp_path), ears) as gateway:
        for n in (1, 2):
            assert gateway.note_completeness() == []
            assert isinstance(gateway.intake.receive(arrival(told_number(2, f"1.2.{n}"))), Accepted)
        (done,) = gateway.note_completeness()
        assert done.missing == 0
        assert isinstance(gateway.intake.receive(arrival(told_number(2, "1.2.2"))), Duplicate)
        assert gateway.note_completeness() == []
        eventually(lambda: gateway.ledger.counts()["ct"][State.WAITING] == 2)
        before = pseudonyms(gateway)
        assert isinstance(gateway.intake.receive(arrival(small(uid="1.2.3"))), Accepted)
        assert gateway.note_completeness() == [], "one more than the headers tell of: nobody knows how many now"
        assert [study.complete for study in studies(gateway.ledger)] == [False]
        eventually(lambda: gateway.ledger.counts()["ct"][State.WAITING] == 3)
        assert pseudonyms(gateway) == before and len(before) == 1
    assert short(told) == []


def test_a_study_that_came_to_rest_with_less_is_complete_and_told_of_once(tmp_path: Path) -> None:
    ears, told = listening()
    with opened(plan(tmp_path, 0.01), ears) as gateway:
        gateway.intake.receive(arrival(told_number(3, "1.2.1")))
        eventually(gateway.note_completeness)
        assert short(told) == [("study_short", 2)]
        (noticed,) = (one for one in told if isinstance(one, events.Noticed))
        (study,) = studies(gateway.ledger)
        assert (noticed.source, noticed.study) == ("ct", study.alias)
        assert (study.complete, study.expected, study.missing) == (True, 3, 2)
        assert gateway.note_completeness() == []
        assert short(told) == [("study_short", 2)]


def test_what_was_found_short_and_not_told_before_a_death_is_told_after_it_once(tmp_path: Path) -> None:
    with opened(plan(tmp_path, 0.01)) as gateway:
        gateway.intake.receive(arrival(told_number(3, "1.2.1")))
        eventually(lambda: gateway.ledger.complete_studies({"ct": 0.01}))  # committed, and then it dies
    for expected in ([("study_short", 2)], []):
        ears, told = listening()
        with opened(plan(tmp_path, 0.01), ears) as gateway:
            assert gateway.note_completeness() == []
            assert gateway.note_completeness() == []
        assert short(told) == expected


def test_what_was_told_and_cannot_be_noted_is_not_told_at_every_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ears, told = listening()
    with opened(plan(tmp_path, 0.01), ears) as gateway:
        gateway.intake.receive(arrival(told_number(3, "1.2.1")))

        def full(studies: list[str]) -> None:
            if studies:
                raise Temporary("disk_full")

        with monkeypatch.context() as patch:
            patch.setattr(gateway.ledger, "shortages_told", full)
            with pytest.raises(Temporary):
                eventually(gateway.note_completeness)
            for _ in range(3):
                with pytest.raises(Temporary):
                    gateway.note_completeness()
        gateway.note_completeness()
        assert gateway.ledger.shortages() == []
    assert short(told) == [("study_short", 2)]


def test_without_a_number_it_waits_and_nothing_is_told(tmp_path: Path) -> None:
    ears, told = listening()
    with opened(plan(tmp_path), ears) as gateway:
        for n in (1, 2):
            gateway.intake.receive(arrival(small(uid=f"1.2.{n}")))
        assert gateway.note_completeness() == []
        (study,) = studies(gateway.ledger)
        assert (study.complete, study.expected, study.missing) == (False, None, 0)
    assert short(told) == []


@pytest.mark.parametrize("lie", ["0", "-4", "Foster", "99999999999", "1\\2", "", "1.5"])
def test_a_header_that_lies_changes_nothing(tmp_path: Path, lie: str) -> None:
    with opened(plan(tmp_path)) as gateway:
        assert isinstance(gateway.intake.receive(arrival(told_number(lie, "1.2.1"))), Accepted)
        assert gateway.note_completeness() == []
        assert [study.expected for study in studies(gateway.ledger)] == [None]


def adopted(folder: Path) -> None:
    """The ledger is gone, what lies on the shelf is not."""
    for file in folder.glob("ledger.db*"):
        file.unlink()


def test_what_is_adopted_after_the_ledger_was_lost_counts_as_it_did(tmp_path: Path) -> None:
    with opened(plan(tmp_path), work=False) as gateway:
        for n in (1, 2):
            gateway.intake.receive(arrival(told_number(3, f"1.2.{n}")))
    adopted(tmp_path / "spool")
    with opened(plan(tmp_path), work=False) as gateway:
        (study,) = studies(gateway.ledger)
        assert (study.expected, study.missing) == (3, 1)
        gateway.intake.receive(arrival(told_number(3, "1.2.3")))
        assert len(gateway.note_completeness()) == 1
