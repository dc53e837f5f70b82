"""A gateway that never stops: threads receive and end, and say so after each commit, until they are killed."""

from __future__ import annotations

import itertools
import os
import sys
import threading
from dataclasses import replace
from pathlib import Path

from stowgate.lifecycle import State
from stowgate.store.clean_object import CleanObject
from stowgate.store.custody import Coming, Ended
from stowgate.store.custody_sqlite import SqliteCustody, open_custody
from stowgate.vault.key import Key

SENDERS = 3


def main(path: Path, life: int) -> None:
    """One line per commit: what was done and to which items."""
    ledger = open_custody(path, Key(bytes(range(32))))
    ledger.release_all()
    threading.excepthook = lambda _: os._exit(3)
    threads = [threading.Thread(target=send, args=(ledger, life, n)) for n in range(SENDERS)]
    threads.append(threading.Thread(target=work, args=(ledger, life)))
    for thread in threads:
        thread.start()


def say(verb: str, *ids: str) -> None:
    """One write for a whole line, so that lines of threads never mix."""
    os.write(1, f"{verb} {' '.join(ids)}\n".encode())


def send(ledger: SqliteCustody, life: int, sender: int) -> None:
    """Every fifth arrival is a copy of the one before."""
    before = None
    for n in itertools.count():
        id = f"{life:08x}{sender:08x}{n:016x}"
        coming = Coming(id, f"source {sender}", 1, id, id, f"{life:032x}", "CT", "1.2.3")
        if n % 5 == 4 and before:
            coming = replace(coming, instance=before.instance, content=before.content)
        (original,) = ledger.receive([coming])
        say("copy" if original else "received", id)
        before = coming


def work(ledger: SqliteCustody, life: int) -> None:
    """Lease, end, say."""
    for n in itertools.count():
        leased = [item.id for item in ledger.lease("w", 4)]
        ended = [held(id) if int(id, 16) % 7 == 0 else cleaned(id, f"{life:08x}{n:023x}{at:x}")
                 for at, id in enumerate(leased)]  # fmt: skip
        assert not ledger.end(ended)
        for end in ended:
            say(end.state.value, end.id)


def held(id: str) -> Ended:
    return Ended(id, State.HELD, code="graphics")


def cleaned(id: str, clean: str) -> Ended:
    uid = f"2.25.{int(id, 16)}"
    return Ended(
        id, State.CLEANED, cleans=(CleanObject(clean, uid, "2.25.1", "2.25.2", 1, "d", "p", "k", "1.2.3", "1.2"),)
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
