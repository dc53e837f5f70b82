"""One DIMSE source in a process of its own, for measuring: what comes is read whole and forgotten."""

from __future__ import annotations

import argparse
import signal
import threading

from stowgate.ingest.cstore import CStoreSource
from stowgate.ingest.dimse_settings import Caller, Dimse
from stowgate.ingest.memory import MemoryIntake
from stowgate.ingest.source import Accepted, Announced, Arrival, Intake, Outcome, Refused


class Forgetful:
    """Reads everything and keeps nothing, so that memory is the source's own."""

    def may_accept(self, _: Announced) -> Refused | None:
        """Always."""
        return None

    def receive(self, arrival: Arrival) -> Outcome:
        """Read to the end."""
        while arrival.read(1 << 18):
            pass
        return Accepted("0" * 32)


def main() -> None:
    """Listen until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--keep", action="store_true", help="keep what comes, as the tests' intake does")
    asked = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    intake: Intake = MemoryIntake() if asked.keep else Forgetful()
    allow = tuple(Caller(ae=name, ip="127.0.0.1") for name in ("STORESCU", "ECHOSCU"))
    CStoreSource(Dimse(kind="dimse", name="ct", listen=f"127.0.0.1:{asked.port}", allow=allow)).run(intake, stop)


if __name__ == "__main__":
    main()
