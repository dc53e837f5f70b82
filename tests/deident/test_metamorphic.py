"""What must hold between runs and between objects: same bytes, same links, distances kept, people kept apart."""

from __future__ import annotations

import itertools
import random
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stowgate.policy import Option, Policy
from tests.builder import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, MR, el, item, part10, small, via_pydicom
from tests.builder import instance as ct_elements
from tests.oracle import engine
from tests.oracle.compare import flat_nodes
from tests.oracle.engine import KEY, OTHER_KEY
from tests.oracle.reader import Node, read

pytestmark = pytest.mark.no_cover  # thousands of objects take the same lines: counting those doubles the time

PATIENT_ID, STUDY, SERIES, INSTANCE, FRAME = 0x00100020, 0x0020000D, 0x0020000E, 0x00080018, 0x00200052
SHIFTED = engine.policy(Option.MODIFIED_DATES)
few = settings(max_examples=60, deadline=None, derandomize=True)


def clean(data: bytes, policy: Policy | None = None, key: bytes = KEY, issuer: str = "") -> dict[int, Node]:
    """Top-level elements of the output by tag."""
    return read(engine.clean(data, policy or engine.policy(), key, issuer)).by_tag


def value(nodes: dict[int, Node], tag: int) -> bytes:
    return nodes[tag].value.strip(b" \0")


def patient(number: int, **more: str) -> bytes:
    return small(el("PatientID", f"PAT{number:05}"), el("StudyInstanceUID", f"1.2.3.{number}"), uid=f"1.2.3.{number}.1")


def test_the_order_of_objects_makes_no_difference() -> None:
    files = [patient(n % 7) for n in range(40)] + [small(uid=f"1.9.{n}") for n in range(10)]
    straight = {data: engine.clean(data) for data in files}
    shuffled = list(files)
    random.Random(7).shuffle(shuffled)
    assert all(engine.clean(data) == straight[data] for data in shuffled)


def test_a_run_after_another_policy_and_key_gives_the_same_bytes() -> None:
    data = small()
    before = engine.clean(data)
    engine.clean(data, SHIFTED, OTHER_KEY)
    engine.clean(data, engine.policy(Option.UIDS, Option.FULL_DATES))
    assert engine.clean(data) == before


def test_another_key_gives_other_names_for_everything() -> None:
    ours, theirs = clean(small(), SHIFTED), clean(small(), SHIFTED, OTHER_KEY)
    for tag in (PATIENT_ID, STUDY, SERIES, INSTANCE, FRAME):
        assert ours[tag].value != theirs[tag].value


def test_two_patients_never_share_a_pseudonym() -> None:
    codes = [value(clean(patient(n)), PATIENT_ID) for n in range(500)]
    assert len(set(codes)) == 500


def test_one_patient_has_one_pseudonym_in_every_study_series_and_modality() -> None:
    files = [small(uid="1.2.1"), small(el("StudyInstanceUID", "1.7"), uid="1.2.2"), small(sop_class=MR, modality="MR")]
    assert len({value(clean(data), PATIENT_ID) for data in files}) == 1


def test_one_id_of_two_issuers_is_two_people() -> None:
    here, there = (small(el("IssuerOfPatientID", issuer)) for issuer in ("North", "South"))
    nobody = small()
    codes = {value(clean(data), PATIENT_ID) for data in (here, there, nobody)}
    assert len(codes) == 3
    assert value(clean(nobody, issuer="North"), PATIENT_ID) == value(clean(here), PATIENT_ID)


def test_spaces_and_encodings_of_an_id_do_not_make_two_people() -> None:
    plain, padded = small(el("PatientID", "A12")), small(el("PatientID", "A12   "))
    latin = small(el("PatientID", "MÜLLER7", text="latin-1"), el("SpecificCharacterSet", "ISO_IR 100"))
    utf = small(el("PatientID", "MÜLLER7", text="utf-8"), el("SpecificCharacterSet", "ISO_IR 192"))
    apart = small(el("PatientID", "MU\u0308LLER7", text="utf-8"), el("SpecificCharacterSet", "ISO_IR 192"))
    assert value(clean(plain), PATIENT_ID) == value(clean(padded), PATIENT_ID)
    assert len({value(clean(data), PATIENT_ID) for data in (latin, utf, apart)}) == 1


def test_ids_of_bytes_outside_their_character_set_stay_apart() -> None:
    odd = [
        small(el("PatientID", b"M" + byte + b"LLER7"), el("SpecificCharacterSet", "ISO_IR 192"))
        for byte in (b"\xdc", b"\xd6")
    ]
    assert len({value(clean(data), PATIENT_ID) for data in odd}) == 2


def test_an_empty_id_never_merges_people() -> None:
    studies = [small(el("PatientID", ""), el("StudyInstanceUID", f"1.2.{n}")) for n in (1, 2)]
    again = small(el("PatientID", "  "), el("StudyInstanceUID", "1.2.1"), uid="1.9")
    one, two = (value(clean(data), PATIENT_ID) for data in studies)
    assert one != two
    assert value(clean(again), PATIENT_ID) == one


@few
@given(st.lists(st.dates(date(1900, 1, 1), date(2090, 1, 1)), min_size=2, max_size=6))
def test_distances_between_dates_of_a_patient_stay(days: list[date]) -> None:
    moved = []
    for number, day in enumerate(days):
        data = small(el("StudyDate", f"{day:%Y%m%d}"), el("StudyInstanceUID", f"1.2.{number}"), uid=f"1.2.{number}.1")
        moved.append(date.fromisoformat(value(clean(data, SHIFTED), 0x00080020).decode()))
    for (a, b), (x, y) in zip(itertools.pairwise(days), itertools.pairwise(moved), strict=True):
        assert b - a == y - x
    offset = (moved[0] - days[0]).days
    assert -3640 <= offset <= -7
    assert offset % 7 == 0


