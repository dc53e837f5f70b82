"""Whatever comes in: a code, a sentence, little memory, under a second, and the rest of the batch goes on."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

import pytest

from stowgate.reasons import REASONS
from tests.builder import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, RLE, Fragments, dataset, el, item
from tests.journeys.hostile import Hostile, hostile
from tests.journeys.stage import Done, Servers, Stage, files, scan

GOOD = scan(99)
ROOM = 48
"""MiB that a hostile object may cost beyond a harmless one: as much as the most elements there may be in one."""
HOSTILE = hostile()


@pytest.fixture(scope="module")
def harmless(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """A run over a plain and a swapped object: what start-up, tables and the child that normalises cost."""
    stage = Stage(tmp_path_factory.mktemp("harmless"), servers)
    stage.put("plain", scan(1))
    stage.put("swapped", scan(2, syntax=BIG_ENDIAN))
    stage.deid()
    return stage.deid("--retain", "uids")


def settled_well(done: Done, harmless: Done) -> dict[str, str | None]:
    """Every line has a code with its sentence, or an output; nothing took long or grew. Codes by name."""
    assert done.code in (0, 3), done
    assert "Traceback" not in done.err
    for line in done.items:
        assert line["code"] is None or line["reason"] == REASONS[line["code"]].sentence
        assert line["code"] != "internal_error"
        assert not (line["code"] or "").startswith("gate_")
    assert done.seconds - harmless.seconds < 1.0 * len(done.items)
    assert done.memory <= harmless.memory + ROOM
    return {name: code for name, (_, code) in done.by_name().items()}


@pytest.mark.parametrize("one", HOSTILE, ids=str)
def test_a_hostile_object_gets_a_code_quickly_and_without_much_memory(
    stage: Stage, harmless: Done, one: Hostile
) -> None:
    stage.put("hostile", one.data)
    stage.put("z good", GOOD)
    codes = settled_well(stage.deid(), harmless)
    assert codes["hostile"] in one.codes
    assert codes["z good"] is None
    assert GOOD_NAME.search("\n".join(files(stage.out)))


GOOD_NAME = re.compile(r"2\.25\.\d+\.dcm")


def test_all_of_them_in_one_folder_get_their_codes_with_two_workers(stage: Stage) -> None:
    for number, one in enumerate(HOSTILE):
        stage.put(f"{number:02}", one.data)
    stage.put("zz", GOOD)
    done = stage.deid("--workers", "2")
    assert done.code == 3
    states = done.by_name()
    assert len(states) == len(HOSTILE) + 1 == done.summary["received"]
    allowed = {"uid_reuse"}  # most of them are the same object in other clothes
    wrong = {
        one.name: states[f"{number:02}"]
        for number, one in enumerate(HOSTILE)
        if states[f"{number:02}"][1] not in {*one.codes, *(allowed if None in one.codes else ())}
    }
    assert wrong == {}
    assert states["zz"] == ("cleaned", None)


ENDLESS = item(el("StudyID", "P1"), undefined=True)
FRAME = b"\1\0\0\0" + b"\x40\0\0\0" + bytes(56) + bytes(64)
WHOLE = {
    "explicit": scan(1, more=(el("RequestAttributesSequence", item(el("RequestedProcedureID", "P1"))),)),
    "implicit": scan(1, syntax=IMPLICIT),
    "big endian": scan(1, syntax=BIG_ENDIAN),
    "deflated": scan(1, syntax=DEFLATED),
    "undefined": scan(1, more=(el("RequestAttributesSequence", (ENDLESS,), undefined=True),)),
    "compressed": scan(1, more=(el("PixelData", Fragments((b"", FRAME)), "OB"),), syntax=RLE),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_an_object_cut_anywhere_is_refused_as_incomplete(stage: Stage, harmless: Done, kind: str) -> None:
    """pydicom accepts a file cut to a tenth without a word; at each hundredth and at each byte of the end we do not."""
    whole = WHOLE[kind]
    lengths = {len(whole) * percent // 100 for percent in range(100)}
    lengths |= {len(whole) - missing for missing in range(1, 40)}
    for length in lengths:
        stage.put(f"{length}", whole[:length])
    stage.put("whole", whole)
    codes = settled_well(stage.deid("--workers", 2), harmless)
    assert codes.pop("whole") is None
    not_yet = {name: code for name, code in codes.items() if int(name) < 132}
    assert set(not_yet.values()) == {"empty_file", "not_dicom"}
    begun = {name: code for name, code in codes.items() if int(name) >= 132}
    assert set(begun.values()) <= {"truncated", "bad_structure", "no_pixel_data", "missing_sop_class"}
    assert list(begun.values()).count("truncated") > 0.9 * len(begun)
    assert len(files(stage.out)) == 1


def test_a_header_larger_than_the_limit_is_refused_without_being_read(stage: Stage, harmless: Done) -> None:
    """A comment of 3 GiB that takes no room on the disk."""
    head = GOOD[: GOOD.index(struct.pack("<HH", 0x0018, 0x0050))]
    path = stage.put("sparse", head + struct.pack("<HH2sHI", 0x0010, 0x4001, b"UT", 0, 3 << 30))
    os.truncate(path, len(head) + 12 + (3 << 30))
    os.truncate(stage.put("zeros", b""), 5 << 30)
    stage.put("good", GOOD)
    codes = settled_well(stage.deid(), harmless)
    assert codes == {"sparse": "limit_header", "zeros": "not_dicom", "good": None}


def test_pixels_larger_than_memory_are_only_passed_through(stage: Stage, harmless: Done) -> None:
    frames = 24
    pixels = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, frames * 2048 * 2048 * 2)
    head = scan(1, more=(el("Rows", 2048), el("Columns", 2048), el("NumberOfFrames", str(frames))))
    head = head[: head.rindex(pixels[:4])]
    path = stage.put("large", head + pixels)
    os.truncate(path, len(head) + 12 + frames * 2048 * 2048 * 2)
    assert settled_well(stage.deid(), harmless) == {"large": None}


TRICKS = ["../../../evil", "/etc/evil", "..", "a\\b", "1.2/../../3", "~", "-rf", "a\nb", "CON", "x" * 300]


@pytest.mark.parametrize("uid", TRICKS)
def test_nothing_in_a_header_leads_out_of_the_output_folder(stage: Stage, uid: str) -> None:
    places = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "Modality", "Laterality")
    more = tuple(el(place, uid) for place in (*places, "ViewPosition", "SeriesNumber", "InstanceNumber"))
    stage.put("1.dcm", scan(1, more=more))
    settings = stage.root / "stowgate.toml"
    template = "{patient}/{study}/{series}/{modality}/{view}/{laterality}/{series_number}/{instance}.dcm"
    settings.write_text(f'[output]\npath = "{template}"\n[deid]\nretain = ["uids"]\n', encoding="utf-8")
    before = {path for path in stage.root.parent.rglob("*") if stage.root not in path.parents}
    done = stage.deid("-c", settings)
    assert done.code in (0, 3)
    assert {path for path in stage.root.parent.rglob("*") if stage.root not in path.parents} == before
    assert {path.name for path in stage.root.iterdir()} <= {"in", "out", "state", "stowgate.toml", "stdout", "stderr"}
    for name in files(stage.out):
        assert all(re.fullmatch(r"\w[\w.-]{0,80}", part, re.ASCII) for part in name.split("/")), name
        assert ".." not in name.split("/")


def test_two_retained_uids_that_only_a_file_name_makes_equal_stay_two_objects(stage: Stage) -> None:
    uids = ("1.2.3.4.", "1.2.3.4", "1." + "3" * 70, "1." + "3" * 71)
    for number, uid in enumerate(uids):
        stage.put(f"{number}", scan(number, more=(el("SOPInstanceUID", uid),)))
    done = stage.deid("--retain", "uids")
    kept = [item for item in done.items if item["state"] == "cleaned"]
    assert len(kept) == len(files(stage.out)) == len({item["output"] for item in kept})
    assert len(kept) == len(uids)
    written = {str(dataset(data).SOPInstanceUID) for data in files(stage.out).values()}
    assert len(written) == len(kept)


def test_an_instance_that_comes_again_with_other_content_is_quarantined_whatever_the_encoding(stage: Stage) -> None:
    stage.put("1", scan(1))
    stage.put("2 same", scan(1, syntax=DEFLATED))
    stage.put("3 other pixels", scan(1, more=(el("PixelData", bytes(32), "OW"),)))
    stage.put("4 other kernel", scan(1, more=(el("ConvolutionKernel", "B70f"),), syntax=IMPLICIT))
    stage.put("5 same but for the padding", scan(1, more=(el("ConvolutionKernel", "B30f  "),)))
    first = stage.deid().by_name()
    assert first == {
        "1": ("cleaned", None),
        "2 same": ("already_done", None),
        "3 other pixels": ("quarantined", "uid_reuse"),
        "4 other kernel": ("quarantined", "uid_reuse"),
        "5 same but for the padding": ("already_done", None),
    }
    assert stage.deid().by_name() == first | {"1": ("already_done", None)}


def test_the_whole_corpus_has_no_path_in_it(tmp_path: Path) -> None:
    """The objects above are made, not copied: each is what its name says in every checkout."""
    assert len({one.name for one in HOSTILE}) == len(HOSTILE) >= 60
    assert all(len(one.data) < 40_000_000 for one in HOSTILE)
    assert EXPLICIT.encode() in GOOD
