"""Starts gateways and commands as often as asked, each in a process of its own that need not import anything first.

A request is one JSON line on standard input. {"argv", "cwd", "err", "sabotage", "traced", "clock"} is answered by the
child's process id, {"wait": pid} by its exit code once it has ended (negative: the signal that killed it).
"""

from __future__ import annotations

import gc
import importlib
import json
import mmap
import os
import signal
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any, NoReturn

import stowgate.gateway.hands as of_hands
from stowgate.faces.cli.app import run
from stowgate.objects import Raw
from stowgate.store import clocks
from stowgate.way import Bench, Passed, Way

HEAVY = (
    "stowgate.faces.service", "stowgate.settings", "stowgate.faces.cli.commands", "stowgate.faces.cli.gateway",
    "stowgate.ingest.acceptor", "pynetdicom.sop_class", "starlette.applications", "uvicorn", "structlog",
    "prometheus_client", "watchfiles",
)  # fmt: skip
POISON = b"KILLS-WHO-READS-IT"


def _dies(raw: Raw, way: Way, bench: Bench) -> Passed:
    """The journey of an object; one that holds `POISON` kills the process, as a bug in a codec would."""
    with way.open(raw) as source:
        if POISON in source.read(0, source.size):
            os.kill(os.getpid(), signal.SIGKILL)
    return _process(raw, way, bench)


def _raises(raw: Raw, way: Way, bench: Bench) -> Passed:
    """The journey of an object; one that holds `POISON` meets a bug that quotes it."""
    with way.open(raw) as source:
        data = source.read(0, source.size)
    if POISON in data:
        raise ValueError(str(data))
    return _process(raw, way, bench)


def _sleeps(_raw: Raw, _way: Way, _bench: Bench) -> Passed:
    """Nothing is ever cleaned."""
    time.sleep(3600)
    raise AssertionError


_process = of_hands.process
SABOTAGES: dict[str, Callable[[Raw, Way, Bench], Passed]] = {"dies": _dies, "raises": _raises, "sleeps": _sleeps}


def later_by(file: str) -> None:
    """From now on the clocks of this process are later by the seconds that stand in a file, as eight bytes.

    They are those that ledger, workers and ways out look at. What sleeps is not woken by it, as nobody's sleep is by a
    clock; interpreters that this process starts have the machine's.
    """
    with Path(file).open("rb") as opened:
        seconds = mmap.mmap(opened.fileno(), 8, access=mmap.ACCESS_READ)
    wall, monotonic, local = time.time, time.monotonic, time.localtime

    def later(clock: Callable[[], float]) -> Callable[[], float]:
        return lambda: clock() + float(struct.unpack("d", seconds[:])[0])

    moved = {id(clock): later(clock) for clock in (wall, monotonic)}
    time.time, time.monotonic = moved[id(wall)], moved[id(monotonic)]
    time.localtime = lambda at=None: local(time.time() if at is None else at)
    gc.unfreeze()
    for made in gc.get_objects():
        if isinstance(made, FunctionType) and (made.__module__ or "").startswith("stowgate."):
            if made.__defaults__:
                made.__defaults__ = tuple(moved.get(id(one), one) for one in made.__defaults__)
            for name, one in (made.__kwdefaults__ or {}).items():
                made.__kwdefaults__[name] = moved.get(id(one), one)
    for name, clock in (("wall", wall), ("monotonic", monotonic)):
        object.__setattr__(clocks.SYSTEM, name, moved[id(clock)])


def become(request: dict[str, Any]) -> None:
    """Make this child look like a process that a person started."""
    os.setsid()
    for number, (name, flags) in enumerate(
        [("/dev/null", os.O_RDONLY), (request["err"] + ".out", os.O_WRONLY), (request["err"], os.O_WRONLY)]
    ):
        descriptor = os.open(name, flags | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(request["cwd"])
    if request["sabotage"]:
        of_hands.process = SABOTAGES[request["sabotage"]]
        of_hands.WORTH_A_PROCESS = 1_000_000_000  # sabotage is of this process
    if request["clock"]:
        later_by(request["clock"])
    sys.argv = ["stowgate", *request["argv"]]
    while request["traced"] and b"TracerPid:\t0\n" in Path("/proc/self/status").read_bytes():
        time.sleep(0.001)


def live(request: dict[str, Any]) -> NoReturn:
    """Do it and end as a process does, without tearing down what was inherited."""
    code = 1
    try:
        become(request)
        code = run()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Serve until standard input ends."""
    for name in HEAVY:
        importlib.import_module(name)
    gc.freeze()
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
        else:
            answer = os.fork() or live(request)
        print(answer, flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
