"""How a gateway ends: everything drains at the same time, and nothing new is taken in meanwhile."""

from __future__ import annotations

import socket
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from stowgate.faces import service
from stowgate.faces.web.server import Listen
from stowgate.gateway.sources import Sources
from stowgate.settings import load
from tests.builder import small
from tests.ingest.taking import RELATED, multipart

TEXT = """
[spool]
path = "spool"
reserve = "0B"
[web]
listen = "127.0.0.1:0"
[[source]]
name = "up"
kind = "stow"
"""
_DRAIN = 3


def upload(port: int, body: bytes, sent: int) -> socket.socket:
    peer = socket.create_connection(("127.0.0.1", port))
    head = f"POST /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\nContent-Type: {RELATED['Content-Type']}\r\n"
    peer.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:sent])
    return peer


def test_an_upload_that_goes_on_and_a_scanner_that_goes_on_are_waited_for_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "stowgate.toml"
    config.write_text(TEXT, encoding="utf-8")
    monkeypatch.setattr(service, "Listen", partial(Listen, drain_seconds=_DRAIN))
    stop = Sources.stop

    def slow(sources: Sources, seconds: float) -> bool:
        time.sleep(_DRAIN)
        return stop(sources, seconds)

    monkeypatch.setattr(Sources, "stop", slow)
    with service.running(load(config, environ={}), tmp_path) as now:
        body = multipart(small() + bytes(400_000))
        peer = upload(now.ports["web"], body, 300_000)
        late: list[str] = []

        def come_late() -> None:
            time.sleep(_DRAIN / 2)
            try:
                other = upload(now.ports["web"], body, len(body))
                late.append(other.recv(100).decode("latin-1").partition("\r\n")[0])
                other.close()
            except OSError:
                late.append("refused")

        time.sleep(0.5)
        thread = threading.Thread(target=come_late)
        thread.start()
        began = time.monotonic()
        done = now.stop(_DRAIN + 2)
        took = time.monotonic() - began
        thread.join()
        peer.close()
    assert done
    assert took < _DRAIN + 2
    assert late in (["refused"], [""])
