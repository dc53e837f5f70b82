"""Measures the way out: C-STORE beside DCMTK's dcmsend to the same storescp, and how long the next of 200,000 takes.

Senders take turns, round by round, so that other load meets both alike; dcmsend is a process with its start-up, ours a
sink in this one, from objects in memory. The receiver is DCMTK's storescp with TCP_NODELAY, which throws away what it
gets. The choice is made in a ledger on the temporary folder's disk; the commit is not counted.

Run it from the root: PYTHONPATH=src:. python benchmarks/delivery.py
"""

from __future__ import annotations

import hashlib
import os
import socket
import sqlite3
import statistics
import subprocess
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path

from stowgate.deliver.connection import Peer
from stowgate.deliver.cstore import CStoreSink
from stowgate.deliver.sink import Instance, Parcel
from stowgate.dicom.source import MemorySource
from stowgate.lifecycle import Delivery
from stowgate.objects import CleanRef, Names
from stowgate.store import deliveries_steps as steps
from stowgate.store.clocks import Moment
from stowgate.store.custody_sqlite import open_custody
from tests.builder import CT, el, small
from tests.deliver.parcels import Notebook
from tests.store.custody_sample import KEY
from tests.store.test_deliveries_scale import FILL

STORESCP, DCMSEND = "/usr/bin/storescp", "/usr/bin/dcmsend"
OBJECTS, PIXELS, ROUNDS, WAITING = 200, 512 * 1024, 7, 200_000
ENVIRONMENT = {**os.environ, "TCP_NODELAY": "1"}


def made(folder: Path) -> tuple[list[Path], Parcel]:
    """The same objects as files and as a parcel."""
    paths, instances = [], []
    for n in range(OBJECTS):
        data = small(el("PixelData", os.urandom(PIXELS), "OW"), uid=f"2.25.{n + 1}")
        path = folder / f"{n}.dcm"
        path.write_bytes(data)
        paths.append(path)
        names = Names("P", "1.2.3.4.5.6", "1.2.3.4.5.6.1", f"2.25.{n + 1}", "CT")
        ref = CleanRef(path, len(data), names, CT, "1.2.840.10008.1.2.1", "0" * 64)
        digest = hashlib.sha256(data).hexdigest()
        instances.append(Instance(ref, digest, lambda data=data: MemorySource(data)))
    return paths, Parcel(tuple(instances))


def sending(folder: Path) -> None:
    """Rounds of both, and the ratio of their medians."""
    (folder / "in").mkdir()
    paths, parcel = made(folder / "in")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    server = subprocess.Popen(
        [STORESCP, "--ignore", "-pdu", "131072", str(port)], cwd=folder, env=ENVIRONMENT, stderr=subprocess.DEVNULL
    )
    theirs, ours = [], []
    try:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
        for _ in range(ROUNDS):
            began = time.perf_counter()
            subprocess.run([DCMSEND, "-pdu", "131072", "127.0.0.1", str(port), *paths], env=ENVIRONMENT, check=True)
            theirs.append(time.perf_counter() - began)
            sink = CStoreSink(Peer("127.0.0.1", port, "ANY", "STOWGATE"))
            began = time.perf_counter()
            answers = sink.deliver(parcel, Notebook())
            sink.close()
            ours.append(time.perf_counter() - began)
            assert {one.state for one in answers.values()} == {Delivery.ACKNOWLEDGED}
    finally:
        server.kill()
        server.wait()
    a, b = statistics.median(theirs), statistics.median(ours)
    rates = f"dcmsend {OBJECTS / a:.0f}/s, stowgate {OBJECTS / b:.0f}/s"
    print(f"C-STORE of {OBJECTS} x {PIXELS >> 10} KiB: {rates}, {a / b:.2f} x")


def choosing(folder: Path) -> None:
    """The median time of choosing, counting and marking the next delivery."""
    for per_study in (1, 400):
        path = folder / f"{per_study}.db"
        open_custody(path, KEY).close()
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA synchronous = OFF")
            db.execute("BEGIN")
            for statement in FILL.split(";\n"):
                db.execute(statement, {"rows": WAITING, "per_study": per_study})
            db.execute("COMMIT")
            taken = []
            for n in range(500):
                db.execute("BEGIN IMMEDIATE")
                began = time.perf_counter()
                assert steps.lease(db, "pacs", 1, 1, Moment(n, n, "boot"))
                taken.append(time.perf_counter() - began)
                db.execute("COMMIT")
        print(f"the next of {WAITING:,}, {per_study} a study: {statistics.median(taken) * 1e6:.0f} us")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        sending(Path(name))
        choosing(Path(name))
