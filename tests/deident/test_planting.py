"""A person planted everywhere is found nowhere; harmless twins beside them come out byte for byte."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings

from stowgate.policy import Option, Policy
from tests import builder
from tests.builder import Element, el, item, small
from tests.oracle import engine
from tests.oracle.compare import PIXELS, flat_nodes
from tests.oracle.reader import read
from tests.planting import Person, Planted, objects, people

pytestmark = pytest.mark.no_cover  # thousands of objects take the same lines: counting those doubles the time

EXAMPLES = int(os.environ.get("STOWGATE_PLANTS", "250"))
thorough = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), print_blob=False
)

CAREFUL = (Option.SAFE_PRIVATE, Option.DESCRIPTORS, Option.PATIENT_CHARACTERISTICS, Option.MODIFIED_DATES)
"""Options that keep or clean, and still promise that nobody is named."""


def found_in(data: bytes, person: Person) -> list[str]:
    """Which secrets stand in a file, in any spelling, by a label that gives nothing away."""
    return sorted({label for label, form in person.forms() if form in data})


def assert_gone_and_kept(planted: Planted, policy: Policy) -> None:
    """Nothing planted survives, every twin does, and the pixels are the same."""
    out = engine.clean(planted.data, policy)
    assert not found_in(out, planted.person)
    flat = flat_nodes(read(out).body)
    missing = [place for place, value in planted.twins.items() if place not in flat or flat[place][1] != value]
    assert not missing, f"harmless values were changed or removed at {missing}"
    pixels = [node.value for node in read(out).body if node.tag in PIXELS]
    assert pixels == [builder.instance()[-1].value]


@thorough
@given(objects())
def test_nothing_planted_survives_the_basic_profile(planted: Planted) -> None:
    assert_gone_and_kept(planted, engine.policy())


@thorough
@given(objects())
def test_nothing_planted_survives_options_that_clean(planted: Planted) -> None:
    assert_gone_and_kept(planted, engine.policy(*CAREFUL))


@thorough
@given(objects(most=3))
def test_only_the_dates_survive_when_full_dates_are_retained(planted: Planted) -> None:
    person = planted.person
    out = engine.clean(planted.data, engine.policy(Option.FULL_DATES))
    dates = {f"secret {n}" for n, s in enumerate(person.secrets()) if s in (person.born, person.studied)}
    assert not [label for label in found_in(out, person) if label.split(" in ")[0] not in dates]


@thorough
@given(objects(most=3))
def test_only_the_uids_survive_when_uids_are_retained(planted: Planted) -> None:
    person = planted.person
    out = engine.clean(planted.data, engine.policy(Option.UIDS))
    root = f"secret {person.secrets().index(person.root)}"
    assert not [label for label in found_in(out, person) if label.split(" in ")[0] != root]


@thorough
@given(people())
def test_bytes_after_the_last_element_never_pass(person: Person) -> None:
    for trailing in (
        person.patient_id.encode(),
        person.family.encode(person.codec),
        b"\0" * 64 + person.given.encode("utf-8"),
    ):
        for syntax in (builder.EXPLICIT, builder.IMPLICIT, builder.DEFLATED, builder.BIG_ENDIAN):
            trailing += b" " * (len(trailing) % 2)
            outcome = engine.run(builder.small(syntax=syntax, trailing=trailing), engine.policy())
            assert not found_in(outcome.data, person)


@pytest.mark.parametrize("syntax", [builder.EXPLICIT, builder.IMPLICIT, builder.DEFLATED, builder.BIG_ENDIAN])
def test_a_name_at_depth_sixty_is_gone(syntax: str) -> None:
    inner = el("PatientName", "Quxenwald^Berthilde")
    for _ in range(60):
        inner = el("ContributingEquipmentSequence", (item(inner),), "SQ")
    out = engine.clean(builder.small(inner, syntax=syntax), engine.policy())
    assert b"Quxenwald" not in out
    assert sum(".(0010,0010)" in place for place in flat_nodes(read(out).body)) == 1


ELSEWHERE: dict[str, tuple[tuple[Element, ...], Policy]] = {
    "a definition UID": ((el("CodingSchemeUID", "Quxenwald.4", "UI"),), engine.policy()),
    "a retained UID": ((el("IrradiationEventUID", "Quxenwald", "UI"),), engine.policy(Option.UIDS)),
    "a time": ((el("StudyTime", "Quxenwald", "TM"),), engine.policy(Option.MODIFIED_DATES)),
    "a date": ((el("StudyDate", "Quxenwald", "DA"),), engine.policy(Option.FULL_DATES)),
    "a date and time": ((el("AcquisitionDateTime", "Quxenwald", "DT"),), engine.policy(Option.FULL_DATES)),
    "an age": ((el("PatientAge", "Quxenwald", "AS"),), engine.policy(Option.PATIENT_CHARACTERISTICS)),
    "a code": ((el("PatientSex", "QUXENWALD", "CS"),), engine.policy(Option.PATIENT_CHARACTERISTICS)),
    "numbers": ((el("AcquisitionMatrix", b"by Quxenwald", "US"),), engine.policy()),
    "a text of digits": ((el("SliceThickness", "Quxenwald", "DS"),), engine.policy()),
    "a palette": ((el("RedPaletteColorLookupTableData", b"by Quxenwald", "OW"),), engine.policy()),
    "a colour profile": ((el("ICCProfile", b"by Quxenwald", "OB"),), engine.policy()),
    "text, the name written as LO": (
        (el("PatientName", "Quxenwald", "LO"), el("SoftwareVersions", "Quxenwald 3")), engine.policy()
    ),
    "text, the name written as UN": (
        (el("PatientName", "Quxenwald", "UN"), el("SoftwareVersions", "Quxenwald 3")), engine.policy()
    ),
}  # fmt: skip


@pytest.mark.parametrize("place", list(ELSEWHERE))
def test_a_name_in_a_value_that_should_be_none_never_leaves(place: str) -> None:
    """Removed by the engine or stopped by the gate: either will do."""
    elements, policy = ELSEWHERE[place]
    outcome = engine.gated(small(el("OtherPatientNames", "Quxenwald^Berthilde"), *elements), policy)
    assert outcome.fate in ("cleaned", "quarantined")
    assert b"QUXENWALD" not in outcome.data.upper()


HIDDEN = {
    "a definition UID": (el("CodingSchemeUID", "Mrs Quxenwald", "UI"), engine.policy()),
    "a retained UID": (el("IrradiationEventUID", "Mrs Quxenwald", "UI"), engine.policy(Option.UIDS)),
    "a time": (el("StudyTime", "Mrs Quxenwald", "TM"), engine.policy(Option.MODIFIED_DATES)),
    "a date": (el("StudyDate", "Mrs Quxenwald", "DA"), engine.policy(Option.FULL_DATES)),
    "a date and time": (el("AcquisitionDateTime", "Mrs Quxenwald", "DT"), engine.policy(Option.FULL_DATES)),
}


@pytest.mark.parametrize("place", list(HIDDEN))
def test_words_nobody_knows_do_not_stay_in_a_value_that_cannot_hold_words(place: str) -> None:
    """No search finds an unknown name; but a time, a date and a UID are of a form that can be checked."""
    element, policy = HIDDEN[place]
    assert b"Quxenwald" not in engine.gated(small(element), policy).data


STILL_HIDDEN = {
    "four numbers": el("AcquisitionMatrix", b"call Mrs Quxenwald", "US"),
    "a code": el("BodyPartExamined", "Mrs Quxenwald, 12 High Street", "CS"),
}


@pytest.mark.parametrize("place", list(STILL_HIDDEN))
def test_words_nobody_knows_do_not_stay_in_numbers_and_codes(place: str) -> None:
    assert b"Quxenwald" not in engine.gated(small(STILL_HIDDEN[place]), engine.policy()).data


def test_the_search_of_these_tests_finds_what_is_left() -> None:
    """The tests above cannot fail if their search is blind: every form is found in the file it was planted in."""
    person = Person(
        "ISO_IR 126", "iso8859-7", "ΓΔΕΖΗΘΙ", "ΚΛΜΝΞΟΠ", "", "P123", "A123", "S123", "+4179", "Qstreet 48",
        "Qinst Qdep", "W1234567", "1.2.9", "19400203", "20200110",
    )  # fmt: skip
    for label, form in person.forms():
        assert label in found_in(b"\0\0" + form + b"\0\0", person)
