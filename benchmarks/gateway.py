"""Measures the whole gateway under a sustained load, beside Orthanc and storescp, as ratios within one run.

Four DCMTK senders on the loopback interface send without a pause for a given time, each instance under a new SOP
Instance UID; everything lies on a real disk. What is timed is what a scanner waits for: from "Sending Store Request" to
"Received Store Response", as storescu says them. Of the gateway the backlog is watched, too: what was taken in and not
cleaned yet must not grow. Ten minutes at full rate fill a disk; `--keep 60` stands for delivery and purge and deletes
from the shelves what has lain there for so many seconds. `--large` sends one object of 2 GB while 200 connections hold
still, for the memory.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import corpus
from servers import ORTHANC, STORESCU, Command, environment, gateway, orthanc, peak, running, storescp

from stowgate.errors import StowgateError
from stowgate.lifecycle import State
from stowgate.store.custody_view import read_custody

SENDERS = 4


@dataclass
class Server:
    """A server that is measured, and what was measured of it, round by round."""

    name: str
    command: Command
    rates: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    backlog: list[int] = field(default_factory=list)
    cleaned: list[float] = field(default_factory=list)
    """Instances a second that were clean and durable before the senders had ended."""
    peak: int = 0

    @property
    def rate(self) -> float:
        """Instances a second, median of all rounds."""
        return statistics.median(self.rates)

    def wait(self, share: float) -> float:
        """Milliseconds that this share of the answers took at most."""
        return sorted(self.waits)[min(len(self.waits) - 1, int(len(self.waits) * share))] * 1000


class Sender:
    """One storescu that sends until it is stopped; seconds that each success took."""

    def __init__(self, port: int, folder: Path) -> None:
        line = ["stdbuf", "-oL", STORESCU, "-v", "-aec", "STOWGATE", "--repeat", "1000000", "+II", "+sd", "+r"]
        self.waits: list[float] = []
        self.refused = 0
        self._process = subprocess.Popen(
            [*line, "127.0.0.1", str(port), folder], env=environment(nodelay=True), stderr=subprocess.STDOUT,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def stop(self) -> None:
        """In the midst of it, as when somebody pulls the cable."""
        self._process.kill()
        self._thread.join()
        self._process.wait()

    def _listen(self) -> None:
        assert self._process.stdout
        began = 0.0
        for line in self._process.stdout:
            if "Sending Store Request" in line:
                began = time.perf_counter()
            elif "Received Store Response (Success)" in line:
                self.waits.append(time.perf_counter() - began)
            elif "Received Store Response" in line:
                self.refused += 1


class Emptied:
    """A spool that others empty while it fills: payloads that are older than so many seconds go, every second."""

    def __init__(self, spool: Path, keep: float) -> None:
        self._shelves, self._keep, self._end = (spool / "raw", spool / "clean"), keep, threading.Event()
        self._thread = threading.Thread(target=self._empty)
        self._thread.start()

    def stop(self) -> None:
        """Leave the rest."""
        self._end.set()
        self._thread.join()

    def _empty(self) -> None:
        while not self._end.wait(1.0):
            for shelf in self._shelves:
                for place in shelf.glob("??/*"):
                    if place.stat().st_mtime < time.time() - self._keep:
                        place.unlink()


def load(server: Server, work: Path, folders: Sequence[Path], seconds: float, keep: float) -> None:
    """One round of one server."""
    with running(server.command, work) as (port, pid):
        began = time.perf_counter()
        emptied = Emptied(work / "spool", keep) if keep and server.command is gateway else None
        senders = [Sender(port, folder) for folder in folders]
        while time.perf_counter() - began < seconds:
            time.sleep(min(1.0, seconds))
            if server.command is gateway:
                server.backlog.append(_states(work).get(State.RECEIVED, 0))
        cleaned = _states(work).get(State.WAITING, 0) if server.command is gateway else 0
        for sender in senders:
            sender.stop()
        if emptied:
            emptied.stop()
        took = time.perf_counter() - began
        server.peak = max(server.peak, peak(pid))
    waits = [wait for sender in senders for wait in sender.waits]
    refused = sum(sender.refused for sender in senders)
    if refused or not waits:
        raise SystemExit(f"{server.name}: {refused} refused, {len(waits)} taken")
    server.rates.append(len(waits) / took)
    server.cleaned.append(cleaned / took)
    server.waits += waits


def _states(work: Path) -> dict[State, int]:
    """Items of the gateway's one source by state."""
    try:
        with read_custody(work / "spool" / "ledger.db") as view:
            return view.counts().get("ct", {})
    except StowgateError:
        return {}


