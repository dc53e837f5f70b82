"""Output paths: a template of clean values, below the output folder whatever the values are, and never two alike."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowgate.errors import Misconfigured
from stowgate.layout import DEFAULT, FIELDS, check, path_of
from stowgate.objects import Names

NAMES = Names(
    "XG3RSPS2VFHHSE33", "2.25.1", "2.25.2", "2.25.3", "MG", view="CC", laterality="L", series_number="4",
    instance_number="17",
)  # fmt: skip
TRICKS = [
    "..", ".", "../..", "../../etc/passwd", "/etc/passwd", "a/b", "a\\b", "..\\..\\x", "C:\\x", "\0", "a\0b", "\n",
    " ", ".hidden", "...", "~", "~root", "-rf", "$(id)", "`id`", ";", "*", "?", "{instance}", "%s", "\u202e",
    "\N{REPLACEMENT CHARACTER}", "\N{LATIN SMALL LIGATURE FF}", "1.2.3\n", "CON", "x" * 300, "." * 300, "../" * 100,
    "1.2.3" + "9" * 80,
]  # fmt: skip


def refused(template: str) -> str:
    with pytest.raises(Misconfigured) as stop:
        check(template)
    assert stop.value.code == "bad_layout"
    return stop.value.place


class TestTemplate:
    @pytest.mark.parametrize(
        "template",
        [
            DEFAULT,
            "{instance}.dcm",
            "{modality}_{view}{laterality}/{series_number}-{instance_number}_{instance}.dcm",
            "all of them/{patient} {instance}.dcm",
            "{{literal}}/{instance}.dcm",
        ],
    )
    def test_those_that_can_be_used_are_given_back(self, template: str) -> None:
        assert check(template) == template

    def test_every_clean_value_is_a_field(self) -> None:
        template = "/".join(f"{{{name}}}" for name in FIELDS if name != "instance") + "/{instance}.dcm"
        assert path_of(check(template), NAMES) == "XG3RSPS2VFHHSE33/2.25.1/2.25.2/MG/CC/L/4/17/2.25.3.dcm"

    @pytest.mark.parametrize("template", ["{patient", "patient}.dcm", "{{instance}.dcm"])
    def test_braces_have_to_match(self, template: str) -> None:
        assert "braces" in refused(template)

    @pytest.mark.parametrize("field", ["PatientName", "patient_name", "", "0", "instance.x", "patient[0]", "__class__"])
    def test_other_fields_are_named_and_refused(self, field: str) -> None:
        assert field in refused(f"{{{field}}}/{{instance}}.dcm")

    @pytest.mark.parametrize(
        "template",
        ["{patient}.dcm", "all.dcm", "{instance!r}.dcm", "{instance:>80}.dcm", "{patient:{study}}/{instance}.dcm"],
    )
    def test_every_object_needs_a_name_of_its_own_plainly(self, template: str) -> None:
        assert refused(template)

    @pytest.mark.parametrize(
        "template",
        [
            "/{instance}.dcm", "{patient}//{instance}.dcm", "{patient}/ /{instance}.dcm", "{instance}", "",
            "{instance}.png",
            "{instance}.dcm/", "a\\{instance}.dcm", "a\0/{instance}.dcm", "a\n/{instance}.dcm",
        ],
    )  # fmt: skip
    def test_it_is_a_relative_path_that_ends_in_dcm(self, template: str) -> None:
        assert refused(template)

    @pytest.mark.parametrize(
        "template",
        [
            "../{instance}.dcm",
            "{patient}/../{instance}.dcm",
            "./{instance}.dcm",
            ".x/{instance}.dcm",
            ".{instance}.dcm",
        ],
    )
    def test_no_part_climbs_or_hides(self, template: str) -> None:
        assert "dot" in refused(template)


VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


class TestPath:
    def test_the_default_has_a_folder_for_patient_study_and_series(self) -> None:
        assert path_of(DEFAULT, NAMES) == "XG3RSPS2VFHHSE33/2.25.1/2.25.2/2.25.3.dcm"

    def test_a_value_that_is_not_there_is_none(self) -> None:
        names = Names("P", "", "2.25.2", "2.25.3")
        assert path_of("{study}/{view}/{modality}/{instance}.dcm", names) == "none/none/none/2.25.3.dcm"

    @pytest.mark.parametrize("value", TRICKS)
    def test_nothing_in_a_retained_uid_climbs_hides_or_leaves_the_folder(self, value: str, tmp_path: Path) -> None:
        names = replace(NAMES, study=value, series=value, instance=value)
        path = path_of(DEFAULT, names)
        parts = path.split("/")
        assert len(parts) == 4
        for part in parts:
            assert part
            assert not part.startswith(".")
            assert part.isascii()
            assert part.isprintable()
            assert not set(part) & set('/\\ \0\n:*?"<>|$`;~{}')
            assert len(part.encode()) < 100
        out = tmp_path / "out"
        target = out / path
        assert out in Path(os.path.normpath(target)).parents
        target.parent.mkdir(parents=True)
        target.write_bytes(b"")
        assert target.resolve().is_relative_to(out.resolve())

    @given(st.lists(st.one_of(VALUES, st.sampled_from(TRICKS)), min_size=2, max_size=2, unique=True))
    def test_two_instances_never_share_a_path(self, instances: list[str]) -> None:
        one, other = (path_of("{instance}.dcm", replace(NAMES, instance=value)) for value in instances)
        assert one != other or set(instances) == {"", "none"}

    def test_uids_that_differ_only_at_their_far_end_do_not_meet(self) -> None:
        long = "1.2." + "3" * 70
        paths = {path_of("{instance}.dcm", replace(NAMES, instance=long + end)) for end in (".1", ".2", ".3")}
        assert len(paths) == 3

    def test_a_valid_uid_stays_as_it_is(self) -> None:
        uid = "1.2.840.113619.2.55.3.604688119.971.1284561254.461123456789012345"[:64]
        assert path_of("{instance}.dcm", replace(NAMES, instance=uid)) == f"{uid}.dcm"
