"""What custody knows of an instance: keyed aliases and codes, and whether it is whole."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from stowgate.analyse.triage import Rule
from stowgate.dicom.source import MemorySource
from stowgate.errors import Rejected
from stowgate.gateway.examine import Examiner, coming
from stowgate.ingest.file_meta import file_beginning
from stowgate.vault.key import Key
from tests.builder import (
    BIG_ENDIAN,
    CT,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    Element,
    el,
    encode,
    instance,
    part10,
    small,
)
from tests.gateway.parts import KEY, expected


@pytest.fixture
def examiner(tmp_path: Path) -> Examiner:
    return Examiner(KEY, tmp_path)


def content(examiner: Examiner, data: bytes, step: int = 1 << 18) -> str:
    found = examiner.content()
    for at in range(0, len(data), step):
        found.see(data[at : at + step])
    return found.alias()


def refused(examiner: Examiner, data: bytes) -> str:
    """The code that an object is refused with, "" for none."""
    try:
        examiner.examine(MemorySource(data))
    except Rejected as refusal:
        return refusal.code
    return ""


@pytest.mark.parametrize(
    ("elements", "ids"),
    [
        ((el("StudyDescription", "CT STROKE Foster"), el("Modality", "CT")), ("stroke_words",)),
        ((el("StudyDescription", "CT STROKE Foster"), el("Modality", "US")), ()),
        ((el("SeriesDescription", "Foster polytrauma"),), ("trauma_words",)),
        ((el("ReasonForTheRequestedProcedure", "Lungenembolie?"),), ("embolism_words",)),
        ((el("AdmittingDiagnosesDescription", "Foster; bleeding"),), ("bleeding_words",)),
        ((el("StudyPriorityID", "STAT"), el("StudyDescription", "urgent")), ("priority_high", "emergency_words")),
        ((el("PatientComments", "stroke"), el("StudyDescription", "Knee")), ()),
    ],
)  # fmt: skip
@pytest.mark.parametrize("syntax", [EXPLICIT, BIG_ENDIAN])
def test_words_of_urgency_are_kept_as_ids_of_rules(
    examiner: Examiner, elements: tuple[Element, ...], ids: tuple[str, ...], syntax: str
) -> None:
    seen = examiner.examine(MemorySource(small(*elements, syntax=syntax)))
    assert coming("0" * 32, "ct", 10, "f" * 32, seen).triage == ids
    assert "Foster" not in repr(seen)


def test_rules_of_urgency_are_those_that_are_given(tmp_path: Path) -> None:
    own = Examiner(KEY, tmp_path, triage=[Rule("mine", 5, "Mine.", words=("*knee*",))])
    found = own.examine(MemorySource(small(el("StudyDescription", "Knee, stroke"))))
    assert found.triage == ("mine",)


def test_a_priority_is_kept_as_a_code_and_nothing_that_somebody_typed(examiner: Examiner) -> None:
    for element, priority in (
        (el("RequestedProcedurePriority", "STAT"), "high"), (el("StudyPriorityID", "LOW"), "low"),
        (el("RequestedProcedurePriority", "Foster: now"), ""), (el("RequestedProcedurePriority", ""), ""),
    ):  # fmt: skip
        seen = examiner.examine(MemorySource(small(element)))
        assert coming("0" * 32, "ct", 10, "f" * 32, seen).priority == priority
        assert "Foster" not in repr(seen)


def test_everything_that_could_name_somebody_is_an_alias(examiner: Examiner) -> None:
    seen = examiner.examine(MemorySource(small()))
    assert (seen.modality, seen.sop_class) == ("CT", CT)
    for alias in (seen.instance, seen.study, seen.scanner, seen.protocol):
        assert len(alias) == 32
        assert int(alias, 16) >= 0
    row = coming("0" * 32, "ct", 10, "f" * 32, seen, "STORESCU")
    assert not [part for part in ("1.2.3", "Vandermeer", "PID", "Lumen") if part in repr(row)]


def test_aliases_are_the_same_for_the_same_and_others_under_another_key(examiner: Examiner, tmp_path: Path) -> None:
    one, same = (examiner.examine(MemorySource(small())) for _ in range(2))
    other = examiner.examine(MemorySource(small(uid="1.2.3.9")))
    assert one == same
    assert (one.study, one.scanner) == (other.study, other.scanner)
    assert one.instance != other.instance
    elsewhere = Examiner(Key(bytes(32)), tmp_path).examine(MemorySource(small()))
    assert not {one.instance, one.study, one.scanner} & {elsewhere.instance, elsewhere.study, elsewhere.scanner}


def test_an_alias_of_one_kind_never_equals_one_of_another(examiner: Examiner) -> None:
    seen = examiner.examine(MemorySource(small(el("StudyInstanceUID", "1.2.3.4.5.6.7"))))
    assert seen.instance != seen.study


@pytest.mark.parametrize("modality", ["Vandermeer", "ct", "CT SCAN", "A" * 17, "C^T", "", "ÄÖ"])
def test_a_modality_that_is_no_code_is_none(examiner: Examiner, modality: str) -> None:
    assert examiner.examine(MemorySource(small(el("Modality", modality)))).modality == ""


def test_a_sop_class_of_somebodys_own_is_none(examiner: Examiner) -> None:
    assert examiner.examine(MemorySource(small(sop_class="1.2.840.113619.4.26"))).sop_class == ""


def test_padding_of_a_uid_makes_no_other_instance(examiner: Examiner) -> None:
    plain = examiner.examine(MemorySource(small(uid="1.2.34")))
    padded = examiner.examine(MemorySource(small(el("SOPInstanceUID", b"1.2.34\0\0"))))
    assert plain.instance == padded.instance


def test_an_object_without_uids_has_no_aliases(examiner: Examiner) -> None:
    seen = examiner.examine(MemorySource(small(drop=("StudyInstanceUID",))))
    assert seen.study == ""


@pytest.mark.parametrize("syntax", [IMPLICIT, DEFLATED, BIG_ENDIAN])
def test_another_encoding_is_the_same_instance(examiner: Examiner, syntax: str) -> None:
    assert examiner.examine(MemorySource(part10(instance(), syntax))) == examiner.examine(MemorySource(small()))


def test_what_ends_inside_of_an_element_is_refused_and_what_ends_between_two_never_gets_far(examiner: Examiner) -> None:
    """Between two elements nothing tells that something is missing but what an image has to have; the checks do."""
    data = small()
    for length in range(len(data)):
        code = refused(examiner, data[:length])
        if code:
            assert code in ("truncated", "not_dicom", "empty_file"), length
            continue
        with pytest.raises(Rejected) as later:
            expected(data[:length])
        assert later.value.code in ("missing_sop_class", "no_pixel_data"), length


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7", b"MZ" + bytes(500), b"GIF89a" * 50, bytes(1000)])
def test_what_is_no_dicom_file_is_refused(examiner: Examiner, data: bytes) -> None:
    with pytest.raises(Rejected):
        examiner.examine(MemorySource(data))


def test_noise_is_judged_and_never_another_error(examiner: Examiner) -> None:
    noise = random.Random(7)
    for _ in range(300):
        data = bytearray(small())
        for _ in range(noise.randrange(1, 6)):
            data[noise.randrange(132, len(data))] = noise.randrange(256)
        try:
            examiner.examine(MemorySource(bytes(data)))
        except Rejected:
            continue


@pytest.mark.parametrize("step", [1, 100, 65_535, 65_536, 65_537, 1 << 20])
def test_the_content_is_the_same_however_it_comes(examiner: Examiner, step: int) -> None:
    data = small(el("PixelData", random.Random(1).randbytes(200_000), "OW"))[: 400 if step == 1 else None]
    assert content(examiner, data, step) == content(examiner, data) == examiner.content_of(MemorySource(data), step)


def test_the_content_is_that_of_the_data_set_alone(examiner: Examiner) -> None:
    """A file and the same object by C-STORE differ in their file meta information only."""
    by_network = file_beginning(CT, "1.2.3.4.5.6.7", EXPLICIT) + encode(instance())
    assert by_network != small()
    assert content(examiner, by_network) == content(examiner, small())
    assert content(examiner, small(el("PatientID", "OTHER"))) != content(examiner, small())


def test_the_content_of_what_is_no_file_is_that_of_all_of_it(examiner: Examiner) -> None:
    assert len({content(examiner, data) for data in (b"", b"a", b"b", bytes(200), bytes(201))}) == 5
