"""A spool with a few items in every place, and the gateway that owns it: what the tests of its commands stand on."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stowgate.faces.service import hands_of, plan_of
from stowgate.gateway.control import ControlServer
from stowgate.gateway.opened import Gateway, opened
from stowgate.ingest.source import Announced, Arrival, Outcome
from stowgate.lifecycle import State
from stowgate.settings import load
from tests.builder import US, el
from tests.journeys.stage import scan

CANARIES = ("Quendolin", "Zwicker", "MRN-88172")
_IDENTITY = (el("PatientName", "Zwicker^Quendolin"), el("PatientID", "MRN-88172"))
CONFIG = """
[unit]
name = "TRUCK07"
[spool]
path = "spool"
reserve = "0B"
[log]
file = "gateway.log"
[[source]]
name = "ct"
kind = "dimse"
listen = "127.0.0.1:{port}"
ae = "TRUCK07"
allow = [{{ ae = "SCANNER", ip = "127.0.0.1" }}]
[[source]]
name = "drop"
kind = "folder"
path = "in"
settle = 0.1
"""


def identified(number: int, **how: object) -> bytes:
    """An object that names a patient."""
    return scan(number, more=(*_IDENTITY, *how.pop("more", ())), **how)  # type: ignore[misc]


HELD = identified(11, sop_class=US, modality="US")
QUARANTINED = identified(12, drop=["SOPClassUID"], more=(el("Rows", 3),))
OBJECTS = (identified(1), identified(2), HELD, QUARANTINED, identified(1))
"""Two that get clean, one that is held, one quarantined, one that came before."""


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def configured(folder: Path) -> Path:
    """The configuration of a gateway that has never run."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "in").mkdir()
    config = folder / "stowgate.toml"
    config.write_text(CONFIG.format(port=free_port()))
    return config


@contextmanager
def gateway_of(config: Path, work: bool = True) -> Iterator[Gateway]:
    """The gateway in this process: everything but its sources, its web server and its log."""
    settings = load(config, environ={})
    with opened(plan_of(settings, config.parent), work=work) as gateway:
        control = ControlServer(gateway.spool.folder, hands_of(settings, gateway))
        try:
            yield gateway
        finally:
            control.close()


def take_in(gateway: Gateway, *objects: bytes) -> list[Outcome]:
    """Have objects received as from the scanner, and wait until the workers are through with them."""
    arrivals = [Arrival(Announced("ct"), io.BytesIO(one).read, "SCANNER") for one in objects]
    outcomes = [gateway.intake.receive(arrival) for arrival in arrivals]
    eventually(lambda: not counts(gateway).get(State.RECEIVED))
    return outcomes


def counts(gateway: Gateway) -> dict[State, int]:
    return dict(gateway.ledger.counts().get("ct", {}))


def eventually(holds: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)
