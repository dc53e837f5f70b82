"""A unit in the field: a folder with a stowgate.toml, the gateway as a process, DCMTK's senders beside it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stowgate.api import deidentify_bytes
from stowgate.faces.service import plan_of
from stowgate.lifecycle import State
from stowgate.reasons import REASONS
from stowgate.settings import load as load_settings
from stowgate.store.custody_view import read_custody
from stowgate.vault.key import load as load_key
from tests.journeys.stage import scan

SOAK = bool(os.environ.get("STOWGATE_SOAK"))
STORESCU = "/usr/bin/storescu"
"""Debian's: pynetdicom brings a program of the same name."""

SETTINGS = """
[unit]
name = "TRUCK07"
[spool]
path = "spool"
reserve = "{reserve}"
[log]
level = "debug"
file = "log"
[web]
listen = "127.0.0.1:0"
[[source]]
name = "ct"
kind = "dimse"
listen = "127.0.0.1:0"
ae = "STOWGATE"
allow = [{{ ae = "STORESCU", ip = "127.0.0.1" }}]
"""


class Server:
    """See `gateway_server`."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("gateway_server.py")
        self._process = subprocess.Popen(
            [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._lock = threading.Lock()

    def asks(self, **request: Any) -> int:
        """One request and its answer."""
        assert self._process.stdin
        assert self._process.stdout
        with self._lock:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


@dataclass
class Life:
    """One life of the gateway's process; `ports` by name, once it runs."""

    pid: int
    err: Path
    server: Server
    ports: dict[str, int] = field(default_factory=dict)
    code: int | None = None

    def signal(self, number: int) -> None:
        if self.code is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self) -> int:
        if self.code is None:
            self.code = self.server.asks(wait=self.pid)
        return self.code

    def kill(self) -> int:
        self.signal(signal.SIGKILL)
        return self.wait()

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def runs(self) -> bool:
        """Whether it is neither dead nor dying."""
        with suppress(FileNotFoundError):
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        return False

    def ready(self, seconds: float = 60) -> Life:
        """Wait until it takes things in."""
        deadline = time.monotonic() + seconds
        while "The gateway runs." not in (said := self.err.read_text() if self.err.exists() else ""):
            assert self.runs(), said
            assert time.monotonic() < deadline, said
            time.sleep(0.02)
        self.ports = {name: int(port) for name, port in re.findall(r"^(\w+) listens on port (\d+)\.$", said, re.M)}
        return self


