"""The ledger in memory: the twin of the SQLite one for tests, demos and callers who keep no state."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from stowgate.lifecycle import State
from stowgate.store.aliases import Aliases
from stowgate.store.store import Earlier, Known, Made, Outcome, Run, Start, Target
from stowgate.vault.key import Key


@dataclass(slots=True)
class _Row:
    path: str
    state: State = State.RECEIVED
    code: str | None = None
    attempts: int = 0


class MemoryLedger:
    """A `store.Ledger` that is gone with its process. Every call is short enough to need no lock under one writer."""

    def __init__(self, key: Key, clock: Callable[[], float] = time.time) -> None:
        self._aliases = Aliases(key)
        self._clock = clock
        self._items: dict[str, _Row] = {}
        self._cleans: dict[tuple[Target, str], Earlier] = {}
        self._made: dict[tuple[Target, str], dict[str, Made]] = {}
        self._targets: set[Target] = set()
        self._runs: list[Run] = []

    def fingerprint(self, path: str | os.PathLike[str], size: int, mtime_ns: int) -> str:
        """The same alias as in every ledger of this key."""
        return self._aliases.fingerprint(path, size, mtime_ns)

    def target(self, policy: str, out: str | os.PathLike[str], layout: str) -> Target:
        """The same target as in every ledger of this key."""
        return self._aliases.target(policy, out, layout)

    def lookup(self, ids: Collection[str], target: Target) -> dict[str, Known]:
        """One dictionary access each."""
        return {id: self._known(id, self._items[id], target) for id in ids if id in self._items}

    def begin(self, group: Sequence[Start]) -> frozenset[str]:
        """Nothing has to be durable: a crash takes the attempts with it. Nobody else takes items out of our hands."""
        for start in group:
            row = self._items.setdefault(start.id, _Row(start.path))
            row.state, row.code, row.attempts = State.RECEIVED, None, row.attempts + 1
        return frozenset()

    def settle(self, group: Sequence[Outcome], target: Target) -> frozenset[str]:
        """Item by item, clean object and state together."""
        left = set()
        for outcome in group:
            row = self._items.get(outcome.item.id)
            if row is None or row.state is not State.RECEIVED:
                left.add(outcome.item.id)
                continue
            row.state, row.code, row.attempts = outcome.item.state, outcome.item.code, 0
            if outcome.made:
                self._keep(outcome.item.id, outcome.made, target)
        return frozenset(left)

    def cover(self, instances: Collection[str], target: Target) -> None:
        """Other policies are few, so each is asked."""
        for other in self._targets - {target}:
            for uid in instances if other.out == target.out else ():
                if earlier := self._cleans.pop((other, uid), None):
                    del self._made[other, earlier.item][uid]

    def release(self, ids: Collection[str]) -> None:
        """Only what is being worked on has a start to take back."""
        for id in ids:
            row = self._items.get(id)
            if row and row.state is State.RECEIVED and row.attempts:
                row.attempts -= 1

    def by_instance(self, instances: Collection[str], target: Target) -> dict[str, Earlier]:
        """One dictionary access each."""
        return {uid: self._cleans[target, uid] for uid in instances if (target, uid) in self._cleans}

    def counts(self) -> dict[State, int]:
        """Counts every row."""
        found = Counter(row.state for row in self._items.values())
        return {state: found[state] for state in State}

    def path_of(self, id: str) -> str | None:
        """Kept plain, as memory is."""
        row = self._items.get(id)
        return row.path if row else None

    def start_run(self, target: Target) -> int:
        """Numbered from 1."""
        self._runs.append(Run(len(self._runs) + 1, target, self._clock(), None, {}))
        return len(self._runs)

    def end_run(self, run: int, counted: Mapping[str, int]) -> None:
        """Only the first end counts."""
        if self._runs[run - 1].ended is None:
            self._runs[run - 1] = replace(self._runs[run - 1], ended=self._clock(), counted=dict(counted))

    def runs(self) -> list[Run]:
        """A list of its own."""
        return list(self._runs)

    def close(self) -> None:
        """Nothing to let go of."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _known(self, id: str, row: _Row, target: Target) -> Known:
        made = [*self._made.get((target, id), {}).values()][-1:]
        size, relative = (made[0].size, made[0].relative) if made else (None, None)
        return Known(row.state, row.code, row.attempts, relative, size)

    def _keep(self, id: str, made: Made, target: Target) -> None:
        self._targets.add(target)
        earlier = self._cleans.get((target, made.instance))
        if earlier:
            del self._made[target, earlier.item][made.instance]
        self._cleans[target, made.instance] = Earlier(id, made)
        self._made.setdefault((target, id), {})[made.instance] = made
