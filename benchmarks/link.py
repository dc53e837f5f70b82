"""Measures delivery by C-STORE through a bad link: 2 Mbit/s, 80 ms there and back, away for a fifth of the time.

A relay in this process stands between the gateway's drain and DCMTK's storescp. It carries bytes at the rate, late by
the delay; while the link is away nothing passes, and every other time its connections are reset. Goodput is the bytes
of objects that count as delivered, over the rate times the seconds in which the link was open. Packet loss is not
part of it. Run it from the root: PYTHONPATH=src:. python benchmarks/link.py
"""

from __future__ import annotations

import hashlib
import os
import queue
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from stowgate.deliver.connection import Peer
from stowgate.deliver.cstore import CStoreSink
from stowgate.gateway.drain import Drain
from stowgate.gateway.ways import WayOut
from stowgate.lifecycle import Evidence
from stowgate.store.custody_sqlite import open_custody
from stowgate.store.deliveries import Bound
from stowgate.store.spool_memory import MemoryCleanShelf
from tests.builder import el, small
from tests.store.custody_sample import KEY, cleaned, coming

RATE, DELAY, CYCLE, AWAY = 250_000, 0.04, 20.0, 4.0
OBJECTS, PIXELS = 40, 512 * 1024
STORESCP = "/usr/bin/storescp"


class Relay:
    """Between whoever calls and `target`; one rate for all connections upwards."""

    def __init__(self, target: int) -> None:
        self.target, self.carried, self.free = target, 0, time.monotonic()
        self.turn = threading.Lock()
        self.pairs: list[tuple[socket.socket, socket.socket]] = []
        self.began, self.resets = time.monotonic(), 0
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        for work in (self.serve, self.weather):
            threading.Thread(target=work, daemon=True).start()

    def is_away(self, now: float) -> bool:
        return (now - self.began) % CYCLE > CYCLE - AWAY

    def open_seconds(self, now: float) -> float:
        whole, rest = divmod(now - self.began, CYCLE)
        return whole * (CYCLE - AWAY) + min(rest, CYCLE - AWAY)

    def weather(self) -> None:
        while True:
            time.sleep(CYCLE - (time.monotonic() - self.began) % CYCLE + CYCLE - AWAY)
            for one in [one for pair in self.pairs for one in pair]:
                with suppress(OSError):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    one.close()
            self.pairs.clear()
            self.resets += 1

    def serve(self) -> None:
        while True:
            if self.is_away(time.monotonic()):  # nobody gets through, as on a link that is down
                self.listening.close()
                while self.is_away(time.monotonic()):
                    time.sleep(0.05)
                self.listening = socket.create_server(("127.0.0.1", self.port))
            self.listening.settimeout(0.1)
            try:
                near, _ = self.listening.accept()
            except TimeoutError:
                continue
            near.setblocking(True)
            near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            far = socket.create_connection(("127.0.0.1", self.target))
            far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.pairs.append((near, far))
            for source, target, counts in ((near, far, True), (far, near, False)):
                late: queue.Queue[tuple[float, bytes]] = queue.Queue(maxsize=8)
                threading.Thread(target=self.read, args=(source, late, counts), daemon=True).start()
                threading.Thread(target=self.write, args=(target, late), daemon=True).start()

    def read(self, source: socket.socket, late: queue.Queue[tuple[float, bytes]], counts: bool) -> None:
        data = b"x"
        while data:
            try:
                data = source.recv(8192)
            except OSError:
                data = b""
            if counts and data:
                with self.turn:
                    self.free = max(self.free, time.monotonic()) + len(data) / RATE
                    wait = self.free - time.monotonic()
                    self.carried += len(data)
                time.sleep(max(0.0, wait))
            while self.is_away(time.monotonic()):
                time.sleep(0.05)
            late.put((time.monotonic() + DELAY, data))

    def write(self, target: socket.socket, late: queue.Queue[tuple[float, bytes]]) -> None:
        while True:
            due, data = late.get()
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                if not data:
                    target.shutdown(socket.SHUT_WR)
                    return
                target.sendall(data)
            except OSError:
                return


def main(folder: Path) -> None:
    """Fill a ledger, start the drain, and wait until everything counts as delivered."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    server = subprocess.Popen(
        [STORESCP, "--fork", "--ignore", "-pdu", "131072", str(port)],
        cwd=folder, env={**os.environ, "TCP_NODELAY": "1"}, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    shelf, size = MemoryCleanShelf(), 0
    with open_custody(folder / "ledger.db", KEY) as ledger:
        for n in range(1, OBJECTS + 1):
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
        time.sleep(1)
        relay = Relay(port)
        way = WayOut("pacs", lambda: CStoreSink(Peer("127.0.0.1", relay.port, "ANY", "STOWGATE")), Evidence.STATUS)
        drain = Drain(way, ledger, shelf)
        drain.start()
        began = time.monotonic()
        while sum(sum(one.values()) for one in ledger.deliveries.delivered().values()) < OBJECTS:
            time.sleep(0.1)
        took, opened = time.monotonic() - began, relay.open_seconds(time.monotonic())
        drain.stop(5)
    server.kill()
    server.wait()
    goodput, twice = size / (RATE * opened), (relay.carried - size) / size
    print(f"{size >> 20} MiB in {took:.0f} s, open {opened:.0f} s, {relay.resets} resets")
    print(f"goodput {goodput:.0%} of what the open link carries, {twice:.1%} more bytes than the objects have")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(Path(name))
