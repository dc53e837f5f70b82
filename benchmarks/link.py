"""Measures delivery over a bad link, beside one plain TCP upload over the same: 2 Mbit/s, 80 +- 40 ms, 5 % loss.

Packets are carried by `benchmarks/packets.py` into a network namespace, where a relay counts, and ends connections
where the weather says so, in front of DCMTK's storescp and of a small STOW-RS peer. The link is away for a fifth of the
time: in silence (4 of 20 s), as a radio link, or with all connections reset (12 of 60 s). Goodput is the bytes of
objects that count as delivered, over the rate times the seconds in which the link was open; the plain upload, which
loses nothing that the far end has and calls again twice a second, has the same measure. Then the link goes silent for a
minute: how long until that is noticed, and when the first byte passes after it is back.
What TCP makes of loss is the sender's congestion control: that of this machine, or the one that is named.
Run it as root, from the root: PYTHONPATH=src:. python benchmarks/link.py [MiB] [workers] [cubic]
"""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.packets import FAR, Air, air, missing
from stowgate import events
from stowgate.deliver.connection import Peer
from stowgate.deliver.cstore import CStoreSink
from stowgate.deliver.sink import Sink
from stowgate.deliver.stow import StowSink
from stowgate.gateway.drain import Drain
from stowgate.gateway.ways import WayOut
from stowgate.lifecycle import Evidence
from stowgate.link.profiles import Profile
from stowgate.link.relay import Relay
from stowgate.link.trace import State, cycle
from stowgate.store.custody import Custody
from stowgate.store.custody_sqlite import open_custody
from stowgate.store.deliveries import Bound
from stowgate.store.spool_memory import MemoryCleanShelf
from tests.builder import el, small
from tests.deliver.web import Web
from tests.store.custody_sample import KEY, cleaned, coming

RATE, DELAY, JITTER, LOSS = 250_000.0, 0.08, 0.04, 0.05
PIXELS = 512 * 1024
STORESCP = "/usr/bin/storescp"
SILENT = Profile(cycle(RATE, DELAY, 20.0, 4.0), JITTER)
OPEN = Profile(cycle(RATE, DELAY, 20.0, 0.0), JITTER)
RESETS = Profile(cycle(None, 0.0, 60.0, 12.0, State.RESET))


@dataclass
class Weather:
    """What the packets meet, and what the relay does to connections."""

    name: str
    packets: Profile
    relay: Profile

    def open_seconds(self, seconds: float) -> float:
        one = self.packets if self.packets is not OPEN else self.relay
        return one.trace.open_seconds(0.0, seconds)


WEATHERS = (Weather("in silence, 4 of 20 s", SILENT, Profile()), Weather("with resets, 12 of 60 s", OPEN, RESETS))


def plain(relay: Relay, got: Callable[[], int], size: int) -> None:
    """One TCP connection at a time that sends what is not there yet."""
    while got() < size:
        with suppress(OSError), socket.create_connection((FAR, relay.port), 5.0) as one:
            one.settimeout(None)
            data = os.urandom(1 << 16)
            left = size - got()
            while left > 0:
                one.sendall(data[: min(left, len(data))])
                left -= len(data)
            one.shutdown(socket.SHUT_WR)
            one.recv(1)
        time.sleep(0.5 if got() < size else 0.0)


class Bucket:
    """A peer that takes everything."""

    def __init__(self) -> None:
        self.got = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            one, _ = self._server.accept()
            threading.Thread(target=self._hear, args=(one,), daemon=True).start()

    def _hear(self, one: socket.socket) -> None:
        with one, suppress(OSError):
            while data := one.recv(1 << 16):
                self.got += len(data)
            one.sendall(b"!")


def storescp(folder: Path) -> Iterator[int]:
    port = 11_112
    line = [STORESCP, "--fork", "--ignore", "-pdu", "131072", str(port)]
    server = subprocess.Popen(line, cwd=folder, env={**os.environ, "TCP_NODELAY": "1"}, stderr=subprocess.DEVNULL)
    time.sleep(1)
    yield port
    server.kill()
    server.wait()


def filled(ledger: Custody, shelf: MemoryCleanShelf, count: int) -> int:
    """Objects that wait for "pacs"; their bytes."""
    size = 0
    for n in range(1, count + 1):
        data = small(el("PixelData", os.urandom(PIXELS), "OW"), uid=f"2.25.{n}")
        size += len(data)
        sheet = shelf.new()
        sheet.data += data
        kept = shelf.keep(sheet.place)
        ledger.receive([coming(n)])
        ledger.lease("w", 1)
        end = cleaned(n)
        digest = hashlib.sha256(data).hexdigest()
        ledger.end([replace(end, cleans=(replace(end.cleans[0], id=kept.id, size=len(data), digest=digest),))])
        ledger.deliveries.bind({kept.id: [Bound("pacs")]})
    return size


