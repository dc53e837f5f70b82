"""What an object says of its own de-identification: exactly what was done, added to what was said before."""

from __future__ import annotations

import struct

import pytest

from stowgate.deident.derive import uid
from stowgate.deident.marks import IMPLEMENTATION_CLASS, IMPLEMENTATION_VERSION, file_meta, method_text
from stowgate.deident.profile import claims
from stowgate.policy import AVAILABLE, Option, Override, Policy
from stowgate.standard.codes import meaning_of
from tests.builder import IMPLICIT, JPEG_BASELINE, Element, Fragments, Item, dataset, el, item, small
from tests.deident.engine_view import KEY, Cleaned, cleaned, pass_over
from tests.oracle.reader import read

BASIC = "113100"
CODES = {
    Option.SAFE_PRIVATE: "113111",
    Option.UIDS: "113110",
    Option.DEVICE_IDENTITY: "113109",
    Option.INSTITUTION_IDENTITY: "113112",
    Option.PATIENT_CHARACTERISTICS: "113108",
    Option.FULL_DATES: "113106",
    Option.MODIFIED_DATES: "113107",
    Option.DESCRIPTORS: "113105",
}
"""Codes of CID 7050, written out from PS3.16."""

METHOD = "(0012,0063)"
BOTH = pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", IMPLICIT], ids=["explicit", "implicit"])


def claimed(found: Cleaned) -> list[tuple[str, str]]:
    """Code value and scheme of each method code, as they stand."""
    count = found.value("(0012,0064)") or 0
    assert isinstance(count, int)
    texts = [
        [str(found.value(f"(0012,0064)[{n}].(0008,{e})"), "ascii").strip() for e in ("0100", "0102")]  # type: ignore[arg-type]
        for n in range(count)
    ]
    return [(value, scheme) for value, scheme in texts]


def code(value: str, scheme: str = "DCM", meaning: str = "said before", undefined: bool = False) -> Item:
    return item(
        el("CodeValue", value), el("CodingSchemeDesignator", scheme), el("CodeMeaning", meaning), undefined=undefined
    )


@BOTH
def test_an_object_is_marked_with_profile_method_and_dates(syntax: str) -> None:
    found = cleaned(syntax=syntax)
    assert found.value("(0012,0062)") == b"YES "
    assert found.value(METHOD) == method_text(Policy())
    assert claimed(found) == [(BASIC, "DCM")]
    assert found.value("(0012,0064)[0].(0008,0104)").strip() == meaning_of(BASIC).encode()  # type: ignore[union-attr]
    assert found.value("(0028,0303)") == b"REMOVED "


def test_the_method_names_edition_revision_and_policy_in_one_value_of_lo() -> None:
    for options in ((), tuple(AVAILABLE - {Option.FULL_DATES})):
        policy = Policy(options=frozenset(options))
        text = method_text(policy).decode()
        assert text == f"Stowgate 2026d r1 {policy.digest[:16]}"
        assert len(text) <= 64
    assert method_text(Policy()) != method_text(Policy(options=frozenset((Option.UIDS,))))


@pytest.mark.parametrize("option", sorted(AVAILABLE))
def test_each_option_claims_its_code(option: Option) -> None:
    assert claimed(cleaned(options=(option,))) == sorted([(BASIC, "DCM"), (CODES[option], "DCM")])


def test_codes_ascend_and_stand_once() -> None:
    options = tuple(AVAILABLE - {Option.FULL_DATES, Option.DEVICE_IDENTITY})
    assert claimed(cleaned(options=options)) == [(c, "DCM") for c in sorted([BASIC, *(CODES[o] for o in options)])]


def test_device_identity_is_not_claimed_where_dates_of_devices_were_not_kept() -> None:
    found = cleaned(options=(Option.DEVICE_IDENTITY, Option.MODIFIED_DATES))
    assert claimed(found) == [(BASIC, "DCM"), (CODES[Option.MODIFIED_DATES], "DCM")]
    assert "device_claim_dropped" in found.clean.findings


@pytest.mark.parametrize(
    ("options", "word"),
    [((), b"REMOVED "), ((Option.FULL_DATES,), b"UNMODIFIED"), ((Option.MODIFIED_DATES,), b"MODIFIED")],
)
def test_what_became_of_dates_is_said(options: tuple[Option, ...], word: bytes) -> None:
    assert cleaned(options=options).value("(0028,0303)") == word
    assert cleaned(el(0x00280303, "UNMODIFIED", "CS"), options=options).value("(0028,0303)") == word


