"""Faults that a study shows as a whole: slices that are missing or there twice, gaps, views, sides, a blurred slice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from stowgate.analyse.finding import Finding
from stowgate.pixels.image import Geometry, Image

FEWEST = 5
"""Slices of a stack below which no gap is judged."""
UNEVEN, SAME = 0.2, 0.05
"""Shares of the usual distance of slices: by how much one may differ, and below which two lie at one place."""
SMOOTH = 0.25
"""Sharpness of what has no edge at all, see `measure`."""
BLURRED, NOISIER = 0.5, 1.2
"""Sharpness above that, and noise, of a slice as shares of its neighbours': below and up to which it was smeared."""
_NEAR = 4
_STACKED = ("CT", "MR", "PT")
_VIEWS = frozenset(("LCC", "RCC", "LMLO", "RMLO"))
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Member:
    """One image of a study.

    series -- of which it is; digest: equal for equal pictures, "" where it is not known
    side   -- of a mammogram: side of the picture at which the breast is attached, "L" or "R", "" where it is not told
    """

    image: Image
    series: str = ""
    digest: str = ""
    side: str = ""
    features: Mapping[str, float] = field(default_factory=dict)


def findings(members: Sequence[Member]) -> tuple[Finding, ...]:
    """What is amiss with a study as a whole: series by series, then views of a mammography, then sides."""
    by_series: dict[str, list[Member]] = defaultdict(list)
    for member in members:
        by_series[member.series].append(member)
    found = [finding for series in sorted(by_series) for finding in _of_series(by_series[series])]
    return (*found, *_views(members), *_sides(members))


def _of_series(members: Sequence[Member]) -> list[Finding]:
    found = _twice(members)
    for stack in _stacks(members):
        tilted = _tilted(stack)
        found += [Finding("orientation_differs", {"slices": float(len(tilted))})] if tilted else []
        straight = [one for one in stack if one not in tilted]
        found += _gaps(straight, len(tilted))
        found += _blurred(straight)
        found += _spacing(straight)
    return found + _announced(members)


def _twice(members: Sequence[Member]) -> list[Finding]:
    digests = Counter(one.digest for one in members if one.digest and one.features.get("spread", 0) > 0)
    copies = sum(number - 1 for number in digests.values())
    return [Finding("slices_twice", {"copies": float(copies)})] if copies else []


@dataclass(frozen=True, slots=True)
class _Slice:
    """A slice with its place along its normal, in mm."""

    place: float
    member: Member

    @property
    def direction(self) -> tuple[float, ...]:
        """Image Orientation, so that what is nearly parallel is."""
        return tuple(round(value, 2) for value in self.member.image.shared.geometry.orientation or ())


def _stacks(members: Sequence[Member]) -> list[list[_Slice]]:
    """Single-frame slices with a place, by acquisition, echo and type, in the order of their places."""
    groups: dict[tuple[object, ...], list[_Slice]] = defaultdict(list)
    for member in filter(_is_slice, members):
        place, of = _place(member.image.shared.geometry), member.image.acquisition
        if place is not None:
            groups[of.acquisition_number, of.echo_time, of.image_type].append(_Slice(place, member))
    found = []
    for _, group in sorted(groups.items(), key=repr):
        found += _parallel(sorted(group, key=lambda one: one.place))
    return found


def _is_slice(member: Member) -> bool:
    image = member.image
    return image.modality in _STACKED and image.frames == 1 and "LOCALIZER" not in image.acquisition.image_type


def _parallel(group: list[_Slice]) -> list[list[_Slice]]:
    """As one stack where most lie in parallel and a few are tilted, else a stack for each direction."""
    directions = Counter(one.direction for one in group)
    ((_, most),) = directions.most_common(1)
    if most >= FEWEST and 0 < len(group) - most <= most // 4:
        return [group]
    return [[one for one in group if one.direction == direction] for direction in sorted(directions)]


def _tilted(stack: Sequence[_Slice]) -> list[_Slice]:
    ((usual, _),) = Counter(one.direction for one in stack).most_common(1)
    return [one for one in stack if one.direction != usual]


def _place(of: Geometry) -> float | None:
    if of.position is None or of.orientation is None:
        return None
    return float(np.dot(of.position, np.cross(of.orientation[:3], of.orientation[3:])))


def _gaps(stack: Sequence[_Slice], tilted: int = 0) -> list[Finding]:
    """By Image Position along the normal: what is missing between slices, and distances that differ otherwise.

    tilted -- slices that are there and lie askew: what they leave open is no gap
    """
    places = np.array([one.place for one in stack])
    distances = np.diff(places)
    apart = distances[distances > 1e-3]
    if len(apart) + 1 < FEWEST:
        return []
    usual = float(np.median(apart))
    at_one_place = int((distances < SAME * usual).sum())
    found: list[Finding] = []
    if 0 < at_one_place <= len(places) // 4:  # more are phases of time, which lie at one place on purpose
        found.append(Finding("slices_at_one_place", {"slices": float(at_one_place)}))
    steps = apart / usual
    whole = np.rint(steps)
    is_gap = (whole >= 2) & (abs(steps - whole) < UNEVEN * whole)
    missing = float((whole[is_gap] - 1).sum()) - tilted
    if missing > 0:
        found.append(Finding("slices_missing", {"slices": missing, "spacing_mm": usual}))
    uneven = (abs(steps - 1) > UNEVEN) & ~is_gap
    if uneven.any():
        found.append(Finding("spacing_uneven", {"gaps": float(uneven.sum()), "spacing_mm": usual}))
    return found


