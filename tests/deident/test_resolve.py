"""Resolution by type and option, against a second reading of the standard and the table of other people."""

from __future__ import annotations

import pytest

from stowgate.deident import resolve
from stowgate.policy import AVAILABLE, Option
from stowgate.standard.profile import OPTION_COLUMNS, ROWS
from tests.deident import rule_checks


def test_each_code_becomes_the_action_its_type_permits():
    assert rule_checks.resolution_by_type() == []


def test_another_projects_table_gives_the_same_codes_but_for_the_row_that_is_new_in_2026d():
    assert rule_checks.second_opinion() == rule_checks.EXPECTED["second_opinion"]


def test_each_option_replaces_the_codes_of_its_own_column_and_no_others():
    assert rule_checks.options_by_column() == []


def test_keeping_beats_cleaning_except_for_dates_of_devices():
    assert rule_checks.options_together() == []


def test_what_the_table_does_not_list_follows_its_role():
    assert rule_checks.unlisted_by_role() == []


@pytest.mark.parametrize(("kind", "like"), [("1C", "1"), ("2C", "2"), ("3", "")])
def test_conditional_types_count_as_their_unconditional_ones(kind, like):
    for code in resolve.BY_TYPE:
        assert resolve.resolve(code, kind) == resolve.resolve(code, like)


def test_every_code_of_the_table_can_be_resolved_under_every_type():
    for row in ROWS:
        for kind in ("1", "1C", "2", "2C", "3", "", resolve.NO_TABLES):
            assert resolve.resolve(row.basic, kind) in set("XZDU")


def test_no_action_leaves_a_mandatory_value_out():
    for row in ROWS:
        assert resolve.resolve(row.basic, "1") in ("D", "U")
        assert resolve.resolve(row.basic, "2") in ("Z", "D", "U")


def test_an_upgrade_is_told_from_a_choice():
    assert resolve.is_upgrade("X", "D")
    assert resolve.is_upgrade("X/Z", "D")
    assert not resolve.is_upgrade("X/Z/D", "D")
    assert not resolve.is_upgrade("X/Z/U*", "U")


def test_every_available_option_has_its_column():
    assert {resolve.COLUMNS[option] for option in Option if option in resolve.COLUMNS} == set(OPTION_COLUMNS)
    assert all(option in resolve.COLUMNS for option in AVAILABLE)


@pytest.mark.parametrize(
    ("tag", "name"),
    [(0x00080201, "Timezone Offset From UTC"), (0x04000310, "Certified Timestamp"), (0x00340007, "Frame Origin")],
)
def test_what_cannot_be_shifted_falls_back_to_the_profile(tag, name):
    verdict = resolve.judge(tag, {Option.MODIFIED_DATES})
    assert (verdict.code, verdict.origin) == (verdict.basic, "E.1-1"), name


def test_an_attribute_nobody_knows_has_no_verdict():
    assert resolve.judge(0x00100001, frozenset()) is None
    assert resolve.judge(0x00280020, frozenset()) is None


def test_a_risky_value_without_a_role_goes(monkeypatch):
    monkeypatch.setattr(resolve.roles, "role_of", lambda _tag: None)
    assert resolve.judge(0x00080070, frozenset()).code == "X"  # Manufacturer, LO
    assert resolve.judge(0x00080016, frozenset()).code == "X"  # SOP Class UID, UI
    assert resolve.judge(0x7FE00010, frozenset()).code == "X"  # Pixel Data, OB or OW
    assert resolve.judge(0x00280010, frozenset()).code == "K"  # Rows, US
