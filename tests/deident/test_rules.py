"""Rules by SOP class and path: the oracle for every IOD, depth, overrides, and what many threads may ask at once."""

from __future__ import annotations

import threading

import pytest

from stowgate.deident import rules
from stowgate.policy import Option, Override, Policy
from stowgate.standard import iods
from tests.deident import rule_checks
from tests.deident.rule_checks import BASIC, CT
from tests.shared import needs_shared

DESCRIPTORS = Policy(options=frozenset({Option.DESCRIPTORS}))


@needs_shared
def test_every_attribute_of_every_iod_is_resolved_as_the_oracle_says():
    assert rule_checks.against_the_oracle() == []


@needs_shared
def test_every_path_where_the_plain_action_breaks_the_type_gets_the_stronger_form():
    assert rule_checks.against_the_oracle_at_depth() == []


@pytest.mark.parametrize(
    "check",
    [
        "repeating_groups",
        "always_removed",
        "unknown_goes",
        "strictest_without_tables",
        "safe_private_rules",
        "overrides_hold_where_they_say",
        "flavours",
    ],
)
def test_the_rules_pass_the_check(check):
    assert rule_checks.CHECKS[check]() == []


@pytest.mark.parametrize(
    ("path", "tag", "kind", "action"),
    [
        # Radiopharmaceutical Start DateTime, in the item of Radiopharmaceutical Information and where it is not defined
        (("00540016",), 0x00181078, "1", "D"),
        ((), 0x00181078, "", "X"),
        # Requested Procedure ID inside Request Attributes Sequence
        (("00400275",), 0x00401001, "1C", "D"),
        # Responsible Person, at the top
        ((), 0x00102297, "2C", "Z"),
        # Unique Device Identifier inside Contributing Equipment Sequence
        (("0018A001", "0018100A"), 0x00181009, "1", "D"),
    ],
)
def test_types_are_taken_from_the_path_in_an_enhanced_pet_image(path, tag, kind, action):
    node = rules.rules_for(BASIC, "1.2.840.10008.5.1.4.1.1.130")
    for step in path:
        node = node.child(int(step, 16))
    assert (node.rule(tag).type, node.rule(tag).action) == (kind, action)


def test_a_known_rule_is_a_plain_look_up():
    node = rules.rules_for(BASIC, CT)
    first = node.rule(0x00100010)
    assert node.rules[0x00100010] is first
    assert node.rule(0x00100010) is first
    assert rules.rules_for(BASIC, CT) is node


def test_one_iod_has_one_set_of_rules_whatever_its_sop_classes():
    presentation, processing = "1.2.840.10008.5.1.4.1.1.1.2", "1.2.840.10008.5.1.4.1.1.1.2.1"
    assert rules.rules_for(BASIC, presentation) is rules.rules_for(BASIC, processing)
    assert rules.rules_for(BASIC, presentation) is not rules.rules_for(DESCRIPTORS, presentation)


def test_places_about_which_the_iod_says_nothing_share_their_rules():
    top = rules.rules_for(BASIC, CT)
    nowhere = top.child_private()
    assert top.child(0x00091001) is nowhere
    assert top.child(0x00100010) is nowhere
    assert nowhere.child(0x00400275) is nowhere
    assert nowhere.rule(0x00100010).action == "Z"
    assert nowhere.rule(0x00100010).type == ""


def test_hostile_tags_do_not_fill_the_memory():
    node = rules.rules_for(BASIC, CT)
    nodes = len(node._book.nodes)
    before = len(node.rules), len(node._children)
    for number in range(5000):
        node.rule(0x00113000 + number)
        node.rule(0x60000000 + number)
        node.rule(0x00105000 + number)
        node.rule((0x0100 + 2 * number << 16) & 0xFFFF0000)
        node.child(0x00113000 + number).child(0x00105000 + number)
        rules.private_rule(BASIC, 0x0011, f"creator {number}", 1)
    for sop_class in range(50):
        rules.rules_for(BASIC, f"1.2.3.{sop_class}").rule(0x00100010)
    assert (len(node.rules), len(node._children)) == before
    assert len(node._book.nodes) <= nodes + 1


def test_threads_that_ask_at_once_get_the_same_rules():
    policy = Policy(station_name="THREADS")
    tags = list(iods.root(CT).types())
    start = threading.Barrier(8)
    found: list[list[rules.Rule]] = []

    def ask() -> None:
        start.wait()
        node = rules.rules_for(policy, CT)
        found.append([node.rule(tag) for tag in tags] + [node.child(0x00400275).rule(tag) for tag in tags])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(one == found[0] for one in found)


def test_every_rule_says_why_in_one_sentence():
    for policy in (BASIC, DESCRIPTORS, Policy(options=frozenset({Option.FULL_DATES, Option.UIDS}))):
        node = rules.rules_for(policy, CT)
        for tag in iods.root(CT).types():
            rule = node.rule(tag)
            assert rule.why
            assert "\n" not in rule.why
            assert rule.action in set("XZDKCU")
            assert rule.basic in set("XZDU")


