"""Opens everything a batch over folders needs (key, ledger, shelf, scratch), runs it, and adds up what happened."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from stowgate import layout
from stowgate.batch import Batch, KeepingShelf, Order, Settled
from stowgate.dicom.limits import DEFAULT, Limits
from stowgate.errors import Misconfigured, disk_code
from stowgate.events import Event, ItemSettled, Listener, RunEnded, RunStarted
from stowgate.ingest.folder import check, find
from stowgate.item import Item
from stowgate.lifecycle import State
from stowgate.look.looking import NOTHING, Looking
from stowgate.onlook import Onlook
from stowgate.policy import Policy
from stowgate.store.shelf import FolderShelf, ScratchShelf
from stowgate.store.sqlite import open_ledger, rehearse
from stowgate.store.store import Ledger
from stowgate.vault.folder import KEY, default_folder, remove
from stowgate.vault.key import Key, load, obtain
from stowgate.verify.report import Summary, limitations_of
from stowgate.way import Way


@dataclass(frozen=True, slots=True)
class Request:
    """A batch over folders, as a person asks for it.

    key -- "file:PATH" or "env:NAME"; empty: the state folder's own, made on first use
    """

    inputs: Sequence[Path] = field(repr=False)
    out: Path = field(repr=False)
    policy: Policy
    state: Path | None = field(default=None, repr=False)
    key: str = ""
    layout: str = layout.DEFAULT
    workers: int = 1
    limit: int | None = None
    dry_run: bool = False
    limits: Limits = DEFAULT
    memo: bool = True
    """Off only to measure the memo: what comes out is the same."""
    looking: Looking = NOTHING
    """What the clean pictures are looked at for; needs the extra stowgate[image]."""
    listeners: tuple[Listener, ...] = ()
    """Told of what happens as it happens: codes and counts, never values."""


@dataclass(slots=True)
class Tally:
    """What has happened so far in a run; counts and codes only."""

    received: int = 0
    bytes: int = 0
    states: Counter[State] = field(default_factory=Counter)
    already_done: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    """ "X E.1-1" and the like: action and origin of each rule that changed something."""
    modalities: Counter[str] = field(default_factory=Counter)
    worst: dict[str, Item] = field(default_factory=dict)
    """One item for each code, to judge the run by."""
    started: float = field(default_factory=time.time)

    def hear(self, event: Event) -> None:
        """A listener: counts each input, which is in exactly one place of the conservation line."""
        if not isinstance(event, ItemSettled):
            return
        item = event.item
        self.received += 1
        self.bytes += event.size
        if event.already_done:
            self.already_done += 1
            return
        self.states[item.state] += 1
        if item.code:
            self.codes[item.code] += 1
            self.worst.setdefault(item.code, item)
        else:
            self.modalities[item.modality or "none"] += 1
        self.findings.update(item.findings)
        self.rules.update(event.counts)

    def line(self) -> dict[str, int]:
        """The conservation line of scripts: a hold counts as quarantined, a duplicate as already done."""
        return {
            "received": self.received,
            "cleaned": self.states[State.CLEANED],
            "quarantined": self.states[State.HELD] + self.states[State.QUARANTINED],
            "rejected": self.states[State.REJECTED],
            "already_done": self.already_done,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did, in counts and codes."""

    tally: Tally
    policy: Policy
    key_id: str
    dry_run: bool
    ended: float

    def summary(self) -> Summary:
        """The run in numbers; printed, it is a few lines for a person."""
        tally, policy = self.tally, self.policy
        return Summary(
            received=tally.received,
            cleaned=tally.states[State.CLEANED],
            held=tally.states[State.HELD],
            quarantined=tally.states[State.QUARANTINED],
            rejected=tally.states[State.REJECTED],
            already_done=tally.already_done,
            bytes=tally.bytes,
            started=datetime.fromtimestamp(tally.started, UTC),
            ended=datetime.fromtimestamp(self.ended, UTC),
            policy=policy.digest,
            profile=policy.profile,
            options=tuple(sorted(policy.options)),
            overrides=len(policy.overrides),
            key_id=self.key_id,
            rules=dict(tally.rules),
            modalities=dict(tally.modalities),
            reasons=dict(tally.codes),
            findings=dict(tally.findings),
            limitations=limitations_of(policy),
            dry_run=self.dry_run,
        )


