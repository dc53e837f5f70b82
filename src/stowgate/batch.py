"""The batch journey: inputs in groups through the pipeline, each group made durable before it counts (DESIGN 6)."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from stowgate import layout
from stowgate.desk import Desk
from stowgate.dicom.budget import NeedMore, OddEncoding
from stowgate.dicom.same import same_content
from stowgate.dicom.source import FileSource
from stowgate.errors import Misconfigured, Rejected
from stowgate.ingest.folder import Input, find
from stowgate.item import Item
from stowgate.lifecycle import State
from stowgate.objects import CleanRef, Place, Raw
from stowgate.pipeline import process, stopped
from stowgate.store.sheet import Shelf
from stowgate.store.store import Known, Ledger, Made, Outcome, Start, Target
from stowgate.threads import Threads
from stowgate.way import Bench, Passed, Way

if TYPE_CHECKING:
    from concurrent.futures import Future

GROUP = 200
"""Inputs that share one sync and one commit."""

MOST_STARTS = 3


class KeepingShelf(Shelf, Protocol):
    """A shelf that can make a group durable under its final names."""

    def keep(self, pairs: Iterable[tuple[Place, str]]) -> None:
        """(temporary, relative path) of each; see `store.shelf.FolderShelf.keep`."""

    forgets: bool
    """Whether what it kept is gone, as in a dry run."""

    def close(self) -> None:
        """Leave nothing but clean objects behind."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a batch is asked to do."""

    inputs: tuple[Path, ...] = field(repr=False)
    out: Path = field(repr=False)
    state: Path = field(repr=False)
    layout: str = layout.DEFAULT
    workers: int = 1
    limit: int | None = None
    """Take at most this many inputs."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one input. `source` is for its owner only; `item` is safe to show."""

    source: str = field(repr=False)
    out: Path = field(repr=False)
    item: Item
    size: int
    relative: str = ""
    """Path of the output below OUT; clean values only."""
    already_done: bool = False
    place: str = ""
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def output(self) -> Path | None:
        """Where the clean object lies, None if there is none."""
        return self.out / self.relative if self.relative else None


@dataclass(slots=True)
class _Work:
    """One input of a group with what became of it; `passed` stays None if it was done in an earlier run."""

    input: Input
    raw: Raw
    known: Known | None
    passed: Passed | None = None
    done: str = ""
    """Path below OUT of what an earlier run made of it for this very target."""

    def is_suspect(self) -> bool:
        """Whether a run died while it was being worked on."""
        return self.known is not None and self.known.attempts > 0


@dataclass(slots=True)
class _Group:
    """Inputs that are settled together, and the threads' promises to finish them."""

    works: list[_Work] = field(default_factory=list)
    promises: list[Future[None]] = field(default_factory=list)

    def finished(self) -> list[_Work]:
        """Wait for all of it; what a thread raised is raised here."""
        for promise in self.promises:
            promise.result()
        return self.works


