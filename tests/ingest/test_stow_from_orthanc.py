"""Orthanc, a sender somebody else wrote, uploads to STOW-RS with and without a token (PS3.18 10.5)."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from stowgate.faces.web.server import Listen
from stowgate.vault.secret import Secret
from tests.builder import small
from tests.ingest.taking import Taking, served

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
ORTHANC = shutil.which("Orthanc") or "/usr/sbin/Orthanc"
TOKEN = Secret("correct-horse-battery-staple")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def orthanc(folder: Path, target: str) -> Iterator[httpx.Client]:
    """An Orthanc on loopback whose DICOMweb client knows `target` under the name "gateway"."""
    port = free_port()
    known = {"Url": target, "HttpHeaders": {"Authorization": f"Bearer {TOKEN.text}"}}
    config = {
        "StorageDirectory": str(folder / "store"), "HttpPort": port, "DicomServerEnabled": False,
        "RemoteAccessAllowed": False, "AuthenticationEnabled": False, "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Servers": {"gateway": known, "stranger": {"Url": target}}},
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(config), encoding="utf-8")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([ORTHANC, str(folder / "orthanc.json")], env=dict(os.environ), **quiet)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            deadline = time.monotonic() + 20
            while True:
                try:
                    client.get("/system")
                    break
                except httpx.TransportError:
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
            yield client
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.skipif(
    not PLUGIN.exists() or not Path(ORTHANC).exists(), reason="Orthanc with its DICOMweb plugin is not installed"
)
def test_orthanc_uploads_and_takes_the_answer_for_a_success(tmp_path: Path) -> None:
    taking = Taking()
    listen = Listen("127.0.0.1:0", TOKEN)
    with served(taking, listen=listen) as stow, orthanc(tmp_path, f"{stow.url}/dicom-web/") as client:
        ids = [client.post("/instances", content=small(uid=f"1.2.3.{number}")).json()["ID"] for number in range(5)]
        sent = client.post("/dicom-web/servers/gateway/stow", json={"Resources": ids, "Synchronous": True})
        assert sent.status_code == 200, sent.text
        assert len(taking.digests) == 5
        again = client.post("/dicom-web/servers/gateway/stow", json={"Resources": ids, "Synchronous": True})
        assert again.status_code == 200, "duplicates count as stored"
        stranger = client.post("/dicom-web/servers/stranger/stow", json={"Resources": ids, "Synchronous": True})
        assert stranger.status_code >= 400
        taking.refuse = lambda *_: "disk_full"
        full = client.post("/dicom-web/servers/gateway/stow", json={"Resources": ids, "Synchronous": True})
        assert full.status_code >= 400, "Orthanc keeps what was not stored"
    assert len(taking.digests) == 10
