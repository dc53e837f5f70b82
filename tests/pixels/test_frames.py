"""Every picture that can be decoded is, frame by frame in a child; everything else is a clear finding, soon."""

from __future__ import annotations

import os
import resource
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.pixels import apply_color_lut

from stowgate.errors import Rejected
from stowgate.pixels.frames import PictureLimits, Pictures
from stowgate.pixels.read import of_dataset
from stowgate.reasons_image import IMAGE
from tests.pixels.sample import data_set, written
from tests.shared import SHARED, needs_shared, pydicom_files, shared_files

RAMP = np.arange(3 * 8 * 6, dtype=np.uint16).reshape(3, 8, 6)
CLEAR = {*IMAGE, "not_dicom"}


def code_of(path: Path | str, frame: int = 0) -> str:
    with Pictures() as pictures, pytest.raises(Rejected) as raised:  # noqa: PT012 - either may say so
        pictures.open(path)
        pictures.frame(frame)
    return raised.value.code


def test_frames_come_one_by_one_in_any_order(tmp_path: Path) -> None:
    path = written(tmp_path / "a.dcm", data_set(RAMP))
    with Pictures() as pictures:
        image = pictures.open(path)
        assert (image.rows, image.columns, image.frames, image.modality) == (8, 6, 3, "CT")
        assert [frame.tolist() for frame in pictures.frames()] == RAMP.tolist()
        assert pictures.frame(2).tolist() == RAMP[2].tolist()
        assert pictures.frame(0).tolist() == RAMP[0].tolist()


def test_a_frame_that_is_not_there_is_said_so_and_the_others_are_still_to_be_had(tmp_path: Path) -> None:
    path = written(tmp_path / "a.dcm", data_set(RAMP))
    with Pictures() as pictures:
        pictures.open(path)
        for wrong in (-1, 3):
            with pytest.raises(Rejected, match="fewer frames"):
                pictures.frame(wrong)
        assert pictures.frame(1).tolist() == RAMP[1].tolist()


def test_every_picture_of_pydicoms_own_is_what_pydicom_makes_of_it_or_a_clear_finding() -> None:
    seen: Counter[str] = Counter()
    with Pictures() as pictures:
        for path in [file.path for file in pydicom_files()]:
            try:
                image = pictures.open(path)
                frames = list(pictures.frames())
            except Rejected as refused:
                seen[refused.code] += 1
                continue
            dataset = dcmread(path, force=True)
            if "TransferSyntaxUID" not in getattr(dataset, "file_meta", {}):
                continue
            expected = dataset.pixel_array
            whole = np.stack(frames) if image.frames > 1 else frames[0]
            if image.photometric == "PALETTE COLOR":
                assert whole.tolist() == (apply_color_lut(expected, dataset) >> 8).tolist()
            elif image.photometric in ("MONOCHROME1", "MONOCHROME2", "RGB"):
                assert np.array_equal(whole, expected), path.name
            seen["seen"] += 1
    assert seen.pop("seen") >= 50
    assert set(seen) <= CLEAR
    assert seen["picture_decoder_died"] == seen["picture_slow"] == 0


@needs_shared
def test_every_picture_of_the_corpus_is_seen_or_a_clear_finding_and_no_decoder_dies_of_one() -> None:
    seen: Counter[str] = Counter()
    with Pictures() as pictures:
        for path in [file.path for file in shared_files()]:
            began = time.monotonic()
            try:
                pictures.open(path)
                pictures.frame(0)
                seen["seen"] += 1
            except Rejected as refused:
                seen[refused.code] += 1
            assert time.monotonic() - began < 30, path.name
    assert seen.pop("seen") >= 180
    assert set(seen) <= CLEAR
    assert seen["picture_decoder_died"] == 0


@needs_shared
def test_the_lossless_versions_of_a_slice_are_one_picture() -> None:
    assert SHARED is not None
    folder = SHARED / "data" / "dicom" / "syntax" / "same_ct_15_syntaxes"
    lossless = ("Implicit", "LittleEndianExplicit", "BigEndian", "DeflatedExplicit", "RLE", "LosslessOnly",
                "JPEGLSLossless", "Process14")  # fmt: skip
    digests = set()
    with Pictures() as pictures:
        chosen = [path for path in sorted(folder.iterdir()) if any(name in path.name for name in lossless)]
        for path in chosen:
            pictures.open(path)
            digests.add(pictures.frame(0).astype("<i4").tobytes())
    assert len(chosen) >= 8
    assert len(digests) == 1


