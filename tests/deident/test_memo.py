"""With the memo and without it every object ends the same: bytes, names, findings, counts, and what is refused."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stowgate.deident.memo import Memo, Remembered
from stowgate.dicom.emit import MemoryEmitter
from stowgate.dicom.limits import DEFAULT
from stowgate.dicom.scanner import Buffer
from stowgate.dicom.source import MemorySource
from stowgate.dicom.walk import OddEncoding
from stowgate.errors import Rejected
from stowgate.objects import Clean
from stowgate.pipeline import cleaned
from stowgate.policy import Option, Override, Policy
from tests.builder import (
    EXPLICIT,
    IMPLICIT,
    JPEG_BASELINE,
    Element,
    Fragments,
    Item,
    el,
    encode,
    instance,
    item,
    merged,
    part10,
    without,
)
from tests.shared import SHARED, needs_shared

pytestmark = pytest.mark.no_cover  # thousands of objects take the same lines: counting those doubles the time

KEY = bytes(range(32))
POLICIES = {
    "basic": Policy(),
    "everything": Policy(
        options=frozenset(
            (
                Option.MODIFIED_DATES,
                Option.DESCRIPTORS,
                Option.PATIENT_CHARACTERISTICS,
                Option.DEVICE_IDENTITY,
                Option.INSTITUTION_IDENTITY,
                Option.UIDS,
            )
        )
    ),
    "dates": Policy(options=frozenset((Option.MODIFIED_DATES, Option.DESCRIPTORS)), station_name="TRUCK 7"),
    "private": Policy(options=frozenset((Option.SAFE_PRIVATE, Option.FULL_DATES))),
    "own": Policy(overrides=(Override("00081030", "keep"), Override("00180050", "replace", "1"))),
}

Outcome = tuple[bytes, object, object, Counter[str], tuple[str, ...]] | str


@dataclass
class Run:
    """One thread's work: a memo (or none), and one buffer for all objects."""

    policy: Policy
    memo: Memo | None = None
    buffer: Buffer = field(default_factory=Buffer)
    hits: int = 0

    def of(self, data: bytes) -> Outcome:
        """What becomes of one object, with everything that can be seen of it."""
        source = MemorySource(data)
        try:
            clean = self._cleaned(source)
        except Rejected as stop:
            return stop.code
        except OddEncoding:
            return "odd"
        emitter = MemoryEmitter()
        emitter.emit(clean.pieces, source)
        return bytes(emitter.data), clean.names, clean.sop_class, Counter(clean.counts), clean.findings

    def _cleaned(self, source: MemorySource) -> Clean:
        if self.memo:
            self.hits += isinstance(self.memo.scan(source, DEFAULT, Buffer()), Remembered)
        return cleaned(source, self.policy, KEY, "", DEFAULT, self.buffer, memo=self.memo)


def same(objects: Iterable[bytes], policy: Policy) -> int:
    """Check object after object; how many of them a template knew."""
    remembering, plain = Run(policy, Memo()), Run(policy)
    for number, data in enumerate(objects):
        assert remembering.of(data) == plain.of(data), f"object {number}"
    return remembering.hits


def slice_of(number: int, *more: Element, syntax: str = EXPLICIT, drop: tuple[str, ...] = ()) -> bytes:
    """A slice of an ordinary series."""
    plain = [
        el("SOPInstanceUID", f"1.2.3.4.5.6.7.{number}"),
        el("InstanceNumber", str(number)),
        el("SliceLocation", f"{number * 2.5}"),
        el("ImagePositionPatient", f"-125\\-125\\{number * 2.5}"),
        el("ContentTime", f"1015{number % 60:02}"),
        el("PixelData", bytes([number % 256]) * 32, "OW"),
    ]
    if syntax == JPEG_BASELINE:
        plain[-1] = el("PixelData", Fragments((b"", bytes([number % 256]) * (number % 7 * 2 + 2))), "OB")
    elements = merged(instance(), plain)
    return part10(without(merged(elements, more), *drop), syntax)


# ---------------------------------------------------------------- ordinary series


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, JPEG_BASELINE])
@pytest.mark.parametrize("name", sorted(POLICIES))
def test_a_series_is_remembered_from_its_third_slice_on(name: str, syntax: str) -> None:
    hits = same((slice_of(number, syntax=syntax) for number in range(12)), POLICIES[name])
    assert hits == (0 if name == "private" else 10)  # private elements hang on their creators: no template


