"""`stowgate send`: files go to one place, the whole way, whether a gateway runs or not; every input has its line."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread

from stowgate.faces.cli.exits import Exit
from stowgate.faces.cli.send import _watch
from stowgate.faces.service import running
from stowgate.settings import load
from tests.builder import IMPLICIT, US
from tests.faces.conftest import Stowgate
from tests.faces.gateway_stage import CANARIES, identified

TEXT = """
[spool]
path = "spool"
reserve = "0B"
[log]
file = "gateway.log"
[[source]]
name = "ct"
kind = "dimse"
listen = "127.0.0.1:0"
[[dest]]
name = "nas"
kind = "folder"
path = "out"
layout = "{instance}.dcm"
[[dest]]
name = "other"
kind = "folder"
path = "other"
layout = "{instance}.dcm"
[[route]]
dest = ["other"]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "stowgate.toml"
    path.write_text(TEXT, encoding="utf-8")
    for name in ("out", "other", "in"):
        (tmp_path / name).mkdir()
    for number in range(1, 4):
        (tmp_path / "in" / f"{number}.dcm").write_bytes(identified(number))
    return path


@pytest.fixture(params=["runs", "does not run"])
def either(request: pytest.FixtureRequest, config: Path) -> Iterator[Path]:
    """A configuration, with a gateway that owns the spool and with none."""
    if request.param == "runs":
        with running(load(config, environ={}), config.parent):
            yield config
    else:
        yield config


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("*.dcm")]


def test_a_folder_goes_to_the_place_that_is_named_and_to_no_other(
    either: Path, stowgate: Stowgate, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in (tmp_path / "in").iterdir()}
    done = stowgate("send", "in", "--dest", "nas", "--timeout", "60")
    assert done.code == 0, done.err
    assert "delivered 3" in done.out
    assert len(names(tmp_path / "out")) == 3 and names(tmp_path / "other") == []
    assert {path: path.read_bytes() for path in (tmp_path / "in").iterdir()} == before
    for path in (tmp_path / "out").glob("*.dcm"):
        assert not [one for one in CANARIES if one.encode() in path.read_bytes()]
    assert not [one for one in CANARIES if one in done.out + done.err]


@pytest.mark.parametrize("command", [("send",), ("deid",)], ids=str)
def test_whoever_sends_first_is_told_of_the_keys_that_were_made_and_to_back_them_up(
    config: Path, stowgate: Stowgate, tmp_path: Path, command: tuple[str, ...]
) -> None:
    said = stowgate(*command, tmp_path / "in", "--dest", "nas").err
    assert f"The unit's key was made: {tmp_path}/unit.key. Back this up: without it" in said
    assert "A project key was made: spool/project.key. Back this up: without it" in said
    assert "was made" not in stowgate(*command, tmp_path / "in", "--dest", "nas").err


def test_every_input_has_its_line_and_the_counts_add_up(either: Path, stowgate: Stowgate, tmp_path: Path) -> None:
    (tmp_path / "in" / "x.txt").write_text("no image")
    (tmp_path / "in" / "us.dcm").write_bytes(identified(9, sop_class=US, modality="US"))
    (tmp_path / "in" / "copy.dcm").write_bytes(identified(1))
    done = stowgate("send", "in", "--dest", "nas", "--timeout", "60", "--json")
    assert done.code == Exit.PARTLY, "one is held"
    *lines, summary = done.lines
    assert summary == {
        "kind": "summary", "received": 6, "delivered": 4, "waiting": 0, "quarantined": 1, "rejected": 1,
        "already_done": 0,
    }  # fmt: skip
    states = {Path(str(line["source"])).name: (line["state"], line["code"]) for line in lines}
    assert states["us.dcm"] == ("quarantined", "burned_in_risk") and states["x.txt"] == ("rejected", "not_dicom")
    assert all(line["output"] is None for line in lines)
    assert len(names(tmp_path / "out")) == 3


def test_what_was_sent_elsewhere_and_comes_encoded_otherwise_is_delivered_from_what_is_here(
    either: Path, stowgate: Stowgate, tmp_path: Path
) -> None:
    assert stowgate("send", "in", "--dest", "other", "--timeout", "60").code == 0
    for path in (tmp_path / "in").iterdir():
        found = dcmread(path)
        found.decode()
        found.file_meta.TransferSyntaxUID = IMPLICIT
        found.save_as(path, implicit_vr=True, enforce_file_format=True)
    done = stowgate("send", "in", "--dest", "nas", "--timeout", "60", "--json")
    assert done.code == 0 and done.lines[-1]["delivered"] == 3
    assert sorted(names(tmp_path / "out")) == sorted(names(tmp_path / "other"))


