"""What a sink needs of memory does not grow with the object: 600 MB go out and come back, the process stays small."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.ingest.orthanc import free_port

MEGABYTES, GROWTH = 600, 8 << 10
"""Of one object; and KiB by which a process that sends it may be larger than one that sends one of 1 MB."""

ROOT = Path(__file__).parents[2]
STORESCP = "/usr/bin/storescp"

_SENDER = """
import sys
from stowgate.deliver.connection import Peer
from stowgate.deliver.cstore import CStoreSink
from stowgate.deliver.folder import FolderSink
from stowgate.deliver.sink import Parcel
from stowgate.deliver.stow import StowSink
from stowgate.lifecycle import Delivery, Evidence
from pathlib import Path
from tests.deliver.large import large
from tests.deliver.parcels import Notebook

kind, place, megabytes = sys.argv[1:]
sink = {
    "folder": lambda: FolderSink(Path(place)),
    "dimse": lambda: CStoreSink(Peer("127.0.0.1", int(place or 0), "ANY", "STOWGATE")),
    "stow": lambda: StowSink(f"http://127.0.0.1:{place}/dicom-web", content=True),
}[kind]()
sent = Parcel((large(int(megabytes) << 20),))
sink.open()
answers = sink.deliver(sent, Notebook())
assert {one.state for one in answers.values()} == {Delivery.ACKNOWLEDGED}, answers
if kind != "dimse":
    found = sink.verify(sent, Notebook())
    assert {one.evidence for one in found.values()} == {Evidence.CONTENT}, found
sink.close()
said = Path("/proc/self/status").read_text()  # ru_maxrss begins with what the parent had
print(next(line.split()[1] for line in said.splitlines() if line.startswith("VmHWM")))
"""


def peak(kind: str, place: str, megabytes: int) -> int:
    """KiB of resident memory at most of a process that sends so much, and reads it again where that can be."""
    found = [os.environ.get("PYTHONPATH", ""), str(ROOT / "src"), str(ROOT)]
    done = subprocess.run(
        [sys.executable, "-c", _SENDER, kind, place, str(megabytes)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(found)}, capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@contextmanager
def peer(kind: str, folder: Path, megabytes: int) -> Iterator[str]:
    """What takes it: a folder, a port."""
    folder.mkdir()
    if kind == "folder":
        yield str(folder)
        return
    port = str(free_port())
    command = {
        "dimse": [STORESCP, "--ignore", "-pdu", "131072", port],
        "stow": [sys.executable, "-m", "tests.deliver.large", port, str(megabytes << 20)],
    }[kind]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "TCP_NODELAY": "1"}, stdout=quiet, stderr=quiet)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with suppress(OSError), closing(socket.create_connection(("127.0.0.1", int(port)), 5)):
                break
            time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("kind", ["folder", "dimse", "stow"])
def test_an_object_of_600_megabytes_takes_hardly_more_memory_than_one_of_one(kind: str, tmp_path: Path) -> None:
    if kind == "dimse" and not Path(STORESCP).exists():
        pytest.skip("dcmtk is absent")
    taken = []
    for megabytes in (1, MEGABYTES):
        with peer(kind, tmp_path / str(megabytes), megabytes) as place:
            taken.append(peak(kind, place, megabytes))
    small, large = taken
    assert large - small < GROWTH, f"{small} and {large} KiB"