def test_dates_at_every_depth_and_in_every_form_move_together() -> None:
    injected = item(el("RadiopharmaceuticalStartDateTime", "20240131093000.500000+0100"))
    data = small(
        el("SeriesDate", "20240201"),
        el("AcquisitionDateTime", "20240131101530.25"),
        el("RadiopharmaceuticalInformationSequence", (injected,)),
        sop_class="1.2.840.10008.5.1.4.1.1.128",
    )
    flat = flat_nodes(read(engine.clean(data, SHIFTED)).body)

    def text(place: str) -> str:
        return flat[place][1].strip(b" ").decode()  # type: ignore[union-attr]

    study = date.fromisoformat(text("(0008,0020)"))
    assert (date.fromisoformat(text("(0008,0021)")) - study).days == 1
    assert text("(0008,002A)") == f"{study:%Y%m%d}101530.25"
    assert text("(0054,0016)[0].(0018,1078)") == f"{study:%Y%m%d}093000.500000+0100"
    assert text("(0008,0030)") == "101530"


def test_two_patients_are_moved_by_different_offsets() -> None:
    offsets = {value(clean(patient(n), SHIFTED), 0x00080020) for n in range(40)}
    assert len(offsets) > 20


def test_references_between_objects_resolve() -> None:
    image = small(uid="1.2.840.99.1")
    reference = item(
        el("ReferencedSOPClassUID", "1.2.840.10008.5.1.4.1.1.2"), el("ReferencedSOPInstanceUID", "1.2.840.99.1")
    )
    series = item(el("ReferencedInstanceSequence", (reference,)), el("SeriesInstanceUID", "1.2.3.4.5.6.1"))
    other = small(el("ReferencedSeriesSequence", (series,)), uid="1.2.840.99.2")
    new, flat = clean(image), flat_nodes(read(engine.clean(other)).body)
    assert flat["(0008,1115)[0].(0008,114A)[0].(0008,1155)"][1].strip(b"\0") == value(new, INSTANCE)  # type: ignore[union-attr]
    assert flat["(0008,1115)[0].(0020,000E)"][1].strip(b"\0") == value(new, SERIES)  # type: ignore[union-attr]
    assert flat["(0008,1115)[0].(0008,114A)[0].(0008,1150)"][1].strip(b"\0") == b"1.2.840.10008.5.1.4.1.1.2"  # type: ignore[union-attr]


def test_a_frame_of_reference_shared_by_series_and_studies_stays_shared() -> None:
    one = small(el("FrameOfReferenceUID", "1.5.5"), uid="1.1")
    two = small(
        el("FrameOfReferenceUID", "1.5.5"), el("SeriesInstanceUID", "1.6"), el("StudyInstanceUID", "1.7"), uid="1.2"
    )
    assert clean(one)[FRAME].value == clean(two)[FRAME].value != b"1.5.5"


def test_the_map_of_uids_is_injective_and_blind_to_padding() -> None:
    sources = [f"1.2.{a}.{b}" for a in range(20) for b in range(20)] + ["1.2", "1.02", "1.2.", "not a uid", "1.2 .3"]
    new = [value(clean(small(uid=source)), INSTANCE) for source in sources]
    assert len(set(new)) == len(sources)
    assert all(uid.startswith(b"2.25.") and len(uid) <= 44 for uid in new)
    spaced = small(el("SOPInstanceUID", b"1.2.0.0 "))
    assert value(clean(spaced), INSTANCE) == new[0]


def test_one_uid_is_mapped_the_same_at_every_level_and_under_every_attribute() -> None:
    same = "1.2.77.1"
    data = small(
        el("StudyInstanceUID", same), el("SeriesInstanceUID", same), el("FrameOfReferenceUID", same),
        el("SynchronizationFrameOfReferenceUID", same), uid=same,
    )  # fmt: skip
    nodes = clean(data)
    tags = (STUDY, SERIES, INSTANCE, FRAME, 0x00200200)
    assert len({nodes[tag].value for tag in tags}) == 1


def test_every_encoding_of_one_object_says_the_same_afterwards() -> None:
    sequence = el("ContributingEquipmentSequence", (item(el("Manufacturer", "ACME"), el("InstitutionName", "North")),))
    elements = ct_elements("1.2.840.10008.5.1.4.1.1.2", "CT", sequence)
    written = [part10(elements, s) for s in (EXPLICIT, IMPLICIT, DEFLATED, BIG_ENDIAN)]
    written += [via_pydicom(elements, s) for s in (EXPLICIT, IMPLICIT, DEFLATED, BIG_ENDIAN)]
    bodies = [flat_nodes(read(engine.clean(data)).body) for data in written]
    values = [{place: leaf[1] for place, leaf in body.items()} for body in bodies]
    assert all(found == values[0] for found in values)


def test_cleaning_what_is_clean_says_so_once() -> None:
    once = engine.clean(small())
    again, otherwise = read(engine.clean(once)), read(engine.clean(once, SHIFTED))
    assert flat_nodes(again.body)["(0012,0064)"][1] == 1
    assert again.by_tag[0x00120063].value == read(once).by_tag[0x00120063].value
    assert flat_nodes(otherwise.body)["(0012,0064)"][1] == 2
    assert otherwise.by_tag[0x00120063].value.count(b"Stowgate") == 2
