"""Runs the ways in, each in a thread of its own, and stops them together."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from time import monotonic

from stowgate import events
from stowgate.errors import StowgateError
from stowgate.ingest.source import Intake, Source

_AGAIN = 5.0
"""Seconds after which a source that failed is started again."""
_QUIET = 600.0
"""Seconds in which the same source is not told of again."""


class Sources:
    """The sources of one gateway by name. One that fails is started again and does not stop the others."""

    def __init__(self, sources: Mapping[str, Source], intake: Intake, tell: events.Watcher = lambda _: None) -> None:
        self._intake, self._tell = intake, tell
        self._stop = threading.Event()
        self._failed: set[str] = set()
        self._threads = [
            threading.Thread(target=self._run, args=(name, source), name=f"source-{name}", daemon=True)
            for name, source in sources.items()
        ]

    @property
    def failed(self) -> frozenset[str]:
        """Names of sources that are down right now."""
        return frozenset(self._failed)

    def start(self) -> None:
        """Begin to take things in."""
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float) -> bool:
        """Take nothing new in, finish what is under way; whether all were done in time."""
        self._stop.set()
        deadline = monotonic() + seconds
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, name: str, source: Source) -> None:
        told = -_QUIET
        while not self._stop.is_set():
            try:
                self._failed.discard(name)
                source.run(self._intake, self._stop)
            except Exception as error:  # noqa: BLE001 - whatever it was, scanners send again, and somebody has to be there
                self._failed.add(name)
                if monotonic() - told >= _QUIET:
                    told = monotonic()
                    code = error.code if isinstance(error, StowgateError) else "internal_error"
                    self._tell(events.SourceFailed(name, code))
            self._stop.wait(_AGAIN)
