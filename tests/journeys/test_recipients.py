"""One scanner, a hospital and a research archive: each gets objects of its own, whatever dies meanwhile."""

from __future__ import annotations

import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pydicom
import pytest

from stowgate.api import deidentify_bytes
from stowgate.faces.policies import recipients
from stowgate.lifecycle import Delivery
from stowgate.settings import load as load_settings
from stowgate.store.custody_view import read_custody
from stowgate.vault.folder import key_name
from stowgate.vault.key import load as load_key
from tests.builder import el
from tests.deliver.node import data_set
from tests.ingest.dimse import eventually
from tests.journeys.test_gateway_dies import Scanner
from tests.journeys.unit import SOAK, STORESCU, Server, Unit, send, series, told

STORESCP = "/usr/bin/storescp"
pytestmark = pytest.mark.skipif(
    not (shutil.which(STORESCU) and shutil.which(STORESCP)), reason="dcmtk is absent: no real peers"
)
KILLS, INSTANCES = (100, 2_000) if SOAK else (5, 40)
WAYS = """
[[dest]]
name = "pacs"
kind = "folder"
path = "pacs"
layout = "{{instance}}.dcm"
[[dest]]
name = "archive"
kind = "dimse"
host = "127.0.0.1"
port = {port}
called = "ARCHIVE"
evidence = "status"
[[profile]]
name = "hospital"
retain = ["uids", "full-dates", "patient-characteristics"]
[[profile]]
name = "research"
clean = ["descriptors"]
[[route]]
dest = ["pacs"]
profile = "hospital"
[[route]]
dest = ["archive"]
profile = "research"
"""
NAMES = (el("PatientName", "Zwicker^Quendolin"), el("PatientID", "MRN-88172"), el("StudyDescription", "Zwickers"))


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[int]:
    """The port of DCMTK's own storage provider, which writes what comes into a folder, bit by bit."""
    (tmp_path / "archive").mkdir()
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = int(trial.getsockname()[1])
    line = [STORESCP, "-q", "-aet", "ARCHIVE", "-od", str(tmp_path / "archive"), "+B", str(port)]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    eventually(lambda: _listens(port))
    yield port
    process.terminate()
    process.wait()


@pytest.fixture
def unit(tmp_path: Path, gateways: Server, archive: int) -> Unit:
    (tmp_path / "pacs").mkdir()
    return Unit(tmp_path, gateways, reserve="0B", more=WAYS.format(port=archive))


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def expected(unit: Unit, name: str, *data: bytes) -> list[bytes]:
    """What the batch makes of these objects with the policy and the key of a recipient, sorted."""
    policies = {one.name: policy for one, policy in recipients(load_settings(unit.config, environ={}))}
    key = load_key(f"file:{unit.spool / key_name(name)}")
    return sorted(deidentify_bytes(one, policies[name], key.secret) for one in data)


def files(folder: Path) -> list[bytes]:
    return sorted(path.read_bytes() for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def over(unit: Unit, number: int) -> bool:
    """Whether so many items came everywhere, each to both."""
    with read_custody(unit.spool / "ledger.db") as view:
        return sum(sum(states.values()) for states in view.deliveries.delivered().values()) == number


def test_each_recipient_gets_its_own_and_no_kill_at_any_time_mixes_loses_or_doubles_one(unit: Unit) -> None:
    luck = random.Random(5)
    objects = series(unit.root / "in", range(INSTANCES))
    scanner = Scanner([*objects], at_once=INSTANCES // 3)
    for _ in range(KILLS):
        life = unit.start().ready()
        threads = scanner.send_to(life)
        time.sleep(luck.uniform(0.1, 1.0))
        assert life.kill() == -signal.SIGKILL, life.err.read_text()
        for thread in threads:
            thread.join()
        scanner.note()
    with unit.running() as life:
        while scanner.open:
            for thread in scanner.send_to(life):
                thread.join()
            scanner.note()
        unit.settled(600)
        assert set(unit.quarantined()) <= {"third_start"}
        for id in unit.suspects():
            unit.command("quarantine", "release", id)
        eventually(lambda: over(unit, INSTANCES), 600)
        line = unit.status()
    assert line["delivered"] == INSTANCES and line["waiting"] == line["held"] == line["quarantined"] == 0
    assert files(unit.root / "pacs") == expected(unit, "hospital", *objects.values())
    wanted = sorted(map(data_set, expected(unit, "research", *objects.values())))
    assert sorted(map(data_set, files(unit.root / "archive"))) == wanted
    assert "payload_lost" not in (unit.root / "log").read_text()
    assert unit.parts() == []
    with read_custody(unit.spool / "ledger.db") as view:
        there = view.deliveries.counts()
        assert there["pacs"][Delivery.VERIFIED] == there["archive"][Delivery.ACKNOWLEDGED] == INSTANCES


def test_nothing_that_one_of_them_has_tells_whom_the_other_one_has(unit: Unit) -> None:
    objects = series(unit.root / "in", range(2), more=NAMES)
    with unit.running() as life:
        assert len(told(send(life.ports["ct"], [*objects]))) == 2
        eventually(lambda: over(unit, 2), 60)
        _, listed = unit.command("dest", "list", "--json")
        _, waiting = unit.command("queue", "list", "--json")
    theirs, ours = files(unit.root / "archive"), files(unit.root / "pacs")
    research = [pydicom.dcmread(path) for path in sorted((unit.root / "archive").iterdir())]
    hospital = [pydicom.dcmread(path) for path in sorted((unit.root / "pacs").glob("*.dcm"))]
    for attribute in ("PatientID", "PatientName", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        mine = {str(getattr(one, attribute)) for one in hospital}
        assert mine.isdisjoint(str(getattr(one, attribute)) for one in research)
    for one in hospital:
        for value in (one.PatientID, one.StudyInstanceUID, one.SOPInstanceUID):
            assert not any(value.encode() in data for data in theirs)
    log = (unit.root / "log").read_bytes()
    for canary in (b"Zwicker", b"Quendolin", b"MRN-88172", *(one.PatientID.encode() for one in research + hospital)):
        assert not any(canary in seen for seen in (log, listed.encode(), waiting.encode()))
        if canary.isalpha():
            assert not any(canary in data for data in ours + theirs)


def test_a_recipient_that_comes_later_gets_the_back_catalogue_when_asked(unit: Unit) -> None:
    """Its objects are made then, from the originals; the other one's are not sent again."""
    both = unit.config.read_text()
    unit.config.write_text(both.rpartition("[[route]]")[0])
    objects = series(unit.root / "in", range(4))
    with unit.running() as life:
        assert len(told(send(life.ports["ct"], [*objects]))) == 4
        eventually(lambda: over(unit, 4), 60)
    before = {path: path.stat().st_mtime_ns for path in (unit.root / "pacs").glob("*.dcm")}
    unit.config.write_text(both)
    with unit.running():
        time.sleep(0.5)
        assert files(unit.root / "archive") == [], "nobody asked"
        code, said = unit.command("dest", "catch-up", "archive")
        assert code == 0 and len(said.split()) == 4
        eventually(lambda: len(files(unit.root / "archive")) == 4 and over(unit, 4), 60)
        assert unit.status()["delivered"] == 4
    wanted = sorted(map(data_set, expected(unit, "research", *objects.values())))
    assert sorted(map(data_set, files(unit.root / "archive"))) == wanted
    assert {path: path.stat().st_mtime_ns for path in before} == before and len(before) == len(
        files(unit.root / "pacs")
    )