class Unit:
    """A folder, its settings, and whoever runs in it."""

    def __init__(self, root: Path, server: Server, reserve: str = "100MiB", more: str = "") -> None:
        self.root, self.server = root, server
        self.config = root / "stowgate.toml"
        self.config.write_text(SETTINGS.format(reserve=reserve) + more)
        self.spool = root / "spool"
        self._lives, self._clock = 0, Path()

    def later(self, seconds: float) -> None:
        """So much later, for all processes of this unit that begin after the first such call: see `gateway_server`."""
        self._clock = self.root / "clock"
        if not self._clock.exists():
            self._clock.write_bytes(bytes(8))
        with self._clock.open("r+b") as file:  # written over, never cut: a process looks at it
            (before,) = struct.unpack("d", file.read(8))
            file.seek(0)
            file.write(struct.pack("d", before + seconds))

    def _asks(self, argv: Sequence[str], err: Path, sabotage: str = "", traced: bool = False) -> int:
        clock = str(self._clock) if self._clock.name else ""
        told = {"argv": [*argv], "cwd": str(self.root), "err": str(err), "sabotage": sabotage, "traced": traced}
        return self.server.asks(**told, clock=clock)

    def start(self, sabotage: str = "", traced: bool = False) -> Life:
        """A process that begins to be a gateway."""
        self._lives += 1
        err = self.root / f"err-{self._lives}"
        return Life(self._asks(["run", "-c", str(self.config)], err, sabotage, traced), err, self.server)

    @contextmanager
    def running(self, sabotage: str = "") -> Iterator[Life]:
        """A gateway that takes things in; drained in the end, if the test did not end it."""
        life = self.start(sabotage)
        try:
            yield life.ready()
            assert life.stop() in (0, -signal.SIGKILL), life.err.read_text()
        finally:
            life.kill()

    def command(self, *argv: object) -> tuple[int, str]:
        """Exit code and standard output of a command over this unit."""
        self._lives += 1
        err = self.root / f"err-{self._lives}"
        pid = self._asks([*map(str, argv), "-c", str(self.config)], err)
        code = self.server.asks(wait=pid)
        return code, Path(f"{err}.out").read_text()

    def rows(self, *argv: object) -> list[dict[str, Any]]:
        """The lines that a command says with --json."""
        code, said = self.command(*argv, "--json")
        assert code == 0
        return [json.loads(line) for line in said.splitlines()]

    def place(self, name: str = "pacs") -> dict[str, Any]:
        """What `status` says of a destination."""
        found: dict[str, Any] = self.rows("status")[0]["destinations"][name]
        return found

    def status(self) -> dict[str, int]:
        """The conservation line; it adds up, whenever it is asked."""
        code, said = self.command("status", "--json")
        assert code == 0
        line = {name: count for name, count in json.loads(said).items() if type(count) is int}
        assert line["received"] == sum(line.values()) - line["received"], line
        return line

    def states(self) -> dict[State, int]:
        """Items of the source by state, without a process."""
        with read_custody(self.spool / "ledger.db") as view:
            return dict(view.counts().get("ct", {}))

    def ready(self, life: Life) -> int:
        """What /readyz answers."""
        connection = http.client.HTTPConnection("127.0.0.1", life.ports["web"], timeout=10)
        connection.request("GET", "/readyz")
        try:
            return connection.getresponse().status
        finally:
            connection.close()

    def settled(self, seconds: float = 60) -> dict[str, int]:
        """The line once everything that was received was worked on."""
        deadline = time.monotonic() + seconds
        while self.states().get(State.RECEIVED, 0):
            assert time.monotonic() < deadline, self.states()
            time.sleep(0.05)
        return self.status()

    def exported(self, name: str = "exported") -> list[bytes]:
        """The bytes of every clean object that waits, sorted."""
        folder = self.root / name
        code, _ = self.command("queue", "export", folder)
        assert code == 0
        return sorted(path.read_bytes() for path in folder.rglob("*") if path.is_file())

    def expected(self, *data: bytes) -> list[bytes]:
        """What `deid` makes of these objects with the same key and policy, sorted; past spool, ledger and network."""
        key = load_key(f"file:{self.spool / 'project.key'}")
        policy = plan_of(load_settings(self.config)).policy
        return sorted(deidentify_bytes(one, policy, key.secret) for one in data)

    def quarantined(self) -> list[str]:
        """The code of everything in quarantine."""
        return [json.loads(self.command("quarantine", "show", id, "--json")[1])["code"] for id in self.suspects()]

    def refused(self) -> dict[str, str]:
        """What its only destination said of each that is in quarantine because of it, by id; with its sentence."""
        ids = [row["id"] for row in self.rows("quarantine", "list") if row["code"] == "destination_refused"]
        ways = {id: self.rows("quarantine", "show", id)[0]["deliveries"][0] for id in ids}
        assert all(REASONS[way["code"]].sentence in way["reason"] for way in ways.values())
        return {id: way["code"] for id, way in ways.items()}

    def parts(self) -> list[Path]:
        """What lies in the spool half written."""
        return [*(self.spool / "parts").iterdir()]

    def raw_objects(self) -> list[Path]:
        """The identified objects in the spool."""
        return [path for path in (self.spool / "raw").rglob("*") if path.is_file()]

    def suspects(self) -> list[str]:
        """The ids of everything in quarantine."""
        _, said = self.command("quarantine", "list", "--json")
        return [json.loads(line)["id"] for line in said.splitlines()]


def series(folder: Path, numbers: Iterable[int], side: int = 64, **how: Any) -> dict[Path, bytes]:
    """Files of different instances by their path."""
    folder.mkdir(exist_ok=True)
    made = {}
    for number in numbers:
        data = made[folder / f"{number}.dcm"] = scan(number, number.to_bytes(4, "big") * (side * side // 2), **how)
        (folder / f"{number}.dcm").write_bytes(data)
    return made


def send(port: int, files: Sequence[Path], *more: str) -> list[tuple[Path, str]]:
    """Each file that storescu sent with what it was told, in order; "" when there was no answer."""
    line = [STORESCU, "-v", "-aec", "STOWGATE", *more, "127.0.0.1", str(port), *map(str, files)]
    done = subprocess.run(
        line, env=os.environ | {"TCP_NODELAY": "1"}, capture_output=True, text=True, timeout=120, check=False
    )
    answers: list[tuple[Path, str]] = []
    for said in (done.stdout + done.stderr).splitlines():
        if found := re.match(r"I: Sending file: (.*)", said):
            answers.append((Path(found[1]), ""))
        elif found := re.match(r"I: Received Store Response \((.*)\)", said):
            answers[-1] = (answers[-1][0], found[1])
    return answers


def told(answers: Iterable[tuple[Path, str]], answer: str = "Success") -> list[Path]:
    """Those that were told so."""
    return [path for path, said in answers if said == answer]
