"""What is right passes, however odd it looks: the gate that stops good objects is soon switched off."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from stowgate.errors import Rejected
from stowgate.policy import Option, Override, Policy
from stowgate.verify.gate import method_text
from tests.verify.sample import CT, NEW, PIXELS, PSEUDONYM, Fragments, Item, Sample, code, element, items_of

JPEG = "1.2.840.10008.1.2.4.50"
SAFE = Policy(options=frozenset({Option.SAFE_PRIVATE}))
MODIFIED = Policy(options=frozenset({Option.MODIFIED_DATES}))
FULL = Policy(options=frozenset({Option.FULL_DATES}))


def stopped(sample: Sample) -> str:
    """The code the gate stops a sample with, "" if it passes."""
    try:
        sample.check()
    except Rejected as error:
        return error.code
    return ""


def test_a_person_called_like_our_own_marks() -> None:
    sample = Sample()
    sample.raw.top[0x00080090] = (b"PN", b"BASIC^PROFILE=STOWGATE^2026D=YES^METHOD")
    assert not stopped(sample)


def test_numbers_that_happen_to_be_the_patients_id() -> None:
    sample = Sample()
    sample.raw.top[0x00100020] = (b"LO", b"1250")
    sample.both(0x00181150, b"IS", b"1250")
    sample.both(0x00280030, b"DS", b"12.5\\1250")
    sample.both(0x00280107, b"US", b"\xe2\x04")
    assert not stopped(sample)
    sample.both(0x00181020, b"LO", b"build 1250")
    assert stopped(sample) == "gate_token"


def test_names_that_name_nobody() -> None:
    sample = Sample()
    sample.raw.top[0x00081070] = (b"PN", b"UNKNOWN^NONE\\PHANTOM\\^^")
    sample.both(0x00080070, b"LO", b"unknown phantom test patient name")
    assert not stopped(sample)


def test_a_short_name_inside_other_text_is_no_name() -> None:
    sample = Sample()
    sample.raw.top[0x00081070] = (b"PN", b"NG^LI")
    sample.both(0x00080070, b"LO", b"lung li-ion")
    assert not stopped(sample)
    sample.both(0x00080070, b"LO", b"Ng, Li")
    assert stopped(sample) == "gate_token"


def test_a_newborn_whose_moved_study_date_is_the_birth_date() -> None:
    sample = Sample(MODIFIED)
    sample.raw.top[0x00100030] = (b"DA", b"20240103")
    sample.clean.top[0x00080020] = (b"DA", b"20240103")
    sample.clean.top[0x00080021] = (b"DA", b"20240104")
    sample.clean.top[0x00280303] = (b"CS", b"MODIFIED")
    assert not stopped(sample)


def test_dates_times_and_moments_moved_alike() -> None:
    sample = Sample(MODIFIED)
    sample.clean.top[0x00280303] = (b"CS", b"MODIFIED")
    sample.clean.top[0x00080020] = (b"DA", b"20231122")
    sample.clean.top[0x00080021] = (b"DA", b"")
    sample.clean.top[0x00080030] = (b"TM", b"101112.5")
    sample.raw.top[0x0008002A] = (b"DT", b"20240117101112.5+0100")
    sample.clean.top[0x0008002A] = (b"DT", b"20231122101112.5+0100")
    sample.raw.top[0x00181012] = (b"DA", b"2024.01.17\\")
    sample.clean.top[0x00181012] = (b"DA", b"2023.11.22\\")
    assert not stopped(sample)
    sample.clean.top[0x0008002A] = (b"DT", b"20231122111112.5+0100")
    assert stopped(sample) == "gate_date"


def _with_dates(sample: Sample) -> None:
    """The output as it is when dates are retained."""
    sample.clean.top[0x00280303] = (b"CS", b"UNMODIFIED")
    for tag in (0x00080020, 0x00080021, 0x00080030):
        sample.clean.top[tag] = sample.raw.top[tag]


def test_dates_that_are_retained() -> None:
    sample = Sample(FULL)
    _with_dates(sample)
    assert not stopped(sample)
    sample.clean.top[0x00080020] = (b"DA", b"20240110")
    assert stopped(sample) == "gate_value"
    sample.clean.top[0x00080020] = (b"DA", b"20240117")
    sample.clean.top[0x00100030] = (b"DA", b"19560311")
    assert stopped(sample) == "gate_date"


def test_uids_that_are_retained() -> None:
    sample = Sample(Policy(options=frozenset({Option.UIDS})))
    for tag in (0x00080018, 0x0020000D, 0x0020000E, 0x00200052, 0x00081140):
        sample.clean.top[tag] = sample.raw.top[tag]
    old = {field: sample.raw.top[tag][1] for field, tag in _UID_FIELDS.items()}
    sample.names = replace(
        sample.names, **{field: uid.decode() for field, uid in old.items() if isinstance(uid, bytes)}
    )
    sample.clean.meta[0x00020003] = sample.raw.meta[0x00020003]
    assert not stopped(sample)


_UID_FIELDS = {"instance": 0x00080018, "study": 0x0020000D, "series": 0x0020000E}


def test_a_device_whose_titles_became_aliases() -> None:
    sample = Sample(Policy(options=frozenset({Option.DEVICE_IDENTITY})))
    sample.raw.top[0x00080055] = (b"AE", b"CTSCANNER")
    sample.clean.top[0x00080055] = (b"AE", b"SG7ZK4M0Q9XW2BT3")
    for tag in (0x00081010, 0x00181000):
        sample.clean.top[tag] = sample.raw.top[tag]
    assert not stopped(sample)


def test_an_institution_that_is_retained() -> None:
    sample = Sample(Policy(options=frozenset({Option.INSTITUTION_IDENTITY})))
    sample.clean.top[0x00080080] = sample.raw.top[0x00080080]
    sample.both(0x00080070, b"LO", b"Northside General workshop")
    assert not stopped(sample)


def test_an_age_capped_at_90() -> None:
    sample = Sample(Policy(options=frozenset({Option.PATIENT_CHARACTERISTICS})))
    sample.clean.top[0x00100040] = sample.raw.top[0x00100040]
    sample.raw.top[0x00101010] = (b"AS", b"095Y")
    sample.clean.top[0x00101010] = (b"AS", b"090Y")
    assert not stopped(sample)


def _private(sample: Sample, tag: int, vr: bytes, value: bytes, creator: bytes = b"SIEMENS MR HEADER ") -> None:
    sample.both(tag >> 16 << 16 | 0x10, b"LO", creator)
    sample.both(tag, vr, value)


def test_private_data_that_the_standard_calls_safe() -> None:
    sample = Sample(SAFE)
    _private(sample, 0x0019100C, b"IS", b"1000")
    assert not stopped(sample)
    assert stopped(_without_option(sample)) == "gate_private"


def _without_option(sample: Sample) -> Sample:
    plain = Sample()
    plain.raw.top, top = sample.raw.top, sample.clean.top
    plain.clean.top = top | {0x00120063: (b"LO", method_text(plain.policy))}
    return plain


def test_private_data_that_is_safe_and_holds_a_name() -> None:
    sample = Sample(SAFE)
    _private(sample, 0x0019109E, b"LO", b"for JANE", b"GEMS_ACQU_01")
    assert stopped(sample) == "gate_token"


def _characteristics(status: bytes, *more: tuple[int, tuple[bytes, bytes | list[Item]]]) -> Item:
    item: Item = {
        0x00080301: (b"US", b"\x19\0"),
        0x00080302: (b"LO", b"SIEMENS MR HEADER"),
        0x00080303: (b"CS", status),
    }
    return item | dict(more)


@pytest.mark.parametrize(
    ("declared", "code_"),
    [
        (_characteristics(b"SAFE"), ""),
        (_characteristics(b"MIXED", (0x00080304, (b"US", b"\xfe\0"))), ""),
        (_characteristics(b"MIXED", (0x00080304, (b"US", b"\xfd\0"))), "gate_private"),
        (_characteristics(b"UNSAFE"), "gate_private"),
    ],
    ids=["safe", "among the safe ones", "not among the safe ones", "unsafe"],
)
def test_private_data_that_its_source_declares(declared: Item, code_: str) -> None:
    sample = Sample(SAFE)
    _private(sample, 0x001910FE, b"LO", b"something")
    sample.both(0x00080300, b"SQ", [declared])
    assert stopped(sample) == code_


def test_private_data_that_its_source_wants_replaced() -> None:
    sample = Sample(SAFE)
    asked: Item = {0x00080306: (b"US", b"\x0c\0"), 0x00080307: (b"CS", b"Z")}
    _private(sample, 0x0019100C, b"IS", b"1000")
    sample.both(0x00080300, b"SQ", [_characteristics(b"MIXED", (0x00080305, (b"SQ", [asked])))])
    assert stopped(sample) == "gate_private"
    sample.clean.top[0x0019100C] = (b"IS", b"")
    assert not stopped(sample)


def test_a_rule_of_the_users_own_that_keeps() -> None:
    keep = Policy(
        overrides=(
            Override("00080080", "keep"),
            Override("00081140/00081155", "keep"),
            Override("0029,ACME CSA,10", "keep"),
        )
    )
    sample = Sample(keep)
    sample.clean.top[0x00080080] = sample.raw.top[0x00080080]
    sample.clean.top[0x00081140] = sample.raw.top[0x00081140]
    for tag in (0x00290010, 0x00291010):
        sample.clean.top[tag] = sample.raw.top[tag]
    del sample.clean.top[0x00120064]
    assert not stopped(sample)
    sample.clean.top[0x00081040] = (b"LO", b"NORTHSIDE")
    assert stopped(sample) == "gate_attribute"


@pytest.mark.parametrize(
    ("override", "value", "code_"),
    [
        (Override("00080070", "remove"), None, ""),
        (Override("00080070", "remove"), b"ACME", "gate_override"),
        (Override("00080070", "empty"), b"", ""),
        (Override("00080070", "empty"), b"ACME", "gate_override"),
        (Override("00080070", "replace", "OTHER"), b"OTHER", ""),
        (Override("00080070", "replace", "OTHER"), b"ACME", "gate_override"),
        (Override("00100020", "replace", "SUBJECT 1"), PSEUDONYM, "gate_override"),
    ],
)
def test_a_rule_of_the_users_own_is_followed(override: Override, value: bytes | None, code_: str) -> None:
    sample = Sample(Policy(overrides=(override,)))
    tag = int(override.target, 16)
    if value is None:
        del sample.clean.top[tag]
    else:
        sample.clean.top[tag] = (b"LO", value)
    assert stopped(sample) == code_


def test_a_stamped_station_name() -> None:
    sample = Sample(Policy(station_name="HOUSE TRUCK"))
    assert stopped(sample) == "gate_marks"
    sample.clean.top[0x00081010] = (b"SH", b"HOUSE TRUCK")
    assert not stopped(sample)


def test_what_earlier_de_identification_claimed() -> None:
    sample = Sample()
    earlier = code(b"113101", b"DCM", b"Clean Pixel Data Option")
    sample.raw.top[0x00120063] = (b"LO", b"OTHER TOOL")
    sample.raw.top[0x00120064] = (b"SQ", [earlier])
    items_of(sample.clean.top, 0x00120064).insert(0, earlier)
    sample.clean.top[0x00120063] = (b"LO", b"OTHER TOOL\\" + method_text(sample.policy))
    assert not stopped(sample)
    sample.clean.top[0x00120063] = (b"LO", b"ANOTHER TOOL\\" + method_text(sample.policy))
    assert stopped(sample) == "gate_value"


def test_a_sequence_replaced_by_a_dummy() -> None:
    sample = Sample()
    item: Item = {
        0x00080100: (b"SH", b"REMOVED"),
        0x00080018: (b"UI", b"2.25.7"),
        0x0040A170: (b"SQ", [{0x00080104: (b"LO", b"REMOVED")}]),
        0x00280010: (b"US", b"\0\0"),
    }
    sample.raw.top[0x00401101] = (b"SQ", [code(b"42", b"99STAFF", b"House")])
    sample.clean.top[0x00401101] = (b"SQ", [item])
    assert not stopped(sample)
    item[0x00080102] = (b"SH", b"99STAFF")
    assert stopped(sample) == "gate_attribute"


def test_references_that_are_gone_because_they_may_be_empty() -> None:
    sample = Sample()
    sample.clean.top[0x00081140] = (b"SQ", [])
    assert not stopped(sample)


def test_encapsulated_pixels() -> None:
    sample = Sample(syntax=JPEG)
    fragments = Fragments([b"", *(PIXELS[at : at + 1500] for at in range(0, 150_000, 1500))])
    sample.both(0x7FE00010, b"OB", fragments)  # type: ignore[arg-type]
    assert not stopped(sample)


def test_pixels_of_odd_length_that_were_padded() -> None:
    sample = Sample()
    raw, padded = sample.raw.encode(), PIXELS[:-1] + b"\0"
    at = raw.index(PIXELS[:64]) - 4
    odd = raw[:at] + struct.pack("<I", len(PIXELS) - 1) + PIXELS[:-1]
    sample.clean.top[0x7FE00010] = (b"OW", padded)
    sample.raw.encode = lambda: odd  # type: ignore[method-assign]
    assert not stopped(sample)
    sample.clean.top[0x7FE00010] = (b"OW", PIXELS[:-1] + b"\1")
    assert stopped(sample) == "gate_pixels"


def test_an_object_without_pixels() -> None:
    sample = Sample()
    for file in (sample.raw, sample.clean):
        del file.top[0x7FE00010]
    assert not stopped(sample)


def test_registered_uids_stay() -> None:
    sample = Sample()
    sample.both(0x00281199, b"UI", b"1.2.840.10008.1.5.1")
    sample.both(0x00080117, b"UI", b"1.2.840.10008.6.1.1")
    sample.both(0x0008010C, b"UI", b"2.16.840.1.113883.6.96")
    assert not stopped(sample)
    assert CT not in NEW


def test_text_in_the_character_set_of_its_item() -> None:
    sample = Sample()
    item: Item = {0x00080005: (b"CS", b"ISO_IR 144"), 0x00080104: (b"LO", "Иванов".encode("iso8859-5"))}
    sample.both(0x00081032, b"SQ", [item])
    assert not stopped(sample)
    sample.raw.top[0x00081070] = (b"PN", b"IVANOV")
    items_of(sample.raw.top, 0x00081032)[0][0x0040A123] = (b"PN", "Иванов".encode("iso8859-5"))
    items_of(sample.clean.top, 0x00081032)[0][0x0040A123] = (b"PN", b"")
    assert stopped(sample) == "gate_token"


def test_what_may_be_removed_though_the_table_keeps_it() -> None:
    sample = Sample()
    sample.raw.top[0x00180060] = (b"DS", b"about 120")
    sample.clean.top[0x00180060] = (b"DS", b"0")
    sample.raw.top[0x00280010] = (b"LO", b"512")
    sample.clean.top[0x00280010] = (b"US", b"\0\0")
    sample.raw.top[0x00080070] = (b"LO", b"for Jane")
    sample.clean.top[0x00080070] = (b"LO", b"")
    assert not stopped(sample)


def test_values_of_odd_length_that_were_padded() -> None:
    sample = Sample()
    whole = sample.raw.encode()
    odd = whole.replace(element(0x00181020, b"LO", b"VB10"), element(0x00181020, b"LO", b"VB1", length=3))
    sample.raw.encode = lambda: odd  # type: ignore[method-assign]
    sample.clean.top[0x00181020] = (b"LO", b"VB1")
    assert not stopped(sample)


def test_a_person_called_like_what_an_earlier_tool_wrote() -> None:
    sample = Sample()
    sample.raw.top[0x00120063] = (b"LO", b"GREGORY TOOL")
    sample.clean.top[0x00120063] = (b"LO", b"GREGORY TOOL\\" + method_text(sample.policy))
    assert stopped(sample) == "gate_token"


def test_a_person_called_like_the_marks() -> None:
    sample = Sample()
    sample.raw.top[0x00081070] = (b"PN", b"UNMODIFIED^MODIFIED")
    sample.policy = FULL
    sample.clean.top[0x00120063] = (b"LO", method_text(FULL))
    _with_dates(sample)
    assert not stopped(sample)


def test_an_icon_of_encapsulated_pixels_in_the_source() -> None:
    sample = Sample()
    icon = element(0x7FE00010, b"OB", Fragments([b"", b"abcd"]).encode(), length=0xFFFFFFFF)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(icon)) + icon
    body = sample.raw.encode().replace(
        element(0x7FE00010, b"OW", PIXELS), element(0x00880200, b"SQ", item) + element(0x7FE00010, b"OW", PIXELS)
    )
    sample.raw.encode = lambda: body  # type: ignore[method-assign]
    assert not stopped(sample)
    for wrong in (b"\xfe\xff\x0d\xe0", b"\xfe\xff\x00\xe1"):
        at = body.index(b"abcd") + 4
        broken = body[:at] + wrong + body[at + 4 :]
        sample.raw.encode = lambda broken=broken: broken  # type: ignore[method-assign]
        assert stopped(sample) == "gate_source"


def test_private_values_of_every_kind() -> None:
    sample = Sample(SAFE)
    sample.both(0x00990010, b"LO", b"NQHeader")
    sample.raw.top[0x00991002] = (b"UI", b"1.2.826.0.1.3680043.8.498.70003")
    sample.clean.top[0x00991002] = (b"UI", NEW[b"1.2.826.0.1.3680043.8.498.70003"])
    sample.both(0x7E010010, b"LO", b"HOLOGIC, Inc.")
    sample.both(0x7E011010, b"SQ", [{0x00180060: (b"DS", b"1")}])
    sample.both(0x00190010, b"LO", b"SIEMENS MR HEADER")
    sample.both(0x001910FE, b"OB", bytes(300_000))
    sample.both(0x00080300, b"SQ", [_characteristics(b"SAFE")])
    assert not stopped(sample)
    for tag, vr, value, code_ in (
        (0x00991002, b"UI", b"1.2.826.0.1.3680043.8.498.70003", "gate_uid"),
        (0x001910FE, b"OB", bytes(299_999) + b"\1", "gate_value"),
        (0x7E011010, b"UN", b"abcd", "gate_private"),
        (0x7E011010, b"SQ", [{0x00100010: (b"PN", b"GREGORY")}], "gate_attribute"),
    ):
        kept = sample.clean.top[tag]
        sample.clean.top[tag] = (vr, value)  # type: ignore[assignment]
        assert stopped(sample) == code_
        sample.clean.top[tag] = kept
    sample.both(0x7E011010, b"UN", b"abcd")
    assert stopped(sample) == "gate_private"


@pytest.mark.parametrize(
    ("policy", "before", "after", "code_"),
    [
        (SAFE, b"20240117", b"", ""),
        (SAFE, b"20240117", b"20240117", "gate_date"),
        (Policy(options=SAFE.options | MODIFIED.options), b"20240117", b"20240110", ""),
        (Policy(options=SAFE.options | MODIFIED.options), b"20240117", b"20240117", "gate_date"),
        (Policy(options=SAFE.options | FULL.options), b"20240117", b"20240117", ""),
        (Policy(options=SAFE.options | FULL.options), b"20240117", b"20240110", "gate_value"),
    ],
)
def test_private_dates_follow_the_options_on_dates(policy: Policy, before: bytes, after: bytes, code_: str) -> None:
    sample = Sample(policy)
    if Option.FULL_DATES in policy.options:
        _with_dates(sample)
    if Option.MODIFIED_DATES in policy.options:
        sample.clean.top[0x00280303] = (b"CS", b"MODIFIED")
    _private(sample, 0x001910FE, b"DA", before)
    sample.clean.top[0x001910FE] = (b"DA", after)
    sample.both(0x00080300, b"SQ", [_characteristics(b"SAFE")])
    assert stopped(sample) == code_


def test_a_private_age_is_capped() -> None:
    sample = Sample(SAFE)
    _private(sample, 0x001910FE, b"AS", b"095Y")
    sample.both(0x00080300, b"SQ", [_characteristics(b"SAFE")])
    assert stopped(sample) == "gate_age"
    sample.clean.top[0x001910FE] = (b"AS", b"090Y")
    assert not stopped(sample)


def test_declarations_that_cannot_be_read_declare_nothing() -> None:
    sample = Sample(SAFE)
    _private(sample, 0x001910FE, b"LO", b"something")
    sample.both(0x00080300, b"SQ", [{0x00080303: (b"CS", b"SAFE")}])
    assert stopped(sample) == "gate_private"
    sample.both(0x00080300, b"LO", b"SAFE")
    assert stopped(sample) == "gate_vr"


def test_a_private_rule_of_the_users_own() -> None:
    for action, value, code_ in (
        ("empty", b"", ""),
        ("empty", b"1000", "gate_private"),
        ("remove", b"1", "gate_private"),
    ):
        sample = Sample(Policy(overrides=(Override("0019,SIEMENS MR HEADER,0C", action),)))
        _private(sample, 0x0019100C, b"IS", b"1000")
        sample.clean.top[0x0019100C] = (b"IS", value)
        assert stopped(sample) == code_
        sample.both(0x0019100D, b"CS", b"NONE")
        assert stopped(sample) == "gate_private"


def test_a_long_value_may_not_stand_where_a_dummy_has_to() -> None:
    sample = Sample()
    sample.raw.top[0x00420011] = (b"OB", bytes(300_000))
    sample.clean.top[0x00420011] = (b"OB", bytes(300_000))
    assert stopped(sample) == "gate_attribute"


def test_a_kept_rule_reaches_into_a_sequence() -> None:
    sample = Sample(Policy(overrides=(Override("00081032", "keep"),)))
    del sample.clean.top[0x00120064]
    assert not stopped(sample)
    items_of(sample.clean.top, 0x00081032)[0][0x00080104] = (b"LO", b"Thorax")
    assert stopped(sample) == "gate_value"
