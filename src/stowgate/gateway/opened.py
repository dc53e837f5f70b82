"""Opens a gateway: keys, spool, ledger, audit log, start-up, intake, workers; gives all of it back in the end."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from stowgate import events
from stowgate.errors import Misconfigured, Temporary
from stowgate.gateway.backlog import Backlog
from stowgate.gateway.ending import Desk
from stowgate.gateway.examine import Examiner
from stowgate.gateway.intake import SpoolIntake
from stowgate.gateway.onlooker import Onlooker
from stowgate.gateway.outbox import Outbox
from stowgate.gateway.plan import Plan, Recipient
from stowgate.gateway.profiles import Profile, Profiles
from stowgate.gateway.purge import Purge
from stowgate.gateway.recovery import Found, recover
from stowgate.gateway.workers import Station, Workers, newly_received
from stowgate.look import judges
from stowgate.look.looker import Looker, LookLimits
from stowgate.objects import Raw
from stowgate.observe.audit import AuditLog
from stowgate.store.custody_sqlite import SqliteCustody, open_custody
from stowgate.store.sheet import Original
from stowgate.store.spool_folder import Spool, open_spool
from stowgate.store.study import Completed
from stowgate.vault.folder import KEY, LEDGER, key_name
from stowgate.vault.key import Key, found_or_made, load, obtain
from stowgate.vault.unit_key import Keyring, obtain_unit_key
from stowgate.way import Way

SCRATCH = "scratch"
_LAST = 2.0
"""Seconds a parcel gets to end after the workers: it is sent again, and the same bytes twice have no effect."""
_BEHIND = 10
"""How far the process that looks at pictures steps back behind those that take objects in (nice(2))."""
_IN_TIME = 6.0
"""Seconds the workers get to finish what is under way, once the sources have ended: together less than 30."""


class Ears:
    """Everybody who listens to the gateway's events; one that fails does not keep the others from hearing."""

    def __init__(self) -> None:
        self._watchers: list[events.Watcher] = []
        self._missed = 0

    def add(self, watcher: events.Watcher) -> None:
        """One more who listens, from now on."""
        self._watchers.append(watcher)

    def tell(self, event: events.GatewayEvent) -> None:
        """Tell all of them."""
        for watcher in self._watchers:
            try:
                watcher(event)
            except Exception:  # noqa: BLE001 - a listener's fault must not become an object's
                self._missed += 1

    @property
    def missed(self) -> int:
        """How often a listener failed."""
        return self._missed


@dataclass(slots=True)
class Gateway:
    """An open gateway that takes things in and works on them."""

    plan: Plan
    key: Key
    spool: Spool
    ledger: SqliteCustody
    audit: AuditLog
    ears: Ears
    intake: SpoolIntake
    workers: Workers
    backlog: Backlog
    found: Found
    outbox: Outbox
    profiles: Profiles
    purge: Purge
    made: tuple[Path, ...] = field(default=())
    """Key files that were made just now: a person has to be told to back them up."""
    told: frozenset[Completed] = frozenset()
    """What was told of and could not be noted: it is not told at every turn."""

    def room(self) -> int:
        """Bytes above the reserve; 0 when the disk cannot be asked."""
        try:
            return max(0, self.spool.free().bytes - self.spool.reserve)
        except Temporary:
            return 0

    def note_completeness(self) -> list[Completed]:
        """Mark studies that all came of, or nothing for long enough, and tell which of them lack something."""
        done = self.ledger.complete_studies(self.plan.complete_after)
        short = self.ledger.shortages()  # those, too, that were found before a death and told to nobody
        for one in short:
            if one not in self.told:
                self.ears.tell(events.Noticed("study_short", one.source, study=one.alias, count=one.missing))
        self.told = frozenset(short)
        self.ledger.shortages_told([one.alias for one in short])
        self.told = frozenset()
        return done