def delivered(ledger: Custody) -> int:
    return sum(sum(one.values()) for one in ledger.deliveries.delivered().values())


@contextmanager
def draining(
    sink: Callable[[], Sink], count: int, workers: int, tell: events.Watcher = lambda _: None
) -> Iterator[tuple[Drain, Custody, int]]:
    with tempfile.TemporaryDirectory() as name, open_custody(Path(name) / "ledger.db", KEY) as ledger:
        shelf = MemoryCleanShelf()
        size = filled(ledger, shelf, count)
        drain = Drain(WayOut("pacs", sink, Evidence.STATUS, workers=workers), ledger, shelf, tell)
        yield drain, ledger, size
        drain.stop(5)


def sink_of(kind: str, port: int) -> Callable[[], Sink]:
    if kind == "C-STORE":
        return lambda: CStoreSink(Peer(FAR, port, "ANY", "STOWGATE"))
    return lambda: StowSink(f"http://{FAR}:{port}/dicom-web")


def upload(link: Air, weather: Weather, size: int) -> float:
    """Goodput of a plain upload."""
    bucket = link.inside(Bucket)
    link.anew(weather.packets)
    with link.relayed(bucket.port, weather.relay) as relay:
        began = relay.now()
        plain(relay, lambda: bucket.got, size)
        took = relay.now() - began
        goodput = size / (RATE * weather.open_seconds(took))
    print(f"{weather.name:<24} plain TCP  {size >> 20} MiB in {took:.0f} s  goodput {goodput:.1%}", flush=True)
    return goodput


def gateway(link: Air, weather: Weather, kind: str, port: int, count: int, workers: int, beside: float) -> None:
    """Goodput of the gateway's drain, and what went twice."""
    link.anew(weather.packets)
    with (
        link.relayed(port, weather.relay) as relay,
        draining(sink_of(kind, relay.port), count, workers) as (d, ledger, size),
    ):
        link.anew(weather.packets)
        relay._began = time.monotonic()
        drain, began = d, time.monotonic()
        drain.start()
        while delivered(ledger) < count:
            time.sleep(0.05)
        took = time.monotonic() - began
        goodput, twice = size / (RATE * weather.open_seconds(took)), (relay.counts.up - size) / size
        print(
            f"{weather.name:<24} {kind:<9}  {size >> 20} MiB in {took:.0f} s  goodput {goodput:.1%},"
            f" {goodput / beside:.0%} of the plain upload; {twice:.1%} more bytes than the objects have;"
            f" {relay.counts.connections} connections, {relay.counts.resets} reset; load {os.getloadavg()[0]:.1f}",
            flush=True,
        )  # fmt: skip


def dead(link: Air, kind: str, port: int) -> None:
    """Silence in the middle of an object, for a minute."""
    link.anew(OPEN)
    noticed: list[float] = []

    def tell(event: events.GatewayEvent) -> None:
        if isinstance(event, events.DestinationDown):
            noticed.append(time.monotonic())

    with link.relayed(port, Profile()) as relay, draining(sink_of(kind, relay.port), 20, 1, tell) as (drain, _, _):
        drain.start()
        while relay.counts.up < 3 * PIXELS // 2:
            time.sleep(0.05)
        link.by_hand, cut = State.DOWN, time.monotonic()
        while not noticed or time.monotonic() < cut + 60:
            time.sleep(0.05)
        before = relay.counts.up
        link.by_hand, back = None, time.monotonic()
        while relay.counts.up == before:
            time.sleep(0.02)
        print(
            f"{'silent for a minute':<24} {kind:<9}  noticed after {noticed[0] - cut:.1f} s,"
            f" first byte {time.monotonic() - back:.1f} s after its return",
            flush=True,
        )  # fmt: skip


def main(mib: int = 20, workers: int = 4, control: str = "") -> None:
    if why := missing():
        print(f"SKIPPED: no link of packets: {why}")
        raise SystemExit(1)
    count, size = mib * 2, mib << 20
    os.setpriority(os.PRIO_PROCESS, 0, -15)  # a link does not get slow because this machine has other work
    with tempfile.TemporaryDirectory() as name, air(OPEN, LOSS, control) as link:
        peers = link.inside(lambda: (storescp(Path(name)), Web()))
        served = peers[0]
        peers[1]._server.handle_error = lambda *_: None  # a connection that ends is no news here
        ports = {"C-STORE": link.inside(lambda: next(served)), "STOW-RS": peers[1].port}
        for weather in WEATHERS:
            beside = upload(link, weather, size)
            for kind, port in ports.items():
                gateway(link, weather, kind, port, count, workers, beside)
        for kind, port in ports.items():
            dead(link, kind, port)
        if link.by_nftables:
            print(f"nftables lost {link.lost_by_nftables():,} of {link.packets:,} packets that were sent")
        next(served, None)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]), *sys.argv[3:4])
