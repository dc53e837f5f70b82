"""One shelf on the disk: parts that get their names by the crash recipe, and named files in fan-out folders."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Lock
from typing import TypeVar

from stowgate.errors import Rejected, Temporary, disk_code
from stowgate.store.loan import Loan
from stowgate.store.sealed import SealedSource, SealedWriter, open_sealed, read_beginning
from stowgate.store.sealed_header import ID, Header, Kind, epoch_of, make, parse
from stowgate.store.spool import Facts
from stowgate.vault.epochs import Epoch, Epochs
from stowgate.vault.folder import sync_folder

PART = ".part"
_is_id = re.compile(r"[0-9a-f]{32}").fullmatch
_is_fan = re.compile(r"[0-9a-f]{2}").fullmatch


class Part:
    """A file without a name yet. It is named or dropped in the end; both give back what is held."""

    def __init__(self, id: str, path: str, epoch: Epoch, header: Header) -> None:
        self.id, self.path, self.epoch = id, path, epoch
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._header = header
        self._writer: SealedWriter | None = None

    @property
    def held(self) -> bool:
        """Whether it was neither named nor dropped."""
        return self._fd >= 0

    def writer(self, seen: Callable[[bytes | memoryview], object] | None = None) -> SealedWriter:
        """The one writer of the file; `seen` is shown the plain bytes."""
        self._writer = SealedWriter(self._fd, self._header, seen)
        return self._writer

    def close(self) -> None:
        """Give back what is held."""
        if self._writer is not None:
            self._writer.let_go()
        os.close(self._fd)
        self._fd = -1


class Lent:
    """A part that another process writes. It is named or dropped here, like any other."""

    def __init__(self, id: str, path: str, epoch: Epoch, header: Header) -> None:
        self.id, self.path, self.epoch, self.loan = id, path, epoch, Loan(id, path, header)
        self.held = True
        """Whether it was neither named nor dropped."""

    def close(self) -> None:
        """Give back what is held."""
        self.held = False


AnyPart = TypeVar("AnyPart", Part, Lent)


class SealedFolder:
    """The files of one shelf below `folder`; their parts lie in `parts`, in the same file system."""

    def __init__(self, folder: Path, parts: Path, kind: Kind, epochs: Epochs) -> None:
        self.folder, self._parts = folder, parts
        self._kind, self._epochs = kind, epochs
        self._fans: set[str] = set()
        self._lock = Lock()

    def start(self, facts: Facts) -> Part:
        """A part of a fresh random id. `Temporary` when the disk fails."""
        return self._begun(Part, facts)

    def lend(self, facts: Facts) -> Lent:
        """As `start`, for another process to write: nothing lies there yet."""
        return self._begun(Lent, facts)

    def _begun(self, kind: Callable[[str, str, Epoch, Header], AnyPart], facts: Facts) -> AnyPart:
        id = os.urandom(ID).hex()
        epoch = self._epochs.begin()
        try:
            return kind(id, f"{self._parts}/{id}{PART}", epoch, make(self._kind, id, epoch, facts))
        except OSError as error:
            self._epochs.end(epoch)
            raise Temporary(disk_code(error, "spool_failed")) from None
        except BaseException:
            self._epochs.end(epoch)
            raise

    def name(self, part: Part | Lent) -> None:
        """Steps 3 and 4 of the crash recipe for a part that was synced.

        `Temporary` when the disk fails; then nothing is under the name, nor in the parts.
        """
        if not part.held:
            raise ValueError("a part is named once")
        path = self.path_of(part.id)
        try:
            self._fan_out(path)
            os.rename(part.path, path)
            sync_folder(Path(path).parent)
        except OSError as error:
            _unlink(path)
            _unlink(part.path)
            raise Temporary(disk_code(error, "spool_failed")) from None
        finally:
            self._let_go(part)

    def drop(self, part: Part | Lent) -> None:
        """Forget a part; harmless when it was named or dropped."""
        if part.held:
            _unlink(part.path)
            self._let_go(part)

    def path_of(self, id: str) -> str:
        """Where an object lies; Rejected("payload_lost") for what is no id."""
        if not _is_id(id):
            raise Rejected("payload_lost")
        return f"{self.folder}/{id[:2]}/{id}"

    def open(self, id: str) -> SealedSource:
        """The plain bytes; Rejected: "payload_lost", "spool_damaged"."""
        return open_sealed(self.path_of(id), self._kind, id, self._epochs.key)

    def loan(self, id: str) -> Loan:
        """What another process needs to read an object, and nothing else. Raises as `open` does."""
        path = self.path_of(id)
        return Loan(id, path, parse(read_beginning(path), self._kind, id, self._epochs.key))

    def facts(self, id: str) -> Facts:
        """What the header says. Raises as `open` does."""
        return parse(read_beginning(self.path_of(id)), self._kind, id, self._epochs.key).facts

    def ids(self) -> Iterator[str]:
        """Every object that has its name, in no order."""
        for fan in _names(self.folder):
            if _is_fan(fan):
                yield from (id for id in _names(self.folder / fan) if _is_id(id) and id[:2] == fan)

    def delete(self, id: str) -> None:
        """Unlink an object; gone already is fine."""
        try:
            os.unlink(self.path_of(id))
        except FileNotFoundError:
            return
        except OSError as error:
            raise Temporary(disk_code(error, "spool_failed")) from None

    def _fan_out(self, path: str) -> None:
        """The folder of a file, durable before anything is put into it; a dead process may have left it unsynced."""
        folder = os.path.dirname(path)
        with self._lock:
            if folder not in self._fans:
                Path(folder).mkdir(mode=0o700, exist_ok=True)
                sync_folder(self.folder)
                self._fans.add(folder)

    def _let_go(self, part: Part | Lent) -> None:
        part.close()
        self._epochs.end(part.epoch)


def epochs_in_use(shelves: Iterable[SealedFolder]) -> Counter[bytes]:
    """How many named objects hang on each epoch, read from their headers; what `Epochs.destroy` wants to be told.

    A file without a readable header hangs on nothing: no key could open it. An object being written is lent its epoch,
    and destroying knows that by itself. `Temporary` when the disk fails: then nothing is known, and nothing destroyed.
    """
    found: Counter[bytes] = Counter()
    for shelf in shelves:
        for id in shelf.ids():
            try:
                data = read_beginning(shelf.path_of(id))
            except Rejected as error:
                if error.code == "payload_lost":
                    continue  # deleted since it was listed
                raise Temporary("spool_failed") from None
            epoch = epoch_of(data)
            if epoch is not None:
                found[epoch] += 1
    return found


def sweep(parts: Path) -> int:
    """Unlink the parts that a dead process left, and nothing else; how many there were."""
    left = [name for name in _names(parts) if name.endswith(PART)]
    for name in left:
        _unlink(f"{parts}/{name}")
    return len(left)


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError as error:
        raise Temporary(disk_code(error, "spool_failed")) from None


def _unlink(path: str) -> None:
    """Take a file away that must not stay; a disk that fails here leaves it to the sweep at the next start."""
    try:
        os.unlink(path)
    except OSError:
        return