def test_a_place_that_takes_nothing_is_waited_for_and_nothing_is_lost(
    either: Path, stowgate: Stowgate, tmp_path: Path
) -> None:
    (tmp_path / "out").rmdir()
    done = stowgate("send", "in", "--dest", "nas", "--timeout", "3")
    assert done.code == Exit.PARTLY and "waiting 3" in done.out
    assert done.err.count("nas is down. ") + done.err.count("nas is paused. ") == 1, "said once"
    assert "goes by itself while the gateway runs" in done.err
    assert stowgate("send", "in", "--dest", "nas", "--wait", "cleaned", "--timeout", "60").code == 0
    status = json.loads(stowgate("status", "--json").out)
    assert status["destinations"]["nas"]["queued"] == 3 and status["duplicates"] == 3


def test_what_cannot_be_sent_at_all_is_said_before_anything_is_touched(
    config: Path, stowgate: Stowgate, tmp_path: Path
) -> None:
    done = stowgate("send", "in", "--dest", "nobody")
    assert done.code == Exit.USAGE and "nas, other" in " ".join(done.err.split())
    assert stowgate("send", "nowhere", "--dest", "nas").code == Exit.USAGE
    assert not (tmp_path / "spool").exists()


def test_what_is_held_is_said_with_its_reason_and_what_to_do(either: Path, stowgate: Stowgate, tmp_path: Path) -> None:
    (tmp_path / "us.dcm").write_bytes(identified(9, sop_class=US, modality="US"))
    done = stowgate("send", "us.dcm", "--dest", "nas", "--timeout", "60")
    assert done.code == Exit.PARTLY
    assert "1 object is safe and goes to nas." in done.err
    assert "1 held: burned_in_risk. " in done.err and "stowgate quarantine list" in done.err
    assert not [one for one in CANARIES if one in done.out + done.err]


def test_what_was_there_already_is_counted_as_that(either: Path, stowgate: Stowgate) -> None:
    assert stowgate("send", "in", "--dest", "nas", "--timeout", "60").code == 0
    done = stowgate("send", "in", "--dest", "nas", "--timeout", "60")
    assert done.code == 0 and "delivered 0" in done.out and "already done 3" in done.out


def test_a_folder_without_objects_is_said_to_be_that(either: Path, stowgate: Stowgate, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    done = stowgate("send", "none", "--dest", "nas", "--timeout", "60")
    assert done.code == 0 and "No DICOM object was found there" in done.err


def test_no_source_can_be_called_as_what_is_sent_by_hand(config: Path, stowgate: Stowgate) -> None:
    config.write_text(TEXT.replace('name = "ct"', 'name = "send"'))
    done = stowgate("check")
    assert done.code == Exit.CONFIGURATION and "choose another" in done.err + done.out


def test_deid_with_a_destination_goes_the_same_way(either: Path, stowgate: Stowgate, tmp_path: Path) -> None:
    done = stowgate("deid", "in", "--dest", "nas", "-c", "stowgate.toml", "--json")
    assert done.code == 0 and done.lines[-1]["delivered"] == 3
    assert len(names(tmp_path / "out")) == 3


@pytest.mark.parametrize(
    "more", [("-o", "clean"), ("--retain", "uids"), ("--manifest", "m.csv"), ("-n",), ("--profile", "basic")]
)
def test_what_contradicts_a_destination_is_refused_beside_it(
    config: Path, stowgate: Stowgate, tmp_path: Path, more: tuple[str, ...]
) -> None:
    done = stowgate("deid", "in", "--dest", "nas", *more)
    assert done.code == Exit.USAGE and "does not go together with --dest" in " ".join(done.err.split())
    assert not (tmp_path / "spool").exists() and not (tmp_path / "clean").exists()


def test_deid_needs_a_place(config: Path, stowgate: Stowgate) -> None:
    done = stowgate("deid", "in")
    assert done.code == Exit.USAGE and "--dest" in done.err


class Slow:
    """A sending that is far only at its sixth look; its destination is down meanwhile."""

    looks = 0

    def left(self, _: str) -> list[str]:
        return ["x"] * (self.looks < 6)

    def look(self) -> None:
        self.looks += 1

    def words(self) -> str:
        return f"{self.looks // 3} of 2 are there."

    def hindered(self) -> str:
        return "pacs is down." if self.looks < 5 else ""


def test_how_far_it_is_and_why_it_waits_are_said_once_each(capsys: pytest.CaptureFixture[str]) -> None:
    _watch(Slow(), "verified", math.inf, quiet=False)  # type: ignore[arg-type]
    assert capsys.readouterr().err.splitlines() == [
        "0 of 2 are there.",
        "pacs is down. What waits goes by itself when that is over.",
        "1 of 2 are there.",
        "2 of 2 are there.",
    ]