class TestHostile:
    def test_sizes_that_lie_reserve_nothing(self, tmp_path: Path) -> None:
        dataset = data_set(RAMP[0], Rows=65535, Columns=65535, NumberOfFrames=1_000_000)
        began = time.monotonic()
        assert code_of(written(tmp_path / "a.dcm", dataset)) == "picture_too_large"
        assert time.monotonic() - began < 20
        assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 1024 * 1024

    def test_a_picture_that_ends_too_soon_is_cut_short(self, tmp_path: Path) -> None:
        path = written(tmp_path / "a.dcm", data_set(RAMP))
        path.write_bytes(path.read_bytes()[:-50])
        with Pictures() as pictures:
            pictures.open(path)
            assert pictures.frame(1).tolist() == RAMP[1].tolist()
            with pytest.raises(Rejected) as raised:
                pictures.frame(2)
        assert raised.value.code == "picture_cut_short"

    @pytest.mark.parametrize(
        "wrong", [{"Rows": 0}, {"BitsAllocated": 8, "BitsStored": 16}, {"SamplesPerPixel": 7}, {"BitsAllocated": 4096}]
    )
    def test_a_header_that_cannot_be_is_said_so(self, tmp_path: Path, wrong: dict[str, int]) -> None:
        assert code_of(written(tmp_path / "a.dcm", data_set(RAMP[0], **wrong))) == "picture_bad_header"

    @pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.80",
                                        "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.5"])  # fmt: skip
    def test_a_stream_of_nonsense_is_a_finding_and_the_next_object_is_seen(self, tmp_path: Path, syntax: str) -> None:
        from pydicom.encaps import encapsulate

        nonsense = np.random.default_rng(1).bytes(4000)
        heads = {"50": b"\xff\xd8\xff\xe0", "90": b"\xff\x4f\xff\x51", "80": b"\xff\xd8\xff\xf7"}
        dataset = data_set(RAMP[0], syntax, PixelData=encapsulate([heads.get(syntax[-2:], b"") + nonsense]))
        dataset["PixelData"].VR = "OB"
        hostile = written(tmp_path / "bad.dcm", dataset)
        good = written(tmp_path / "good.dcm", data_set(RAMP[0]))
        with Pictures() as pictures:
            pictures.open(hostile)
            with pytest.raises(Rejected) as raised:
                pictures.frame(0)
            assert raised.value.code in CLEAR
            pictures.open(good)
            assert pictures.frame(0).tolist() == RAMP[0].tolist()

    def test_a_decoder_that_dies_or_hangs_is_a_finding_and_the_next_object_is_seen(self, tmp_path: Path) -> None:
        path = written(tmp_path / "a.dcm", data_set(RAMP[0]))
        with Pictures(PictureLimits(seconds=3.0)) as pictures:
            pictures.open(path)
            assert pictures._child is not None
            os.kill(pictures._child.process, 9)
            with pytest.raises(Rejected) as raised:
                pictures.frame(0)
            assert raised.value.code == "picture_decoder_died"
            pictures.open(path)
            os.kill(pictures._child.process, 19)
            with pytest.raises(Rejected) as raised:
                pictures.frame(0)
            assert raised.value.code == "picture_slow"
            pictures.open(path)
            assert pictures.frame(0).tolist() == RAMP[0].tolist()

    def test_what_is_no_dicom_at_all_has_no_picture(self, tmp_path: Path) -> None:
        for data in (b"", b"hello", bytes(4000)):
            (tmp_path / "a").write_bytes(data)
            assert code_of(tmp_path / "a") in ("not_dicom", "no_picture")
        assert code_of(tmp_path / "nowhere") == "not_dicom"


class TestWhatIsNotThere:
    @pytest.mark.parametrize("most", [500, 1000, 2999, 5000, 6180, 6288, 6294, 20000])
    def test_a_file_that_is_cut_is_said_to_be_wherever_it_ends(self, tmp_path: Path, most: int) -> None:
        (tmp_path / "cut.dcm").write_bytes(Path(get_testdata_file("CT_small.dcm")).read_bytes()[:most])
        assert code_of(tmp_path / "cut.dcm") == "picture_cut_short"

    def test_a_spectrum_has_rows_and_no_picture(self, tmp_path: Path) -> None:
        spectrum = data_set(RAMP[0], Modality="MR")
        del spectrum.PixelData, spectrum.BitsAllocated, spectrum.BitsStored, spectrum.HighBit
        assert code_of(written(tmp_path / "a.dcm", spectrum)) == "no_picture"
        with pytest.raises(Rejected) as raised:
            of_dataset(spectrum)
        assert raised.value.code == "no_picture"

    def test_a_report_has_no_picture_and_is_not_cut(self) -> None:
        for name in ("rtplan.dcm", "reportsi.dcm", "test-SR.dcm"):
            assert code_of(get_testdata_file(name)) == "no_picture"

    def test_a_picture_elsewhere_is_none_here(self, tmp_path: Path) -> None:
        far = data_set(RAMP[0], PixelDataProviderURL="https://127.0.0.1/a")
        del far.PixelData
        assert code_of(written(tmp_path / "a.dcm", far)) == "no_picture"


def test_pixel_data_whose_vr_was_forgotten_is_seen_as_pydicom_sees_it() -> None:
    path = get_testdata_file("SC_rgb_jpeg.dcm")
    with Pictures() as pictures:
        pictures.open(path)
        assert np.array_equal(pictures.frame(0), dcmread(path).pixel_array)


def test_what_no_decoder_here_reads_is_not_told_to_install_one() -> None:
    assert code_of(get_testdata_file("JPEG-lossy.dcm")) == "picture_no_decoder"
    assert "nstall" not in IMAGE["picture_no_decoder"].advice


def test_a_data_set_in_memory_is_read_as_its_file_is(tmp_path: Path) -> None:
    dataset = data_set(RAMP)
    opened = of_dataset(dataset)
    assert [frame.tolist() for frame in opened.frames()] == RAMP.tolist()
    assert opened.frame(1).tolist() == RAMP[1].tolist()
    with Pictures() as pictures:
        assert pictures.open(written(tmp_path / "a.dcm", dataset)) == opened.image
