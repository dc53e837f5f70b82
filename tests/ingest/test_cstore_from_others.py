"""Senders that negotiate in their own ways, Orthanc and DCMTK's dcmsend, send to a DIMSE source (PS3.4 B)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from stowgate.ingest.dimse_settings import Caller
from stowgate.ingest.memory import MemoryIntake
from tests.builder import CT, MR, instance, part10, small
from tests.ingest.dimse import data_set_of, served
from tests.ingest.orthanc import is_installed, orthanc

DCMSEND = "/usr/bin/dcmsend"


@pytest.mark.skipif(not is_installed, reason="Orthanc is not installed")
def test_orthanc_sends_and_hears_the_truth(tmp_path: Path) -> None:
    intake = MemoryIntake()
    with served(intake, allow=(Caller(ae="ORTHANC", ip="127.0.0.1"),)) as ct:
        known = {"gateway": ["STOWGATE", "127.0.0.1", ct.port], "other": ["OTHER", "127.0.0.1", ct.port]}
        with orthanc(tmp_path, DicomAet="ORTHANC", DicomModalities=known) as client:
            assert client.post("/modalities/gateway/echo", json={}).status_code == 200
            ids = [client.post("/instances", content=small(uid=f"1.2.3.{number}")).json()["ID"] for number in range(5)]
            sent = client.post("/modalities/gateway/store", json={"Resources": ids, "Synchronous": True})
            assert (sent.status_code, sent.json()["FailedInstancesCount"]) == (200, 0)
            assert len(intake.taken) == 5
            again = client.post("/modalities/gateway/store", json={"Resources": ids, "Synchronous": True})
            assert (again.status_code, intake.duplicates) == (200, 5), "duplicates are successes"
            assert client.post("/modalities/other/echo", json={}).status_code >= 400
            intake.closed = "disk_full"
            full = client.post("/modalities/gateway/store", json={"Resources": ids, "Synchronous": True})
            assert full.status_code >= 400, "Orthanc keeps what was not stored"
    assert len(intake.taken) == 5


@pytest.mark.skipif(shutil.which(DCMSEND) is None, reason="dcmtk is absent: no real sender")
def test_dcmsend_sends_several_classes_over_one_association(tmp_path: Path) -> None:
    files = [part10(instance(sop_class, uid=f"1.2.3.{number}")) for number, sop_class in enumerate((CT, MR, CT, MR))]
    for number, file in enumerate(files):
        (tmp_path / f"{number}.dcm").write_bytes(file)
    intake = MemoryIntake()
    with served(intake, allow=(Caller(ae="DCMSEND", ip="127.0.0.1"),)) as ct:
        line = [DCMSEND, "-aec", "STOWGATE", "127.0.0.1", str(ct.port), *map(str, sorted(tmp_path.glob("*.dcm")))]
        done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done
    assert sorted(data_set_of(one.data) for one in intake.taken) == sorted(map(data_set_of, files))
