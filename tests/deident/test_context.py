"""What the pass learns of an object beforehand: whose it is, and which words must not stay, wherever they stand."""

from __future__ import annotations

import pytest

from stowgate.deident.context import Context, gather, identity_in
from stowgate.deident.derive import patient
from stowgate.dicom.limits import DEFAULT
from stowgate.dicom.scanner import Buffer, Scan, scan
from stowgate.dicom.source import MemorySource
from stowgate.errors import Rejected
from stowgate.policy import Option, Override, Policy
from tests.builder import IMPLICIT, Element, el, encode, item, small
from tests.deident.engine_view import KEY, cleaned

BOTH = pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", IMPLICIT], ids=["explicit", "implicit"])
STUDY = b"1.2.3.4.5.6"
BARE = ("PatientName", "ReferringPhysicianName", "AccessionNumber", "StudyID", "PatientID")


def scanned(*elements: Element, **how: object) -> Scan:
    return scan(MemorySource(small(*elements, **how)), DEFAULT, Buffer())  # type: ignore[arg-type]


def context(*elements: Element, options: tuple[Option, ...] = (), issuer: str = "", **how: object) -> Context:
    return gather(scanned(*elements, **how), Policy(options=frozenset(options)), KEY, issuer)


def learns(word: str, *elements: Element, options: tuple[Option, ...] = (), **how: object) -> bool:
    """Whether a word is known from these elements alone."""
    drop = [name for name in BARE if el(name).tag not in {e.tag for e in elements}]
    known = context(*elements, options=options, drop=drop, **how).known
    return known.found_in(f"for {word} only", "LO")


class TestPatient:
    @BOTH
    def test_is_known_by_id_and_issuer(self, syntax: str) -> None:
        assert context(syntax=syntax).patient == patient(KEY, "PID-480026", "", b"")
        found = context(el("IssuerOfPatientID", "St. Elsewhere "), syntax=syntax)
        assert found.patient == patient(KEY, "PID-480026", "St. Elsewhere", b"")

    def test_the_default_issuer_counts_only_where_the_object_names_none(self) -> None:
        assert context(issuer="House A").patient == patient(KEY, "PID-480026", "House A", b"")
        assert context(el("IssuerOfPatientID", " "), issuer="House A").patient == context(issuer="House A").patient
        named = context(el("IssuerOfPatientID", "House B"), issuer="House A")
        assert named.patient == patient(KEY, "PID-480026", "House B", b"")

    def test_is_the_same_in_every_character_set(self) -> None:
        found = [
            context(el("SpecificCharacterSet", charset), el("PatientID", "Müller7".encode(codec)))
            for charset, codec in (("ISO_IR 100", "latin-1"), ("ISO_IR 192", "utf-8"), ("GB18030", "gb18030"))
        ]
        assert {one.patient for one in found} == {patient(KEY, "Müller7", "", b"")}

    def test_ids_that_are_no_text_are_told_apart(self) -> None:
        utf8 = el("SpecificCharacterSet", "ISO_IR 192")
        people = {context(utf8, el("PatientID", raw)).patient.pseudonym for raw in (b"M\xfcller", b"M\xf6ller")}
        assert len(people) == 2

    @pytest.mark.parametrize("value", ["", "  ", "\0\0"])
    def test_without_an_id_it_is_that_of_the_study_and_never_merged(self, value: str) -> None:
        found = context(el("PatientID", value), issuer="House A")
        assert found.no_patient_id
        assert found.patient == patient(KEY, "", "", STUDY)
        assert found.patient == context(drop=["PatientID"]).patient
        other = context(el("PatientID", value), el("StudyInstanceUID", "1.2.3.9"))
        assert other.patient.pseudonym != found.patient.pseudonym

    def test_without_id_and_study_each_object_is_a_person_of_its_own(self) -> None:
        bare = el("PatientID", ""), el("StudyInstanceUID", "")
        one, other = (context(*bare, uid=uid) for uid in ("1.2.3.1", "1.2.3.2"))
        assert one.patient == patient(KEY, "", "", b"1.2.3.1")
        assert one.patient.pseudonym != other.patient.pseudonym
        assert one.no_patient_id

    def test_with_an_id_the_study_does_not_count(self) -> None:
        assert context(el("StudyInstanceUID", "1.2.3.9")).patient == context().patient
        assert not context().no_patient_id
        assert "no_patient_id" in cleaned(el("PatientID", "")).clean.findings

    def test_an_id_in_an_item_is_not_the_patients(self) -> None:
        other = el("OtherPatientIDsSequence", item(el("PatientID", "OTHER-77")))
        assert context(other).patient == context().patient


