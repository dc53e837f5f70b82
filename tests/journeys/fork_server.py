"""Runs `stowgate` as often as asked, each time in a process of its own that need not import anything first.

A request is one JSON line on standard input: argv, cwd, env, and files for the child's output. Two lines
answer it: the child's process id, and when it has ended its exit code (negative: the signal that killed
it), the processor seconds and the MiB of memory it used at most, its own children included.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn

from stowgate.faces.cli.app import run


def warm_up() -> None:
    """Import and load what every run does, so that a child starts where a fresh process is after half a second."""
    with tempfile.TemporaryDirectory() as name, contextlib.redirect_stdout(None):
        sys.argv = ["stowgate", "deid", *sys.argv[1:], "-o", f"{name}/out", "--state", f"{name}/state", "-q"]
        assert run() == 0


def become(request: dict[str, object]) -> None:
    """Make this child look like a process that a person started."""
    os.setsid()
    for number, (name, flags) in enumerate(
        [("/dev/null", os.O_RDONLY), (str(request["out"]), os.O_WRONLY), (str(request["err"]), os.O_WRONLY)]
    ):
        descriptor = os.open(name, flags | os.O_CREAT, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(str(request["cwd"]))
    if request["user"] is not None:
        os.setgroups([])
        os.setgid(request["user"])  # type: ignore[arg-type]
        os.setuid(request["user"])  # type: ignore[arg-type]
    os.environ.clear()
    os.environ.update(request["env"])  # type: ignore[call-overload]
    sys.argv = ["stowgate", *request["argv"]]  # type: ignore[misc]
    while request["traced"] and b"TracerPid:\t0\n" in Path("/proc/self/status").read_bytes():
        time.sleep(0.001)


def leave_with(code: int) -> NoReturn:
    """End as a process does, without tearing down what was inherited."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    """Serve until standard input ends."""
    warm_up()
    gc.freeze()
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            become(request)
            leave_with(run())
        answers.write(f"started {child}\n")
        answers.flush()
        _, status, used = os.wait4(child, 0)
        seconds = used.ru_utime + used.ru_stime
        answers.write(f"ended {os.waitstatus_to_exitcode(status)} {seconds} {used.ru_maxrss // 1024}\n")
        answers.flush()


if __name__ == "__main__":
    main()
