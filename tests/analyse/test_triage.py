"""Studies are ordered by rules that say why, the same however their objects come, and no word of a header stays."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowgate.analyse.triage import Coded, Rule, ranked, rules, words_fit

TABLE = (
    Rule("stat", 60, "It is STAT.", priority=("high",)),
    Rule("head", 30, "It asks about the head.", words=("*head*",), modality=("CT", "MR")),
    Rule("routine", -20, "It is LOW.", priority=("low",)),
)


def test_a_score_is_the_sum_of_the_rules_that_fit_and_names_them() -> None:
    (one,) = ranked([Coded("1.2", "CT", "high", ("head",))], TABLE)
    assert (one.score, one.level, one.reasons, one.instances) == (90, "high", ("stat", "head"), 1)


def test_a_rule_counts_once_for_a_study_however_many_objects_it_fits() -> None:
    (one,) = ranked([Coded("1.2", "CT", "high")] * 40, TABLE)
    assert (one.score, one.instances) == (60, 40)


def test_all_conditions_of_a_rule_have_to_hold_for_one_object() -> None:
    (one,) = ranked([Coded("1.2", "US", "", ("head",)), Coded("1.2", "CT")], TABLE)
    assert (one.score, one.level, one.reasons) == (0, "medium", ())


def test_the_most_urgent_comes_first_and_what_can_wait_last() -> None:
    found = ranked([Coded("a", "CT", "low"), Coded("b", "CT"), Coded("c", "CT", "high")], TABLE)
    assert [(one.study, one.level) for one in found] == [("c", "high"), ("b", "medium"), ("a", "low")]


@given(
    st.lists(
        st.builds(
            Coded, st.sampled_from("abcdef"), st.sampled_from(["CT", "MG"]), st.sampled_from(["high", "low", ""])
        ),
        max_size=30,
    ),
    st.integers(),
)
def test_the_order_does_not_depend_on_how_objects_come(objects: list[Coded], seed: int) -> None:
    shuffled = random.Random(seed).sample(objects, len(objects))
    assert ranked(objects, TABLE) == ranked(shuffled, TABLE)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CT HEAD STROKE PROTOCOL", ["stroke_words"]),
        ("Polytrauma Spirale", ["trauma_words"]),
        ("STAT", ["emergency_words"]),
        ("Status post surgery", []),
        ("V.a. Lungenembolie", ["embolism_words"]),
        ("Mammography screening", ["screening_words"]),
        ("Knee routine", []),
        ("", []),
    ],
)
def test_the_shipped_words_mean_what_they_say(text: str, expected: list[str]) -> None:
    assert list(words_fit(rules(), [text])) == expected


def test_every_shipped_rule_has_an_id_of_its_own_and_a_sentence() -> None:
    ids = [rule.id for rule in rules()]
    assert len(ids) == len(set(ids))
    assert all(rule.because.endswith(".") and (rule.words or rule.priority) for rule in rules())
    assert not any("diagnos" in rule.because for rule in rules())