class TestDroppedClaims:
    WEAK = Override("00080080", "keep")
    """Institution Name."""

    def test_an_override_that_keeps_what_should_go_drops_every_claim_and_says_so(self) -> None:
        found = cleaned(el("InstitutionName", "General"), options=(Option.UIDS,), overrides=(self.WEAK,))
        assert found.value("(0008,0080)") == b"General "
        assert claimed(found) == []
        assert found.value("(0012,0064)") is None
        assert "claim_dropped" in found.clean.findings
        assert found.value("(0012,0062)") == b"YES "

    def test_earlier_codes_stay_then(self) -> None:
        found = cleaned(el("DeidentificationMethodCodeSequence", code("113101")), overrides=(self.WEAK,))
        assert claimed(found) == [("113101", "DCM")]

    @pytest.mark.parametrize("override", [Override("00180050", "empty"), Override("00181030", "remove")])
    def test_one_that_removes_more_drops_nothing(self, override: Override) -> None:
        found = cleaned(overrides=(override,))
        assert claimed(found) == [(BASIC, "DCM")]
        assert "claim_dropped" not in found.clean.findings


class TestEarlierMarks:
    """An object that was de-identified before keeps what it says about that (PS3.15 E.1.1)."""

    @BOTH
    def test_earlier_methods_stay_and_ours_comes_behind(self, syntax: str) -> None:
        found = cleaned(el("DeidentificationMethod", "CTP 1.0\\Some other tool"), syntax=syntax)
        assert found.value(METHOD).rstrip() == b"CTP 1.0\\Some other tool\\" + method_text(Policy())  # type: ignore[union-attr]

    def test_ours_is_not_repeated(self) -> None:
        ours = method_text(Policy()).decode()
        for before in (ours, f"CTP\\{ours}", f"{ours}\\CTP"):
            found = cleaned(el("DeidentificationMethod", before))
            assert found.value(METHOD).rstrip() == before.encode()  # type: ignore[union-attr]

    @pytest.mark.parametrize("before", ["", " ", "\0\0"])
    def test_an_empty_one_leaves_ours_alone(self, before: str) -> None:
        assert cleaned(el("DeidentificationMethod", before)).value(METHOD) == method_text(Policy())

    def test_one_that_names_the_patient_goes(self) -> None:
        found = cleaned(el("DeidentificationMethod", "Vandermeer by hand"))
        assert found.value(METHOD) == method_text(Policy())

    @BOTH
    @pytest.mark.parametrize("undefined", [True, False])
    def test_earlier_codes_stay_in_front_and_ours_follow(self, syntax: str, undefined: bool) -> None:
        before = (code("113105", undefined=undefined), code("X1", "99LOCAL", undefined=undefined))
        codes = el("DeidentificationMethodCodeSequence", before, undefined=undefined)
        found = cleaned(codes, syntax=syntax)
        assert claimed(found) == [("113105", "DCM"), ("X1", "99LOCAL"), (BASIC, "DCM")]
        assert found.value("(0012,0064)[0].(0008,0104)") == b"said before "

    def test_a_code_that_is_there_already_is_not_repeated_but_another_scheme_is_another_code(self) -> None:
        before = code(BASIC), code("113110", "99LOCAL")
        found = cleaned(el("DeidentificationMethodCodeSequence", before), options=(Option.UIDS,))
        assert claimed(found) == [(BASIC, "DCM"), ("113110", "99LOCAL"), ("113110", "DCM")]

    def test_earlier_codes_are_cleaned_like_any_item(self) -> None:
        dirty = item(
            *code(BASIC).elements, el("ReferringPhysicianName", "Okonkwo^Ada"), el("StudyInstanceUID", "1.2.3")
        )
        found = cleaned(el("DeidentificationMethodCodeSequence", dirty))
        assert claimed(found) == [(BASIC, "DCM")]
        assert found.value("(0012,0064)[0].(0008,0090)") == b""
        assert str(found.value("(0012,0064)[0].(0020,000D)")).startswith("b'2.25.")
        assert b"Okonkwo" not in found.data

    def test_an_earlier_sequence_that_is_none_gives_way(self) -> None:
        found = cleaned(Element(0x00120064, "LO", b"113100"))
        assert claimed(found) == [(BASIC, "DCM")]

    def test_the_flag_becomes_yes(self) -> None:
        assert cleaned(el("PatientIdentityRemoved", "NO")).value("(0012,0062)") == b"YES "

    def test_what_was_said_of_burned_in_annotation_and_features_stays(self) -> None:
        found = cleaned(el(0x00280301, "NO", "CS"), el(0x00280302, "YES", "CS"))
        assert found.value("(0028,0301)") == b"NO"
        assert found.value("(0028,0302)") == b"YES "
        assert cleaned().value("(0028,0301)") is None

    @BOTH
    def test_cleaning_twice_says_it_once(self, syntax: str) -> None:
        once = cleaned(syntax=syntax)
        twice = pass_over(once.data)
        for place in ("(0012,0062)", METHOD, "(0012,0064)", "(0028,0303)"):
            assert twice.value(place) == once.value(place)
        assert claimed(twice) == [(BASIC, "DCM")]


