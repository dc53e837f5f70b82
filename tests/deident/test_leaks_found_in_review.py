"""Each of these once left, stopped or hung something: found by reading the code with a hostile eye."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stowgate import pipeline
from stowgate.deident.memo import Memo
from stowgate.deident.profile import policy_from
from stowgate.folder_run import Request, opened
from stowgate.objects import Raw
from stowgate.pipeline import Bench, Passed, Way, process
from stowgate.policy import Option, Policy
from stowgate.store.shelf import FolderShelf
from tests.builder import BIG_ENDIAN, IMPLICIT, Element, el, item, small
from tests.oracle import engine

pytestmark = pytest.mark.no_cover  # thousands of objects take the same lines: counting those doubles the time

DATES = engine.policy(Option.MODIFIED_DATES)
UID = "1.2.3.4.5.6.7"
"""The SOP Instance UID of `small`."""


@pytest.mark.parametrize(("keyword", "value"), [("SliceThickness", UID), ("AcquisitionNumber", UID[:10])])
def test_a_uid_does_not_survive_as_a_number(keyword: str, value: str) -> None:
    assert value.encode() not in engine.clean(small(el(keyword, value)))


def test_a_uid_in_a_time_does_not_pass_the_gate() -> None:
    outcome = engine.gated(small(el("StudyTime", UID)), engine.policy(Option.FULL_DATES))
    assert outcome.short == "quarantined:gate_uid"


@pytest.mark.parametrize("value", ["19471113", "Ng Li 47", UID, "1015\\19471113"])
def test_what_is_no_time_does_not_stay_when_dates_move(value: str) -> None:
    assert value.encode() not in engine.gated(small(el("StudyTime", value)), DATES).data


@pytest.mark.parametrize(
    "value", ["10", "1015", "101530", "101530.1", "101530.123456", "10:15:30", "101530\\11", "101530."]
)
def test_times_stay_when_dates_move(value: str) -> None:
    assert value.encode() in engine.gated(small(el("StudyTime", value)), DATES).data


@pytest.mark.parametrize("vr", ["LO", "UT", "OB", "SH", "US"])
def test_a_safe_private_number_written_as_something_else_goes(vr: str) -> None:
    """Table E.3.10-1 calls (7053,xx00) of this creator safe as a DS."""
    block = el(0x70530010, "Philips PET Private Group", "LO"), el(0x70531000, b"Jane Doe 19800203 ", vr)
    assert b"Jane" not in engine.gated(small(*block), engine.policy(Option.SAFE_PRIVATE)).data


# ------------------------------------------------------------------------------------------------- time


NAMES = [f"\u00e9{chr(0x30A1 + i % 80)}{chr(0x30A1 + i // 80)}abc^d{i}\u00e9" for i in range(1500)]

SLOW: dict[str, tuple[Callable[[], tuple[Element, ...]], Policy]] = {
    "digits in a technical text": (lambda: (el("SoftwareVersions", "1" * 60000 + "."),), Policy()),
    "digits and dots": (lambda: (el("SoftwareVersions", "1.1.1." * 10000 + "x"),), Policy()),
    "a description longer than any": (
        lambda: (el("ImageComments", "_" * 60000, "LT"),),
        engine.policy(Option.DESCRIPTORS, Option.PATIENT_CHARACTERISTICS),
    ),
    "thousands of names in other letters": (
        lambda: (
            el("SpecificCharacterSet", "ISO_IR 192"),
            el("ReferencedImageSequence", tuple(item(el("PatientName", name.encode())) for name in NAMES)),
            el("ICCProfile", bytes(range(256)) * 800, "OB"),
        ),
        Policy(),
    ),
}


@pytest.mark.parametrize("what", list(SLOW))
def test_no_value_takes_more_than_a_few_seconds(what: str) -> None:
    made, policy = SLOW[what]
    data = small(*made())
    start = time.process_time()
    engine.gated(data, policy)
    assert time.process_time() - start < 8


VAST = "Ab^" * 400_000

VAST_TEXTS: dict[str, Element] = {
    "a kept text": el("SoftwareVersions", VAST),
    "a name": el("OtherPatientNames", VAST),
    "a name in a sequence": el("ReferencedImageSequence", item(el("PatientName", VAST))),
    "an identifier": el("PatientID", VAST),
    "an address": el("InstitutionAddress", VAST),
}


@pytest.mark.parametrize("what", list(VAST_TEXTS))
def test_a_text_of_a_megabyte_is_refused_before_its_words_fill_the_memory(what: str) -> None:
    assert engine.gated(small(VAST_TEXTS[what], syntax=IMPLICIT)).short == "quarantined:limit_header"


def test_one_name_repeated_in_every_item_is_no_vast_text() -> None:
    many = tuple(item(el("PerformingPhysicianName", "Okonkwo^Ada")) for _ in range(100_000))
    assert engine.gated(small(el("ReferencedImageSequence", many))).fate == "cleaned"


# ------------------------------------------------------------------------------------------------- people


def journey(folder: Path, data: bytes, bench: Bench) -> Passed:
    source = folder / "source"
    source.write_bytes(data)
    shelf = FolderShelf(folder / "out", "x" * 16)
    return process(Raw("0" * 32, str(source)), Way(Policy(), bytes(32), shelf, folder), bench)


@pytest.mark.parametrize("memo", [True, False])
@pytest.mark.parametrize("study", ["", " "])
def test_neither_patient_id_nor_study_merges_nobody(study: str, memo: bool, tmp_path: Path) -> None:
    bench, patients = Bench(Memo() if memo else None), set()
    for number in range(5):
        data = small(el("StudyInstanceUID", study), el("PatientID", ""), uid=f"{UID}.{number}")
        passed = journey(tmp_path, data, bench)
        assert passed.ref
        patients.add(passed.ref.names.patient)
    assert len(patients) == 5


# ------------------------------------------------------------------------------------------------- batches


def settled(root: Path) -> dict[str, tuple[str, str | None]]:
    request = Request([root / "in"], root / "out", policy_from(), root / "state")
    with opened(request) as run:
        return {Path(one.source).name: (one.item.state.value, one.item.code) for one in run.settled()}


def test_an_earlier_output_that_was_damaged_since_stops_no_batch(tmp_path: Path) -> None:
    """Another input of the same SOP Instance UID is compared with it."""
    (tmp_path / "in").mkdir()
    first = tmp_path / "in" / "first.dcm"
    for number, spoil in enumerate(SPOILS):
        first.write_bytes(small(uid=f"{UID}.{number}"))
        settled(tmp_path)
        newest = max((tmp_path / "out").rglob("*.dcm"), key=lambda path: path.stat().st_mtime_ns)
        spoil(newest)
        os.utime(first, ns=(1, 1))
        (tmp_path / "in" / "second.dcm").write_bytes(small(uid=f"{UID}.{number}.2"))
        assert settled(tmp_path) == {"first.dcm": ("quarantined", "uid_reuse"), "second.dcm": ("cleaned", None)}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def rewrite(path: Path) -> None:
    path.write_bytes(small(syntax=BIG_ENDIAN))


def link(path: Path) -> None:
    path.rename(path.with_suffix(".elsewhere"))
    path.symlink_to(path.with_suffix(".elsewhere"))


SPOILS = (cut, rewrite, link)


def test_an_input_that_is_written_to_while_it_is_read_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The header could be of one object and the pixels of another."""
    check = pipeline.gate.check

    def slow_check(*given: object) -> object:
        passed = check(*given)  # type: ignore[arg-type]
        os.utime(tmp_path / "source", ns=(7, 7))
        return passed

    monkeypatch.setattr(pipeline.gate, "check", slow_check)
    passed = journey(tmp_path, small(), Bench(None))
    assert (passed.ref, passed.item.code) == (None, "source_changed")
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
