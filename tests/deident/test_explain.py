"""Explaining: every attribute in order, what really happened, by which rule and why; old values only if asked for."""

from __future__ import annotations

import pytest

from stowgate.api import deidentify
from stowgate.deident.explain import Line, Recorder
from stowgate.deident.rewrite import deidentify as run
from stowgate.dicom.limits import DEFAULT
from stowgate.dicom.scanner import Buffer, scan
from stowgate.dicom.source import MemorySource
from stowgate.policy import Option, Override, Policy
from tests.builder import IMPLICIT, MG, Element, dataset, el, item, small
from tests.deident.engine_view import KEY, cleaned

BOTH = pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", IMPLICIT], ids=["explicit", "implicit"])
NESTED = el(
    "AnatomicRegionSequence",
    (item(el("CodeMeaning", "Head")), item(el("CodeMeaning", "Neck"), el("ReferringPhysicianName", "Okonkwo^Ada"))),
)


def explained(*elements: Element, options: tuple[Option, ...] = (), **how: object) -> dict[str, Line]:
    """Lines by place."""
    lines = cleaned(*elements, options=options, **how).lines  # type: ignore[arg-type]
    assert len({line.change.where for line in lines}) == len(lines)
    return {line.change.where: line for line in lines}


@BOTH
def test_every_attribute_of_the_object_has_one_line_in_its_order(syntax: str) -> None:
    found = list(explained(NESTED, syntax=syntax))
    assert found[0] == "(0008,0008)"
    assert found[-1] == "(7FE0,0010)"
    at = found.index("(0008,2218)")
    assert found[at : at + 4] == [
        "(0008,2218)", "(0008,2218)[0].(0008,0104)", "(0008,2218)[1].(0008,0090)", "(0008,2218)[1].(0008,0104)",
    ]  # fmt: skip
    assert len(found) == 41 + 4


@BOTH
@pytest.mark.parametrize(
    ("place", "action", "origin", "kind", "value"),
    [
        ("(0008,0070)", "K", "role:technical", "2", None),
        ("(0008,0020)", "Z", "E.1-1", "2", None),
        ("(0010,0010)", "Z", "E.1-1", "2", "XG3RSPS2VFHHSE33"),
        ("(0010,0020)", "Z", "E.1-1", "2", "XG3RSPS2VFHHSE33"),
        ("(0010,1010)", "X", "E.1-1", "3", None),
        ("(0020,000D)", "U", "E.1-1", "1", "2.25.328819098552133052089972695139046724000"),
        ("(0008,2218)", "C", "role:sequence", "3", None),
        ("(0008,2218)[0].(0008,0104)", "K", "role:technical", "1", None),
        ("(0018,0050)", "K", "role:number", "2", None),
        ("(7FE0,0010)", "K", "role:bulk", "1C", None),
    ],
)
def test_a_line_says_what_happened_by_which_rule_and_type(
    place: str, action: str, origin: str, kind: str, value: str | None, syntax: str
) -> None:
    line = explained(NESTED, syntax=syntax)[place]
    assert (line.change.action, line.change.rule, line.type, line.change.value) == (action, origin, kind, value)
    assert line.change.why
    assert line.keyword


@BOTH
def test_it_says_what_really_happened_and_not_what_the_rule_would_have_liked(syntax: str) -> None:
    found = explained(
        el("Manufacturer", "Vandermeer"),  # Type 2: a known token leaves it empty
        el("SoftwareVersions", "by Okonkwo"),  # Type 3: it goes
        el("Modality", "VANDERMEER", "CS"),  # Type 1: a dummy
        el("PatientAge", "093Y"),
        options=(Option.PATIENT_CHARACTERISTICS,),
        syntax=syntax,
    )
    said = {place: (line.change.action, line.change.value) for place, line in found.items()}
    assert said["(0008,0070)"] == ("Z", None)
    assert said["(0018,1020)"] == ("X", None)
    assert said["(0008,0060)"] == ("D", "REMOVED")
    assert said["(0010,1010)"] == ("C", "090Y")


