"""From names to a policy: what is understood, what is refused and in which words, and what is claimed."""

from __future__ import annotations

import pytest

from stowgate.deident.profile import PROFILES, claim_findings, claims, describe, policy_from
from stowgate.errors import Misconfigured
from stowgate.policy import EDITION, RULE_REVISION, Option, Override, Policy
from stowgate.reasons import REASONS
from tests.deident import rule_checks


def refused(**arguments):
    with pytest.raises(Misconfigured) as caught:
        policy_from(**arguments)
    return caught.value


def test_nothing_asked_for_is_the_basic_profile():
    assert policy_from() == Policy()


def test_options_are_named_as_in_the_standard():
    policy = policy_from(retain=["full-dates", "uids", "safe-private"], clean=["descriptors"])
    assert policy.options == {Option.FULL_DATES, Option.UIDS, Option.SAFE_PRIVATE, Option.DESCRIPTORS}


def test_case_blanks_and_underscores_are_forgiven():
    assert policy_from(retain=[" Full_Dates "]).options == {Option.FULL_DATES}


def test_every_setting_reaches_the_policy():
    policy = policy_from("basic", [], [], [Override("StudyDescription", "empty")],
                         pixels_risk="pass", gate_pixels="full", station_name="TRUCK 7")  # fmt: skip
    assert policy.overrides == (Override("00081030", "empty"),)
    assert (policy.pixels_risk, policy.gate_pixels, policy.station_name) == ("pass", "full", "TRUCK 7")


def test_the_same_wishes_give_the_same_digest_in_any_order():
    one = policy_from(retain=["uids", "full-dates"], overrides=[Override("StudyDescription", "keep")])
    other = policy_from(retain=["full-dates", "uids"], overrides=[Override("(0008,1030)", "keep")])
    assert one.digest == other.digest
    assert one.digest != policy_from(retain=["uids"]).digest


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ({"profile": "basik"}, "unknown_profile", "did you mean basic?"),
        ({"retain": ["full-date"]}, "unknown_option", "did you mean full-dates?"),
        ({"retain": ["descriptors"]}, "unknown_option", "it goes under clean"),
        ({"clean": ["uids"]}, "unknown_option", "it goes under retain"),
        ({"clean": ["everything"]}, "unknown_option", "clean: everything"),
        ({"clean": ["structured-content"]}, "option_not_available", "structured-content"),
        ({"clean": ["graphics"]}, "option_not_available", "graphics"),
        ({"clean": ["pixel-data"]}, "option_not_available", "pixel-data"),
        ({"clean": ["recognizable-visual-features"]}, "option_not_available", "recognizable-visual-features"),
        ({"retain": ["full-dates", "modified-dates"]}, "dates_contradict", "Choose one"),
        ({"pixels_risk": "passs"}, "bad_setting", "did you mean pass?"),
        ({"gate_pixels": "ful"}, "bad_setting", "did you mean full?"),
        ({"station_name": "x" * 17}, "bad_station_name", "16"),
        ({"station_name": "A\\B"}, "bad_station_name", "backslash"),
        ({"station_name": "   "}, "bad_station_name", "16"),
        ({"overrides": [Override("PatientName", "remove")]}, "override_breaks_type", "PatientName"),
    ],
)
def test_what_cannot_be_is_refused_in_plain_words(arguments, code, words):
    error = refused(**arguments)
    assert error.code == code
    assert words in str(error)


def test_every_refusal_has_a_sentence_and_an_advice():
    codes = [code for code in REASONS if code.startswith(("override_", "option_", "unknown_option", "unknown_profile"))]
    assert len(codes) >= 8
    assert all(REASONS[code].sentence and REASONS[code].advice and REASONS[code].fate == "failed" for code in codes)


def test_claims_are_the_codes_of_what_is_done():
    assert rule_checks.claims_follow_facts() == []


@pytest.mark.parametrize(
    ("retain", "clean", "override", "kept"),
    [
        ([], [], Override("StudyDescription", "keep"), False),
        ([], [], Override("PatientID", "keep"), False),
        ([], ["descriptors"], Override("StudyDescription", "keep"), False),
        (["full-dates"], [], Override("StudyDate", "keep"), True),
        (["modified-dates"], [], Override("StudyDate", "keep"), False),
        ([], [], Override("Manufacturer", "keep"), True),
        ([], [], Override("KVP", "keep"), True),
        ([], [], Override("RequestAttributesSequence/ScheduledProcedureStepID", "keep"), False),
        ([], [], Override("StudyDescription", "remove"), True),
        ([], [], Override("StudyDescription", "replace", "TRIAL"), True),
        ([], [], Override("StudyDescription", "empty"), True),
        ([], [], Override("0019,SIEMENS MR HEADER,0C", "keep"), False),
        (["safe-private"], [], Override("0019,SIEMENS MR HEADER,0C", "keep"), True),
        (["safe-private"], [], Override("0019,SIEMENS MR HEADER,FF", "keep"), False),
        ([], [], Override("0019,SIEMENS MR HEADER,0C", "remove"), True),
        (["safe-private"], [], Override("0099,NQHeader,02", "keep"), False),
    ],
)
def test_an_override_that_keeps_what_would_go_drops_the_claim(retain, clean, override, kept):
    policy = policy_from(retain=retain, clean=clean, overrides=[override])
    assert bool(claims(policy)) == kept
    assert claim_findings(policy) == (() if kept else ("claim_dropped",))


def test_retained_devices_are_not_claimed_while_dates_move_and_the_report_says_so():
    policy = policy_from(retain=["device-identity", "modified-dates"])
    assert "113109" not in claims(policy)
    assert claim_findings(policy) == ("device_claim_dropped",)
    assert all(REASONS[code].fate == "finding" for code in ("device_claim_dropped", "claim_dropped"))


def test_a_description_tells_everything_that_does_not_depend_on_an_object():
    policy = policy_from(retain=["patient-characteristics"], clean=["descriptors"])
    shown = describe(policy)
    assert (shown.profile, shown.title) == ("basic", PROFILES["basic"])
    assert (shown.edition, shown.revision, shown.digest) == (EDITION, RULE_REVISION, policy.digest)
    assert shown.options == ("patient-characteristics", "descriptors")
    assert [code.value for code in shown.claims] == ["113100", "113105", "113108"]
    assert [code.meaning for code in shown.claims][1:] == [
        "Clean Descriptors Option",
        "Retain Patient Characteristics Option",
    ]
    assert shown.findings == ()
    assert sum(shown.listed.values()) == 657
    assert shown.listed["K"] == 14
    assert sum(shown.unlisted.values()) > 4500


def test_the_basic_profile_is_described_by_the_counts_of_the_table():
    shown = describe(policy_from())
    assert shown.listed == {
        "X": 417, "D": 93, "U": 55, "Z": 42, "X/D": 23, "X/Z": 11, "X/Z/D": 8, "Z/D": 6, "X/Z/U*": 2,
    }  # fmt: skip
    assert set(shown.unlisted) == {"K", "U", "X"}


def test_safe_private_shows_in_the_counts():
    assert describe(policy_from(retain=["safe-private"])).listed["C"] == 1
