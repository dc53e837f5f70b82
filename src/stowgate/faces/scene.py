"""What the demonstration shows: a gateway between a pretend scanner and a pretend hospital, and a link one can cut."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stowgate.faces.hospital import TITLE, Hospital
from stowgate.lifecycle import Delivery, State
from stowgate.link.profiles import PROFILES
from stowgate.link.relay import Relay
from stowgate.link.thread import relayed
from stowgate.link.trace import State as Link

if TYPE_CHECKING:
    from rich.table import Table

    from stowgate.faces.service import Running

_SETTINGS = """
[unit]
name = "DEMO"
[spool]
path = "spool"
reserve = "0B"
[log]
file = "demo.log"
[[source]]
name = "ct"
kind = "dimse"
listen = "127.0.0.1:0"
allow = [{{ ae = "PRETEND", ip = "127.0.0.1" }}]
[[dest]]
name = "hospital"
kind = "dimse"
host = "127.0.0.1"
port = {port}
called = "{title}"
[[route]]
dest = ["hospital"]
"""
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Numbers:
    """How it stands: the conservation line, how far things are on their way, and the link."""

    line: dict[str, int]
    steps: dict[str, int]
    link: str
    outages: int
    carried: int

    @property
    def text(self) -> str:
        """In one line."""
        steps = "  ".join(f"{name} {n}" for name, n in self.steps.items())
        return f"link {self.link:<5}  received {self.line['received']}  {steps}  held {self.line['held']}"

    def table(self, hint: str) -> Table:
        """As a page of numbers."""
        from rich.table import Table

        colour = "green" if self.link == "up" else "red"
        page = Table(title=f"scanner -> gateway -> [{colour}]link {self.link}[/] -> hospital", caption=hint)
        names = {"received": self.line["received"], **self.steps, "held": self.line["held"]}
        for name in (*names, "outages", "kB carried"):
            page.add_column(name, justify="right")
        page.add_row(*(f"{n:,}" for n in (*names.values(), self.outages, self.carried // 1000)))
        return page


class Scene:
    """All that takes part. The scanner is a thread that has ended when `is_sending` says so."""

    def __init__(self, now: Running, relay: Relay, hospital: Hospital, scanner: threading.Thread) -> None:
        self._now, self.relay, self._hospital, self._scanner = now, relay, hospital, scanner

    @property
    def is_up(self) -> bool:
        """Whether the link carries something."""
        return self.relay.state is Link.UP

    @property
    def is_sending(self) -> bool:
        """Whether the scanner still sends."""
        return self._scanner.is_alive()

    def switch(self) -> None:
        """Cut the link, or mend it."""
        if self.is_up:
            self.relay.cut(Link.RESET)
        else:
            self.relay.mend()

    def numbers(self) -> Numbers:
        """As they are now."""
        from stowgate.questions import status

        ledger = self._now.gateway.ledger
        found = status(ledger, ["ct"])
        line = {name: value for name, value in found.items() if isinstance(value, int)}
        counts = ledger.deliveries.counts().get("hospital", {})
        steps = {"waiting": line["waiting"], "delivered": line["delivered"]}
        steps |= {str(state): counts.get(state, 0) for state in Delivery if state is not Delivery.REFUSED}
        link = "up" if self.is_up else "CUT"
        return Numbers(line, steps, link, self.relay.counts.outages, self.relay.counts.up)

    def left(self) -> bool:
        """Whether something that could go has not arrived."""
        states = self._now.gateway.ledger.counts().get("ct", {})
        there = self._now.gateway.ledger.deliveries.delivered().get("ct", {})
        return bool(states.get(State.RECEIVED, 0) or states.get(State.WAITING, 0) > there.get(State.WAITING, 0))

    def compared(self) -> tuple[int, int, int]:
        """Objects that count as delivered; how many of them the hospital has byte for byte; how many it has in all."""
        ledger, shelf = self._now.gateway.ledger, self._now.gateway.spool.clean
        delivered = same = 0
        for row in ledger.rows([State.WAITING], most=100_000):
            made = ledger.clean_of_item(row.id)
            if not row.delivered or made is None:
                continue
            delivered += 1
            with shelf.open(made.id) as source:
                data = source.read(0, source.size)
            same += self._hospital.held.get(made.instance) == data[144 + int.from_bytes(data[140:144], "little") :]
        return delivered, same, len(self._hospital.held)


@contextmanager
def scene(folder: Path, profile: str, seconds: float) -> Iterator[Scene]:
    """Everything runs in `folder` until the block ends; the scanner sends for so many seconds at most."""
    from stowgate.faces.service import running
    from stowgate.settings import load

    with ExitStack() as held:
        hospital = Hospital()
        held.callback(hospital.close)
        relay = held.enter_context(relayed(("127.0.0.1", hospital.port), PROFILES[profile]))
        config = folder / "stowgate.toml"
        config.write_text(_SETTINGS.format(port=relay.port, title=TITLE), encoding="utf-8")
        now = held.enter_context(running(load(config, environ={}), folder))
        held.callback(relay.cut)  # what waits at the end does not hold anybody up
        yield Scene(now, relay, hospital, held.enter_context(_sending(now, folder, seconds)))


@contextmanager
def _sending(now: Running, folder: Path, seconds: float) -> Iterator[threading.Thread]:
    """The scanner, in a thread of its own that has ended when the block has: a series first, then real files."""
    from stowgate.faces.sample import make_series, real_files
    from stowgate.ingest.scanner import Called, send

    whom = Called("127.0.0.1", now.ports["ct"], "STOWGATE", "PRETEND")
    until = time.monotonic() + seconds
    stop = threading.Event()

    def work() -> None:
        send(whom, make_series(folder / "series-1"))
        for path in real_files():
            if stop.is_set() or time.monotonic() >= until:
                return
            send(whom, [path])

    thread = threading.Thread(target=work, name="scanner", daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(_PATIENCE)
