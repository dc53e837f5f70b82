"""One who looks, and several side by side: what is seen, and that whatever cannot be is told and ends nothing."""

from __future__ import annotations

import io
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import SecondaryCaptureImageStorage

from stowgate.dicom.source import MemorySource
from stowgate.errors import Misconfigured, Rejected
from stowgate.look import looker as module
from stowgate.look.at import look_at
from stowgate.look.child import SourceFile
from stowgate.look.crew import Crew
from stowgate.look.judges import study
from stowgate.look.looked import Looked
from stowgate.look.looker import Looker, LookLimits, need_extra
from tests.analyse.simulated_fleet import abdomen
from tests.pixels.sample import data_set, written

CHANCE = np.random.default_rng(4)
BODY = np.clip(np.rint(abdomen(128, 1, CHANCE) + CHANCE.normal(0, 6, (128, 128)) + 1024), 0, 4095).astype(np.uint16)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    more = {"StationName": "CT1", "BodyPartExamined": "ABDOMEN", "AcquisitionDateTime": "20260101120000", "KVP": 120}
    return written(tmp_path / "a.dcm", data_set(BODY, **more))


def test_what_is_seen_of_a_file_is_numbers_codes_and_its_header(path: Path) -> None:
    with Looker() as looker:
        seen = looker.look(path)
    assert seen.frames == 1 and seen.codes == () and len(seen.digest) == 64
    assert abs(seen.features["level"] - 45) < 10 and seen.features["noise"] > 3
    assert seen.header.station == "CT1" and seen.header.acquired is not None and seen.header.study
    assert seen.image.acquisition.body_part == "ABDOMEN"
    with path.open("rb") as file:
        assert look_at(file, 64) == seen, "beside this process or in it"


def test_frames_are_judged_one_by_one_and_their_numbers_are_medians(tmp_path: Path) -> None:
    frames = np.stack([BODY, np.zeros_like(BODY), BODY])
    with Looker() as looker:
        seen = looker.look(written(tmp_path / "a.dcm", data_set(frames)))
    assert [(finding.code, finding.frame) for finding in seen.findings] == [("picture_blank", 1)]
    assert seen.codes == ("picture_blank",) and abs(seen.features["level"] - 45) < 10


def test_of_very_many_frames_some_are_looked_at_from_the_first_to_the_last(tmp_path: Path) -> None:
    frames = np.stack([BODY] * 39 + [np.zeros_like(BODY)])
    with Looker(LookLimits(frames=5)) as looker:
        seen = looker.look(written(tmp_path / "a.dcm", data_set(frames)))
    assert seen.frames == 5 and [finding.frame for finding in seen.findings] == [39]


def test_what_is_no_picture_of_a_body_has_a_header_and_no_numbers(tmp_path: Path) -> None:
    shot = data_set(BODY, SOPClassUID=SecondaryCaptureImageStorage)
    with Looker() as looker:
        seen = looker.look(written(tmp_path / "a.dcm", shot))
    assert seen.findings == () and not seen.features and seen.header.series


@pytest.mark.parametrize(
    ("data", "code"), [(b"", "not_dicom"), (b"no dicom at all" * 20, "no_picture"), (None, "not_dicom")]
)
def test_what_cannot_be_seen_has_a_code_and_the_next_one_is_seen(
    path: Path, tmp_path: Path, data: bytes | None, code: str
) -> None:
    other = tmp_path / "other"
    if data is not None:
        other.write_bytes(data)
    with Looker() as looker:
        with pytest.raises(Rejected) as refused:
            looker.look(other)
        assert refused.value.code == code
        assert looker.look(path).frames == 1


def test_a_looker_that_dies_is_replaced(path: Path) -> None:
    with Looker() as looker:
        looker.look(path)
        child = looker._child
        assert child is not None
        os.kill(child.process, signal.SIGKILL)
        with pytest.raises(Rejected) as refused:
            looker.look(path)
        assert refused.value.code == "picture_decoder_died"
        assert looker.look(path).frames == 1


def test_one_that_takes_too_long_is_ended(path: Path) -> None:
    with Looker(LookLimits(seconds=1e-6)) as looker, pytest.raises(Rejected) as refused:
        looker.look(path)
    assert refused.value.code == "picture_slow"


def test_several_look_side_by_side_and_tell_in_order(path: Path, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"bad")
    files = [(n, None if n % 5 == 4 else (tmp_path / "bad" if n % 5 == 2 else path)) for n in range(40)]
    with Crew(2) as crew:
        found = list(crew.each(files))
    assert [n for n, _ in found] == list(range(40))
    for n, seen in found:
        assert seen == "" if n % 5 == 4 else seen == "not_dicom" if n % 5 == 2 else isinstance(seen, Looked)


def test_a_study_is_judged_by_the_codes_of_its_series(path: Path) -> None:
    with Looker() as looker:
        seen = looker.look(path)
    assert study([seen]) == ()
    assert study([seen, replace(seen)]) == ("slices_twice",)


def test_a_byte_source_is_read_like_any_file() -> None:
    data = bytes(range(256)) * 10
    file = io.BufferedReader(SourceFile(MemorySource(data)), 64)
    assert file.read(10) == data[:10] and file.seek(-6, os.SEEK_END) == len(data) - 6
    assert file.read() == data[-6:] and file.read() == b""
    file.seek(1000)
    file.seek(24, os.SEEK_CUR)
    assert file.read(4) == data[1024:1028]


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    need_extra()
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "scipy" else object())
    with pytest.raises(Misconfigured) as missing:
        need_extra()
    assert missing.value.code == "image_extra_missing"