class TestNames:
    @BOTH
    def test_every_person_name_at_any_depth_is_known(self, syntax: str) -> None:
        for name in ("PatientName", "OperatorsName", "PhysiciansOfRecord", "ResponsiblePerson"):
            assert learns("Zwinderman", el(name, "Zwinderman^Bo"), syntax=syntax)
        deep = el("PerformingPhysicianName", "Zwinderman^Bo")
        for _ in range(5):
            deep = el("ReferencedStudySequence", item(deep, undefined=True), undefined=True)
        assert learns("Zwinderman", deep, syntax=syntax)
        assert not learns("Zwinderman", el("PatientComments", "Zwinderman"), syntax=syntax)

    def test_one_that_is_written_as_un_is_known_too(self) -> None:
        assert learns("Zwinderman", el("OperatorsName", b"Zwinderman^Bo", "UN"))
        assert learns("ZWIND_1", el("RetrieveAETitle", b"ZWIND_1", "UN"))
        assert learns("ZW-77", el("AccessionNumber", b"ZW-77", "UN"))
        inside = el("ReferencedStudySequence", item(el("PerformingPhysicianName", b"Zwinderman^Bo", "UN")))
        assert learns("Zwinderman", inside)

    def test_one_inside_a_sequence_that_is_written_as_un_is_known_too(self) -> None:
        """Such a value is implicit VR inside, whatever is around it (PS3.5 6.2.2)."""
        inner = encode([el("OperatorsName", "Zwinderman^Bo")], implicit=True)
        value = b"\xfe\xff\x00\xe0" + len(inner).to_bytes(4, "little") + inner
        assert learns("Zwinderman", el("ReferencedStudySequence", value, "UN"))
        wrapped = el("ReferencedSeriesSequence", item(el("ReferencedStudySequence", value, "UN")))
        assert learns("Zwinderman", wrapped)

    def test_an_un_sequence_that_is_none_teaches_nothing_and_stops_nothing(self) -> None:
        assert not learns("Zwinderman", el("ReferencedStudySequence", b"Zwinderman^Bo", "UN"))

    def test_other_un_values_are_not_taken_for_names(self) -> None:
        assert not learns("Zwinderman", el("Manufacturer", b"Zwinderman", "UN"), el(0x00091001, b"Zwinderman", "UN"))

    def test_names_are_read_in_the_character_set_of_their_own_item(self) -> None:
        greek = item(el("SpecificCharacterSet", "ISO_IR 126"), el("OperatorsName", "Διονυσιος".encode("iso8859-7")))
        latin = item(el("OperatorsName", "Désirée".encode("latin-1")))
        elements = [
            el("SpecificCharacterSet", "ISO_IR 100"),
            el("ReferencedStudySequence", (greek, latin)),
        ]
        assert learns("Διονυσιος", *elements)
        assert learns("Désirée", *elements)
        within = item(*greek.elements, el("ReferencedSeriesSequence", item(greek["OperatorsName"])))
        assert learns("Διονυσιος", el("ReferencedStudySequence", within))

    def test_an_unknown_character_set_is_refused_wherever_it_stands(self) -> None:
        unknown = el("SpecificCharacterSet", "KLINGON")
        for elements in ([unknown], [el("ReferencedStudySequence", item(unknown, el("OperatorsName", "x")))]):
            with pytest.raises(Rejected) as stop:
                context(*elements)
            assert stop.value.code == "unknown_character_set"


