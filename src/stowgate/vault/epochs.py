"""Epoch keys: each wraps the keys of some thousand objects, and destroying one is how they are erased for good."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from stowgate.errors import Misconfigured, Rejected, Temporary
from stowgate.vault import epoch_file
from stowgate.vault.unit_key import UnitKey

OBJECTS = 10_000
SECONDS = 24 * 3600.0
_KEY = 32


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch: a random id of 16 bytes and a key of 32."""

    id: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Opened:
    """What lies in a folder of epochs, as one unit key sees it."""

    epochs: dict[bytes, Epoch]
    foreign: frozenset[bytes]
    """Epochs that this key does not open and others may."""
    damaged: frozenset[bytes]
    """Files that are not what was written."""
    shared: frozenset[bytes]
    """Epochs that another key opens, too: what a change of the unit key left behind when it was cut short."""


def look(folder: Path, unit: UnitKey) -> Opened:
    """Try the key on every epoch; nothing is changed."""
    epochs: dict[bytes, Epoch] = {}
    foreign, damaged, shared = set(), set(), set()
    for path in epoch_file.paths(folder):
        id, wrapped = epoch_file.id_of(path), epoch_file.read(path)
        mine = [one for one in wrapped or () if epoch_file.owner_of(one) == unit.id]
        key = epoch_file.unwrap(unit, id, mine[0]) if mine else None
        if wrapped is None or (mine and key is None):
            damaged.add(id)
        elif key is None:
            foreign.add(id)
        else:
            epochs[id] = Epoch(id, key)
            if len(wrapped) > 1:
                shared.add(id)
    return Opened(epochs, frozenset(foreign), frozenset(damaged), frozenset(shared))


class Epochs:
    """The epochs of one spool. Calls come from any thread.

    A new epoch begins with the first object after opening, after `objects` objects and after `seconds` of `clock`,
    which is monotonic. Opening raises Misconfigured("wrong_key") if there is an epoch that the unit key does not open.
    A damaged file stops nobody: what lies under it is damaged, everything else goes on.
    owner -- False for a process that only reads beside the owner of the spool: it changes nothing, begins no epoch, and
             finds those that the owner began since.
    """

    def __init__(
        self,
        folder: Path,
        unit: UnitKey,
        objects: int = OBJECTS,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
        owner: bool = True,
    ) -> None:
        self._folder, self._unit, self._clock = folder, unit, clock
        self._objects, self._seconds, self._owner = objects, seconds, owner
        self._lock = Lock()
        self._current: Epoch | None = None
        self._used, self._began = 0, 0.0
        self._lent: Counter[bytes] = Counter()
        opened = look(folder, unit)
        if opened.foreign:
            count = f"{len(opened.foreign)} of {len(opened.foreign) + len(opened.epochs)} epochs"
            raise Misconfigured("wrong_key", f"key {unit.id} does not open {count}")
        self._epochs = dict(opened.epochs)
        self.damaged = opened.damaged
        if owner:
            self._settle(opened.shared)

    def begin(self) -> Epoch:
        """The epoch for a new object, durable already; give it back with `end` when the object's file is closed."""
        if not self._owner:
            raise ValueError("only the owner of a spool writes to it")
        with self._lock:
            if self._current is None or self._used >= self._objects or self._clock() - self._began >= self._seconds:
                self._current = self._new()
                self._used, self._began = 0, self._clock()
            self._used += 1
            self._lent[self._current.id] += 1
            return self._current

    def end(self, epoch: Epoch) -> None:
        """An object's file is closed: from now on its header is what counts."""
        with self._lock:
            self._lent[epoch.id] -= 1

    def key(self, id: bytes) -> bytes:
        """The key of an epoch; Rejected("spool_damaged") for one that is not there."""
        found = self._epochs.get(id) or (None if self._owner else self._begun_since(id))
        if found is None:
            raise Rejected("spool_damaged")
        return found.key

    def ids(self) -> frozenset[bytes]:
        """All epochs that can be opened."""
        with self._lock:
            return frozenset(self._epochs)

    def idle(self) -> frozenset[bytes]:
        """Epochs that are over and that no object is being written under: once idle, an epoch stays so."""
        with self._lock:
            current = self._current.id if self._current is not None else b""
            return frozenset(id for id in self._epochs if id != current and not self._lent[id])

    def destroy(self, id: bytes, left: int) -> bool:
        """The crypto-erase of everything under an epoch; False, and nothing done, while something needs it.

        left -- how many objects on the shelves are under it (`store.sealed_folder.epochs_in_use`), counted after `idle`
        has named the epoch: an object that got its name while others were counted would be lost.
        """
        if left or not self._owner or id not in self.idle():
            return False
        with self._lock:
            epoch_file.erase(self._folder, id)
            self._epochs.pop(id, None)
            self._lent.pop(id, None)
            return True

    def _begun_since(self, id: bytes) -> Epoch | None:
        path = epoch_file.path_of(self._folder, id)
        for wrapped in (epoch_file.read(path) or ()) if path.exists() else ():
            key = epoch_file.unwrap(self._unit, id, wrapped)
            if key is not None:
                return Epoch(id, key)
        return None

    def _new(self) -> Epoch:
        epoch = Epoch(os.urandom(epoch_file.ID), os.urandom(_KEY))
        epoch_file.write(self._folder, epoch.id, [epoch_file.wrap(self._unit, epoch.id, epoch.key)])
        self._epochs[epoch.id] = epoch
        return epoch

    def _settle(self, shared: frozenset[bytes]) -> None:
        """End a change of the unit key that was cut short: the key that opens everything is the one that stays."""
        try:
            for id in shared:
                epoch_file.write(self._folder, id, [epoch_file.wrap(self._unit, id, self._epochs[id].key)])
        except Temporary:
            return  # a full disk must not keep what is held from leaving; the next start tries again
