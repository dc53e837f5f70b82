"""The gate reads Table E.1-1 by itself, and comes to the same expectations as the engine's rules."""

from __future__ import annotations

from itertools import combinations

import pytest

from stowgate.deident.resolve import judge as engine_verdict
from stowgate.deident.roles import role_of
from stowgate.objects import Names
from stowgate.policy import AVAILABLE, Option
from stowgate.standard import dictionary
from stowgate.standard.profile import ROWS
from stowgate.verify.expect import Rules, effective_code, rules_of
from stowgate.verify.verdicts import Case, age, alias, blank, derived_uid, shifted

CHOICES = [
    frozenset(chosen)
    for count in (0, 1, 2)
    for chosen in combinations(sorted(AVAILABLE), count)
    if not {Option.FULL_DATES, Option.MODIFIED_DATES} <= set(chosen)
]
LISTED = [int(row.tag, 16) for row in ROWS if len(row.tag) == 8 and "x" not in row.tag]


def case(*uids: bytes) -> Case:
    return Case(Names("7ZK4M0Q9XW2BT3HN", "", "", ""), frozenset(uids))


@pytest.mark.parametrize("options", CHOICES, ids=lambda options: "+".join(sorted(options)) or "basic")
def test_codes_are_those_of_the_engine(options: frozenset[Option]) -> None:
    for tag in LISTED:
        verdict = engine_verdict(tag, options)
        if tag >> 16 > 4 and verdict is not None and verdict.vr:
            assert effective_code(tag, options) == verdict.code, f"{tag:08X}"


@pytest.mark.parametrize("options", CHOICES, ids=lambda options: "+".join(sorted(options)) or "basic")
def test_nothing_the_engine_removes_by_its_vr_may_stay(options: frozenset[Option]) -> None:
    rules = rules_of(options)
    for tag in dictionary.tags():
        role, expected = role_of(tag), rules[tag]
        if role and role.kind in ("person", "ae", "url", "uid_instance") and Option.UIDS not in options:
            assert expected.verdict is not None, f"{tag:08X}"
        if role and role.kind == "uid_definition" and tag >> 16 > 4:
            assert expected.verdict is not derived_uid, f"{tag:08X}"


def test_what_always_goes_may_never_stand_anywhere() -> None:
    rules = rules_of(frozenset(AVAILABLE - {Option.FULL_DATES}))
    gone = (0x00080000, 0x00020003, 0x00041500, 0x50020010, 0x601E3000, 0x60FE0022, 0xFFFAFFFA, 0x00880200, 0x04000500)
    assert all(not rules[tag].vrs and rules[tag].code == "gate_group" for tag in gone)
    assert rules[0x00101234].code == "gate_unknown"


def test_tags_nobody_knows_do_not_fill_the_memory() -> None:
    rules = Rules(frozenset())
    for number in range(0x9000, 0x9800, 2):
        assert rules[0x00110000 - 0x10000 | number].code
    assert len(rules) < 200


@pytest.mark.parametrize(
    "value", [b"", b" ", b"\0\0", b"\0" * 8, b"REMOVED ", b"19000101", b"000000", b"000Y", b"0 ", b"about:blank "]
)
def test_dummies_are_blank(value: bytes) -> None:
    assert blank(case(), 0, value, {})


@pytest.mark.parametrize("value", [b"REMOVED X", b"1", b"19000102", b"\0\1", b"A", b"removed"])
def test_nothing_else_is_blank(value: bytes) -> None:
    assert not blank(case(), 0, value, {})


def test_uids_are_registered_or_derived() -> None:
    assert derived_uid(case(), 0, b"1.2.840.10008.1.2\\2.25.7\\", {})
    for wrong in (b"1.2.3", b"2.25.", b"2.25.07", b"2.25.7.1", b"2.25." + b"9" * 40, b"2.25.7\\JANE", b"2.25.7 x"):
        assert not derived_uid(case(), 0, wrong, {})
    assert not derived_uid(case(b"2.25.7"), 0, b"2.25.7", {})
    assert not derived_uid(case(), 1, b"2.25.7", {1: (b"UI", b"2.25.7\0")})


def test_one_uid_has_one_successor() -> None:
    here = case(b"1.2.3")
    assert derived_uid(here, 1, b"2.25.7", {1: (b"UI", b"1.2.3")})
    assert derived_uid(here, 1, b"2.25.7\\2.25.7", {1: (b"UI", b"1.2.3\\1.2.3")})
    assert not derived_uid(here, 1, b"2.25.8", {1: (b"UI", b"1.2.3")})
    assert not derived_uid(here, 2, b"2.25.7", {2: (b"UI", b"1.2.4")}), "two would become one"
    assert derived_uid(here, 2, b"2.25.9", {2: (b"UI", b"1.2.5")})


def test_registered_uids_are_not_mapped() -> None:
    registered = {1: (b"UI", b"1.2.840.10008.1.2")}
    assert derived_uid(case(), 1, b"1.2.840.10008.1.2", registered)
    assert not derived_uid(case(), 1, b"2.25.7", registered)
    assert derived_uid(case(), 1, b"", registered)


@pytest.mark.parametrize(
    ("old", "new", "holds"),
    [
        (b"067Y", b"067Y", True),
        (b"089Y", b"089Y", True),
        (b"090Y", b"090Y", True),
        (b"091Y", b"090Y", True),
        (b"091Y", b"091Y", False),
        (b"067Y", b"066Y", False),
        (b"999M", b"999M", True),
        (b"OLD ", b"OLD ", False),
        (b"067Y", b"", True),
    ],
)
def test_ages(old: bytes, new: bytes, holds: bool) -> None:
    assert age(case(), 1, new, {1: (b"AS", old)}) is holds


@pytest.mark.parametrize(
    ("old", "new", "holds"),
    [
        (b"20240117", b"20240110", True),
        (b"20240117", b"20240117", False),
        (b"20240117", b"20240116", False),
        (b"20240117", b"20240124", False),
        (b"20240117", b"20000101", False),
        (b"20240117", b"19000101", True),
        (b"20240117", b"", True),
        (b"20240117\\20240118", b"20240110\\20240111", True),
        (b"20240117\\20240118", b"20240110\\20240110", False),
        (b"20240117\\20240118", b"20240110", False),
        (b"2024.01.17", b"2024.01.10", True),
        (b"2024.01.17", b"20240110", False),
        (b"20240117101112", b"20240110101112", True),
        (b"20240117101112", b"20240110101113", False),
        (b"202401", b"202312", False),
        (b"20240199", b"20240110", False),
    ],
)
def test_dates(old: bytes, new: bytes, holds: bool) -> None:
    assert shifted(case(), 1, new, {1: (b"DT", old)}) is holds


def test_a_date_from_nowhere_does_not_hold() -> None:
    assert not shifted(case(), 1, b"20240110", {})


def test_aliases() -> None:
    assert alias(case(), 1, b"SG7ZK4M0Q9XW2BT3 \\SG7ZK4M0Q9XW2BT3", {})
    assert not alias(case(), 1, b"SG7ZK4M0Q9XW2BT3\\CTSCANNER", {})
