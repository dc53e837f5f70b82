"""A hand that dies, as by a bug in a codec, of every object that holds POISON; run as a module."""

from __future__ import annotations

import os
import signal
from typing import Any

from stowgate.child import serve
from stowgate.gateway import hand
from stowgate.objects import Raw
from stowgate.way import Bench, Passed, Way

POISON = b"KILLS-WHO-READS-IT"
_process = hand.process


def _dies(raw: Raw, way: Way, bench: Bench) -> Passed:
    with way.open(raw) as source:
        if POISON in source.read(0, source.size):
            os.kill(os.getpid(), signal.SIGKILL)
    return _process(raw, way, bench)


def begin(told: dict[str, Any]) -> Any:
    """As the real one."""
    hand.process = _dies
    return hand.begin(told)


if __name__ == "__main__":
    serve(begin)
