"""Does one piece of work on a spool as often as asked, each time in a process of its own that imports nothing first.

A request is one line on standard input: the work, its folder, and a file for what it says, separated by tabs. Two lines
answer it: the child's process id, and how it ended (negative: the signal that killed it). The child waits until it is
traced.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from stowgate.dicom.source import MemorySource
from stowgate.errors import StowgateError
from stowgate.store.spool import Facts
from stowgate.store.spool_folder import open_spool
from stowgate.vault.rotation import rotate_file
from stowgate.vault.unit_key import Keyring, obtain_unit_key

RAW = b"CANARY^RAW " * 30_000
"""More than one write takes."""
CLEAN = b"clean bytes " * 20_000
RING = Keyring(environ={})

Say = Callable[[str], None]


def take_in(folder: Path, say: Say) -> None:
    """One raw object by the crash recipe, then one clean one; what is said is what a sender may rely on."""
    key, _ = obtain_unit_key(f"file:{folder}.key", folder, RING)
    with open_spool(folder, key) as spool:
        writing = spool.raw.new(Facts("ct"))
        try:
            for at in range(0, len(RAW), 100_000):
                writing.write(RAW[at : at + 100_000])
            writing.finish()
            writing.keep()
            say(f"raw {writing.id}")
        finally:
            writing.abort()
        sheet = spool.clean.new()
        try:
            sheet.emit([CLEAN], MemorySource(b""))
            sheet.reread()
            sheet.close()
            say(f"clean {spool.clean.keep(sheet.place).id}")
        finally:
            spool.clean.drop(sheet.place)


def change_key(folder: Path, say: Say) -> None:
    """A new unit key for the spool."""
    key, count = rotate_file(Path(f"{folder}.key"), folder / "epochs")
    say(f"key {key.id} {count}")


WORK = {work.__name__: work for work in (take_in, change_key)}


def in_child(work: str, folder: str, out: str) -> None:
    """Do it and end, without tearing down what was inherited."""
    said = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    while b"TracerPid:\t0\n" in Path("/proc/self/status").read_bytes():
        time.sleep(0.001)
    code = 0
    try:
        WORK[work](Path(folder), lambda line: os.write(said, f"{line}\n".encode()) and None)
    except StowgateError as error:
        os.write(said, f"failed {error.code}\n".encode())
        code = 15
    os._exit(code)


def main() -> None:
    """Serve until standard input ends."""
    with tempfile.TemporaryDirectory() as warm:
        for work in WORK.values():
            work(Path(warm) / "spool", lambda _: None)
    gc.freeze()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            in_child(*line.rstrip("\n").split("\t"))
        print(child, flush=True)  # noqa: T201 - the answer
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
