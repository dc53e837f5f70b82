"""The child process of `normalise`: one object after the other, under limits; it answers with a code and nothing else.

Inherits three descriptors: the object, room to inflate it, and the file to write. A line of JSON on standard input asks
(size and limits), a line on standard output answers: "ok" or a code of `stowgate.reasons`.
"""

from __future__ import annotations

import errno
import json
import math
import os
import resource
import sys
import warnings
from contextlib import suppress

from stowgate.dicom.limits import Limits
from stowgate.errors import Rejected

READY = "ready"
OK = "ok"
DISK_FULL = "disk_full"
_MEMORY = 1024 * 1024 * 1024
_DESCRIPTORS = 32
_HEADROOM = 64 * 1024 * 1024
"""Bytes a rewritten object may be larger than twice its source: headers grow, values do not."""


def main() -> None:
    """Serve requests until standard input ends."""
    given, inflated, written = map(int, sys.argv[1:4])
    warnings.simplefilter("ignore")
    sys.modules["numpy"] = None  # type: ignore[assignment]  # pydicom works without: half the memory, half the start
    from stowgate.dicom import odd  # noqa: F401  # before memory is limited

    limit_process()
    _say(READY)
    for line in sys.stdin.buffer:
        request = json.loads(line)
        size, limits = int(request["size"]), Limits(**request["limits"])
        limit_object(size, limits)
        _say(serve(size, limits, given, inflated, written))


def serve(size: int, limits: Limits, given: int, inflated: int, written: int) -> str:
    """One request. Whatever goes wrong inside becomes a code: messages of a parser quote what they read."""
    from stowgate.dicom import odd

    for room in (inflated, written):
        os.ftruncate(room, 0)
        os.lseek(room, 0, os.SEEK_SET)
    try:
        odd.rewrite(given, inflated, written, size, limits)
    except Rejected as refused:
        return refused.code
    except OSError as error:
        return DISK_FULL if error.errno in (errno.ENOSPC, errno.EDQUOT) else "cannot_normalise"
    except Exception:  # noqa: BLE001  # a code, whatever it was
        return "cannot_normalise"
    finally:
        os.ftruncate(inflated, 0)
    return OK


def _say(answer: str) -> None:
    os.write(1, answer.encode() + b"\n")


def limit_process() -> None:
    """Limits for the life of the process: memory, descriptors, no core dump."""
    for what, most in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_NOFILE, _DESCRIPTORS),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError, OSError):  # a system may know the limit and not let it be set
            resource.setrlimit(what, (most, most))


def limit_object(size: int, limits: Limits) -> None:
    """Limits for one object: processor time beyond what was spent so far, and bytes written."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = math.ceil(used.ru_utime + used.ru_stime + limits.seconds) + 1
    _soften(resource.RLIMIT_CPU, seconds)
    _soften(resource.RLIMIT_FSIZE, max(2 * size, limits.inflate_bytes) + _HEADROOM)


def _soften(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


if __name__ == "__main__":
    main()