def test_interleaved_series_of_several_patients_are_remembered_side_by_side() -> None:
    series = [
        [el("PatientID", f"P{n}"), el("PatientName", f"Person{n}^X"), el("SeriesInstanceUID", f"1.2.3.{n}"), *extra]
        for n, extra in enumerate([[], [el("ImageComments", "a")], [el("EchoTime", "5")]])
    ]
    objects = [slice_of(number * 10 + n, *series[n]) for number in range(8) for n in range(3)]
    assert same(objects, Policy()) == 0  # each differs from the one before in its tags: nothing is learnt
    blocks = [slice_of(number * 10 + n, *series[n]) for n in range(3) for number in range(8)]
    assert same([*blocks, *objects], Policy()) >= 18 + 20


def test_large_values_are_left_where_they_lie() -> None:
    size = el("Rows", 400), el("Columns", 400)
    objects = [slice_of(n, *size, el("PixelData", bytes([n]) * 320_000, "OW")) for n in range(4)]
    assert same(objects, Policy()) == 2
    fragments = [
        slice_of(n, el("PixelData", Fragments((b"", bytes([n]) * (200_000 + 2 * n))), "OB"), syntax=JPEG_BASELINE)
        for n in range(4)
    ]
    assert same(fragments, Policy()) == 2


def test_every_cut_of_a_remembered_slice_ends_like_one_that_was_not() -> None:
    first = [slice_of(n) for n in range(3)]
    remembering, plain = Run(Policy(), Memo()), Run(Policy())
    for data in first:
        remembering.of(data)
    whole = slice_of(9)
    for length in range(0, len(whole), 3):
        assert remembering.of(whole[:length]) == plain.of(whole[:length])
    assert remembering.of(whole + b"\0\0") == plain.of(whole + b"\0\0")


@pytest.mark.parametrize(
    "change",
    [
        el("PatientID", "OTHER-99"),
        el("PatientID", ""),
        el("PatientName", "Someone^Else"),
        el("IssuerOfPatientID", "House B"),
        el("AccessionNumber", "ACC70012"),
        el("StudyInstanceUID", "1.2.3.99"),
        el("SeriesInstanceUID", "1.2.3.98"),
        el("ReferringPhysicianName", "Smit^J"),
        el("SpecificCharacterSet", "ISO_IR 192"),
        el("SpecificCharacterSet", "KLINGON"),
        el("Modality", "MR"),
        el("SOPClassUID", "1.2.840.10008.5.1.4.1.1.4"),
        el("SOPClassUID", "1.2.840.10008.5.1.4.1.1.7"),
        el("ImageType", "DERIVED\\SECONDARY\\SCREEN SAVE"),
        el(0x00280301, "YES", "CS"),
        el("PatientIdentityRemoved", "YES"),
        el("DeidentificationMethod", "CTP"),
        el("Rows", 5),
        el("BitsStored", 17),
        el("Manufacturer", b"Lumen\xff"),
        el(0x00091001, "x", "LO"),
        el("PatientAge", "095Y"),
        Element(0x00100040, "LO", b"F "),
        Element(0x00200013, "DS", b"9 "),
    ],
)
@pytest.mark.parametrize("place", ["first seen late", "already varying"])
def test_identity_and_kind_may_change_midway(change: Element, place: str) -> None:
    names = [e.tag for e in instance()]
    base = [] if change.tag in names else [Element(change.tag, change.vr, b"")]
    objects = [slice_of(n, *base) for n in range(4)]
    objects += [slice_of(n, change) for n in range(4, 6 if place == "first seen late" else 9)]
    objects += [slice_of(n, *base) for n in range(10, 14)]
    for policy in POLICIES.values():
        same(objects, policy)


def test_objects_without_patient_id_and_study_are_people_of_their_own() -> None:
    bare = el("PatientID", ""), el("StudyInstanceUID", "")
    objects = [slice_of(number, *bare) for number in range(5)]
    assert same(objects, POLICIES["dates"]) == 0
    run = Run(Policy(), Memo())
    assert len({outcome[1].patient for outcome in map(run.of, objects)}) == 5  # type: ignore[union-attr]
    with_study = [slice_of(number, bare[0]) for number in range(5)]
    assert same(with_study, POLICIES["dates"]) == 3


# ---------------------------------------------------------------- identity where it is not expected


def words(*texts: str) -> list[bytes]:
    """Slices whose Acquisition Protocol-like text varies; the first three teach the template."""
    return [slice_of(n, el("SoftwareVersions", text)) for n, text in enumerate(["A1", "A2", "A3", *texts])]


def test_a_known_name_in_a_varying_text_is_found() -> None:
    objects = words("by Vandermeer", "B1", "ACC70011", "okonkwo", "fine")
    assert same(objects, Policy()) >= 4
    run = Run(Policy(), Memo())
    outcomes = [run.of(data) for data in objects]
    assert ["known_token" in str(outcome[-1]) for outcome in outcomes] == [False] * 3 + [True, False, True, True, False]


