"""The parts of a gateway in a folder, opened one by one, so that a test can change one of them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from stowgate import events
from stowgate.api import deidentify_bytes
from stowgate.deident.memo import Memo
from stowgate.deident.profile import policy_from
from stowgate.gateway.backlog import Backlog
from stowgate.gateway.ending import Desk, Worked
from stowgate.gateway.examine import Examiner
from stowgate.gateway.intake import SpoolIntake
from stowgate.gateway.profiles import Profile, Profiles
from stowgate.gateway.recovery import Found, recover
from stowgate.gateway.workers import Station, Workers
from stowgate.ingest.source import Announced, Arrival, Outcome, Refused
from stowgate.lifecycle import State
from stowgate.objects import Raw
from stowgate.pipeline import process
from stowgate.store.clocks import SYSTEM, Clocks
from stowgate.store.custody import Coming, Custody
from stowgate.store.custody_sqlite import open_custody
from stowgate.store.spool_folder import Spool, open_spool
from stowgate.vault.key import Key
from stowgate.vault.unit_key import UnitKey
from stowgate.way import Bench, Passed, Way

UNIT, KEY = UnitKey(bytes(range(32))), Key(bytes(range(1, 33)))
POLICY = policy_from("basic", (), ())
OWN = Profile("", POLICY, KEY)


@dataclass
class Parts:
    """Spool, ledger, examiner, backlog; intake, desk and workers are made of them when first asked for."""

    spool: Spool
    ledger: Custody
    scratch: Path
    told: list[events.GatewayEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.examiner = Examiner(KEY, self.scratch)
        self.backlog = Backlog()
        self.bench = Bench(Memo())

    @cached_property
    def intake(self) -> SpoolIntake:
        return SpoolIntake(
            self.spool, self.ledger, self.examiner, self.backlog, self.told.append, further=self._goes_further
        )

    def _goes_further(self, copy: Coming, source: str) -> bool:
        return self.station.profiles.goes_further(copy, source)

    @cached_property
    def desk(self) -> Desk:
        return Desk(self.ledger, self.spool.raw, self.spool.clean)

    @cached_property
    def way(self) -> Way:
        return Way(POLICY, KEY.secret, self.spool.clean, self.scratch, open=lambda raw: self.spool.raw.open(raw.id))

    @cached_property
    def station(self) -> Station:
        return Station(self.way, Profiles(OWN), self.ledger, self.desk, self.backlog, self.told.append)

    @property
    def ways(self) -> dict[str, Way]:
        return self.station.ways()

    def station_with_processes(self) -> None:
        """Workers may call processes, as in a gateway."""
        self.__dict__["station"] = replace(self.station, lender=self.spool)

    def workers(self, number: int = 1) -> Workers:
        return Workers(self.station, number)

    def take_in(self, data: bytes, source: str = "ct") -> Outcome:
        return self.intake.receive(arrival(data, source))

    def accept(self, data: bytes, source: str = "ct") -> str:
        """The id of an instance that is accepted."""
        outcome = self.take_in(data, source)
        assert not isinstance(outcome, Refused), outcome
        return outcome.item

    def work(self, most: int = 100) -> list[str]:
        """Lease and end what there is, as one worker does, in one group; the ids."""
        leased = self.ledger.lease("test", most)
        done = self.desk.end([worked(process(Raw(item.id, ""), self.way, self.bench)) for item in leased])
        return [one.id for one in done]

    def recover(self) -> Found:
        return recover(self.spool.raw, self.spool.clean, self.ledger, self.examiner, self.told.append)

    def state(self, id: str) -> tuple[State, str]:
        row = self.ledger.row(id)
        assert row is not None
        return row.state, row.code

    def counts(self) -> dict[str, int]:
        """Items by state, over all sources, without the zeros."""
        found: dict[str, int] = {}
        for states in self.ledger.counts().values():
            for state, number in states.items():
                if number:
                    found[state.value] = found.get(state.value, 0) + number
        return found

    def clean_bytes(self, id: str) -> bytes:
        clean = self.ledger.clean_of_item(id)
        assert clean is not None
        with self.spool.clean.open(clean.id) as source:
            return source.read(0, source.size)

    def raw_bytes(self, id: str) -> bytes:
        with self.spool.raw.open(id) as source:
            return source.read(0, source.size)

    @property
    def raw_ids(self) -> set[str]:
        return set(self.spool.raw.ids())

    @property
    def clean_ids(self) -> set[str]:
        return set(self.spool.clean.ids())

    @property
    def files(self) -> list[str]:
        """Names of everything that is not the ledger's or a key's."""
        root = self.spool.folder
        found = [path for name in ("raw", "clean", "parts", "scratch") for path in (root / name).rglob("*")]
        return [str(path.relative_to(root)) for path in found if path.is_file()]

    def events(self, kind: type) -> list[Any]:
        return [one for one in self.told if isinstance(one, kind)]


@contextmanager
def parts(folder: Path, reserve: int = 1, clocks: Clocks = SYSTEM) -> Iterator[Parts]:
    """Everything opened in a folder, as a process does it; closed at the end."""
    with open_spool(folder, UNIT, reserve) as spool, open_custody(spool.folder / "ledger.db", KEY, clocks) as ledger:
        scratch = folder / "scratch"
        scratch.mkdir(exist_ok=True)
        yield Parts(spool, ledger, scratch)


def worked(passed: Passed) -> Worked:
    """How work by the unit's own profile alone ended."""
    return Worked(passed.item.id, ((OWN, passed),))


def arrival(data: bytes, source: str = "ct", read: Callable[[int], bytes] | None = None) -> Arrival:
    return Arrival(Announced(source), read or io.BytesIO(data).read)


def expected(data: bytes) -> bytes:
    """What the engine makes of an object by itself."""
    return deidentify_bytes(data, POLICY, KEY.secret)


def flip(path: Path, at: int = -40) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))


def raw_file(parts: Parts, id: str) -> Path:
    return parts.spool.folder / "raw" / id[:2] / id


def clean_file(parts: Parts, id: str) -> Path:
    return parts.spool.folder / "clean" / id[:2] / id
