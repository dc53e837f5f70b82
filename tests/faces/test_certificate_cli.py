"""`stowgate study certificate`: what became of a study, signed; by whoever has it, checked; of nobody, a name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stowgate.faces.cli.exits import Exit
from stowgate.faces.service import Running, running
from stowgate.ingest.scanner import Called, send
from stowgate.settings import load
from tests.builder import US
from tests.faces.conftest import Stowgate
from tests.faces.gateway_stage import CANARIES, eventually, identified

TEXT = """
[unit]
name = "TRUCK07"
[spool]
path = "spool"
reserve = "0B"
[log]
file = "gateway.log"
[[source]]
name = "ct"
kind = "dimse"
listen = "127.0.0.1:0"
allow = [{ ae = "CT1", ip = "127.0.0.1" }]
[[profile]]
name = "research"
[[dest]]
name = "nas"
kind = "folder"
path = "out"
layout = "{instance}.dcm"
[[dest]]
name = "lab"
kind = "folder"
path = "lab"
[[route]]
dest = ["nas"]
[[route]]
dest = ["lab"]
profile = "research"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "stowgate.toml"
    path.write_text(TEXT, encoding="utf-8")
    for name in ("out", "lab"):
        (tmp_path / name).mkdir()
    return path


@pytest.fixture
def gateway(config: Path) -> Iterator[Running]:
    with running(load(config, environ={}), config.parent) as now:
        yield now


def sent(now: Running, folder: Path, *objects: bytes) -> None:
    folder.mkdir()
    files = [folder / f"{n}.dcm" for n in range(len(objects))]
    for file, data in zip(files, objects, strict=True):
        file.write_bytes(data)
    send(Called("127.0.0.1", now.ports["ct"], "STOWGATE", "CT1"), files)


def delivered(stowgate: Stowgate, number: int) -> None:
    eventually(lambda: json.loads(stowgate("status", "--json").out)["delivered"] == number)


def alias(stowgate: Stowgate) -> str:
    (line,) = stowgate("study", "list", "--json").lines
    return str(line["alias"])


def of(stowgate: Stowgate, *more: str) -> dict[str, Any]:
    return dict(json.loads(stowgate("study", "certificate", alias(stowgate), "--json", *more).out))


def test_all_of_a_study_that_arrived_is_certified_with_its_digests_and_evidence(
    gateway: Running, stowgate: Stowgate, tmp_path: Path
) -> None:
    sent(gateway, tmp_path / "in", identified(1), identified(2), identified(1))
    delivered(stowgate, 2)
    data = of(stowgate)
    assert data["delivered_everywhere"] and data["unit"] == "TRUCK07"
    assert data["counts"] | {"received": 3, "delivered": 2, "duplicates": 1} == data["counts"]
    assert data["destinations"]["nas"] == {"objects": 2, "verified": 2, "evidence_content": 2, "done": 2}
    there = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / "out").glob("*.dcm")}
    said = {one["sha256"]: one for item in data["instances"] for one in item["objects"]}
    assert there <= said.keys()
    names = {one["sop_instance_uid"] for one in said.values()}
    assert {path.stem for path in (tmp_path / "out").glob("*.dcm")} < names
    assert {(one["profile"], one["recipient"]) for one in data["made_with"]} == {("basic", ""), ("basic", "research")}


def test_page_and_twin_are_written_and_hold_and_a_changed_one_does_not(
    gateway: Running, stowgate: Stowgate, tmp_path: Path
) -> None:
    sent(gateway, tmp_path / "in", identified(1))
    delivered(stowgate, 1)
    done = stowgate("study", "certificate", alias(stowgate)[:8], "-o", "cert.html")
    assert done.code == 0 and done.err.startswith("Delivered. ")
    page, twin = tmp_path / "cert.html", tmp_path / "cert.json"
    who = json.loads(twin.read_text())["signature"]["fingerprint"]
    for file in (page, twin):
        held = stowgate("study", "verify-certificate", file, "--key", who)
        assert held.code == 0 and held.out == f"It is as it was signed, by {who}.\n"
        assert "Compare" in stowgate("study", "verify-certificate", file).out
        assert stowgate("study", "verify-certificate", file, "--key", "0" * 64).code == Exit.AUDIT_BROKEN
        assert stowgate("study", "verify-certificate", file, "--key", who[:8]).code == Exit.AUDIT_BROKEN, "too short"
        file.write_bytes(file.read_bytes().replace(b"nas", b"nos", 1))
        assert stowgate("study", "verify-certificate", file).code == Exit.AUDIT_BROKEN
    assert stowgate("study", "verify-certificate", "nowhere.html").code == Exit.USAGE


@pytest.mark.parametrize("name", ["cert.json", "cert.JSON", "."])
def test_a_page_of_its_twin_s_name_is_refused(gateway: Running, stowgate: Stowgate, tmp_path: Path, name: str) -> None:
    sent(gateway, tmp_path / "in", identified(1))
    delivered(stowgate, 1)
    done = stowgate("study", "certificate", alias(stowgate), "-o", name)
    assert done.code == Exit.USAGE and "study.json is its twin" in " ".join(done.err.replace("│", " ").split())
    assert not list(tmp_path.glob("cert.*"))