@pytest.mark.parametrize("name", ["OperatorsName", "PatientName", "PhysiciansOfRecord", "StationAETitle"])
@pytest.mark.parametrize("vr", [None, "UN"])
def test_a_name_that_varies_is_known_in_the_slice_it_stands_in(name: str, vr: str | None) -> None:
    people = ["Adler^Bo", "Brunner^Li", "Cramer^Al", "Dettwiler^Jo", "Egli^Mo", "Fischer^Ro", "Gerber^Zo"]
    objects = [
        slice_of(n, el(name, person.encode(), vr or el(name).vr), el("SoftwareVersions", f"by {person[:-3]}"))
        for n, person in enumerate(people)
    ]
    same(objects, Policy())
    same([*objects[::2], *objects[1::2]], POLICIES["everything"])


@pytest.mark.parametrize("undefined", [True, False])
def test_names_inside_varying_sequences_are_known_in_their_slice_and_in_no_other(undefined: bool) -> None:
    def codes(person: str) -> Element:
        inner = [el("CodeMeaning", f"step {len(person)}")]
        if person:
            inner.append(el("OperatorsName", f"{person}^X"))
        return el("AnatomicRegionSequence", Item(merged((), inner), undefined), undefined=undefined)

    named = ["Adler", "Brunner", "", "", "Adler", "Cramer", ""]
    same([slice_of(n, codes(p), el("SoftwareVersions", "by Adler")) for n, p in enumerate(named)], Policy())
    same([slice_of(n, codes(p), el("SoftwareVersions", "by Brunner")) for n, p in enumerate(named)], Policy())
    same([slice_of(n, codes(p), el("SoftwareVersions", f"by {p}")) for n, p in enumerate(reversed(named))], Policy())


def test_a_varying_sequence_written_as_un_is_looked_into_as_well() -> None:
    def codes(person: str) -> Element:
        inner = encode([el("OperatorsName", f"{person}^X")], implicit=True)
        value = b"\xfe\xff\x00\xe0" + len(inner).to_bytes(4, "little") + inner
        return el("RequestAttributesSequence", value, "UN")

    named = ["Adler", "Berg", "Cramer", "Dettwiler", "Egli"]
    same([slice_of(n, codes(p), el("SoftwareVersions", f"by {p}")) for n, p in enumerate(named)], Policy())


# ---------------------------------------------------------------- generated series

TEXTS = st.sampled_from(["", "A", "B1", "Vandermeer", "by Adler", "PID-480026", "by Berger", "1.2.3.4.5.6"])
NAMES = st.sampled_from(["", "Adler^X", "Berger^Y"])
DATES = st.sampled_from(["", "20240131", "20240201", "2024", "bad"])
NUMBERS = st.sampled_from(["", "1", "2.5", "-3", "not one", "1\\2"])
CODES = st.lists(
    st.lists(
        st.one_of(
            TEXTS.map(lambda text: el("CodeMeaning", text)),
            NAMES.map(lambda name: el("OperatorsName", name)),
            TEXTS.map(lambda text: el("CodeValue", text)),
            st.sampled_from(["1.2.3", "1.2.840.10008.1.1"]).map(lambda uid: el("StudyInstanceUID", uid)),
        ),
        max_size=3,
    ).map(lambda inner: item(*inner)),
    max_size=2,
)
VARYING: dict[str, st.SearchStrategy[Element]] = {
    "SoftwareVersions": TEXTS.map(lambda text: el("SoftwareVersions", text)),
    "Manufacturer": TEXTS.map(lambda text: el("Manufacturer", text)),
    "SeriesDescription": TEXTS.map(lambda text: el("SeriesDescription", text)),
    "ImageComments": TEXTS.map(lambda text: el("ImageComments", text)),
    "ConvolutionKernel": TEXTS.map(lambda text: el("ConvolutionKernel", text[:16])),
    "SliceThickness": NUMBERS.map(lambda text: el("SliceThickness", text)),
    "InstanceNumber": NUMBERS.map(lambda text: el("InstanceNumber", text)),
    "AcquisitionDate": DATES.map(lambda date: el("AcquisitionDate", date)),
    "PatientAge": st.sampled_from(["", "076Y", "095Y", "old"]).map(lambda age: el("PatientAge", age)),
    "PatientName": TEXTS.map(lambda text: el("PatientName", text)),
    "OperatorsName": NAMES.map(lambda name: el("OperatorsName", name)),
    "name as UN": NAMES.map(lambda name: el("PerformingPhysicianName", name.encode(), "UN")),
    "PatientID": st.sampled_from(["PID-480026", "OTHER", ""]).map(lambda text: el("PatientID", text)),
    "AccessionNumber": TEXTS.map(lambda text: el("AccessionNumber", text[:16])),
    "StudyInstanceUID": st.sampled_from(["1.2.3.4.5.6", "1.2.3.9"]).map(lambda uid: el("StudyInstanceUID", uid)),
    "SeriesInstanceUID": st.sampled_from(["1.2.3.1", "1.2.3.2"]).map(lambda uid: el("SeriesInstanceUID", uid)),
    "FrameOfReferenceUID": st.sampled_from(["1.2.3.1", "", "no uid"]).map(lambda u: el("FrameOfReferenceUID", u)),
    "Laterality": st.sampled_from(["L", "R", "../x"]).map(lambda text: el("Laterality", text)),
    "SeriesNumber": NUMBERS.map(lambda text: el("SeriesNumber", text)),
    "AnatomicRegionSequence": CODES.map(lambda items: el("AnatomicRegionSequence", items)),
    "RequestAttributesSequence": CODES.map(lambda items: el("RequestAttributesSequence", items, undefined=True)),
    "StationName": TEXTS.map(lambda text: el("StationName", text[:16])),
    "DeidentificationMethod": TEXTS.map(lambda text: el("DeidentificationMethod", text)),
    "BurnedIn": st.sampled_from(["", "YES", "NO"]).map(lambda text: el(0x00280301, text, "CS")),
    "Rows": st.sampled_from([4, 8]).map(lambda rows: el("Rows", rows)),
    "wrong VR": st.sampled_from(["LO", "SH", "US"]).map(lambda vr: Element(0x00181030, vr, b"AB")),
    "private": TEXTS.map(lambda text: el(0x00091001, text, "LO")),
    "unknown": TEXTS.map(lambda text: el(0x00980001, text, "LO")),
    "overlay": TEXTS.map(lambda text: el(0x60004000, text, "LT")),
    "by whom": st.sampled_from(["", "by Adler", "by Berger"]).map(lambda text: el("SoftwareVersions", text)),
    "mark": st.sampled_from(["", "YES", "NO"]).map(lambda text: el("PatientIdentityRemoved", text)),
}  # fmt: skip


