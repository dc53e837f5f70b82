"""A place to run `stowgate` in as a person would: inputs, output and state folder, and a process for each run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from stowgate.api import deidentify_bytes
from stowgate.deident.profile import policy_from
from stowgate.vault.key import load
from tests.builder import el, small

COMMAND = Path(sys.executable).with_name("stowgate")
"""The command as it was installed."""

STRACE = shutil.which("strace")
CHANGES = (
    "write,writev,pwrite64,sendfile,fsync,fdatasync,syncfs,rename,renameat,renameat2,"
    "link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir,ftruncate"
)
"""Every system call that changes what lies on the disk, apart from opening a new file."""


QUIET = ("-f", "-qqq")


def at_call(call: str, number: int, what: str) -> tuple[str, ...]:
    """strace's arguments to make something happen at the n-th call of a kind."""
    return (*QUIET, "-o", os.devnull, "-e", f"trace={call}", "-e", f"inject={call}:{what}:when={number}")


@dataclass(frozen=True)
class Done:
    """How a run ended: exit code (negative: a signal), what it said, processor seconds and MiB of memory at most."""

    code: int
    out: str
    err: str
    seconds: float = 0.0
    memory: int = 0

    @cached_property
    def lines(self) -> list[dict[str, Any]]:
        """The JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def items(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["kind"] == "item"]

    @property
    def summary(self) -> dict[str, int]:
        *_, last = self.lines
        assert last["kind"] == "summary"
        return {name: count for name, count in last.items() if name != "kind"}

    def by_name(self) -> dict[str, tuple[str, str | None]]:
        """State and code by the input's file name."""
        return {Path(item["source"]).name: (item["state"], item["code"]) for item in self.items}


@dataclass(frozen=True)
class Stop:
    """A signal, so many seconds after the start; a run that has ended by then is left alone."""

    signal: int
    after: float

    def send(self, child: int) -> None:
        """By a handle of the process: its number may be another's by then."""
        with suppress(ProcessLookupError):
            handle = os.pidfd_open(child)
            try:
                time.sleep(self.after)
                signal.pidfd_send_signal(handle, self.signal)
            finally:
                os.close(handle)


@dataclass(frozen=True)
class How:
    """What is special about a run: strace's arguments, variables, a signal, another user's number."""

    tracer: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    stop: Stop | None = None
    user: int | None = None


class Server:
    """One fork server; serves one run at a time."""

    def __init__(self, samples: list[Path]) -> None:
        script = Path(__file__).with_name("fork_server.py")
        self._process = subprocess.Popen(
            [sys.executable, script, *samples], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, stage: Stage, argv: list[str], how: How) -> Done:
        """Run a command line to its end."""
        assert self._process.stdin
        out, err = stage.root / "stdout", stage.root / "stderr"
        for file in (out, err):
            file.unlink(missing_ok=True)
        request = {
            "argv": argv,
            "cwd": str(stage.root),
            "env": {**os.environ, **how.env},
            "out": str(out),
            "err": str(err),
            "traced": bool(how.tracer),
            "user": how.user,
        }
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        child = int(self._answer("started"))
        strace = subprocess.Popen(["strace", *how.tracer, "-p", str(child)]) if how.tracer else None
        if how.stop:
            how.stop.send(child)
        code, seconds, memory = self._answer("ended").split()
        if strace:
            strace.wait()
        return Done(int(code), out.read_text("utf-8"), err.read_text("utf-8"), float(seconds), int(memory))

    def _answer(self, word: str) -> str:
        assert self._process.stdout
        said, _, value = self._process.stdout.readline().partition(" ")
        assert said == word
        return value

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


class Servers:
    """Two fork servers, lent to whoever asks; more would only wait for the processors."""

    def __init__(self, samples: list[Path]) -> None:
        self._all = [Server(samples), Server(samples)]
        self._free: SimpleQueue[Server] = SimpleQueue()
        for server in self._all:
            self._free.put(server)

    @contextmanager
    def one(self) -> Iterator[Server]:
        server = self._free.get()
        try:
            yield server
        finally:
            self._free.put(server)

    def close(self) -> None:
        for server in self._all:
            server.close()


@dataclass
class Stage:
    """A folder with `in`, `out` and `state`, and the command to run over them."""

    root: Path
    servers: Servers = field(repr=False)

    @property
    def inputs(self) -> Path:
        return self.root / "in"

    @property
    def out(self) -> Path:
        return self.root / "out"

    @property
    def state(self) -> Path:
        return self.root / "state"

    def put(self, name: str, data: bytes) -> Path:
        path = self.inputs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def run(self, *argv: object, **how: Any) -> Done:
        """Any command line, in a process of its own; `how` are the fields of `How`."""
        with self.servers.one() as server:
            return server.run(self, [str(part) for part in argv], How(**how))

    def line(self, *more: object, inputs: tuple[object, ...] = ()) -> list[str]:
        """The command line of `deid` for this stage."""
        where = ["-o", self.out, "--state", self.state, "--json"]
        return [str(part) for part in ("deid", *(inputs or (self.inputs,)), *where, *more)]

    def deid(self, *more: object, inputs: tuple[object, ...] = (), **how: Any) -> Done:
        """`stowgate deid IN -o OUT --state STATE --json` and more."""
        return self.run(*self.line(*more, inputs=inputs), **how)

    def outputs(self) -> dict[str, bytes]:
        """Everything below OUT by its relative path."""
        return tree(self.out)

    def expected(self, *data: bytes, retain: tuple[str, ...] = ()) -> list[bytes]:
        """What the project's key makes of these objects, sorted; from memory, past every file and ledger."""
        key = load(f"file:{self.state / 'project.key'}")
        return sorted(deidentify_bytes(one, policy_from("basic", retain, ()), key.secret) for one in data)

    def ledger(self) -> list[tuple[Any, ...]]:
        """State, code and open starts of every row, after SQLite itself has found the file sound."""
        with closing(sqlite3.connect(self.state / "ledger.db")) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []
            return db.execute("SELECT state, code, attempts FROM items ORDER BY number").fetchall()


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by its relative path; folders by name with a slash."""
    return {
        path.relative_to(folder).as_posix() + "/" * path.is_dir(): b"" if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_dir() or path.is_file()
    }


def files(folder: Path) -> dict[str, bytes]:
    """The files alone."""
    return {name: data for name, data in tree(folder).items() if not name.endswith("/")}


def scan(number: int, pixels: bytes = b"", **how: Any) -> bytes:
    """One of a series of small CT objects, each with a SOP Instance UID and a position of its own."""
    more = [el("InstanceNumber", str(number)), el("ImagePositionPatient", f"-125\\-125\\{number}")]
    if pixels:
        side = int((len(pixels) // 2) ** 0.5)
        more += [el("Rows", side), el("Columns", side), el("PixelData", pixels, "OW")]
    return small(*more, *how.pop("more", ()), uid=f"1.2.3.4.5.6.7.{number}", **how)


def may_trace() -> bool:
    """Whether strace is here and allowed to look at another process."""
    if STRACE is None:
        return False
    return subprocess.run([STRACE, "-qq", "-o", os.devnull, "true"], check=False, capture_output=True).returncode == 0


needs_strace = pytest.mark.skipif(
    not may_trace(), reason="strace is absent or not allowed here: no kill or disk error at every single step"
)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk or become another user")
