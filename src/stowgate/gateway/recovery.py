"""What a start makes of what it finds: adopts what has no row, makes again what has no verdict, sounds what is lost."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice

from stowgate import events
from stowgate.errors import Temporary
from stowgate.gateway.examine import Examined, Examiner, coming
from stowgate.gateway.originals import Originals
from stowgate.lifecycle import State
from stowgate.store.custody import Coming, Custody
from stowgate.store.spool import CleanShelf, Facts, RawShelf

_GROUP = 200
UNKNOWN = "unknown"
"""Source of an object whose header cannot be read any more."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was done, in numbers, and how many items wait for a worker."""

    leases: int = 0
    """Of a dead process, ended."""
    adopted: int = 0
    """Raw objects that had no row: their sender may have been told "success"."""
    leftover: int = 0
    """Raw objects of items whose payload was given up before."""
    remade: int = 0
    """Clean objects that had no row: they are made again from their raw object."""
    lost: int = 0
    """Rows whose object is not there. This must never be anything but 0."""
    received: int = 0


def recover(
    raw: RawShelf, clean: CleanShelf, ledger: Custody, examiner: Examiner, tell: events.Watcher = lambda _: None
) -> Found:
    """Bring shelves and ledger together after a death, a power cut, or the return of an old ledger (DESIGN 6).

    A raw file without a row is adopted and never deleted; a clean file without one always is; a row without its file
    is an alarm. Runs before anything else works on the spool.
    """
    leases = ledger.release_all()
    ledger.deliveries.release_all()
    has_raw: set[bytes] = set()
    has_clean: set[bytes] = set()
    for raw_id, clean_ids in ledger.payloads():
        if raw_id:
            has_raw.add(bytes.fromhex(raw_id))
        has_clean.update(map(bytes.fromhex, clean_ids))
    adopted, leftover = _adopt(Originals(raw, clean, ledger), examiner, has_raw)
    remade = _without_verdict(clean, has_clean)
    lost = _sounded(ledger, has_raw, has_clean, tell)
    waiting = sum(states[State.RECEIVED] for states in ledger.counts().values())
    return Found(leases, adopted, leftover, remade, lost, waiting)


def _adopt(originals: Originals, examiner: Examiner, has_raw: set[bytes]) -> tuple[int, int]:
    """Takes from `has_raw` what it meets; how many raw objects were adopted, and how many were nobody's any more."""
    raw, ledger = originals.raw, originals.ledger
    adopted = leftover = 0
    unknown = (id for id in raw.ids() if not _met(id, has_raw))
    while group := list(islice(unknown, _GROUP)):
        gone = ledger.unpayloaded(group)
        for id in gone:
            raw.delete(id)
        strangers = [id for id in group if id not in gone]
        rows = [originals.copy_of_nothing_damaged(row) for row in _rows(strangers, raw, examiner)]
        for row, same in zip(rows, ledger.receive(rows), strict=True):
            if same:
                originals.let_go_of_copy(row.id)
        adopted += len(strangers)
        leftover += len(gone)
    return adopted, leftover


def _met(id: str, wanted: set[bytes]) -> bool:
    key = bytes.fromhex(id)
    if key in wanted:
        wanted.discard(key)
        return True
    return False


def _rows(ids: list[str], raw: RawShelf, examiner: Examiner) -> Iterator[Coming]:
    """What can be said of each; the worker says what is wrong with one that cannot be read."""
    for id in ids:
        facts, size, content, seen = Facts(UNKNOWN), 0, "", Examined()
        try:
            facts = raw.facts(id)
            with raw.open(id) as source:
                size = source.size
                content = examiner.content_of(source)
                seen = examiner.examine(source)
        except Temporary:
            raise
        except Exception:  # noqa: BLE001 - the row is what matters now; its object is judged when it is worked on
            content, seen = "", Examined()
        yield coming(id, facts.source or UNKNOWN, size, content, seen, facts.peer)


def _sounded(ledger: Custody, raw: set[bytes], clean: set[bytes], tell: events.Watcher) -> int:
    """Tell of every item whose object should be there and is not; how many."""
    if not raw and not clean:
        return 0
    lost = 0
    for raw_id, clean_ids in ledger.payloads():
        gone = bool(raw_id) and bytes.fromhex(raw_id) in raw
        if gone or not clean.isdisjoint(map(bytes.fromhex, clean_ids)):
            lost += 1
            tell(events.PayloadLost(raw_id or clean_ids[0]))
    return lost


def _without_verdict(clean: CleanShelf, has_clean: set[bytes]) -> int:
    strangers = [id for id in clean.ids() if not _met(id, has_clean)]
    for id in strangers:
        clean.delete(id)
    return len(strangers)


def let_go(ids: Collection[str], raw: RawShelf, clean: CleanShelf, ledger: Custody) -> None:
    """Delete the payload of items whose row stays: first the row says so, then the files go.

    Cut short between the two, the next start finds files that nobody needs and deletes them.
    """
    made = [clean_id for id in ids for clean_id in ledger.made_of_item(id)]
    ledger.forget_payload(ids, raw=True, clean=True)
    for one in made:
        clean.delete(one)
    for id in ids:
        raw.delete(id)
