"""What every ledger knows of what was seen in clean objects; SQLite and its memory twin run the same suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from stowgate.lifecycle import State
from stowgate.store.custody import Custody
from stowgate.store.custody_sqlite import open_custody
from stowgate.store.custody_view import read_custody
from stowgate.store.looks import Look, Scanned
from tests.contracts.test_every_deliveries import wait
from tests.store.custody_sample import KEY, cleaned, coming, hex32

STUDY, OTHER = hex32(1, 4), hex32(2, 4)
SEEN = Look(hex32(1), 3, ("truncated",), {"density": 12.5, "noise": -1.0})


def of_studies(ledger: Custody, studies: dict[int, str], triage: tuple[str, ...] = ()) -> None:
    """Items that wait, each of its study."""
    for n, study in studies.items():
        facts = {"scanner": hex32(n % 2, 6), "protocol": hex32(0, 7), "clock": n, "triage": triage}
        ledger.receive([coming(n, study=study, **facts)])
        ledger.lease("w", 1)
        assert not ledger.end([cleaned(n)])


def unseen(ledger: Custody, most: int = 9) -> list[str]:
    return [one.item for one in ledger.looks.unseen(most)]


def test_what_waits_is_unseen_until_somebody_looked_the_latest_first(ledger: Custody) -> None:
    ledger.receive([coming(9)])
    assert not ledger.move([hex32(9)], State.HELD, "uid_reuse")
    wait(ledger, 1, 2, 3)
    (latest, *_) = ledger.looks.unseen(1)
    assert (latest.item, latest.clean, latest.source, latest.study) == (hex32(3), hex32(3, 5), "ct", STUDY)
    assert (latest.series, latest.size) == ("2.25.8", 903)
    ledger.looks.note([Look(hex32(2))])
    assert unseen(ledger) == [hex32(3), hex32(1)] and unseen(ledger, 0) == []


def test_what_was_seen_is_kept_and_a_second_look_replaces_it(ledger: Custody) -> None:
    wait(ledger, 1, 2)
    ledger.looks.note([Look(hex32(1)), SEEN, Look(hex32(7))])
    assert ledger.looks.of_items([hex32(1), hex32(2), hex32(7)]) == {hex32(1): SEEN}


def test_what_was_seen_comes_with_what_is_known_of_its_item(ledger: Custody) -> None:
    of_studies(ledger, {1: STUDY, 2: OTHER, 3: STUDY})
    ledger.looks.note([Look(hex32(n), features={"n": n}) for n in (3, 1, 2)])
    first, second = ledger.looks.of_study(STUDY)
    assert [one.look.item for one in (first, second)] == [hex32(1), hex32(3)]
    row = ledger.row(hex32(1))
    assert row
    assert first == Scanned(Look(hex32(1), features={"n": 1}), "ct", STUDY, hex32(1, 6), hex32(0, 7), row.arrived, 1)
    assert [one.look.item for one in ledger.looks.recent(2)] == [hex32(2), hex32(3)]
    assert ledger.looks.recent(0) == [] and ledger.looks.of_study("") == []


def test_a_study_is_judged_when_something_was_seen_and_again_when_more_was(ledger: Custody) -> None:
    of_studies(ledger, {1: STUDY, 2: STUDY, 3: OTHER})
    assert ledger.looks.unjudged() == [] and ledger.looks.codes_of_study(STUDY) is None
    ledger.looks.note([Look(hex32(1)), Look(hex32(3))])
    assert ledger.looks.unjudged() == sorted((STUDY, OTHER))
    assert ledger.looks.judged(STUDY, ["uid_reuse", "truncated"], 1)
    assert ledger.looks.codes_of_study(STUDY) == ("uid_reuse", "truncated")
    assert ledger.looks.unjudged() == [OTHER]
    ledger.looks.note([Look(hex32(2))])
    assert STUDY in ledger.looks.unjudged()
    assert not ledger.looks.judged(STUDY, [], 1), "two were seen by now"
    assert STUDY in ledger.looks.unjudged() and ledger.looks.judged(STUDY, [], 2)
    assert ledger.looks.codes_of_study(STUDY) == ()


def test_a_study_that_nobody_saw_anything_of_is_not_judged(ledger: Custody) -> None:
    of_studies(ledger, {1: STUDY})
    ledger.looks.judged(STUDY, ["uid_reuse"], 0)
    assert ledger.looks.codes_of_study(STUDY) is None


def test_alarms_are_the_whole_of_what_is_wrong_now_and_the_new_ones_are_told(ledger: Custody) -> None:
    one, two = hex32(1, 6), hex32(2, 6)
    assert ledger.looks.alarm({one: ["uid_reuse"]}) == {one: ("uid_reuse",)}
    assert ledger.looks.alarm({one: ["uid_reuse"], two: ["truncated"]}) == {two: ("truncated",)}
    assert ledger.looks.alarms() == {one: ("uid_reuse",), two: ("truncated",)}
    assert ledger.looks.alarm({two: ["uid_reuse"]}) == {two: ("uid_reuse",)}
    assert ledger.looks.alarms() == {two: ("uid_reuse",)}
    assert ledger.looks.alarm({}) == {} and ledger.looks.alarms() == {}


@pytest.mark.parametrize(
    "look",
    [
        Look(hex32(1), codes=("Foster",)),
        Look(hex32(1), frames=-1),
        Look(hex32(1), features={"of Foster": 1.0}),
        Look(hex32(1), features={"density": float("nan")}),
    ],
)
def test_words_and_numbers_that_are_none_are_not_kept(ledger: Custody, look: Look) -> None:
    wait(ledger, 1)
    with pytest.raises(ValueError, match=r"code|frames|feature"):
        ledger.looks.note([look])
    with pytest.raises(ValueError, match="code"):
        ledger.looks.judged(STUDY, ["Foster"], 0)
    with pytest.raises(ValueError, match="code"):
        ledger.looks.alarm({hex32(1, 6): ["Foster"]})
    assert unseen(ledger) == [hex32(1)]


def test_all_of_it_can_be_asked_of_a_ledger_that_is_only_read_and_after_a_start(tmp_path: Path) -> None:
    with open_custody(tmp_path / "ledger.db", KEY) as ledger:
        of_studies(ledger, {1: STUDY, 2: OTHER})
        ledger.looks.note([SEEN])
        ledger.looks.judged(STUDY, ["uid_reuse"], 1)
        ledger.looks.alarm({hex32(1, 6): ["uid_reuse"]})
    with read_custody(tmp_path / "ledger.db") as view:
        assert view.looks.of_items([hex32(1)]) == {hex32(1): SEEN}
        assert view.looks.codes_of_study(STUDY) == ("uid_reuse",)
        assert view.looks.alarms() == {hex32(1, 6): ("uid_reuse",)}
        assert [one.look for one in view.looks.recent(5)] == [SEEN]
    with open_custody(tmp_path / "ledger.db", KEY) as ledger:
        assert unseen(ledger) == [hex32(2)]
