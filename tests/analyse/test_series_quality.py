"""Faults that a study shows as a whole: each is found, and a sound study has none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stowgate.analyse.finding import Finding
from stowgate.analyse.measure import measure
from stowgate.analyse.series_quality import Member, attached_at, findings
from stowgate.errors import Rejected
from stowgate.look.looker import Looker
from stowgate.look.study import findings as of_study
from stowgate.pixels.image import Acquisition, Facts, Geometry, Image
from tests.analyse.simulated_fleet import head
from tests.analyse.test_measure import ct
from tests.shared import SHARED, needs_shared

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CT = Image("CT", "", "", 512, 512, 1, 1, "MONOCHROME2", 16, 16, signed=True)
MG = replace(CT, modality="MG")


def slice_(n: int, place: float, **more: object) -> Member:
    """A slice at so many millimetres."""
    facts = Facts(geometry=Geometry((0.0, 0.0, place), AXIAL, (0.5, 0.5), 5.0))
    features = {"sharpness": 0.33, "noise": 5.0, "spread": 2000.0}
    return replace(Member(replace(CT, shared=facts), "1.2", f"{n:04}", features=features), **more)  # type: ignore[arg-type]


def stack(*places: float) -> list[Member]:
    return [slice_(n, place) for n, place in enumerate(places)]


def codes(members: list[Member]) -> list[str]:
    return [finding.code for finding in findings(members)]


EVEN = tuple(5.0 * n for n in range(12))


def test_a_sound_series_has_no_finding_in_any_order() -> None:
    assert codes(stack(*EVEN)) == codes(stack(*reversed(EVEN))) == []
    assert codes(stack(*(place + 0.3 * (n % 2) for n, place in enumerate(EVEN)))) == [], "a tenth of a step is nothing"
    assert codes([]) == []


def test_slices_that_are_missing_are_counted() -> None:
    (found,) = findings(stack(*EVEN[:4], *EVEN[6:]))
    assert found == Finding("slices_missing", {"slices": 2.0, "spacing_mm": 5.0})


def test_a_distance_that_is_no_multiple_is_uneven() -> None:
    assert codes(stack(*EVEN, 62.5)) == ["spacing_uneven"]


def test_a_slice_at_the_place_of_another_is_told_and_phases_of_time_are_not() -> None:
    assert codes([*stack(*EVEN), slice_(90, 10.0)]) == ["slices_at_one_place"]
    assert codes([*stack(*EVEN), *(slice_(100 + n, place) for n, place in enumerate(EVEN))]) == []


def test_a_picture_that_is_there_twice_is_told_and_blank_ones_are_not() -> None:
    twice = slice_(3, 200.0, series="1.3")
    assert codes([*stack(*EVEN), replace(twice, digest="a"), replace(twice, digest="a")]) == ["slices_twice"]
    blank = replace(twice, features={"spread": 0.0}, digest="a")
    assert codes([*stack(*EVEN), blank, blank]) == []


def test_series_and_acquisitions_are_judged_each_by_itself() -> None:
    other = [replace(slice_(50 + n, place + 2.0), series="1.3") for n, place in enumerate(EVEN)]
    assert codes([*stack(*EVEN), *other]) == []
    acquisitions = [
        replace(one, image=replace(one.image, acquisition=Acquisition(acquisition_number=n % 2)))
        for n, one in enumerate(stack(*EVEN))
    ]
    assert codes(acquisitions) == [], "each has slices at twice the distance"


def test_fewer_images_than_announced_are_told() -> None:
    short = [
        replace(one, image=replace(one.image, acquisition=Acquisition(images_in_acquisition=15)))
        for one in stack(*EVEN)
    ]
    assert findings(short) == (Finding("images_missing", {"images": 3.0}),)


def tilted(member: Member) -> Member:
    """The same, as if the gantry had moved by 20 degrees."""
    facts = member.image.shared
    cos, sin = 0.94, 0.342
    geometry = replace(facts.geometry, orientation=(1.0, 0.0, 0.0, 0.0, cos, sin))
    return replace(member, image=replace(member.image, shared=replace(facts, geometry=geometry)))


def test_a_slice_that_is_tilted_is_told_as_that_and_not_as_missing() -> None:
    members = stack(*EVEN)
    members[5] = tilted(members[5])
    assert findings(members) == (Finding("orientation_differs", {"slices": 1.0}),)
    del members[8]
    assert codes(members) == ["orientation_differs", "slices_missing"]


def test_planes_of_their_own_are_stacks_of_their_own() -> None:
    other = [replace(tilted(one), digest=f"b{one.digest}") for one in stack(*EVEN)]
    assert codes([*stack(*EVEN), *other]) == []


def test_pixels_of_another_size_are_told() -> None:
    members = stack(*EVEN)
    facts = members[3].image.shared
    other = replace(facts, geometry=replace(facts.geometry, spacing=(0.7, 0.7)))
    members[3] = replace(members[3], image=replace(members[3].image, shared=other))
    assert findings(members) == (Finding("pixel_spacing_differs", {"sizes": 2.0}),)


def numbered(*numbers: int) -> list[Member]:
    """Slices that have a number and no place."""
    return [
        Member(replace(CT, acquisition=Acquisition(instance_number=n)), "1.2", f"{at}") for at, n in enumerate(numbers)
    ]


def test_without_a_place_numbers_tell_what_is_missing_and_what_is_there_twice() -> None:
    assert codes(numbered(1, 2, 3, 4, 5, 6)) == []
    assert findings(numbered(1, 2, 3, 4, 7, 8)) == (Finding("images_missing", {"images": 2.0}),)
    assert findings(numbered(1, 2, 3, 3, 4, 5)) == (Finding("numbers_twice", {"images": 1.0}),)
    assert codes(numbered(1, 101, 201, 301, 401)) == [], "these are no row"
    placed = [
        replace(one, image=replace(one.image, acquisition=Acquisition(instance_number=1))) for one in stack(*EVEN)
    ]
    assert codes(placed) == [], "their places tell"


def test_a_header_that_names_both_sides_is_told() -> None:
    both = replace(CT, modality="DX", acquisition=Acquisition(sides=("L", "R")))
    assert codes([Member(both, "1.2")]) == ["laterality_conflict"]
    assert codes([Member(replace(both, acquisition=Acquisition(sides=("L",))), "1.2")]) == []


def test_a_slice_that_was_smeared_is_found_among_its_neighbours() -> None:
    random = np.random.default_rng(2)
    members = []
    for n, place in enumerate(EVEN):
        phantom = head(256, n, random)
        if n == 6:
            phantom = sum(np.roll(phantom, shift, 1) for shift in range(-4, 5)) / 9  # it moved along a row
        members.append(slice_(n, place, features=measure(ct(phantom)).as_dict()))
    assert findings(members) == (Finding("slices_blurred", {"slices": 1.0}),)
    del members[6]
    assert "slices_blurred" not in codes(members)


# ------------------------------------------------------------------------------------------------ mammography


def view(names: str, told: str, side: str = "", to: tuple[str, ...] = (), digest: str = "") -> Member:
    """A mammogram whose header names a side and a view, attached at `side` of the picture."""
    image = replace(MG, shared=Facts(laterality=names), acquisition=Acquisition(view=told, orientation=to))
    return Member(image, "1.2", digest or names + told, side)


FOUR = [view("L", "CC"), view("R", "CC"), view("L", "MLO"), view("R", "MLO")]


def test_a_missing_view_is_told_and_a_follow_up_of_two_is_not() -> None:
    assert codes(FOUR) == [] and codes(FOUR[:2]) == []
    assert findings([*FOUR[:3], view("L", "CC", digest="again")]) == (Finding("view_missing", {"views": 1.0}),)


@pytest.mark.parametrize(
    ("member", "wrong"),
    [
        (view("L", "CC", side="L"), False),
        (view("L", "CC", side="R"), True),
        (view("R", "CC", side="L"), True),
        (view("L", "CC", side=""), False),
        (view("", "CC", side="R"), False),
        (view("L", "CC", side="R", to=("P", "L")), False),  # the header says that it is turned
        (view("L", "CC", side="R", to=("A", "R")), True),
    ],
)
def test_a_side_that_the_picture_does_not_show_is_told(member: Member, wrong: bool) -> None:
    assert codes([member]) == (["laterality_conflict"] if wrong else [])


@pytest.mark.parametrize("inverse", [False, True])
def test_the_side_at_which_a_breast_is_attached_is_seen_where_it_is_clear(inverse: bool) -> None:
    y, x = np.mgrid[:800, :600]
    breast = np.where(((y - 400) / 350) ** 2 + (x / 350) ** 2 < 1, 900.0, 20.0).astype(np.float32)
    shown = 1000 - breast if inverse else breast
    assert attached_at(shown, inverse) == "L" and attached_at(shown[:, ::-1], inverse) == "R"
    assert attached_at(np.zeros_like(breast), inverse) == ""
    assert attached_at(np.full_like(breast, 900) - 880 * (x > 5000), inverse) == ""


@needs_shared
@pytest.mark.parametrize(
    "series", ["ct_head_phantom_philips/axial_5mm", "mr_brain_ge", "ct_head_phantom_philips/localizer"]
)
def test_real_series_have_no_finding_and_one_that_lacks_slices_says_so(series: str) -> None:
    assert SHARED is not None
    paths = sorted((SHARED / "data" / "dicom" / "series" / series).rglob("*"))
    seen = []
    with Looker() as looker:
        for path in (path for path in paths if path.is_file()):
            try:
                seen.append(looker.look(path))
            except Rejected:
                continue
    assert of_study(seen) == ()
    if series.startswith("ct") and len(seen) > 10:
        seen.sort(key=lambda one: (one.image.shared.geometry.position or (0.0, 0.0, 0.0))[2])
        assert "slices_missing" in {finding.code for finding in of_study([*seen[:5], *seen[7:]])}