WITH_NAMES = ("OperatorsName", "name as UN", "AnatomicRegionSequence", "RequestAttributesSequence")


@st.composite
def series(draw: st.DrawFn) -> list[bytes]:
    """A series some of whose attributes vary from slice to slice, others only once."""
    syntax = draw(st.sampled_from([EXPLICIT, IMPLICIT, JPEG_BASELINE]))
    varying = draw(st.lists(st.sampled_from(sorted(VARYING)), max_size=4, unique=True))
    varying += draw(st.sampled_from([[], *(["by whom", name] for name in WITH_NAMES)]))
    rarely = draw(st.sampled_from(sorted(VARYING)))
    fixed = [draw(VARYING[name]) for name in draw(st.lists(st.sampled_from(sorted(VARYING)), max_size=2))]
    rare = draw(st.tuples(VARYING[rarely], VARYING[rarely]))
    turn = draw(st.integers(1, 7))
    first = draw(st.integers(0, 1000))
    return [
        slice_of(first + n, *fixed, rare[n >= turn], *(draw(VARYING[name]) for name in varying), syntax=syntax)
        for n in range(7)
    ]


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(made=series(), name=st.sampled_from(sorted(POLICIES)))
def test_any_series_ends_the_same_with_and_without(made: list[bytes], name: str) -> None:
    same(made, POLICIES[name])


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    several=st.lists(series(), min_size=2, max_size=3),
    order=st.randoms(use_true_random=False),
    name=st.sampled_from(sorted(POLICIES)),
)
def test_any_mixture_of_series_ends_the_same(several: list[list[bytes]], order: random.Random, name: str) -> None:
    objects = [data for one in several for data in one]
    order.shuffle(objects)
    same(objects, POLICIES[name])


# ---------------------------------------------------------------- real series


@needs_shared
@pytest.mark.parametrize("name", sorted(POLICIES))
@pytest.mark.parametrize("folder", ["ct_head_phantom_philips", "ct_skull_incomplete", "mr_brain_ge"])
def test_real_series_end_the_same(folder: str, name: str) -> None:
    assert SHARED
    paths = sorted(path for path in (SHARED / "data" / "dicom" / "series" / folder).rglob("*") if path.is_file())
    objects = [path.read_bytes() for path in paths]
    assert len(objects) > 3
    hits = same(objects, POLICIES[name])
    if name != "private" and folder != "ct_skull_incomplete":  # of that one every slice has other attributes
        assert hits > len(objects) // 2
    mixed = [data for pair in zip(objects, reversed(objects), strict=True) for data in pair]
    same(mixed[: len(objects)], POLICIES[name])
