"""What every ledger does; SQLite and its memory twin run the same suite, and side by side they never differ."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stowgate.item import Item
from stowgate.lifecycle import State
from stowgate.store.memory import MemoryLedger
from stowgate.store.sqlite import open_ledger, rehearse
from stowgate.store.store import SETTLED, Earlier, Known, Ledger, Made, Outcome, Start, Target
from stowgate.vault.key import Key

KEY = Key(bytes(range(32)))
POLICY, OTHER_POLICY = "a" * 64, "b" * 64
ENDS = [state for state in SETTLED if state is not State.CLEANED]


def ticking() -> Callable[[], float]:
    return itertools.count(1_700_000_000.0).__next__


@pytest.fixture(params=["memory", "sqlite"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    made: Ledger = MemoryLedger(KEY, ticking()) if request.param == "memory" else open_ledger(tmp_path / "s", KEY)
    with made:
        yield made


def target(ledger: Ledger, policy: str = POLICY, out: str = "/out", layout: str = "{instance}.dcm") -> Target:
    return ledger.target(policy, out, layout)


def start(ledger: Ledger, name: str = "one", size: int = 10) -> Start:
    path = f"/in/{name}"
    return Start(ledger.fingerprint(path, size, 5), path, size)


def cleaned(id: str, instance: str = "2.25.1", relative: str = "p/1.dcm", size: int = 9) -> Outcome:
    return Outcome(Item(id, State.CLEANED), Made(instance, relative, size))


def ended(id: str, state: State) -> Outcome:
    return Outcome(Item(id, state, code="uid_reuse"), place="(0008,0018)")


class TestEveryStore:
    def test_knows_nothing_of_an_input_it_never_saw(self, ledger: Ledger) -> None:
        assert ledger.lookup([start(ledger).id], target(ledger)) == {}
        assert ledger.path_of(start(ledger).id) is None
        assert sum(ledger.counts().values()) == 0

    def test_another_path_size_or_time_is_another_input(self, ledger: Ledger) -> None:
        ids = {
            ledger.fingerprint("/in/a", 1, 1),
            ledger.fingerprint("/in/b", 1, 1),
            ledger.fingerprint("/in/a", 2, 1),
            ledger.fingerprint("/in/a", 1, -2),
            ledger.fingerprint(Path("/in/a"), 1, 1),
        }
        assert len(ids) == 4
        assert all(len(id) == 32 and int(id, 16) >= 0 for id in ids)

    def test_a_relative_path_is_a_mistake_of_the_caller(self, ledger: Ledger) -> None:
        with pytest.raises(ValueError, match="absolute"):
            ledger.fingerprint("in/a", 1, 1)
        with pytest.raises(ValueError, match="absolute"):
            ledger.target(POLICY, "out", "{instance}.dcm")

    def test_a_start_is_counted_before_the_work(self, ledger: Ledger) -> None:
        one = start(ledger)
        assert ledger.begin([one]) == frozenset()
        assert ledger.lookup([one.id], target(ledger)) == {one.id: Known(State.RECEIVED, None, 1, None, None)}

    def test_starts_without_an_end_add_up(self, ledger: Ledger) -> None:
        one = start(ledger)
        for _ in range(3):
            ledger.begin([one])
        assert ledger.lookup([one.id], target(ledger))[one.id].attempts == 3

    def test_an_orderly_stop_takes_one_start_back(self, ledger: Ledger) -> None:
        one, never = start(ledger), start(ledger, "never")
        ledger.begin([one])
        ledger.begin([one])
        ledger.release([one.id, never.id])
        assert ledger.lookup([one.id], target(ledger))[one.id].attempts == 1
        ledger.release([one.id])
        ledger.release([one.id])
        assert ledger.lookup([one.id], target(ledger))[one.id].attempts == 0

    def test_a_settled_item_has_no_start_to_take_back(self, ledger: Ledger) -> None:
        one = start(ledger)
        ledger.begin([one])
        ledger.settle([cleaned(one.id)], target(ledger))
        ledger.release([one.id])
        assert ledger.lookup([one.id], target(ledger))[one.id].state is State.CLEANED

    def test_an_end_clears_the_count_of_starts(self, ledger: Ledger) -> None:
        one = start(ledger)
        ledger.begin([one])
        ledger.begin([one])
        ledger.settle([ended(one.id, State.QUARANTINED)], target(ledger))
        known = ledger.lookup([one.id], target(ledger))[one.id]
        assert known == Known(State.QUARANTINED, "uid_reuse", 0, None, None)

    def test_a_cleaned_input_is_known_by_its_output(self, ledger: Ledger) -> None:
        one = start(ledger)
        ledger.begin([one])
        assert ledger.settle([cleaned(one.id)], target(ledger)) == frozenset()
        assert ledger.lookup([one.id], target(ledger))[one.id] == Known(State.CLEANED, None, 0, "p/1.dcm", 9)

    def test_done_for_one_target_is_not_done_for_another(self, ledger: Ledger) -> None:
        one = start(ledger)
        ledger.begin([one])
        ledger.settle([cleaned(one.id)], target(ledger))
        for other in (
            target(ledger, policy=OTHER_POLICY),
            target(ledger, out="/elsewhere"),
            target(ledger, layout="{study}/{instance}.dcm"),
        ):
            assert ledger.lookup([one.id], other)[one.id] == Known(State.CLEANED, None, 0, None, None)
            assert ledger.by_instance(["2.25.1"], other) == {}

    def test_several_targets_each_keep_their_clean_object(self, ledger: Ledger) -> None:
        one, first, second = start(ledger), target(ledger), target(ledger, policy=OTHER_POLICY)
        for where, relative in ((first, "first.dcm"), (second, "second.dcm")):
            ledger.begin([one])
            ledger.settle([cleaned(one.id, relative=relative)], where)
        assert ledger.lookup([one.id], first)[one.id].relative == "first.dcm"
        assert ledger.lookup([one.id], second)[one.id].relative == "second.dcm"

    def test_an_item_judged_again_keeps_what_was_made_of_it(self, ledger: Ledger) -> None:
        one = start(ledger)
        ledger.begin([one])
        ledger.settle([cleaned(one.id)], target(ledger))
        ledger.begin([one])
        ledger.settle([ended(one.id, State.HELD)], target(ledger))
        assert ledger.lookup([one.id], target(ledger))[one.id] == Known(State.HELD, "uid_reuse", 0, "p/1.dcm", 9)

    def test_an_instance_finds_the_input_that_made_it(self, ledger: Ledger) -> None:
        one = start(ledger)
        ledger.begin([one])
        ledger.settle([cleaned(one.id)], target(ledger))
        found = ledger.by_instance(["2.25.1", "2.25.2"], target(ledger))
        assert found == {"2.25.1": Earlier(one.id, Made("2.25.1", "p/1.dcm", 9))}

    def test_a_clean_object_made_again_of_another_input_is_still_one(self, ledger: Ledger) -> None:
        one, two = start(ledger, "one"), start(ledger, "two")
        ledger.begin([one, two])
        ledger.settle([cleaned(one.id, size=9)], target(ledger))
        ledger.settle([cleaned(two.id, size=11)], target(ledger))
        assert ledger.by_instance(["2.25.1"], target(ledger))["2.25.1"] == Earlier(
            two.id, Made("2.25.1", "p/1.dcm", 11)
        )
        known = ledger.lookup([one.id, two.id], target(ledger))
        assert (known[one.id].relative, known[two.id].relative) == (None, "p/1.dcm")

    def test_the_newest_clean_object_of_an_input_counts(self, ledger: Ledger) -> None:
        one = start(ledger)
        for instance, relative in (("2.25.1", "1.dcm"), ("2.25.2", "2.dcm"), ("2.25.1", "1.dcm")):
            ledger.begin([one])
            ledger.settle([cleaned(one.id, instance, relative)], target(ledger))
        assert ledger.lookup([one.id], target(ledger))[one.id].relative == "1.dcm"

    @pytest.mark.parametrize("state", ENDS)
    def test_every_other_end_has_a_state_a_code_and_no_output(self, ledger: Ledger, state: State) -> None:
        one = start(ledger)
        ledger.begin([one])
        ledger.settle([ended(one.id, state)], target(ledger))
        assert ledger.lookup([one.id], target(ledger))[one.id] == Known(state, "uid_reuse", 0, None, None)
        assert ledger.counts()[state] == 1

    @pytest.mark.parametrize("state", SETTLED)
    def test_every_end_of_a_batch_can_be_judged_again(self, ledger: Ledger, state: State) -> None:
        one = start(ledger)
        ledger.begin([one])
        ledger.settle([cleaned(one.id) if state is State.CLEANED else ended(one.id, state)], target(ledger))
        assert ledger.begin([one]) == frozenset()
        known = ledger.lookup([one.id], target(ledger))[one.id]
        assert (known.state, known.code, known.attempts) == (State.RECEIVED, None, 1)

    def test_an_end_without_a_start_is_left_alone_and_the_rest_goes_on(self, ledger: Ledger) -> None:
        one, never, two = (start(ledger, name) for name in ("one", "never", "two"))
        ledger.begin([one, two])
        group = [cleaned(one.id, "2.25.1"), cleaned(never.id, "2.25.2"), cleaned(two.id, "2.25.3")]
        assert ledger.settle(group, target(ledger)) == {never.id}
        assert ledger.lookup([never.id], target(ledger)) == {}
        assert set(ledger.by_instance(["2.25.1", "2.25.2", "2.25.3"], target(ledger))) == {"2.25.1", "2.25.3"}

    def test_settling_twice_changes_nothing(self, ledger: Ledger) -> None:
        one = start(ledger)
        ledger.begin([one])
        ledger.settle([ended(one.id, State.HELD)], target(ledger))
        assert ledger.settle([cleaned(one.id)], target(ledger)) == {one.id}
        assert ledger.lookup([one.id], target(ledger))[one.id].state is State.HELD
        assert ledger.by_instance(["2.25.1"], target(ledger)) == {}

    def test_an_empty_group_is_no_work(self, ledger: Ledger) -> None:
        assert ledger.begin([]) == ledger.settle([], target(ledger)) == frozenset()
        assert ledger.lookup([], target(ledger)) == {}
        assert ledger.by_instance([], target(ledger)) == {}
        ledger.release([])

    def test_every_item_is_in_exactly_one_state(self, ledger: Ledger) -> None:
        group = [start(ledger, f"{n}") for n in range(12)]
        ledger.begin(group)
        outcomes = [
            cleaned(one.id, f"2.25.{n}", f"{n}.dcm") if n % 2 else ended(one.id, ENDS[n % len(ENDS)])
            for n, one in enumerate(group[:10])
        ]
        ledger.settle(outcomes, target(ledger))
        counts = ledger.counts()
        assert set(counts) == set(State)
        assert sum(counts.values()) == 12
        assert counts[State.CLEANED] == 5
        assert counts[State.RECEIVED] == 2

    def test_the_owner_gets_the_path_back(self, ledger: Ledger) -> None:
        odd = Start(ledger.fingerprint("/in/\udcff", 1, 1), "/in/\udcff", 1)
        ledger.begin([odd])
        assert ledger.path_of(odd.id) == "/in/\udcff"

    def test_a_run_has_an_end_once(self, ledger: Ledger) -> None:
        first, second = (ledger.start_run(target(ledger)) for _ in range(2))
        ledger.end_run(first, {"received": 3, "cleaned": 3})
        ledger.end_run(first, {"received": 0})
        ended, killed = ledger.runs()
        assert (ended.number, ended.counted) == (first, {"received": 3, "cleaned": 3})
        assert ended.ended is not None
        assert ended.ended >= ended.started
        assert (killed.number, killed.ended, killed.counted) == (second, None, {})
        assert ended.target == target(ledger)

    def test_nothing_it_gives_out_shows_a_path_when_printed(self, ledger: Ledger) -> None:
        one = start(ledger, "DOE^JOHN")
        ledger.begin([one])
        known = ledger.lookup([one.id], target(ledger))
        assert "DOE" not in f"{one!r}{known!r}{target(ledger, out='/DOE')!r}{ledger!r}"


def test_an_outcome_must_make_sense() -> None:
    id = "0" * 32
    made = Made("2.25.1", "1.dcm", 1)
    for state in set(State) - set(SETTLED):
        with pytest.raises(ValueError, match="no end"):
            Outcome(Item(id, state))
    with pytest.raises(ValueError, match="clean object"):
        Outcome(Item(id, State.CLEANED))
    with pytest.raises(ValueError, match="clean object"):
        Outcome(Item(id, State.HELD, code="graphics"), made)
    for state in (State.HELD, State.QUARANTINED, State.REJECTED):
        with pytest.raises(ValueError, match="needs a code"):
            Outcome(Item(id, state))
    with pytest.raises(ValueError, match="table of reasons"):
        Outcome(Item(id, State.HELD, code="DOE"))


ITEMS = st.integers(0, 3)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.lists(ITEMS, unique=True)),
        st.tuples(st.just("release"), st.lists(ITEMS, unique=True)),
        st.tuples(
            st.just("settle"),
            st.lists(st.tuples(ITEMS, st.sampled_from(SETTLED), st.integers(0, 2)), unique_by=lambda end: end[0]),
            st.sampled_from([POLICY, OTHER_POLICY]),
        ),
    ),
    max_size=12,
)


def play(ledger: Ledger, steps: list[tuple[object, ...]]) -> list[object]:
    """Everything a caller could see while these steps are taken."""
    starts = [start(ledger, f"{n}") for n in range(4)]
    seen: list[object] = []
    for verb, group, *policy in steps:
        assert isinstance(group, list)
        if verb == "begin":
            seen.append(ledger.begin([starts[n] for n in group]))
        elif verb == "release":
            ledger.release([starts[n].id for n in group])
        else:
            outcomes = [
                cleaned(starts[n].id, f"2.25.{uid}", f"{uid}.dcm", n)
                if state is State.CLEANED
                else ended(starts[n].id, state)
                for n, state, uid in group
            ]
            seen.append(ledger.settle(outcomes, target(ledger, str(policy[0]))))
        for name in (POLICY, OTHER_POLICY):
            seen.append(ledger.lookup([one.id for one in starts], target(ledger, name)))
            seen.append(ledger.by_instance(["2.25.0", "2.25.1", "2.25.2"], target(ledger, name)))
        seen.append(ledger.counts())
    return seen


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_the_twins_never_differ(steps: list[tuple[object, ...]]) -> None:
    with rehearse(Path("/nonexistent"), KEY, ticking()) as ledger:
        assert play(ledger, steps) == play(MemoryLedger(KEY, ticking()), steps)
