"""Measures how fast instances are taken in over C-STORE, beside DCMTK's storescp and Orthanc, as ratios within one run.

The sender is always DCMTK's storescu on the loopback interface. Servers take turns, round by round, in a new order each
time, each in an empty folder of a real disk; their start-up does not count. `stowgate run` keeps, syncs, enters and
cleans what it takes while the others only store it or, like the bare source, throw it away.

DCMTK and Orthanc, which is built on it, write an answer in two pieces and leave Nagle's algorithm on: the second waits
for an acknowledgement the sender delays by 40 ms, whatever the sender sets. So they run once as they come and once with
TCP_NODELAY=1 in their own environment.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import corpus
from servers import (
    ORTHANC,
    STORESCP,
    STORESCU,
    Command,
    cpu_seconds,
    environment,
    gateway,
    orthanc,
    peak,
    running,
)

HERE = Path(__file__).parent


@dataclass
class Server:
    """A server that is measured, and what was measured of it."""

    name: str
    command: Command
    nodelay: bool = False
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: int = 0

    @property
    def rate(self) -> float:
        """Instances a second, median of all rounds."""
        return statistics.median(self.rates)


@dataclass(frozen=True)
class Load:
    """What is sent: `files` over each of `associations` at the same time, with Nagle's algorithm left on or not."""

    title: str
    files: int
    associations: int
    nagle: bool


LOADS = {
    "one": Load("one sender", 200, 1, nagle=False),
    "four": Load("four senders at once", 200, 4, nagle=False),
    "nagle": Load("one sender that keeps Nagle's algorithm on, as DCMTK does by itself", 40, 1, nagle=True),
}


def source(_: Path, port: int) -> Sequence[str]:
    """The DIMSE source alone."""
    return [sys.executable, str(HERE / "source_run.py"), str(port)]


def source_keeping(_: Path, port: int) -> Sequence[str]:
    """The DIMSE source with the intake of the tests."""
    return [sys.executable, str(HERE / "source_run.py"), str(port), "--keep"]


def storescp(folder: Path, port: int) -> Sequence[str]:
    """DCMTK's as most run it: one association after the other."""
    return [STORESCP, "-od", str(folder), str(port)]


def send(port: int, folders: Sequence[Path], nagle: bool) -> float:
    """One storescu for each folder, all at once; the seconds until the last has ended."""
    began = time.perf_counter()
    senders = []
    for folder in folders:
        line = [STORESCU, "-aec", "STOWGATE", "+sd", "+r", "127.0.0.1", str(port), str(folder)]
        senders.append(subprocess.Popen(line, env=environment(nodelay=not nagle), stderr=subprocess.DEVNULL))
    failed = [one.args for one in senders if one.wait(600)]
    if failed:
        raise SystemExit(f"a sender failed: {failed[0]}")
    return time.perf_counter() - began


def turns(servers: Sequence[Server], load: Load, rounds: int, folders: Sequence[Path], work: Path) -> None:
    """All servers, round by round."""
    for _ in range(rounds):
        for server in random.sample(servers, len(servers)):
            with running(server.command, work, nodelay=server.nodelay) as (port, pid):
                before = cpu_seconds(pid)
                seconds = send(port, folders, load.nagle)
                server.cpu.append(cpu_seconds(pid) - before)
                server.peak = max(server.peak, peak(pid))
            server.rates.append(load.files * len(folders) / seconds)


def table(servers: Sequence[Server], load: Load, rounds: int, work: Path) -> list[str]:
    """Markdown rows; ratios to the first two servers, above 1 is faster."""
    folders = [work / f"in{number}" for number in range(load.associations)]
    for number, folder in enumerate(folders):
        corpus.slices(folder, load.files, 512, 512, first=4 * number)
    turns(servers, load, rounds, folders, work / "server")
    for folder in folders:
        shutil.rmtree(folder)
    plain, nodelay = servers[0].rate, servers[1].rate
    rows = ["| server | instances/s | least - most | x storescp | x storescp, no delay | CPU seconds | peak memory |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]  # fmt: skip
    for one in servers:
        spread = f"{min(one.rates):.0f} - {max(one.rates):.0f}"
        cpu = statistics.median(one.cpu)
        ratios = f"{one.rate / plain:.2f} | {one.rate / nodelay:.2f}"
        rows.append(f"| {one.name} | {one.rate:.0f} | {spread} | {ratios} | {cpu:.2f} | {one.peak // 1024} MB |")
    count = load.files * load.associations
    busy = f"Load of this machine, {os.cpu_count()} cores, at the end: {os.getloadavg()[0]:.1f}."
    return [f"## C-STORE, {load.title}: {count} instances of 0.5 MB", "", *rows, "", busy, ""]


def contestants() -> list[Server]:
    """All that are installed."""
    others = [Server("Orthanc", orthanc), Server("Orthanc, TCP_NODELAY=1", orthanc, nodelay=True)]
    others = others if Path(ORTHANC).exists() else []
    return [
        Server("storescp", storescp),
        Server("storescp, TCP_NODELAY=1", storescp, nodelay=True),
        *others,
        Server("DIMSE source, forgetting", source),
        Server("DIMSE source, `MemoryIntake`", source_keeping),
        Server("`stowgate run`, durable, cleaning", gateway),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("/var/tmp/stowgate-intake"), help="folder on a real disk")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=LOADS, action="append", help="one load, or several")
    parser.add_argument("--servers", default="", help="only those whose name contains this, and storescp")
    parser.add_argument("--files", type=int, default=0, help="of each sender, instead of 200 or 40")
    asked = parser.parse_args()
    try:
        for name in asked.only or LOADS:
            every = contestants()
            chosen = every[:2] + [one for one in every[2:] if asked.servers in one.name]
            load = replace(LOADS[name], files=asked.files or LOADS[name].files)
            print("\n".join(table(chosen, load, asked.rounds, asked.work)), flush=True)
    finally:
        shutil.rmtree(asked.work, ignore_errors=True)


if __name__ == "__main__":
    main()
