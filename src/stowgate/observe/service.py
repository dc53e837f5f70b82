"""The gateway as a service: tells systemd how it is (sd_notify(3)), and leaves no image of itself behind."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

_SET_DUMPABLE = 4  # prctl(2)
READY, STOPPING, ALIVE = "READY=1", "STOPPING=1", "WATCHDOG=1"


def tell(state: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Send one state to the socket in $NOTIFY_SOCKET; whether somebody listens. Never raises."""
    address = environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in ("/", "@"):
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
            to.settimeout(1)
            to.sendto(state.encode("ascii"), address.replace("@", "\0", 1) if address[0] == "@" else address)
    except OSError:
        return False
    return True


def seal_process() -> None:
    """Let no image of this process reach a disk or another process: no core file, none for a handler, no ptrace."""
    import ctypes
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)  # a limit of 0 does not hold for handlers behind a pipe, core(5)


def watchdog_seconds(environ: Mapping[str, str] = os.environ) -> float | None:
    """How often at least ALIVE has to be told: half of what systemd waits for; None if it does not wait."""
    waits = environ.get("WATCHDOG_USEC", "")
    mine = environ.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
    return int(waits) / 2e6 if mine and waits.isascii() and waits.isdigit() and int(waits) else None