@BOTH
def test_options_overrides_and_dummies_are_named(syntax: str) -> None:
    found = explained(
        el("StudyDescription", "Abdomen"),
        el("InstitutionName", "General"),
        options=(Option.MODIFIED_DATES, Option.INSTITUTION_IDENTITY),
        overrides=(Override("00081030", "replace", "LOCAL"), Override("00180050", "empty")),
        syntax=syntax,
    )
    said = {place: (line.change.action, line.change.rule, line.change.value) for place, line in found.items()}
    assert said["(0008,0020)"] == ("C", "option:modified-dates", "20230308")
    assert said["(0008,0080)"] == ("K", "option:institution-identity", None)
    assert said["(0008,1030)"] == ("D", "override", "LOCAL")
    assert said["(0018,0050)"] == ("Z", "override", None)
    step = el("ReferencedPerformedProcedureStepSequence", item())
    dummy = explained(step, sop_class=MG, modality="MG", syntax=syntax)["(0008,1111)"]
    assert (dummy.change.action, dummy.type) == ("D", "1C")


def test_private_attributes_say_that_they_go_or_why_they_stay() -> None:
    elements = el(0x70530010, "Philips PET Private Group", "LO"), el(0x70531000, "1", "DS"), el(0x70531001, "x", "LO")
    gone = explained(*elements)["(7053,1000)"].change
    assert (gone.action, gone.rule) == ("X", "private")
    found = explained(*elements, options=(Option.SAFE_PRIVATE,))
    assert [found[f"(7053,{e})"].change.action for e in ("0010", "1000", "1001")] == ["K", "K", "X"]
    assert found["(7053,1000)"].change.rule == "option:safe-private"
    assert "safe" in found["(7053,1000)"].change.why


SECRETS = ("Vandermeer", "Liselotte", "PID-480026", "Okonkwo", "ACC70011", "19471113", "1.2.3.4.5.6.7")


@pytest.mark.parametrize("values", [True, False])
def test_old_values_are_only_there_when_they_were_asked_for(values: bool) -> None:
    recorder = Recorder(values)
    run(scan(MemorySource(small(NESTED)), DEFAULT, Buffer()), Policy(), KEY, "", recorder.record)
    said = "".join(map(repr, recorder.lines))
    assert [secret in said for secret in SECRETS] == [values] * len(SECRETS)
    assert not any(secret in repr(recorder.changes) for secret in SECRETS)


def test_old_values_are_clipped_and_large_ones_shown_by_their_size() -> None:
    more = el("ImageComments", "x" * 500), el("PixelData", bytes(2_000_000), "OW"), el("ICCProfile", bytes(9))
    found = explained(*more)
    assert found["(0020,4000)"].before == "x" * 64 + "…"
    assert found["(0028,2000)"].before == "<10 bytes>"
    assert found["(7FE0,0010)"].before == "<2000000 bytes>"


def test_changes_are_the_lines_that_did_not_stay() -> None:
    data = dataset(small(NESTED))
    report = deidentify(data, key=KEY).report
    by_place = {change.where: change for change in report.changes}
    assert by_place["(0010,0010)"].value == "XG3RSPS2VFHHSE33"
    assert "(0008,0070)" not in by_place
    assert all(change.action != "K" for change in report.changes)
    assert not any(secret in repr(report.changes) for secret in SECRETS)
    assert sum(report.counts.values()) == len(report.changes)


@BOTH
def test_counts_are_of_rules_that_changed_something(syntax: str) -> None:
    found = cleaned(NESTED, syntax=syntax)
    changed = [line.change for line in found.lines if line.change.action != "K"]
    assert sum(found.clean.counts.values()) == len(changed)
    assert found.clean.counts["U E.1-1"] == sum(change.action == "U" for change in changed)
