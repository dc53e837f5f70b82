"""Studies are ordered by rules that say why, the same however their objects come, and no word of a header stays."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowgate.analyse.triage import Coded, Rule, fitting, level_of, ranked, rules, with_own, words_fit

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
    assert all(rule.because.endswith(".") and (rule.words or rule.priority or rule.measured) for rule in rules())
    assert not any("diagnos" in rule.because for rule in rules())


def test_what_was_measured_in_one_slice_counts_for_its_study() -> None:
    slices = [Coded("1.2", "CT"), Coded("1.2", "CT", measured=("hyperdense",)), Coded("1.3", "CT")]
    first, second = ranked(slices)
    assert (first.study, first.level, first.reasons) == ("1.2", "high", ("measured_hyperdense",))
    assert (second.score, second.reasons) == (0, ())
    assert ranked([Coded("1.2", "CT", measured=("lung_opacity",))])[0].reasons == ("measured_lung_opacity",)


def test_a_rule_of_ones_own_takes_the_place_of_one_that_is_shipped_and_a_score_of_none_switches_it_off() -> None:
    own = (
        Rule("stroke_words", 10, "Mine.", words=("*cva*",)),
        Rule("trauma_words", 0, "Off."),
        Rule("knee", 5, "Knee."),
    )
    table = with_own(own)
    assert len(table) == len(rules()) and table[-1].id == "knee"
    assert "trauma_words" not in [rule.id for rule in table]
    assert words_fit(table, ["CVA", "polytrauma"]) == ("stroke_words",) and words_fit(table, ["stroke"]) == ()
    assert with_own(()) == rules()


def test_rules_that_fit_an_object_make_its_level_as_long_as_they_are_there() -> None:
    ids = fitting(TABLE, Coded("1.2", "CT", "high", ("head",)))
    assert ids == ("stat", "head") and level_of(TABLE, ids) == "high"
    assert level_of(TABLE[1:], ids) == "medium" and level_of(TABLE, ()) == "medium"
    assert level_of(TABLE, ("routine",)) == "low"


def test_words_are_found_in_one_description_not_across_two() -> None:
    table = (Rule("both", 1, "Both.", words=("*head*neck*", "[a]*")),)
    assert words_fit(table, ["head", "neck"]) == () and words_fit(table, ["HEAD and NECK"]) == ("both",)
    assert words_fit(table, ["a thing"]) == ("both",)
    assert words_fit((Rule("any", 1, "Any.", words=("*",)),), ["", " "]) == ()