def _spacing(stack: Sequence[_Slice]) -> list[Finding]:
    """Pixel Spacing is one for all slices of a stack."""
    sizes = {tuple(round(mm, 3) for mm in one.member.image.shared.geometry.spacing or ()) for one in stack} - {()}
    return [Finding("pixel_spacing_differs", {"sizes": float(len(sizes))})] if len(sizes) > 1 else []


def _blurred(stack: Sequence[_Slice]) -> list[Finding]:
    """Slices less sharp than their neighbours on both sides, and not for noise: these moved, or the patient did."""
    sharp, noise = (_series(stack, name) for name in ("sharpness", "noise"))
    edges = np.maximum(sharp - SMOOTH, 0.005)
    bad = 0
    for at in range(_NEAR // 2, len(stack) - _NEAR // 2):
        before, behind = np.arange(max(0, at - _NEAR), at), np.arange(at + 1, min(len(stack), at + _NEAR + 1))
        near = np.concatenate([before, behind])
        if not np.isfinite(edges[[at, *near]]).all():
            continue
        least = min(float(np.median(edges[side])) for side in (before, behind))
        bad += bool(edges[at] < BLURRED * least and noise[at] < NOISIER * np.median(noise[near]))
    return [Finding("slices_blurred", {"slices": float(bad)})] if bad else []


def _series(stack: Sequence[_Slice], name: str) -> Floats:
    return np.array([one.member.features.get(name, np.nan) for one in stack], float)


def _announced(members: Sequence[Member]) -> list[Finding]:
    """Fewer than Images in Acquisition says; without geometry also holes in Instance Number, and numbers twice."""
    by_acquisition: dict[int | None, list[Image]] = defaultdict(list)
    for member in filter(_is_slice, members):
        by_acquisition[member.image.acquisition.acquisition_number].append(member.image)
    short = twice = 0
    for group in by_acquisition.values():
        told = [image.acquisition.images_in_acquisition or 0 for image in group]
        numbers = [n for image in group if (n := image.acquisition.instance_number) is not None]
        holes = 0
        if all(_place(image.shared.geometry) is None for image in group) and len(numbers) == len(group) >= FEWEST:
            twice += len(numbers) - len(set(numbers))
            holes = max(numbers) + 1 - min(numbers) - len(set(numbers))
            holes = holes if holes <= len(group) // 2 else 0  # more are numbers that are none of a row
        short += max(0, min(max(told), 100_000) - len(group), holes)
    found = [Finding("images_missing", {"images": float(short)})] if short else []
    return found + ([Finding("numbers_twice", {"images": float(twice)})] if twice else [])


def _views(members: Sequence[Member]) -> list[Finding]:
    """A screening mammography has CC and MLO of both sides; one or two views are a follow-up."""
    images = [member for member in members if member.image.modality == "MG"]
    views = {side + view for member in images if (side := _side(member)) and (view := _view(member))}
    if len(views) < 3 or not _VIEWS - views:
        return []
    return [Finding("view_missing", {"views": float(len(_VIEWS - views))})]


def _sides(members: Sequence[Member]) -> list[Finding]:
    """A header names one side, and of a mammogram the one in the picture."""
    wrong = sum({"L", "R"} <= set(one.image.acquisition.sides) or _is_other_side(one) for one in members)
    return [Finding("laterality_conflict", {"images": float(wrong)})] if wrong else []


def _side(member: Member) -> str:
    side = member.image.shared.laterality
    return side if side in ("L", "R") else ""


def _is_other_side(member: Member) -> bool:
    """Whether the breast is attached where the other one usually is, and the header does not say that it is turned."""
    side, leads_to = _side(member), "".join(member.image.acquisition.orientation[:1])[:1]
    usual = {"L": "A", "R": "P"}
    return bool(side and member.side and side != member.side and leads_to in ("", usual[side]))


def _view(member: Member) -> str:
    told = member.image.acquisition.view.upper()
    if told in ("CC", "CRANIO-CAUDAL", "CRANIOCAUDAL"):
        return "CC"
    return "MLO" if told in ("MLO", "MEDIO-LATERAL OBLIQUE", "MEDIOLATERAL OBLIQUE") else ""


def attached_at(values: npt.NDArray[np.float32], inverse: bool) -> str:
    """Side of a mammogram at which the breast is attached to the chest: where its outer tenth is much fuller.

    "L" or "R" of the picture as it is stored, "" where neither clearly is. Usually rows of a left breast
    lead to anterior, those of a right one to posterior (Patient Orientation): a left one is attached at the left.
    """
    some = values[::16, ::16]
    low, high = np.quantile(some, (0.02, 0.98))
    if not high > low:
        return ""
    body = (high - some if inverse else some - low) > 0.2 * (high - low)
    tenth = max(1, some.shape[1] // 10)
    left, right = float(body[:, :tenth].mean()), float(body[:, -tenth:].mean())
    if max(left, right) < 0.3 or min(left, right) > 0.1:
        return ""
    return "L" if left > right else "R"