class TestStationName:
    def test_it_is_stamped_over_whatever_the_profile_does(self) -> None:
        policy = Policy(station_name="TRUCK 7")
        for before in ((), (el("StationName", "CT_ROOM_2"),)):
            found = pass_over(small(*before), policy)
            assert found.value("(0008,1010)") == b"TRUCK 7 "
        kept = Policy(options=frozenset((Option.DEVICE_IDENTITY,)), station_name="TRUCK 7")
        assert pass_over(small(el("StationName", "CT_ROOM_2")), kept).value("(0008,1010)") == b"TRUCK 7 "

    def test_without_one_nothing_is_stamped(self) -> None:
        assert cleaned().value("(0008,1010)") is None

    def test_it_drops_no_claim(self) -> None:
        policy = Policy(station_name="TRUCK 7")
        assert claims(policy) == (BASIC,)


class TestPlacement:
    @BOTH
    def test_marks_stand_in_order_even_where_the_object_ends_before_them(self, syntax: str) -> None:
        late = [e.tag for e in read(small()).body if e.tag >= 0x00120000]
        found = cleaned(drop=late, syntax=syntax)
        tags = [node.tag for node in read(found.data).body]
        assert tags == sorted(tags)
        assert tags[-4:] == [0x00120062, 0x00120063, 0x00120064, 0x00280303]

    def test_they_stand_in_front_of_a_large_value_that_was_hopped_over(self) -> None:
        large = el(0x00091001, bytes(2_000_000), "OB")
        found = cleaned(large, el("PixelData", bytes(3_000_000), "OW"), el(0xFFFCFFFC, bytes(4), "OB"))
        tags = [node.tag for node in read(found.data).body]
        assert tags == sorted(tags)
        assert tags.count(0x00120063) == 1
        assert found.value("(7FE0,0010)") == bytes(3_000_000)


class TestFileMeta:
    def test_preamble_and_file_meta_are_made_from_nothing(self) -> None:
        data = small(
            preamble=b"II*\0LISELOTTE".ljust(128, b"\0"),
            meta_extra=[
                el(0x00020016, "CT_ROOM_2", "AE"),
                el(0x00020100, "1.2.3", "UI"),
                el(0x00020102, b"Vandermeer", "OB"),
                el(0x00020013, "OTHER 1.0", "SH"),
            ],
        )
        file = read(pass_over(data).data)
        assert file.preamble == bytes(128)
        assert {node.tag: node.value.rstrip(b"\0 ") for node in file.meta[1:]} == {
            0x00020001: b"\0\1",
            0x00020002: b"1.2.840.10008.5.1.4.1.1.2",
            0x00020003: uid(KEY, b"1.2.3.4.5.6.7"),
            0x00020010: b"1.2.840.10008.1.2.1",
            0x00020012: IMPLEMENTATION_CLASS,
            0x00020013: IMPLEMENTATION_VERSION,
        }

    def test_the_group_length_counts_what_follows(self) -> None:
        made = file_meta(b"1.2", b"2.25.1", b"1.2.840.10008.1.2")
        assert struct.unpack_from("<I", made, 140) == (len(made) - 144,)

    def test_the_data_set_counts_and_not_what_the_media_claimed(self) -> None:
        lie = [el(0x00020002, "1.2.840.10008.5.1.4.1.1.4", "UI"), el(0x00020003, "9.9.9", "UI")]
        meta = {node.tag: node.value.rstrip(b"\0") for node in read(pass_over(small(meta_extra=lie)).data).meta}
        assert meta[0x00020002] == b"1.2.840.10008.5.1.4.1.1.2"
        assert meta[0x00020003] == uid(KEY, b"1.2.3.4.5.6.7")

    @pytest.mark.parametrize("syntax", [IMPLICIT, JPEG_BASELINE])
    def test_the_encoding_stays(self, syntax: str) -> None:
        more = [el("PixelData", Fragments((b"", b"\xff\xd8ab")), "OB")] if syntax == JPEG_BASELINE else []
        found = cleaned(*more, syntax=syntax)
        assert read(found.data).syntax == syntax
        assert found.clean.transfer_syntax == syntax
        assert dataset(found.data).PatientName == "XG3RSPS2VFHHSE33"

    def test_our_implementation_class_is_a_valid_uid_of_2_25(self) -> None:
        prefix, number = IMPLEMENTATION_CLASS.rsplit(b".", 1)
        assert prefix == b"2.25"
        assert 0 < int(number) < 2**128
        assert len(IMPLEMENTATION_CLASS) <= 64
        assert len(IMPLEMENTATION_VERSION) <= 16
