"""Every rule that fits counts, and nothing of a description stays but that it fitted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowgate.outbox.policy import Urgency
from stowgate.outbox.routing import (
    SEND,
    Facts,
    Rule,
    mark_of,
    marks_of,
    priority_of,
    profiles_of,
    routed,
    text_of,
    wish_of,
    wished,
)

WORDS = st.sampled_from(["", "a", "b", "c"])
SOME = st.lists(st.sampled_from("abc"), max_size=2).map(tuple)
RULES = st.lists(st.builds(Rule, SOME, SOME, SOME, SOME, st.just(()), st.sampled_from(Urgency)), max_size=5)


def test_without_a_rule_nothing_goes_anywhere() -> None:
    assert routed(Facts("ct"), []) == {}


def test_a_rule_without_conditions_fits_everything() -> None:
    assert routed(Facts("ct"), [Rule(("pacs",))]) == {"pacs": Urgency.MEDIUM}


def test_every_rule_that_fits_counts_and_the_highest_urgency_wins() -> None:
    rules = [
        Rule(("pacs", "research")),
        Rule(("pacs",), modalities=("MG",), urgency=Urgency.HIGH),
        Rule(("research",), sources=("drop",), urgency=Urgency.HIGH),
        Rule(("archive",), sop_classes=("1.2",)),
    ]
    assert routed(Facts("ct", "MG", "1.2"), rules) == {
        "pacs": Urgency.HIGH, "research": Urgency.MEDIUM, "archive": Urgency.MEDIUM,
    }  # fmt: skip


@given(WORDS, WORDS, WORDS, RULES)
def test_an_object_goes_exactly_where_a_fitting_rule_says(
    source: str, modality: str, sop: str, rules: list[Rule]
) -> None:
    facts = Facts(source, modality, sop)
    wanted = {name for rule in rules if rule.fits(facts) for name in rule.destinations}
    assert routed(facts, rules).keys() == wanted
    for rule in rules:
        conditions = [(rule.sources, source), (rule.modalities, modality), (rule.sop_classes, sop)]
        assert rule.fits(facts) is all(not allowed or value in allowed for allowed, value in conditions)


@pytest.mark.parametrize(
    ("description", "fits"),
    [(b"Breast screening", True), (b"BREAST TOMO ", True), (b"CT CHEST", False), (b"", False),
     ("Mammographie Brüste breast".encode("latin-1"), True), (b"x" * 300 + b"breast", False)],
)  # fmt: skip
def test_a_description_is_matched_whatever_its_case(description: bytes, fits: bool) -> None:
    marks = marks_of(["*breast*", "*night*"], [b"", description])
    assert marks == ((mark_of("*breast*"),) if fits else ())
    rule = Rule(("pacs",), descriptions=("*BREAST*", "*other*"))
    assert rule.fits(Facts("ct", marks=marks)) is fits


@given(st.binary(max_size=200), st.text(max_size=20))
def test_no_description_and_no_pattern_breaks_it_and_a_mark_shows_neither(description: bytes, pattern: str) -> None:
    for mark in marks_of([pattern], [description]):
        assert len(mark) == 16 and set(mark) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    ("values", "priority"),
    [
        ((b"", b""), ""), ((b"STAT ", b""), "high"), ((b"", b"routine"), "medium"), ((b"LOW", b"HIGH"), "high"),
        ((b"LOW\0", b"MEDIUM"), "medium"), ((b"Dr Foster: soon", b""), ""), ((b"low",), "low"),
    ],
)  # fmt: skip
def test_a_priority_is_one_of_dicoms_terms_or_none(values: tuple[bytes, ...], priority: str) -> None:
    assert priority_of(values) == priority
    rule = Rule(("pacs",), priorities=("high", "medium"))
    assert rule.fits(Facts("ct", priority=priority)) is (priority in ("high", "medium"))
    assert Rule(("pacs",)).fits(Facts("ct", priority=priority))


def test_a_destination_gets_one_profile() -> None:
    rules = [Rule(("pacs", "nas")), Rule(("archive",), profile="research"), Rule(("pacs",), modalities=("MG",))]
    assert profiles_of(rules) == {"pacs": "", "nas": "", "archive": "research"}
    with pytest.raises(ValueError, match="one profile"):
        profiles_of([*rules, Rule(("nas",), profile="research")])


@pytest.mark.parametrize(
    ("said", "level", "expected"),
    [
        ((None,), Urgency.MEDIUM, Urgency.MEDIUM),
        ((None,), Urgency.HIGH, Urgency.HIGH),
        ((None,), Urgency.LOW, Urgency.LOW),
        ((Urgency.MEDIUM,), Urgency.LOW, Urgency.MEDIUM),
        ((Urgency.LOW,), Urgency.HIGH, Urgency.HIGH),
        ((Urgency.HIGH,), Urgency.MEDIUM, Urgency.HIGH),
        ((None, Urgency.LOW), Urgency.LOW, Urgency.LOW),
        ((None, Urgency.HIGH), Urgency.LOW, Urgency.HIGH),
    ],
)
def test_triage_raises_what_a_route_says_and_lowers_only_where_none_says_anything(
    said: tuple[Urgency | None, ...], level: Urgency, expected: Urgency
) -> None:
    rules = [Rule(("nas",), urgency=one) for one in said]
    assert routed(Facts("ct"), rules, level) == {"nas": expected}


def test_what_a_person_sends_is_raised_and_never_lowered() -> None:
    facts = Facts(SEND, marks=(wish_of("nas"),))
    for level, expected in ((Urgency.LOW, Urgency.MEDIUM), (Urgency.HIGH, Urgency.HIGH)):
        assert wished(facts, ["nas", "pacs"], level) == {"nas": expected}


@pytest.mark.parametrize(
    ("raw", "text"), [("Schädel ".encode(), "Schädel"), ("Schädel\0".encode("latin-1"), "Schädel"), (b"", "")]
)
def test_a_description_is_text_in_whatever_character_set(raw: bytes, text: str) -> None:
    assert text_of(raw) == text
