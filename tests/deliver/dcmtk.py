"""DCMTK's servers on free ports, for tests of ways out."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

STORESCP, DCMQRSCP = "/usr/bin/storescp", "/usr/bin/dcmqrscp"
needs_dcmtk = pytest.mark.skipif(not (Path(STORESCP).exists() and Path(DCMQRSCP).exists()), reason="dcmtk is absent")


def free_port() -> int:
    """One that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class server:  # noqa: N801 - used as a word in a `with`
    """A DCMTK server on a free port, until the block ends."""

    def __init__(self, folder: Path, *command: str) -> None:
        self._folder, self._command, self._port = folder, command, free_port()

    def __enter__(self) -> int:
        self._ran = subprocess.Popen(
            [*self._command, str(self._port)], cwd=self._folder, env={**os.environ, "TCP_NODELAY": "1"},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 10
        while True:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self._port), 1).close()
                return self._port
            assert time.monotonic() < deadline and self._ran.poll() is None
            time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        self._ran.kill()
        self._ran.wait(10)


def archive(folder: Path) -> server:
    """dcmqrscp, which stores below FOLDER/db, is asked, and gives back."""
    (folder / "db").mkdir()
    config = folder / "dcmqrscp.cfg"
    config.write_text(
        "NetworkTCPPort = 0\nMaxPDUSize = 16384\nMaxAssociations = 16\nHostTable BEGIN\nHostTable END\n"
        "VendorTable BEGIN\nVendorTable END\nAETable BEGIN\n"
        f"NODE {folder / 'db'} RW (200, 1024mb) ANY\nAETable END\n"
    )
    return server(folder, DCMQRSCP, "-c", str(config))
