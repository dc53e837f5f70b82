"""The servers that are measured: how each is started, when it answers, what it took of the machine."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

STORESCU, STORESCP, ECHOSCU = "/usr/bin/storescu", "/usr/bin/storescp", "/usr/bin/echoscu"
"""Debian's: pynetdicom brings programs of the same names."""
ORTHANC = shutil.which("Orthanc") or "/usr/sbin/Orthanc"
Command = Callable[[Path, int], Sequence[str]]
"""(empty folder, port) -> how to start a server there."""

_SETTINGS = """
[unit]
name = "BENCH"
[spool]
path = "spool"
reserve = "1GiB"
[log]
level = "warning"
[[source]]
name = "ct"
kind = "dimse"
listen = "127.0.0.1:{port}"
allow = [{{ ae = "STORESCU", ip = "127.0.0.1" }}, {{ ae = "ECHOSCU", ip = "127.0.0.1" }}]
"""


def gateway(folder: Path, port: int) -> Sequence[str]:
    """`stowgate run`: it keeps, syncs, enters and cleans."""
    (folder / "stowgate.toml").write_text(_SETTINGS.format(port=port), encoding="utf-8")
    return [str(Path(sys.executable).with_name("stowgate")), "run", "-q", "-c", str(folder / "stowgate.toml")]


def orthanc(folder: Path, port: int) -> Sequence[str]:
    """Orthanc as it comes: it syncs its storage area."""
    told = {"StorageDirectory": str(folder / "store"), "HttpServerEnabled": False, "DicomPort": port,
            "DicomServerEnabled": True, "DicomAet": "STOWGATE", "Plugins": []}  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(told), encoding="utf-8")
    return [ORTHANC, str(folder / "orthanc.json")]


def storescp(folder: Path, port: int) -> Sequence[str]:
    """DCMTK's: it syncs nothing and checks nothing; a process for each association."""
    return [STORESCP, "--fork", "-od", str(folder), str(port)]


def environment(*, nodelay: bool) -> dict[str, str]:
    """Of a program that is built on DCMTK: without Nagle's algorithm, or as it comes."""
    without = {name: value for name, value in os.environ.items() if name != "TCP_NODELAY"}
    return without | ({"TCP_NODELAY": "1"} if nodelay else {})


@contextmanager
def running(command: Command, work: Path, *, nodelay: bool = False) -> Iterator[tuple[int, int]]:
    """Start it in an empty folder and wait until it answers an echo; its port and process id."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(mode=0o700, parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        command(work, port), stdout=quiet, stderr=quiet, cwd=work, env=environment(nodelay=nodelay)
    )
    try:
        deadline = time.monotonic() + 60
        echo = [ECHOSCU, "-aec", "STOWGATE", "127.0.0.1", str(port)]
        while subprocess.run(echo, stderr=quiet, check=False).returncode:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{command.__name__} does not answer")
            time.sleep(0.1)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(work, ignore_errors=True)


def peak(pid: int) -> int:
    """KiB of resident memory at most, of a process and of those it called, together; 0 for one that has ended."""
    mine = 0
    with suppress(OSError):
        said = Path(f"/proc/{pid}/status").read_text()
        mine = next((int(line.split()[1]) for line in said.splitlines() if line.startswith("VmHWM")), 0)
    return mine + sum(map(peak, _called(pid)))


def cpu_seconds(pid: int) -> float:
    """Of a process, of those it called, and of those that ended."""
    mine = 0.0
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        mine = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return mine + sum(map(cpu_seconds, _called(pid)))


def _called(pid: int) -> list[int]:
    called: list[str] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                called += (task / "children").read_text().split()
    return list(map(int, called))