def test_what_has_not_arrived_stands_at_the_top_and_why(gateway: Running, stowgate: Stowgate, tmp_path: Path) -> None:
    sent(gateway, tmp_path / "in", identified(1), identified(2, sop_class=US, modality="US"))
    delivered(stowgate, 1)
    eventually(lambda: json.loads(stowgate("status", "--json").out)["held"] == 1)
    data = of(stowgate)
    assert not data["delivered_everywhere"]
    (held,) = [one for one in data["instances"] if not one["delivered"]]
    assert (held["state"], held["code"], held["objects"]) == ("held", "burned_in_risk", [])
    stowgate("study", "certificate", alias(stowgate), "-o", "cert.html")
    text = (tmp_path / "cert.html").read_text()
    assert text.index("Not all delivered") < text.index("What has not arrived") < text.index("burned_in_risk")
    assert text.index("burned_in_risk") < text.index("Where it is")


def test_it_names_nobody_and_nothing_the_study_came_with(gateway: Running, stowgate: Stowgate, tmp_path: Path) -> None:
    sent(gateway, tmp_path / "in", identified(1), identified(2, sop_class=US, modality="US"))
    delivered(stowgate, 1)
    stowgate("study", "certificate", alias(stowgate), "-o", "cert.html")
    for name in ("cert.html", "cert.json"):
        text = (tmp_path / name).read_text()
        assert not [one for one in (*CANARIES, "1.2.840.113619") if one in text]
        assert "//" not in text, "it loads nothing"


def test_of_one_recipient_it_holds_nothing_that_another_has(
    gateway: Running, stowgate: Stowgate, tmp_path: Path
) -> None:
    sent(gateway, tmp_path / "in", identified(1), identified(2))
    delivered(stowgate, 2)
    own, theirs = of(stowgate, "--profile", ""), of(stowgate, "--profile", "research")
    assert set(own["destinations"]) == {"nas"} and set(theirs["destinations"]) == {"lab"}
    assert own["delivered_everywhere"] and theirs["delivered_everywhere"]
    assert len(own["instances"]) == len(theirs["instances"]) == 2

    def ids(data: Any) -> set[str]:
        if isinstance(data, dict):
            return {id for name, one in data.items() if name not in ("signature", "policy") for id in ids(one)}
        if isinstance(data, list):
            return {id for one in data for id in ids(one)}
        return {data} if isinstance(data, str) and len(data) >= 16 and not data.endswith("Z") else set()

    shared = ids(own) & ids(theirs)
    assert {one for one in shared if not one.startswith("1.2.840.10008")} == {"stowgate study certificate"}
    assert stowgate("study", "certificate", alias(stowgate), "--profile", "nobody").code == Exit.USAGE


def test_after_the_gateway_stopped_and_the_objects_went_it_says_the_same(
    config: Path, stowgate: Stowgate, tmp_path: Path
) -> None:
    with running(load(config, environ={}), config.parent) as now:
        sent(now, tmp_path / "in", identified(1))
        delivered(stowgate, 1)
    before = of(stowgate)
    assert stowgate("queue", "purge", "--yes").code == 0
    after = of(stowgate)
    assert after["delivered_everywhere"] and after["counts"] == before["counts"]
    assert [one["objects"][0]["sha256"] for one in after["instances"]] == [
        one["objects"][0]["sha256"] for one in before["instances"]
    ]
    assert [(one["state"], one["still_here"]) for one in after["instances"]] == [("purged", False)]
    assert after["signature"]["fingerprint"] == before["signature"]["fingerprint"]


def test_what_was_purged_here_and_is_lost_there_counts_as_lost(
    config: Path, stowgate: Stowgate, tmp_path: Path
) -> None:
    with running(load(config, environ={}), config.parent) as now:
        sent(now, tmp_path / "in", identified(1), identified(2))
        delivered(stowgate, 2)
    assert stowgate("queue", "purge", "--yes").code == 0
    sorted((tmp_path / "out").glob("*.dcm"))[0].unlink()
    with running(load(config, environ={}), config.parent):
        assert stowgate("verify", "--dest", "nas").code == Exit.PARTLY
    data = of(stowgate)
    assert (data["counts"]["delivered"], data["counts"]["lost"]) == (1, 1)
    assert sorted(one["delivered"] for one in data["instances"]) == [False, True]
    done = stowgate("study", "certificate", alias(stowgate), "-o", "cert.html")
    assert done.err.startswith("Not all delivered. 1 of 2 objects is everywhere they go; 1 is not: 1 lost.")
    text = (tmp_path / "cert.html").read_text()
    assert "1 is lost there" in text and "Nothing of it is lost" not in text and "nas: lost</span>" in text
    assert data["destinations"]["nas"] == {"objects": 2, "verified": 1, "evidence_content": 1, "lost": 1, "done": 1}


def test_what_was_lost_and_came_again_is_all_delivered(config: Path, stowgate: Stowgate, tmp_path: Path) -> None:
    with running(load(config, environ={}), config.parent) as now:
        sent(now, tmp_path / "in", identified(1))
        delivered(stowgate, 1)
        assert stowgate("queue", "purge", "--yes").code == 0
        next((tmp_path / "out").glob("*.dcm")).unlink()
        assert stowgate("verify").code == Exit.PARTLY
        sent(now, tmp_path / "again", identified(1))
        delivered(stowgate, 2)
        data = of(stowgate)
        assert data["delivered_everywhere"] and data["instances_of_the_study"] == 1
        assert data["counts"] | {"received": 2, "delivered": 1, "lost": 0, "duplicates": 1} == data["counts"]
        assert "Delivered. Its one object is at lab and nas" in stowgate("study", "certificate", alias(stowgate)).out
        assert stowgate("verify").code == Exit.DONE
        assert of(stowgate)["counts"] == data["counts"]


def test_a_study_that_nobody_knows_is_unknown(gateway: Running, stowgate: Stowgate) -> None:
    done = stowgate("study", "certificate", "0123456789")
    assert done.code != 0 and "unknown_item" in done.err
