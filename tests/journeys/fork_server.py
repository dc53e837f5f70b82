"""Runs `stowgate` as often as asked, each time in a process of its own that need not import anything first.

A request is one JSON line on standard input: argv, cwd, env, and files for the child's output. Two lines answer it: the
child's process id, and when it has ended its exit code (negative: the signal that killed it).
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path


def warm_up() -> None:
    """Import and load what every run does, so that a child starts where a fresh process is after half a second."""
    from stowgate.faces.cli.app import run

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
    os.environ.clear()
    os.environ.update(request["env"])  # type: ignore[call-overload]
    sys.argv = ["stowgate", *request["argv"]]  # type: ignore[misc]
    while request["traced"] and b"TracerPid:\t0\n" in Path("/proc/self/status").read_bytes():
        time.sleep(0.001)


def main() -> None:
    """Serve until standard input ends; a child leaves through the command line's own door."""
    warm_up()
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            become(request)
            from stowgate.faces.cli import main as stowgate

            stowgate()
        answers.write(f"{child}\n")
        answers.flush()
        _, status = os.waitpid(child, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        answers.flush()


if __name__ == "__main__":
    main()
