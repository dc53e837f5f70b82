"""Measures STOW-RS on an open link beside one plain upload of the same bytes by curl to the same server.

Both take turns, round by round, so that other load meets both alike; what counts is the median of the rounds' ratios.
The servers: one that throws away what it gets, and Orthanc, which stores it and is emptied after each turn. curl sends
the body of one STOW-RS request from a file, and its own clock counts, without its start-up; ours is a sink in this
process that makes the body from objects in memory, with its connection and its answer.

Run it from the root: PYTHONPATH=src:. python benchmarks/stow.py
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path

from stowgate.deliver.multipart import Body
from stowgate.deliver.sink import Instance, Parcel
from stowgate.deliver.stow import StowSink
from stowgate.dicom.source import MemorySource
from stowgate.lifecycle import Delivery
from stowgate.objects import CleanRef, Names
from tests.builder import CT, el, small
from tests.deliver.dicomweb_server import Orthanc, has_orthanc
from tests.deliver.parcels import Notebook

CURL = "/usr/bin/curl"
OBJECTS, PIXELS = 120, 512 * 1024
STUDY = "1.2.3.4.5.6"


def made() -> Parcel:
    """One parcel, as large as any may be."""
    instances = []
    for n in range(OBJECTS):
        uids = (el("StudyInstanceUID", STUDY), el("SeriesInstanceUID", f"{STUDY}.1"))
        data = small(*uids, el("PixelData", os.urandom(PIXELS), "OW"), uid=f"2.25.{n + 1}")
        names = Names("P", STUDY, f"{STUDY}.1", f"2.25.{n + 1}", "CT")
        ref = CleanRef(f"{n}.dcm", len(data), names, CT, "1.2.840.10008.1.2.1", "0" * 64)
        digest = sha256(data).hexdigest()
        instances.append(Instance(ref, digest, lambda data=data: MemorySource(data)))
    return Parcel(tuple(instances))


def throw_away(port: int) -> None:
    """Serve for ever: read each request to its end and say that it was stored."""
    item = '{"00081155":{"vr":"UI","Value":["2.25.%d"]}}'
    stored = ",".join(item % (n + 1) for n in range(OBJECTS))
    body = b'{"00081199":{"vr":"SQ","Value":[%s]}}' % stored.encode()
    said = b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\nContent-Length: %d\r\n\r\n%s" % (
        len(body),
        body,
    )
    buffer = memoryview(bytearray(1 << 20))
    with socket.create_server(("127.0.0.1", port)) as listening:
        while True:
            peer, _ = listening.accept()
            with peer:
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while _read(peer, buffer):
                    peer.sendall(said)


def _read(peer: socket.socket, buffer: memoryview) -> bool:
    head = b""
    while b"\r\n\r\n" not in head:
        data = peer.recv(1 << 16)
        if not data:
            return False
        head += data
    fields, _, begun = head.partition(b"\r\n\r\n")
    length = next(line for line in fields.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    left = int(length.partition(b":")[2]) - len(begun)
    while left > 0:
        left -= peer.recv_into(buffer, min(left, len(buffer))) or left
    return True


@contextmanager
def sink_server() -> Iterator[str]:
    """The address of a process that throws away what it gets."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    process = subprocess.Popen([sys.executable, str(Path(__file__).resolve()), "--throw-away", str(port)])
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with closing(socket.socket()) as tried:
                if not tried.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def plain(url: str, body: Path, kind: str) -> float:
    """Seconds that curl takes for one upload."""
    command = [
        CURL, "-sS", "-X", "POST", "-T", body, "-H", "Expect:", "-H", f"Content-Type: {kind}",
        "-H", "Accept: application/dicom+json", "-o", os.devnull, "-w", "%{time_total} %{http_code}", f"{url}/studies",
    ]  # fmt: skip
    seconds, code = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert code == "200"
    return float(seconds)


def ours(url: str, parcel: Parcel) -> float:
    """Seconds that the sink takes, with its connection."""
    sink = StowSink(url)
    began = time.perf_counter()
    answers = sink.deliver(parcel, Notebook())
    seconds = time.perf_counter() - began
    sink.close()
    assert {one.state for one in answers.values()} == {Delivery.ACKNOWLEDGED}
    return seconds


def measured(name: str, url: str, rounds: int, folder: Path, after: Callable[[], None] = lambda: None) -> None:
    """Rounds of both; who begins changes."""
    parcel = made()
    body = Body(parcel.instances, os.urandom(16).hex())
    path = folder / "body"
    with path.open("wb") as file:
        file.writelines(body)
    times: dict[str, list[float]] = {"curl": [], "stowgate": []}
    for n in range(rounds + 1):
        for who in sorted(times, reverse=bool(n % 2)):
            seconds = plain(url, path, body.content_type) if who == "curl" else ours(url, parcel)
            after()
            if n:  # the first round warms up
                times[who].append(seconds)
    size = len(body) / 1e6
    ratios = [a / b for a, b in zip(times["curl"], times["stowgate"], strict=True)]
    rates = ", ".join(f"{who} {size / statistics.median(taken):.0f} MB/s" for who, taken in times.items())
    said = f"{rates}, median of ratios {statistics.median(ratios):.2f} x"
    print(f"STOW-RS of {OBJECTS} x {PIXELS >> 10} KiB to {name}: {said}")


def main() -> None:
    """Both servers, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--throw-away", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.throw_away:
        throw_away(asked.throw_away)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        with sink_server() as url:
            measured("a server that throws it away", url, asked.rounds, Path(name))
        if has_orthanc:
            server = Orthanc(Path(name) / "orthanc")

            def empty() -> None:
                for id in json.loads(server.client.get("/patients").content):
                    server.client.delete(f"/patients/{id}")

            measured("Orthanc", server.url, asked.rounds, Path(name), empty)
            server.kill()


if __name__ == "__main__":
    main()