def table(servers: Sequence[Server], busy: str) -> list[str]:
    """Markdown rows; the ratio to Orthanc above 1 is faster."""
    base = next((one.rate for one in servers if one.command is orthanc), None)
    rows = ["| server | instances/s | x Orthanc | clean/s | answer p50, p99 ms | backlog at most, last | memory |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]  # fmt: skip
    for one in servers:
        ratio = f"{one.rate / base:.2f}" if base else "-"
        cleaned = f"{statistics.median(one.cleaned):.0f}" if one.backlog else "-"
        backlog = f"{max(one.backlog)}, {one.backlog[-1]}" if one.backlog else "-"
        waits = f"{one.wait(0.5):.0f}, {one.wait(0.99):.0f}"
        rows.append(
            f"| {one.name} | {one.rate:.0f} | {ratio} | {cleaned} | {waits} | {backlog} | {one.peak // 1024} MB |"
        )
    return ["## Sustained: four senders, instances of 0.5 MB", "", *rows, "", busy, ""]


def large(work: Path, megabytes: int) -> list[str]:
    """One large object while 200 connections hold still; the gateway's memory and what it made of it."""
    source = work / "large"
    corpus.large(source / "large.dcm", megabytes)
    with running(gateway, work / "server") as (port, pid):
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
        line = [STORESCU, "-aec", "STOWGATE", "-R", "+sd", "+r", "127.0.0.1", str(port), str(source)]
        began = time.perf_counter()
        if subprocess.run(line, env=environment(nodelay=True), check=False).returncode:
            raise SystemExit("the large object was not taken")
        taken = time.perf_counter() - began
        while _states(work / "server").get(State.RECEIVED, 0):
            time.sleep(0.5)
        cleaned = time.perf_counter() - began
        states = _states(work / "server")
        memory = peak(pid) // 1024
        for one in silent:
            one.close()
    shutil.rmtree(source)
    ended = ", ".join(f"{count} {state}" for state, count in states.items() if count)
    said = f"Answered after {taken:.0f} s, worked on after {cleaned:.0f} s ({ended}); {memory} MB of memory."
    return [f"## One object of {megabytes} MB, 200 silent connections", "", said, ""]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("/var/tmp/stowgate-gateway"), help="folder on a real disk")
    parser.add_argument("--minutes", type=float, default=0.25, help="of each server in each round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--keep", type=float, default=0, metavar="SECONDS", help="then payloads are deleted")
    parser.add_argument("--only", action="append", help="names of servers")
    parser.add_argument("--large", type=int, default=0, metavar="MB", help="the memory with one object of this size")
    asked = parser.parse_args()
    every = {"gateway": gateway, "storescp": storescp} | ({"orthanc": orthanc} if Path(ORTHANC).exists() else {})
    servers = [Server(name, command) for name, command in every.items() if name in (asked.only or every)]
    folders = [asked.work / f"in{number}" for number in range(SENDERS)]
    try:
        if asked.large:
            print("\n".join(large(asked.work, asked.large)))
            return
        for folder in folders:
            corpus.slices(folder, 50, 512, 512)
        for _ in range(asked.rounds):
            for server in servers:
                load(server, asked.work / "server", folders, asked.minutes * 60, asked.keep)
        busy = f"{os.cpu_count()} cores, load at the end {os.getloadavg()[0]:.1f}; {asked.rounds} rounds of "
        print("\n".join(table(servers, f"{busy}{asked.minutes * 60:.0f} s.")))
    finally:
        shutil.rmtree(asked.work, ignore_errors=True)


if __name__ == "__main__":
    main()
