"""A batch that never ends: it begins and settles groups and says so after each commit, until it is killed."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from stowgate.item import Item
from stowgate.lifecycle import State
from stowgate.store.sqlite import open_ledger
from stowgate.store.store import Made, Outcome, Start
from stowgate.vault.key import Key

GROUP = 20


def main(folder: Path, life: str) -> None:
    """Work on inputs named after this life; one line per commit: what was done and to which inputs."""
    ledger = open_ledger(folder, Key(bytes(range(32))))
    target = ledger.target("a" * 64, "/out", "{instance}.dcm")
    for first in itertools.count(step=GROUP):
        paths = [f"/in/{life}/{n}" for n in range(first, first + GROUP)]
        group = [Start(ledger.fingerprint(path, 1, 1), path, 1) for path in paths]
        ledger.begin(group)
        sys.stdout.write(f"begun {' '.join(start.id for start in group)}\n")
        sys.stdout.flush()
        ledger.settle([outcome(start, n) for n, start in enumerate(group)], target)
        sys.stdout.write(f"settled {' '.join(start.id for start in group)}\n")
        sys.stdout.flush()


def outcome(start: Start, n: int) -> Outcome:
    """Every fourth is held, the others are cleaned."""
    if n % 4 == 0:
        return Outcome(Item(start.id, State.HELD, code="graphics"))
    return Outcome(Item(start.id, State.CLEANED), Made(f"2.25.{int(start.id, 16)}", f"{start.id}.dcm", 1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
