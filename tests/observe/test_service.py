"""As a service: systemd is told what it waits for, and the unit in deploy/ gives away no more than it must."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from stowgate.observe import service
from tests.architecture.tree import ROOT

UNIT = ROOT / "deploy" / "stowgate.service"


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told_when_the_gateway_is_ready_alive_and_stopping(tmp_path: Path, abstract: bool) -> None:
    address = f"@stowgate-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address.replace("@", "\0", 1))
        for state in (service.READY, service.ALIVE, service.STOPPING):
            assert service.tell(state, {"NOTIFY_SOCKET": address})
            assert listening.recv(100).decode() == state


@pytest.mark.parametrize("address", [None, "", "relative", "/no/such/socket"])
def test_without_systemd_nothing_happens(address: str | None) -> None:
    assert service.tell(service.READY, {} if address is None else {"NOTIFY_SOCKET": address}) is False


def test_the_watchdog_is_told_twice_as_often_as_it_asks() -> None:
    assert service.watchdog_seconds({"WATCHDOG_USEC": "60000000"}) == 30.0
    assert service.watchdog_seconds({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}) == 30.0
    for other in ({}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "9", "WATCHDOG_PID": "1"}):
        assert service.watchdog_seconds(other) is None


SEALED = """
import ctypes, os, signal
from stowgate.observe.service import seal_process
seal_process()
assert ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 0
os.kill(os.getpid(), signal.SIGSEGV)
"""


def test_a_process_that_crashes_leaves_no_image_behind(tmp_path: Path) -> None:
    places = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen([sys.executable, "-c", SEALED], cwd=tmp_path, env=places, stderr=subprocess.PIPE)
    _, status, _ = os.wait4(process.pid, 0)
    process.returncode = status
    assert process.stderr and process.stderr.read() == b""
    process.stderr.close()
    assert os.WTERMSIG(status) == signal.SIGSEGV and not os.WCOREDUMP(status)
    assert list(tmp_path.iterdir()) == []


def settings() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", UNIT.read_text(encoding="utf-8"), flags=re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


def test_the_unit_is_closed_where_it_matters() -> None:
    found = settings()
    wanted = {
        "DynamicUser": "yes", "NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes",
        "LimitCORE": "0", "MemorySwapMax": "0", "CapabilityBoundingSet": "",
        "UMask": "0077", "StateDirectoryMode": "0700",
        "PrivateTmp": "yes", "Type": "notify", "WatchdogSec": "60",
    }  # fmt: skip
    assert {name: found[name] for name in wanted} == {name: [value] for name, value in wanted.items()}
    assert int(found["TimeoutStopSec"][0]) > 30, "the drain takes up to 30 s"
    assert len(found["LoadCredential"]) == 2
    assert "Environment" not in found, "what stands in the environment can be read by others"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_itself_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text(encoding="utf-8").replace("/usr/bin/stowgate", "/bin/true"), encoding="utf-8")
    checked = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert unit.name not in checked.stderr
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", unit],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert judged.returncode == 0, judged.stdout[-300:]