@contextmanager
def opened(
    plan: Plan,
    ears: Ears | None = None,
    ask: Callable[[], str] | None = None,
    *,
    work: bool = True,
    made: Callable[[Path], None] = lambda _: None,
) -> Iterator[Gateway]:
    """Everything but sources and pages, running; given back at the end, workers first.

    ask  -- asks for the passphrase of the spool on the terminal
    work -- whether workers begin; without them only a person's acts are carried out
    made -- told of each key file that was made, at once: the start may still fail, and the next one makes none

    Raises `Misconfigured` with what a person has to change, `Temporary` when the disk fails.
    """
    ears = ears or Ears()
    with ExitStack() as held:
        paths: list[Path] = []
        note = _noting(paths, made)
        unit, is_new = obtain_unit_key(plan.unit_key, plan.spool, Keyring(plan.base, ask=ask))
        if is_new:
            note(_path(plan, plan.unit_key))
        spool = held.enter_context(open_spool(plan.spool, unit, plan.reserve))
        key, is_new = obtain(spool.folder, plan.project_key)
        if is_new:
            note(spool.folder / KEY)
        ledger = held.enter_context(open_custody(spool.folder / LEDGER, key))
        scratch = held.enter_context(_scratch(spool.folder))
        ears.add((audit := AuditLog(spool.folder, key.sub(b"audit"))).watch)
        examiner = Examiner(key, scratch, plan.limits, plan.patterns, plan.triage)
        found = recover(spool.raw, spool.clean, ledger, examiner, ears.tell)
        profiles = _profiles(plan, key, spool.folder, ledger, note)
        backlog = Backlog(newly_received(ledger))
        outbox = held.enter_context(_outbox(plan, profiles, spool, ledger, ears))
        intake = SpoolIntake(spool, ledger, examiner, backlog, ears.tell, further=profiles.goes_further)
        way = Way(plan.policy, key.secret, spool.clean, scratch, plan.limits, open=_from(spool))
        desk = Desk(ledger, spool.raw, spool.clean, plan.limits)
        station = Station(way, profiles, ledger, desk, backlog, ears.tell, plan.issuers, lender=spool)
        workers = Workers(station, plan.workers)
        purge = held.enter_context(_purge(plan, ledger, spool, ears))
        onlooker = held.enter_context(_onlooker(plan, ledger, spool, ears))
        held.callback(workers.stop, _IN_TIME)
        held.callback(intake.stop)
        held.callback(outbox.stop, 0.0)
        if work:
            for part in (workers, outbox, purge, onlooker):
                part.start()
        working = (intake, workers, backlog, found, outbox, profiles, purge)
        yield Gateway(plan, key, spool, ledger, audit, ears, *working, tuple(paths))


def _from(spool: Spool) -> Callable[[Raw], Original]:
    """Originals are those of the spool."""
    return lambda raw: spool.raw.open(raw.id)


def _noting(paths: list[Path], made: Callable[[Path], None]) -> Callable[[Path], None]:
    def note(path: Path) -> None:
        paths.append(path)
        made(path)

    return note


def _profiles(plan: Plan, key: Key, spool: Path, ledger: SqliteCustody, made: Callable[[Path], None]) -> Profiles:
    """The unit's own and those of its recipients, each with its key."""
    others = [_recipient(one, spool, ledger, made) for one in plan.recipients]
    return Profiles(Profile("", plan.policy, key), others, plan.rules, [way.name for way in plan.ways], plan.triage)


def _recipient(one: Recipient, spool: Path, ledger: SqliteCustody, made: Callable[[Path], None]) -> Profile:
    """A profile with its key. Misconfigured("wrong_key") for another one than it had: its pseudonyms would not fit."""
    path, known = spool / key_name(one.name), ledger.key_of_profile(one.name)
    key, is_new = (load(one.key), False) if one.key else found_or_made(path, known=bool(known))
    if is_new:
        made(path)
    owner = known or ledger.claim_profile(one.name, key.id)
    if owner != key.id:
        raise Misconfigured("wrong_key", f"profile {one.name} was made with key {owner}, this is key {key.id}")
    return Profile(one.name, one.policy, key)


@contextmanager
def _purge(plan: Plan, ledger: SqliteCustody, spool: Spool, ears: Ears) -> Iterator[Purge]:
    """What deletes; it ends before the rest does."""
    purge = Purge(plan.keeping, ledger, spool, ears.tell)
    ears.add(purge.watch)
    try:
        yield purge
    finally:
        purge.stop()


@contextmanager
def _onlooker(plan: Plan, ledger: SqliteCustody, spool: Spool, ears: Ears) -> Iterator[Onlooker]:
    """Who looks at pictures, behind everybody else; it is not waited for."""
    eye = Looker(LookLimits(nice=_BEHIND))
    onlooker = Onlooker(plan.looking, ledger, spool.clean, eye, judges, ears.tell, reasons=plan.triage)
    ears.add(onlooker.watch)
    try:
        yield onlooker
    finally:
        onlooker.stop(_LAST)


@contextmanager
def _outbox(plan: Plan, profiles: Profiles, spool: Spool, ledger: SqliteCustody, ears: Ears) -> Iterator[Outbox]:
    """What leads out; it is waited for when the workers have ended."""
    outbox = Outbox(plan.ways, profiles, ledger, spool.clean, ears.tell)
    ears.add(outbox.watch)
    try:
        yield outbox
    finally:
        outbox.stop(_LAST)


def _path(plan: Plan, reference: str) -> Path:
    return plan.base / Path(reference.partition(":")[2]).expanduser()


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Where normalised objects and whatever a library puts aside lie: inside the spool, swept at start and end."""
    scratch = folder / SCRATCH
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700)
    before, tempfile.tempdir = tempfile.tempdir, str(scratch)
    environment, os.environ["TMPDIR"] = os.environ.get("TMPDIR"), str(scratch)
    try:
        yield scratch
    finally:
        tempfile.tempdir = before
        if environment is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = environment
        shutil.rmtree(scratch, ignore_errors=True)
