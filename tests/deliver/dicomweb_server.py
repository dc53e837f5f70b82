"""Orthanc as a DICOMweb server, and nginx in front of it for TLS: started on free ports, killed, started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.ingest.orthanc import ORTHANC, free_port, is_installed

NGINX = "/usr/sbin/nginx"
PLUGIN = next(Path("/usr/lib").glob("**/libOrthancDicomWeb.so*"), None)
has_orthanc = is_installed and PLUGIN is not None
has_nginx = Path(NGINX).exists()

_CONFIGURATION = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} ssl;
    {lines}
    location / {{ proxy_pass http://127.0.0.1:{behind}; proxy_http_version 1.1; proxy_set_header Host $http_host; }}
  }}
}}
"""


class Orthanc:
    """One with a folder of its own, which stays when it is killed. Nothing that it stored is remembered elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.port, self._folder = free_port(), folder
        folder.mkdir(exist_ok=True)
        told = {
            "StorageDirectory": str(folder / "store"), "HttpPort": self.port, "DicomServerEnabled": False,
            "RemoteAccessAllowed": False, "AuthenticationEnabled": False, "Plugins": [str(PLUGIN)],
            "MaximumStorageCacheSize": 0,
        }  # fmt: skip
        (folder / "orthanc.json").write_text(json.dumps(told), encoding="utf-8")
        self.url = f"http://127.0.0.1:{self.port}/dicom-web"
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=20)
        self.start()

    def start(self) -> None:
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(
            [ORTHANC, str(self._folder / "orthanc.json")], env=dict(os.environ), stdout=quiet, stderr=quiet
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                self.client.get("/system")
                return
            except httpx.TransportError:
                assert time.monotonic() < deadline and self._process.poll() is None
                time.sleep(0.05)

    def kill(self) -> None:
        """Without a farewell, which it takes seconds for."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def id_of(self, uid: str) -> str | None:
        found = self.client.post("/tools/lookup", content=uid).json()
        return next((one["ID"] for one in found if one["Type"] == "Instance"), None)

    def held(self, uid: str) -> bytes | None:
        id = self.id_of(uid)
        return self.client.get(f"/instances/{id}/file").content if id else None

    def lose(self, uid: str) -> None:
        self.client.delete(f"/instances/{self.id_of(uid)}").raise_for_status()

    def alter(self, uid: str) -> None:
        """On its disk, behind its back."""
        held = self.held(uid)
        assert held
        for path in (self._folder / "store").glob("*/*/*"):
            if path.read_bytes() == held:
                path.write_bytes(held[:-1] + b"!")


@contextmanager
def nginx(folder: Path, behind: int, lines: str, port: int = 0) -> Iterator[str]:
    """The address of one that takes TLS for the server on port `behind`; `lines` of its configuration."""
    folder.mkdir(exist_ok=True)
    port = port or free_port()
    told = _CONFIGURATION.format(folder=folder, port=port, behind=behind, lines=lines)
    (folder / "nginx.conf").write_text(told, encoding="utf-8")
    command = [NGINX, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    process = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/", timeout=5)
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline and process.poll() is None
                time.sleep(0.05)
        yield f"https://127.0.0.1:{port}/dicom-web"
    finally:
        process.terminate()
        process.wait(20)
