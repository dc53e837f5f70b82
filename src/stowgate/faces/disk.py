"""What a disk says of itself: its file system, and how long it takes to keep something."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_SYNCS = 12


def existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    folder = folder.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def file_system(folder: Path) -> str:
    """Name of the file system a folder lies on, "" if the system does not say."""
    place, best, kind = str(folder.resolve()), "", ""
    with suppress(OSError), open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:
        for line in mounts:
            _, point, found, *_ = line.split(" ")
            if (place == point or place.startswith(point.rstrip("/") + "/")) and len(point) >= len(best):
                best, kind = point, found
    return kind


def fsync_seconds(folder: Path, clock: Callable[[], float] = time.perf_counter) -> float:
    """Median seconds of one small write with fsync."""
    place = folder / f".stowgate-check-{os.getpid()}"
    handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        taken = []
        for _ in range(_SYNCS):
            began = clock()
            os.write(handle, bytes(4096))
            os.fsync(handle)
            taken.append(clock() - began)
    finally:
        os.close(handle)
        place.unlink(missing_ok=True)
    return statistics.median(taken)
