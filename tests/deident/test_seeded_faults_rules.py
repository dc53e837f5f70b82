"""Faults put into the tables and the resolution on purpose: the check that the real tests ask must notice each one."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from stowgate.deident import overrides, profile, resolve, roles, rules
from stowgate.policy import Option, Policy
from stowgate.standard import codes, dictionary, iods
from stowgate.standard import profile as table
from tests.deident import rule_checks
from tests.shared import SHARED

Patch = pytest.MonkeyPatch
FAULTS: dict[str, tuple[str, Callable[[Patch], None]]] = {}
"""Name of the fault -> the check that must notice it, and how to put it in."""


def noticed_by(check: str) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    def enter(fault: Callable[[Patch], None]) -> Callable[[Patch], None]:
        FAULTS[fault.__name__] = (check, fault)
        return fault

    return enter


def _row(patch: Patch, tag: str, **changes) -> None:
    patch.setitem(table._BY_TAG, tag, table._BY_TAG[tag]._replace(**changes))


# ---------------------------------------------------------------- Table E.1-1


@noticed_by("second_opinion")
def a_row_is_dropped(patch):
    patch.delitem(table._BY_TAG, "00100010")


@noticed_by("second_opinion")
def an_action_is_swapped(patch):
    _row(patch, "00081030", basic="Z")


@noticed_by("second_opinion")
def a_compound_code_is_shortened(patch):
    _row(patch, "00080012", basic="X")


@noticed_by("second_opinion")
def the_mask_of_overlays_stops_at_the_first_group(patch):
    plain = table.row_of
    patch.setattr(table, "row_of", lambda tag: None if tag >> 24 == 0x60 else plain(tag))


@noticed_by("options_by_column")
def an_option_cell_is_lost(patch):
    _row(patch, "00080020", options={"rtnLongFullDates": "K"})


# ---------------------------------------------------------------- types


@noticed_by("against_the_oracle")
def types_are_ignored(patch):
    patch.setattr(iods.Place, "type_of", lambda _place, _tag: "")


@noticed_by("against_the_oracle")
def the_loosest_type_of_the_modules_counts(patch):
    def loosest(place, tag):
        found = [iods._tree(number)[tag][0] for number in place if tag in iods._tree(number)]
        return max(found, key=iods._RANK.__getitem__, default="")

    patch.setattr(iods.Place, "type_of", loosest)


@noticed_by("against_the_oracle")
def a_module_of_an_iod_is_missing(patch):
    modules = iods._table()["iods"]["ct-image"]
    patch.setitem(modules, "M", modules["M"][1:])


@noticed_by("against_the_oracle")
def one_type_is_misread(patch):
    (patient,) = (number for number in iods.top_of("ct-image") if 0x00102297 in iods._tree(number))
    patch.setitem(iods._tree(patient), 0x00102297, ("3", -1))


@noticed_by("against_the_oracle_at_depth")
def types_are_taken_from_the_top_level_only(patch):
    patch.setattr(iods.Place, "child", lambda _place, _tag: iods.NOWHERE)


@noticed_by("against_the_oracle_at_depth")
def a_sequence_is_judged_by_the_types_around_it(patch):
    patch.setattr(iods.Place, "child", lambda place, _tag: place)


@noticed_by("resolution_by_type")
def a_conditional_type_counts_as_optional(patch):
    patch.setitem(resolve._BRANCH, "1C", 2)


@noticed_by("resolution_by_type")
def a_mandatory_attribute_is_removed(patch):
    patch.setitem(resolve.BY_TYPE, "X", ("X", "Z", "X", "X"))


@noticed_by("resolution_by_type")
def a_type_2_attribute_gets_a_dummy_instead_of_nothing(patch):
    patch.setitem(resolve.BY_TYPE, "X/Z/D", ("D", "D", "X", "D"))


@noticed_by("strictest_without_tables")
def a_sop_class_without_tables_takes_the_loosest_branch(patch):
    patch.setattr(rules, "NO_TABLES", "")


# ---------------------------------------------------------------- options


@noticed_by("options_by_column")
def two_option_columns_are_swapped(patch):
    patch.setitem(resolve.COLUMNS, Option.DEVICE_IDENTITY, "rtnInstId")


@noticed_by("options_by_column")
def what_is_no_date_is_shifted(patch):
    patch.setitem(resolve._CLEANABLE, Option.MODIFIED_DATES, frozenset(("DA", "DT", "TM", "SH", "OB")))


@noticed_by("options_together")
def cleaning_beats_keeping(patch):
    plain = resolve._listed

    def listed(row, vr, options):
        cleaned = {column: code for column, code in row.options.items() if code == "C"}
        return plain(row._replace(options=cleaned or row.options), vr, options)

    patch.setattr(resolve, "_listed", listed)


@noticed_by("options_together")
def the_dates_of_devices_move_with_the_patients(patch):
    plain = resolve._listed
    patch.setattr(resolve, "_listed", lambda row, vr, on: plain(row, vr, set(on) - {Option.DEVICE_IDENTITY}))


# ---------------------------------------------------------------- what the table does not list


@noticed_by("unlisted_by_role")
def roles_are_not_asked(patch):
    patch.setattr(resolve, "roles", SimpleNamespace(role_of=lambda _tag: None))


def _role(patch: Patch, kind: str, decided: tuple[str, str]) -> None:
    plain = resolve._of_role
    patch.setattr(resolve, "_of_role", lambda k, vr, on: decided if k == kind else plain(k, vr, on))


@noticed_by("unlisted_by_role")
def unlisted_instance_uids_stay(patch):
    _role(patch, "uid_instance", ("K", "U"))


@noticed_by("unlisted_by_role")
def text_typed_by_people_stays(patch):
    _role(patch, "operator", ("K", "X"))


@noticed_by("unlisted_by_role")
def unlisted_dates_stay_whatever_the_option(patch):
    _role(patch, "temporal", ("K", "X"))


@noticed_by("unlisted_by_role")
def harmless_codes_go(patch):
    patch.delitem(resolve.HARMLESS_VRS, "CS")


@noticed_by("unlisted_by_role")
def an_unlisted_attribute_loses_its_vr(patch):
    plain = dictionary.vr_of
    patch.setattr(resolve.dictionary, "vr_of", lambda tag: plain(tag) if roles.role_of(tag) is None else None)


@noticed_by("unknown_goes")
def unknown_attributes_stay(patch):
    plain = rules.judge
    kept = resolve.Verdict("K", "X", "unknown", "", "")
    patch.setattr(rules, "judge", lambda tag, options: plain(tag, options) or kept)


@noticed_by("unknown_goes")
def private_attributes_stay(patch):
    patch.setattr(rules, "PRIVATE", rules.PRIVATE._replace(action="K"))


# ---------------------------------------------------------------- what always goes


@noticed_by("repeating_groups")
def only_the_first_overlay_group_goes(patch):
    patch.setattr(rules, "is_repeating", lambda tag: tag >> 16 == 0x6000 or tag >> 24 == 0x50)


@noticed_by("repeating_groups")
def curves_are_forgotten(patch):
    patch.setattr(rules, "is_repeating", lambda tag: tag >> 24 == 0x60)


@noticed_by("always_removed")
def group_lengths_and_meta_groups_stay(patch):
    patch.setattr(rules, "is_transport", lambda _tag: False)


@noticed_by("always_removed")
def encrypted_attributes_stay(patch):
    patch.setattr(rules, "ALWAYS_REMOVED", rules.ALWAYS_REMOVED - {0x04000500})


@noticed_by("always_removed")
def old_values_inside_original_attributes_get_dummies(patch):
    patch.setattr(rules, "ALWAYS_REMOVED", rules.ALWAYS_REMOVED - {0x04000550})


# ---------------------------------------------------------------- private attributes


@noticed_by("safe_private_rules")
def safe_private_attributes_stay_without_the_option(patch):
    plain = rules._private_rules
    on = frozenset({Option.SAFE_PRIVATE})
    patch.setattr(rules, "_private_rules", lambda policy: plain(Policy(options=policy.options | on)))


@noticed_by("safe_private_rules")
def the_creator_is_not_compared(patch):
    plain = rules._private_rules

    def anybody(policy, group, _creator, low):
        same = (rule for key, rule in plain(policy).items() if (key[0], key[2]) == (group, low))
        return next(same, rules.PRIVATE)

    patch.setattr(rules, "private_rule", anybody)


@noticed_by("safe_private_rules")
def a_uid_in_a_safe_private_attribute_stays(patch):
    plain = rules._safe
    patch.setattr(rules, "_safe", lambda vr, policy: plain("LO" if vr == "UI" else vr, policy))


# ---------------------------------------------------------------- claims and overrides


@noticed_by("claims_follow_facts")
def two_codes_are_permuted(patch):
    plain = codes.code_of_column
    permuted = {"113109": "113110", "113110": "113109"}
    patch.setattr(codes, "code_of_column", lambda column: permuted.get(plain(column), plain(column)))


@noticed_by("claims_follow_facts")
def a_weaker_policy_claims_the_profile(patch):
    patch.setattr(profile, "_weakens", lambda _override, _policy: False)


@noticed_by("overrides_hold_where_they_say")
def overrides_are_not_applied(patch):
    patch.setattr(rules, "_overridden", lambda _override, plain: plain)


@noticed_by("overrides_hold_where_they_say")
def an_override_of_the_top_level_holds_at_every_depth(patch):
    def child(node, tag):
        return node._book.node(node._place.child(tag), node._pending)

    patch.setattr(rules.Node, "child", child)


@noticed_by("overrides_do_not_break_types")
def an_override_may_break_a_type(patch):
    patch.setattr(overrides, "breaks_type", lambda _path, _action: False)


@noticed_by("overrides_do_not_break_types")
def mandatory_modules_are_not_known(patch):
    patch.setattr(iods, "mandatory", lambda: iods.NOWHERE)


@noticed_by("flavours")
def the_patients_own_id_is_emptied_like_any_other_text(patch):
    patch.setattr(rules, "PATIENT_IDENTITY", frozenset())


@noticed_by("flavours")
def descriptions_with_code_strings_are_not_cleaned_as_text(patch):
    patch.setattr(rules, "TEXT_VRS", frozenset())


@pytest.fixture(autouse=True)
def _fresh():
    rule_checks.fresh()
    yield
    rule_checks.fresh()


@pytest.mark.parametrize("name", list(FAULTS))
def test_the_fault_is_noticed(name, monkeypatch):
    check, fault = FAULTS[name]
    if check in rule_checks.NEED_SHARED and SHARED is None:
        pytest.skip("the oracle is in the shared folder: set STOWGATE_SHARED to prove that this fault is noticed")
    fault(monkeypatch)
    rule_checks.fresh()
    assert rule_checks.CHECKS[check]() != rule_checks.EXPECTED.get(check, [])


@pytest.mark.parametrize("check", list(rule_checks.CHECKS))
def test_without_faults_there_is_nothing_to_notice(check):
    if check in rule_checks.NEED_SHARED and SHARED is None:
        pytest.skip("the oracle is in the shared folder: set STOWGATE_SHARED to ask it")
    assert rule_checks.CHECKS[check]() == rule_checks.EXPECTED.get(check, [])


def test_there_are_faults_of_every_kind_and_every_check_has_one():
    assert len(FAULTS) >= 30
    assert {check for check, _ in FAULTS.values()} == set(rule_checks.CHECKS)