class TestIdentifiersAndPlaces:
    @BOTH
    @pytest.mark.parametrize("name", ["PatientID", "OtherPatientIDs", "AccessionNumber", "StudyID", "AdmissionID"])
    def test_identifiers_are_known_at_the_top_and_in_items(self, name: str, syntax: str) -> None:
        assert learns("ZQX-4711", el(name, "ZQX-4711"), syntax=syntax)
        assert learns("ZQX-4711", el("OtherPatientIDsSequence", item(el(name, "ZQX-4711"))), syntax=syntax)

    def test_each_of_several_values_is_known(self) -> None:
        assert learns("ZQX-2", el("OtherPatientIDs", "ZQX-1\\ZQX-2\\ZQX-3"))

    @pytest.mark.parametrize(
        ("name", "option"),
        [
            ("InstitutionName", Option.INSTITUTION_IDENTITY),
            ("InstitutionalDepartmentName", Option.INSTITUTION_IDENTITY),
            ("StationName", Option.DEVICE_IDENTITY),
            ("DeviceSerialNumber", Option.DEVICE_IDENTITY),
            ("PatientTelephoneNumbers", None),
        ],
    )
    def test_places_and_devices_are_known_unless_an_option_retains_them(self, name: str, option: Option | None) -> None:
        element = el(name, "ZWINDERHUIS")
        assert learns("ZWINDERHUIS", element)
        assert learns("ZWINDERHUIS", el("ReferencedStudySequence", item(element)))
        for other in (Option.INSTITUTION_IDENTITY, Option.DEVICE_IDENTITY):
            assert learns("ZWINDERHUIS", element, options=(other,)) is (other != option)

    def test_an_organisation_is_known_as_a_whole_only(self) -> None:
        element = el("InstitutionName", "Zwinder Medical Centre")
        assert learns("ZWINDER  MEDICAL CENTRE", element)
        assert not learns("Centre", element)

    def test_application_entity_titles_are_known_as_a_whole(self) -> None:
        assert learns("ZW_MOVE", el("StationAETitle", "ZW_MOVE"))

    @pytest.mark.parametrize("name", ["InstitutionName", "OperatorsName", "AccessionNumber"])
    def test_what_the_user_keeps_is_no_secret_any_more(self, name: str) -> None:
        element = el(name, "Zwinder-1")
        mine = Override(f"{element.tag:08X}", "keep")
        assert cleaned(element, overrides=(mine,)).value(f"({element.tag >> 16:04X},{element.tag & 0xFFFF:04X})") in (
            b"Zwinder-1", b"Zwinder-1 ",
        )  # fmt: skip
        nested = el("ReferencedStudySequence", item(el("OperatorsName", "Zwinder^Bo")))
        found = cleaned(element, nested, el("Manufacturer", "Zwinder"), overrides=(mine,))
        assert found.value("(0008,0070)") == b""


class TestIdentityIn:
    @pytest.mark.parametrize(
        ("inner", "expected"),
        [
            (el("CodeMeaning", "Head"), False),
            (el("OperatorsName", "Bo"), True),
            (el("OperatorsName", b"Bo", "UN"), True),
            (el("StationAETitle", "AE"), True),
            (el("AccessionNumber", "1"), True),
            (el("ReferencedStudySequence", item(el("PatientID", "1"))), True),
            (el("ReferencedStudySequence", item(el("Rows", 1))), False),
        ],
    )
    def test_says_whether_a_sequence_holds_words_that_would_have_to_be_known(
        self, inner: Element, expected: bool
    ) -> None:
        found = scanned(el("ReferencedSeriesSequence", (item(), item(inner))))
        segment = found.segments[0]
        _, _, value, end = segment.elements[0x00081115]
        assert identity_in(segment.view, value, end, ("ascii",), found, Policy()) is expected