@dataclass(frozen=True, slots=True)
class FolderRun:
    """A run that is ready to start, and what a person should be told before it does."""

    batch: Batch
    ledger: Ledger
    policy: Policy
    key_id: str
    key_file: Path | None
    """Where a key was made just now, None if there was one."""
    dry_run: bool
    tally: Tally = field(default_factory=Tally)
    listeners: tuple[Listener, ...] = ()
    """Told of everything that happens, after the tally."""
    onlook: Onlook | None = None
    _held: ExitStack = field(default_factory=ExitStack, init=False, repr=False)

    def settled(self) -> Generator[Settled, None, None]:
        """Take every input through; each is told of and yielded once, when it is durable."""
        return self._held.enter_context(closing(self._settled()))

    def close(self) -> None:
        """Give back what was begun, while the ledger is still open: who left the loop did not end the iterator."""
        self._held.close()

    def _settled(self) -> Generator[Settled, None, None]:
        number = self.ledger.start_run(self.batch.target)
        self._tell(RunStarted(self.policy.digest))
        with closing(self.batch.run()) as run:
            for settled in self.onlook.over(run) if self.onlook else run:
                self._tell(ItemSettled(settled.item, settled.size, settled.already_done, settled.counts))
                yield settled
        self.tally.findings.update(self.onlook.codes() if self.onlook else {})
        self.ledger.end_run(number, self.tally.line())
        self._tell(RunEnded(self.tally.received))

    def _tell(self, event: Event) -> None:
        for hear in (self.tally.hear, *self.listeners):
            hear(event)

    def report(self) -> Report:
        """What has been done so far."""
        return Report(self.tally, self.policy, self.key_id, self.dry_run, time.time())


@contextmanager
def opened(request: Request) -> Iterator[FolderRun]:
    """Everything a run needs, given back at the end. Raises `Misconfigured` with what a person has to change."""
    state = (request.state or default_folder()).expanduser().absolute()
    out = request.out.expanduser().absolute()
    layout.check(request.layout)
    check(request.inputs)
    if any(out.exists() and os.path.samefile(place, out) for place in request.inputs):
        raise Misconfigured("output_is_input", str(out))
    if state.resolve().is_relative_to(out.resolve()):
        raise Misconfigured("state_in_output", str(state))
    with ExitStack() as held:
        key, made = _key(state, request)
        ledger = held.enter_context(rehearse(state, key) if request.dry_run else open_ledger(state, key))
        scratch = held.enter_context(_scratch(None if request.dry_run else state))
        order = Order(tuple(request.inputs), out, state, request.layout, request.workers, request.limit)
        target = ledger.target(request.policy.digest, out, request.layout)
        shelf: KeepingShelf = ScratchShelf() if request.dry_run else FolderShelf(out, target.out)
        held.callback(shelf.close)
        way = Way(request.policy, key.secret, shelf, scratch, request.limits, request.memo)
        made_at = state / KEY if made else None
        run = FolderRun(
            Batch(order, way, shelf, ledger),
            ledger,
            request.policy,
            key.id,
            made_at,
            request.dry_run,
            listeners=request.listeners,
            onlook=_onlook(request),
        )
        held.callback(run.close)
        yield run


def _onlook(request: Request) -> Onlook | None:
    """A dry run makes nothing that could be looked at."""
    if not request.looking or request.dry_run:
        return None
    from stowgate.look.looker import need_extra

    need_extra()
    return Onlook(request.looking, request.workers)


def count_inputs(request: Request) -> int:
    """How many inputs there are, for a progress bar."""
    own = (request.out, request.state or default_folder())
    found = find(request.inputs, [folder.expanduser().absolute() for folder in own])
    count = sum(1 for _ in found)
    return count if request.limit is None else min(count, request.limit)


def _key(state: Path, request: Request) -> tuple[Key, bool]:
    """The project's key; a dry run writes nothing, so without one it takes a key that is forgotten again."""
    if request.dry_run and not request.key:
        path = state / KEY
        return (load(f"file:{path}"), False) if path.exists() else (Key.new(), False)
    return obtain(state, request.key)


def _sweep(state: Path) -> None:
    """Take away what a killed run left in the state folder, a second copy of the key included; we hold the lock."""
    for left in state.glob("scratch-*"):
        remove(left)
    for part in state.glob(".*.part"):
        part.unlink(missing_ok=True)


@contextmanager
def _scratch(state: Path | None) -> Iterator[Path]:
    """Where normalised objects lie, which are identified: in the state folder, for a dry run in a private one."""
    try:
        folder = _new_scratch(state)
    except OSError as error:
        raise Misconfigured(disk_code(error, "state_unwritable"), str(state or "")) from None
    try:
        yield folder
    finally:
        remove(folder)


def _new_scratch(state: Path | None) -> Path:
    if state is None:
        from tempfile import mkdtemp  # loads much, and only a dry run asks for it

        return Path(mkdtemp(prefix="scratch-"))
    _sweep(state)
    folder = state / f"scratch-{os.urandom(8).hex()}"
    folder.mkdir(mode=0o700)
    return folder