@pytest.mark.parametrize(
    ("options", "tag", "expected"),
    [
        ((), 0x00081030, ("X", "X", "E.1-1", "X")),
        ((Option.DESCRIPTORS,), 0x00081030, ("C", "C", "option:descriptors", "X")),
        ((), 0x00080020, ("Z", "Z", "E.1-1", "Z")),
        ((Option.FULL_DATES,), 0x00080020, ("K", "K", "option:full-dates", "Z")),
        ((Option.MODIFIED_DATES,), 0x00080020, ("C", "C", "option:modified-dates", "Z")),
        ((), 0x00080022, ("X", "X/Z", "E.1-1", "X")),
        ((), 0x00080023, ("Z", "Z/D", "E.1-1", "Z")),
        ((), 0x00102297, ("Z", "X", "type", "Z")),
        ((), 0x00080070, ("K", "", "role:technical", "Z")),
        ((), 0x00280010, ("K", "", "role:number", "D")),
        ((), 0x00080016, ("K", "", "role:uid_definition", "D")),
        ((Option.DEVICE_IDENTITY, Option.MODIFIED_DATES), 0x00181200, ("X", "X", "E.1-1", "X")),
        ((Option.DEVICE_IDENTITY,), 0x00080055, ("C", "C", "option:device-identity", "X")),
    ],
)
def test_a_rule_tells_its_code_its_origin_and_the_way_out(options, tag, expected):
    rule = rules.rules_for(Policy(options=frozenset(options)), CT).rule(tag)
    assert (rule.action, rule.table, rule.origin, rule.basic) == expected


def test_required_attributes_of_an_item_are_those_of_its_place():
    top = rules.rules_for(BASIC, CT)
    code = top.child(0x00400275).child(0x00400008)
    assert code.required() == ((0x00080104, "1"),)
    assert (0x00100010, "2") in top.required()
    assert (0x00080008, "1") in top.required()
    assert (0x00080005, "1C") not in top.required()
    assert list(top.required()) == sorted(top.required())
    assert top.child_private().required() == ()


def test_an_override_inside_a_private_sequence_does_not_apply():
    policy = Policy(overrides=(Override("00081030", "keep"),))
    assert rules.rules_for(policy, CT).child_private().rule(0x00081030).action == "X"


def test_an_override_deep_in_a_place_the_iod_does_not_have_applies_there_only():
    policy = Policy(overrides=(Override("00081199/00400275/00400007", "keep"),))
    top = rules.rules_for(policy, "")
    deep = top.child(0x00081199).child(0x00400275)
    assert deep.rule(0x00400007).action == "K"
    assert deep.child(0x00400275).rule(0x00400007).action == "X"
    assert top.child(0x00400275).rule(0x00400007).action == "X"


@pytest.mark.parametrize(("action", "letter"), [("keep", "K"), ("remove", "X"), ("empty", "Z")])
def test_an_override_of_a_private_attribute_holds_wherever_its_block_lies(action, letter):
    policy = Policy(overrides=(Override("0019,SIEMENS MR HEADER,0C", action),))
    rule = rules.private_rule(policy, 0x0019, "SIEMENS MR HEADER", 0x0C)
    assert (rule.action, rule.origin) == (letter, "override")
    assert rules.private_rule(policy, 0x0019, "SIEMENS MR HEADER", 0x0D).action == "X"
    assert rules.rules_for(policy, CT).keeps_private == (action != "remove")


def test_an_override_wins_over_the_list_of_safe_private_attributes():
    policy = Policy(
        options=frozenset({Option.SAFE_PRIVATE}), overrides=(Override("0019,SIEMENS MR HEADER,0C", "remove"),)
    )
    assert rules.private_rule(policy, 0x0019, "SIEMENS MR HEADER", 0x0C).action == "X"
    assert rules.private_rule(policy, 0x0019, "SIEMENS MR HEADER", 0x0D).action == "K"


def test_a_creator_with_a_comma_or_slash_is_matched():
    policy = Policy(overrides=(Override("7E01,HOLOGIC, Inc.,02", "keep"), Override("0011,A/B,01", "keep")))
    assert rules.private_rule(policy, 0x7E01, "HOLOGIC, Inc.", 0x02).action == "K"
    assert rules.private_rule(policy, 0x0011, "A/B", 0x01).action == "K"


@pytest.mark.parametrize(
    ("options", "maps", "dates"),
    [
        ((), True, "remove"),
        ((Option.UIDS,), False, "remove"),
        ((Option.FULL_DATES,), True, "keep"),
        ((Option.MODIFIED_DATES,), True, "shift"),
    ],
)
def test_a_node_tells_what_kept_private_values_have_to_follow(options, maps, dates):
    node = rules.rules_for(Policy(options=frozenset(options)), CT)
    assert (node.maps_uids, node.dates) == (maps, dates)
    assert node.known


@pytest.mark.parametrize(("vr", "options", "action"), [
    ("DA", (), "X"), ("DT", (Option.MODIFIED_DATES,), "C"), ("TM", (Option.FULL_DATES,), "K"),
])  # fmt: skip
def test_a_safe_private_date_would_follow_the_options_on_dates(vr, options, action):
    assert rules._safe(vr, Policy(options=frozenset(options))).action == action