class Batch:
    """One run over an order. One process, one ledger; `run` yields each input once, when it is durable."""

    def __init__(self, order: Order, way: Way, shelf: KeepingShelf, ledger: Ledger) -> None:
        self._order = order
        self._way = way
        self._shelf = shelf
        self._ledger = ledger
        self._threads = threading.local()
        self._desks: list[Desk] = []
        self.target: Target = ledger.target(way.policy.digest, order.out, order.layout)
        home = os.path.realpath(order.out)
        self._inputs = [place for place in map(os.path.realpath, order.inputs) if _is_in(place, home)]
        """Those that lie in the output folder, where something could be written over them."""
        self._begun: set[str] = set()
        self._made: dict[str, tuple[str, Place]] = {}
        """New SOP Instance UID -> item and temporary, of the group that is being settled."""
        self._forgotten: set[str] = set()
        """Items whose clean objects a dry run has forgotten again."""

    def run(self) -> Generator[Settled, None, None]:
        """Take every input through. Raises `Temporary` or `Misconfigured` when the run itself cannot go on."""
        with closing(Threads(self._order.workers)) as pool:
            ahead = _Group()
            try:
                for works in self._groups():
                    if self._order.workers == 1 or works[0].is_suspect():
                        yield from self._settle(ahead)  # nothing else may be under way when this one kills the run
                        yield from self._settle(self._start(works, pool))
                        ahead = _Group()
                        continue
                    started = self._start(works, pool)
                    yield from self._settle(ahead)
                    ahead = started
                yield from self._settle(ahead)
            finally:
                try:
                    pool.close()
                    for desk in self._desks:
                        desk.close()
                finally:  # also when a second Ctrl-C comes meanwhile
                    self._ledger.release(self._begun)  # an orderly stop is no fault of the objects

    def _groups(self) -> Iterator[list[_Work]]:
        """Inputs in groups; one that was being worked on when an earlier run died comes alone."""
        found: Iterable[Input] = find(self._order.inputs, (self._order.out, self._order.state))
        inputs = iter(islice(found, self._order.limit))
        while several := list(islice(inputs, GROUP)):
            ids = [self._ledger.fingerprint(one.path, one.size, one.mtime_ns) for one in several]
            known = self._ledger.lookup(ids, self.target)
            calm: list[_Work] = []
            for one, item_id in zip(several, ids, strict=True):
                work = _Work(one, Raw(item_id, one.path), known.get(item_id))
                if work.is_suspect():
                    yield [work]
                else:
                    calm.append(work)
            if calm:
                yield calm

    def _start(self, works: list[_Work], pool: Threads) -> _Group:
        """Count the starts before any work (a start without an end is how poison is found), then begin."""
        for work in works:
            work.done = self._done_before(work.known)
        fresh = [work for work in works if not work.done]
        self._ledger.begin([Start(work.raw.id, work.input.path, work.input.size) for work in fresh])
        self._begun.update(work.raw.id for work in fresh)
        if self._order.workers == 1:
            self._work_on(fresh)
            return _Group(works)
        parts = [fresh[first :: self._order.workers] for first in range(self._order.workers)]
        return _Group(works, [pool.submit(self._work_on, part) for part in parts if part])

    def _work_on(self, works: list[_Work]) -> None:
        """Take these through at this thread's desk; with much to do, a witness is called to it."""
        desk: Desk | None = getattr(self._threads, "desk", None)
        if desk is None:
            desk = self._threads.desk = Desk(self._way)
            self._desks.append(desk)
        for work in works:
            if work.input.code:
                work.passed = stopped(work.raw, work.input.code)
            elif work.known and work.known.attempts >= MOST_STARTS:
                work.passed = stopped(work.raw, "third_start")
        left = [work for work in works if work.passed is None]
        for work, passed in desk.take([(work, work.raw) for work in left], len(left) * self._order.workers):
            work.passed = passed

    def _done_before(self, known: Known | None) -> str:
        """Where the output lies, if it was cleaned for this very target and is there with its size."""
        if known is None or known.state is not State.CLEANED or known.relative is None:
            return ""
        try:
            there = os.stat(self._order.out / known.relative).st_size == known.size
        except OSError:
            return ""
        return known.relative if there else ""

    def _settle(self, group: _Group) -> Iterator[Settled]:
        """Make a group durable: sync, names, folders, then one commit; only then is anything said of it."""
        works = group.finished()
        if not works:
            return
        self._made = {}
        passed = [(work, work.passed) for work in works if work.passed is not None]
        refs = [result.ref for _, result in passed if result.ref]
        earlier = self._ledger.by_instance([ref.names.instance for ref in refs], self.target)
        outcomes: list[Outcome] = []
        keep: list[tuple[Place, str]] = []
        settled: list[Settled] = []
        for work, result in passed:
            before = earlier.get(result.ref.names.instance) if result.ref else None
            final = self._unless_taken(result, None if before is None else (before.item, before.made.relative))
            made = self._relative(final.ref) if final.ref else None
            if final.ref and made:
                keep.append((final.ref.path, made.relative))
            outcomes.append(Outcome(final.item, made, final.place))
            settled.append(self._said(work, final, made))
        self._ledger.cover([outcome.made.instance for outcome in outcomes if outcome.made], self.target)
        self._shelf.keep(keep)
        self._ledger.settle(outcomes, self.target)
        if self._shelf.forgets:
            self._forgotten.update(outcome.item.id for outcome in outcomes if outcome.made)
        self._begun.difference_update(outcome.item.id for outcome in outcomes)
        done = (self._already(work) for work in works if work.passed is None)
        yield from settled
        yield from done

    def _unless_taken(self, passed: Passed, before: tuple[str, str] | None) -> Passed:
        """The first object of a SOP Instance UID goes its way; an equal one is a duplicate, another is quarantined."""
        ref = passed.ref
        if ref is None:
            return passed
        first = self._made.get(ref.names.instance)
        if first is None and before is not None and before[0] != passed.item.id:
            path = self._again(before[0]) if before[0] in self._forgotten else self._order.out / before[1]
            first = (before[0], path) if path and os.path.isfile(path) else None
        if first is None:
            self._made[ref.names.instance] = (passed.item.id, ref.path)
            return passed
        same = self._same(ref.path, first[1])
        self._way.shelf.drop(ref.path)
        if first[0] in self._forgotten:
            self._way.shelf.drop(first[1])
        if same:
            return Passed(Item(passed.item.id, State.DUPLICATE, None, passed.item.study))
        return stopped(Raw(passed.item.id, ""), "uid_reuse")

    def _again(self, item: str) -> Place | None:
        """What a dry run has forgotten, made once more to be compared with."""
        made = process(Raw(item, self._ledger.path_of(item) or ""), self._way, Bench(None))
        return made.ref.path if made.ref else None

    def _same(self, one: Place, other: Place) -> bool:
        """Whether two clean objects say the same; one that somebody damaged or changed since cannot be asked."""
        try:
            with FileSource(one) as mine, FileSource(other) as theirs:
                return same_content(mine, theirs, self._way.limits)
        except (Rejected, OddEncoding, NeedMore):
            return False

    def _relative(self, ref: CleanRef) -> Made:
        """Where it is going to lie; Misconfigured("output_is_input") where that is an input, or in one."""
        relative = layout.path_of(self._order.layout, ref.names)
        if self._inputs:
            folder = os.path.realpath(self._order.out / os.path.dirname(relative))
            place = os.path.join(folder, os.path.basename(relative))
            if any(_is_in(place, one) for one in self._inputs):
                raise Misconfigured("output_is_input", str(self._order.out))
        return Made(ref.names.instance, relative, ref.size)

    def _said(self, work: _Work, final: Passed, made: Made | None) -> Settled:
        duplicate = final.item.state is State.DUPLICATE
        relative = made.relative if made else ""
        size, out = work.input.size, self._order.out
        return Settled(work.input.path, out, final.item, size, relative, duplicate, final.place, final.counts)

    def _already(self, work: _Work) -> Settled:
        item = Item(work.raw.id, State.CLEANED)
        return Settled(work.input.path, self._order.out, item, work.input.size, work.done, True)


def _is_in(place: str, folder: str) -> bool:
    return place == folder or place.startswith(folder.rstrip("/") + "/")
