"""Canaries in headers, file names and folder names: none of them in anything a person, a log or a report may see."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builder import BASIC_TEXT_SR, BIG_ENDIAN, DEFLATED, IMPLICIT, US, Element, el, item
from tests.faces.conftest import Stowgate
from tests.journeys.stage import Done, files, scan

WORD = b"canary"
UID = "1.2.777000777.4"
DATE = "18770707"
PLANTED = (WORD, UID.encode(), DATE.encode())


def planted(number: int) -> tuple[Element, ...]:
    """A canary of each kind: text VRs, a private block and its creator, a sequence, UIDs, a birth date."""
    text = f"Canary{number}"
    return (
        el("PatientName", f"{text}^Carla"),
        el("PatientID", f"{text}-ID"),
        el("PatientBirthDate", DATE),
        el("OtherPatientIDs", f"{text}-2"),
        el("PatientAddress", f"{text} Street 5"),
        el("InstitutionName", f"{text} Hospital"),
        el("ReferringPhysicianName", f"{text}^Doc"),
        el("AccessionNumber", f"{text}-A"),
        el("StudyDescription", f"for {text}"),
        el("PatientComments", f"{text} called"),
        el("StudyID", f"{text}-S"),
        el("StationName", f"{text}-ST"),
        el("StudyInstanceUID", UID),
        el("FrameOfReferenceUID", f"{UID}.9"),
        el("RequestAttributesSequence", item(el("RequestedProcedureDescription", f"{text} CT"))),
        el(0x00190010, f"{text} CREATOR", "LO"),
        el(0x00191008, f"{text} private", "LO"),
        el(0x00101060, f"{text}^Mother", "PN"),
    )


def bad_kinds() -> Iterator[tuple[str, bytes]]:
    """Every way to be stopped that the header itself can bring about, each with canaries in reach of the message."""
    yield "cut", scan(1, more=planted(1))[:-9]
    yield "cut in the header", scan(2, more=planted(2))[:700]
    yield "uid first", scan(3, more=planted(3))
    yield "uid second", scan(3, more=(*planted(3), el("KVP", "1")))
    yield "ultrasound", scan(4, more=planted(4), sop_class=US, modality="US")
    yield "report", scan(5, more=planted(5), sop_class=BASIC_TEXT_SR, drop=["PixelData"])
    yield "private class", scan(6, more=planted(6), sop_class=f"{UID}.5")
    yield "character set", scan(7, more=(*planted(7), el("SpecificCharacterSet", "CANARY_IR 100")))
    yield "wrong vr", scan(8, more=(*planted(8), el("StudyDate", "canary", "LO"), el("Rows", "canary", "LO")))
    yield (
        "bad values",
        scan(9, more=(*planted(9), el("StudyTime", "canary"), el("PatientAge", "can"), el("KVP", "canary"))),
    )
    yield "syntax", scan(10, more=planted(10), meta_extra=[el(0x00020010, f"{UID}.6", "UI")])
    yield "twice", scan(11, more=planted(11))[:-44] + b"\x10\x00\x10\x00PN\x06\x00canary" + scan(11)[-44:]
    yield "length", scan(12, more=planted(12)).replace(b"LO\x0e\x00Canary12-ID", b"LO\xfe\xffCanary12-ID")
    yield "implicit", scan(13, more=planted(13), syntax=IMPLICIT)
    yield "swapped and cut", scan(14, more=planted(14), syntax=BIG_ENDIAN)[:-5]
    yield "deflated", scan(15, more=planted(15), syntax=DEFLATED)
    yield "no image", b"\0" * 128 + b"DICMcanary" * 40
    yield "text", b"canary\n" * 90
    yield "meta", scan(16, more=planted(16), meta_extra=[el(0x00020016, "CANARY_AE", "AE")])
    yield "preamble", scan(17, more=planted(17), preamble=b"canary".ljust(128, b"\0"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "in" / "Canary, Carla (1877)"
    root.mkdir(parents=True)
    for name, data in bad_kinds():
        (root / f"canary {name}.dcm").write_bytes(data)
    for number in (21, 22):
        (root / f"canary good {number}.dcm").write_bytes(scan(number, more=planted(number)))
    (root / "canary.link").symlink_to(root / "canary gone")
    os.mkfifo(root / "canary.pipe")
    (root / ".canary").touch()
    (root / "canary closed").mkdir()
    return tmp_path / "in"


def told(*texts: str | bytes) -> list[bytes]:
    """The canaries in what was said or written."""
    data = b"\n".join(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape") for text in texts)
    return [canary for canary in PLANTED if canary in data.lower()]


def nothing_told(done: Done) -> None:
    assert told(done.out, done.err) == []
    assert "Traceback" not in done.err
    assert "Warning" not in done.err


def test_the_canaries_would_be_seen(stowgate: Stowgate, folder: Path) -> None:
    one = next(folder.rglob("*good*"))
    assert told(stowgate("explain", one, "--values").out) == list(PLANTED)
    assert told(stowgate("inspect", one, "--values").out) == list(PLANTED)
    assert told(str(one)) == [WORD]


@pytest.mark.parametrize("how", [[], ["-v"], ["-q"], ["-n"], ["-v", "--workers", "2"], ["--clean", "descriptors"]])
def test_deid_tells_no_header_value_and_no_input_path(
    stowgate: Stowgate, folder: Path, tmp_path: Path, how: list[str]
) -> None:
    for kind in ("csv", "json", "xml"):
        out = ["-o", "clean", "--state", "state", "--report", "report.html", "--manifest", f"clean.{kind}"]
        done = stowgate("deid", folder, *out, *how)
        assert done.code == 3
        nothing_told(done)
    assert told(Path("report.html").read_bytes()) == []
    for kind in ("csv", "json", "xml"):
        assert told(Path(f"clean.{kind}").read_bytes()) == []
    for place in ("clean", "state"):
        found = files(tmp_path / place) if "-n" not in how else {}
        assert told(*found, *found.values()) == []
    assert (len(files(tmp_path / "clean")) >= 6) is ("-n" not in how)


def test_the_ledger_of_a_killed_run_tells_nothing_either(stowgate: Stowgate, folder: Path, tmp_path: Path) -> None:
    """Its log has not been folded into the file yet, and holds every row as it came."""
    from stowgate.store.sqlite import open_ledger
    from stowgate.store.store import Start
    from stowgate.vault.key import load

    stowgate("deid", folder, "-o", "clean", "--state", "state", "-q")
    ledger = open_ledger(tmp_path / "state", load("file:state/project.key"))
    ledger.begin([Start(f"{number:032}", str(path), 1) for number, path in enumerate(folder.rglob("*"))])
    assert {"ledger.db", "ledger.db-wal", "ledger.db-shm"} <= set(files(tmp_path / "state"))
    assert told(*files(tmp_path / "state").values()) == []
    ledger.close()


def test_json_lines_name_the_input_as_source_and_tell_nothing_else(stowgate: Stowgate, folder: Path) -> None:
    done = stowgate("deid", folder, "-o", "clean", "--state", "state", "--json")
    nothing_told(Done(0, "", done.err))
    for line in done.items:
        assert WORD in line["source"].lower().encode()
        assert told(*(str(value) for name, value in line.items() if name != "source")) == []


@pytest.mark.parametrize("command", ["explain", "inspect"])
@pytest.mark.parametrize("how", [[], ["--json"]])
def test_looking_at_an_object_tells_no_value_unless_asked(
    stowgate: Stowgate, folder: Path, command: str, how: list[str]
) -> None:
    for path in sorted(path for path in folder.rglob("*") if path.is_file() or path.is_fifo()):
        done = stowgate(command, path, *how)
        assert done.code in (0, 3)
        assert done.out or done.err
        nothing_told(done)


def test_scan_tells_no_value_and_only_its_json_lines_name_a_file(stowgate: Stowgate, folder: Path) -> None:
    done = stowgate("scan", folder)
    assert done.code == 3
    nothing_told(done)
    done = stowgate("scan", folder, "--json")
    for line in done.lines:
        assert told(*(str(value) for name, value in line.items() if name != "source")) == []
    nothing_told(Done(0, "", done.err))


def test_a_batch_whose_outputs_cannot_be_written_tells_no_path(
    stowgate: Stowgate, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> int:
        raise OSError(5, "canary", "canary path")

    monkeypatch.setattr("os.writev", failing)
    done = stowgate("deid", folder, "-o", "clean", "--state", "state")
    assert done.code == 15
    nothing_told(done)


def test_the_builder_makes_what_the_names_say(stowgate: Stowgate, folder: Path) -> None:
    """Each bad object is stopped for its own reason, so the messages above are all different ones."""
    done = stowgate("deid", folder, "-o", "clean", "--state", "state", "--json")
    codes = {name.removeprefix("canary ").removesuffix(".dcm"): code for name, (_, code) in done.by_name().items()}
    assert {name: codes[name] for name in STOPPED} == STOPPED


STOPPED = {
    "cut": "truncated",
    "cut in the header": "truncated",
    "uid first": None,
    "uid second": "uid_reuse",
    "ultrasound": "burned_in_risk",
    "report": "structured_content",
    "private class": "unknown_sop_class",
    "character set": "unknown_character_set",
    "syntax": "unknown_transfer_syntax",
    "twice": "duplicate_element",
    "swapped and cut": "truncated",
    "text": "not_dicom",
}
