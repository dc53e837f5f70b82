"""Orthanc, a sender somebody else wrote, uploads to STOW-RS with and without a token (PS3.18 10.5)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from stowgate.faces.web.server import Listen
from stowgate.vault.secret import Secret
from tests.builder import small
from tests.ingest import orthanc as peers
from tests.ingest.taking import Taking, served

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
TOKEN = Secret("correct-horse-battery-staple")


@contextmanager
def orthanc(folder: Path, target: str) -> Iterator[httpx.Client]:
    """An Orthanc on loopback whose DICOMweb client knows `target` under the name "gateway"."""
    known = {"Url": target, "HttpHeaders": {"Authorization": f"Bearer {TOKEN.text}"}}
    web = {"Servers": {"gateway": known, "stranger": {"Url": target}}}
    with peers.orthanc(folder, Plugins=[str(PLUGIN)], DicomWeb=web) as client:
        yield client


@pytest.mark.skipif(
    not PLUGIN.exists() or not peers.is_installed, reason="Orthanc with its DICOMweb plugin is not installed"
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
