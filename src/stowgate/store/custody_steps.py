"""The writing half of the gateway's ledger in SQLite: each function is what one caller wants inside a transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from stowgate.lifecycle import State
from stowgate.store.clean_object import CleanObject
from stowgate.store.clocks import Moment
from stowgate.store.custody import Coming, Ended, Leased
from stowgate.store.custody_expected import count, meet, missing_of
from stowgate.store.custody_rows import clean_values, leased_row, taken_twice
from stowgate.store.deliveries import REFUSED
from stowgate.store.deliveries_steps import settle
from stowgate.store.queries import queries
from stowgate.store.study import Completed

FILE = "custody.sql"


def _tell(db: sqlite3.Connection, query: str, **values: object) -> int:
    """Run a statement; how many rows it changed."""
    return db.execute(queries(FILE)[query], values).rowcount


def _ask(db: sqlite3.Connection, query: str, **values: object) -> list[Any]:
    return db.execute(queries(FILE)[query], values).fetchall()


def claim(db: sqlite3.Connection, key_id: str) -> str:
    """Bind the ledger to a key unless it is bound; the id of the key it is bound to."""
    _tell(db, "claim", key_id=key_id)
    ((owner,),) = _ask(db, "owner")
    return str(owner)


def claim_profile(db: sqlite3.Connection, name: str, key_id: str) -> str:
    """See `store.custody.Custody.claim_profile`."""
    _tell(db, "claim_profile", name=name, key_id=key_id)
    ((owner,),) = _ask(db, "key_of_profile", name=name)
    return str(owner)


def receive(db: sqlite3.Connection, group: Sequence[Coming], moment: Moment) -> list[str]:
    """See `store.custody.Custody.receive`; one after the other, because later ones may be copies of earlier ones."""
    return [_receive(db, coming, moment) for coming in group]


def _receive(db: sqlite3.Connection, coming: Coming, moment: Moment) -> str:
    for was, original in _ask(db, "known", id=coming.id):
        return str(original) if was == State.DUPLICATE else ""
    original = "" if coming.code else _original(db, coming)
    _tell(
        db,
        "arrive",
        id=coming.id,
        source=coming.source,
        size=coming.size,
        instance=coming.instance,
        content=coming.content,
        study=coming.study,
        modality=coming.modality,
        sop_class=coming.sop_class,
        scanner=coming.scanner,
        protocol=coming.protocol,
        peer=coming.peer,
        marks=" ".join(coming.marks),
        priority=coming.priority,
        triage=" ".join(coming.triage),
        clock=coming.clock,
        has_raw=not (coming.code or original),
        now=moment.now,
    )
    _note_study(db, coming, moment, new=not (coming.code or original))
    if coming.code:
        _tell(db, "turn_back", id=coming.id, state=State.REJECTED, code=coming.code, original="")
    elif original:
        _tell(db, "turn_back", id=coming.id, state=State.DUPLICATE, code="", original=original)
    return original


def _original(db: sqlite3.Connection, coming: Coming) -> str:
    if not (coming.instance and coming.content):
        return ""
    return next((str(id) for (id,) in _ask(db, "original", instance=coming.instance, content=coming.content)), "")


def _note_study(db: sqlite3.Connection, coming: Coming, moment: Moment, *, new: bool) -> None:
    """A copy and what was refused are counted, but keep no study open."""
    if not coming.study:
        return
    which = {"study": coming.study, "source": coming.source}
    if _tell(db, "meet_study", **which, modality=coming.modality, **moment.values()):
        meet(db, coming)
    elif new:
        _tell(db, "touch_study", **which, **moment.values())
    if new:
        count(db, coming)
    if coming.modality:
        _tell(db, "name_modality", **which, modality=coming.modality)


def lease(db: sqlite3.Connection, worker: str, most: int, longest: float, moment: Moment) -> list[Leased]:
    """See `store.custody.Custody.lease`: an item that was begun before is worked on while nothing else is."""
    _tell(db, "lapse", boot=moment.boot, monotonic=moment.monotonic, longest=longest)
    ((at_work, starts),) = _ask(db, "at_work")
    ready = [leased_row(row) for row in _ask(db, "ready", most=most)]
    chosen = choose(ready, at_work, starts)
    for item in chosen:
        _tell(db, "lease", id=item.id, worker=worker, **moment.values())
    return chosen


def choose(ready: Sequence[Leased], at_work: int, starts: int) -> list[Leased]:
    """Of the oldest free items those to give out, when `at_work` others are, of which one has `starts` at most.

    A start without an end makes an item a suspect. It goes alone through the gateway, so that the next death counts
    for the guilty one and for nobody else: others wait for it, and it waits for others.
    """
    if starts > 1 or not ready:
        return []
    if ready[0].attempts:
        return [] if at_work else [ready[0]]
    first_suspect = next((n for n, item in enumerate(ready) if item.attempts), len(ready))
    return list(ready[:first_suspect])


def end(db: sqlite3.Connection, group: Sequence[Ended], moment: Moment) -> frozenset[str]:
    """See `store.custody.Custody.end`."""
    return frozenset(ended.id for ended in group if not _end(db, ended, moment))


def _end(db: sqlite3.Connection, ended: Ended, moment: Moment) -> bool:
    for number, source, study in _ask(db, "worked_on", id=ended.id):
        free = [_free(db, clean, number) for clean in ended.cleans]
        if not all(free) or not all(_ask(db, "stands", id=id, item=number) for id in ended.kept):
            _tell(db, "give_back", id=ended.id, now=moment.now)
            return False
        _tell(db, "retire", item=number, kept=json.dumps(ended.kept))
        _finish(db, ended, moment)
        for clean in ended.cleans:
            _tell(db, "succeed", **_which(clean, number))
            _tell(db, "keep", **clean_values(clean, number, moment.now))
        if ended.state is State.CLEANED:
            _tell(db, "queue", id=ended.id)
        if ended.kept:  # what stands of it may have come everywhere already
            settle(db, True, number, ended.id, lambda db, id: _refused(db, id, moment))
        if ended.modality and study:
            _tell(db, "name_modality", study=study, source=source, modality=ended.modality)
        return True
    return False


def _refused(db: sqlite3.Connection, id: str, moment: Moment) -> None:
    move(db, [id], State.QUARANTINED, REFUSED, moment)


def _free(db: sqlite3.Connection, clean: CleanObject, item: int) -> bool:
    """Whether no other item's clean object stands for the instance already."""
    if _ask(db, "clean_exists", id=clean.id):
        raise taken_twice()
    return not _ask(db, "taken", **_which(clean, item), digest=clean.digest)


def _which(clean: CleanObject, item: int) -> dict[str, object]:
    return {"instance": clean.instance, "policy": clean.policy, "key_id": clean.key_id, "item": item}


def _finish(db: sqlite3.Connection, ended: Ended, moment: Moment) -> None:
    _tell(
        db,
        "finish",
        id=ended.id,
        state=ended.state,
        code=ended.code,
        place=ended.place,
        findings=" ".join(ended.findings),
        modality=ended.modality,
        has_clean=bool(ended.cleans or ended.kept),
        original=ended.original,
        now=moment.now,
    )


def release(db: sqlite3.Connection, ids: Collection[str], moment: Moment) -> None:
    """See `store.custody.Custody.release`."""
    for id in ids:
        _tell(db, "give_back", id=id, now=moment.now)


def release_all(db: sqlite3.Connection) -> int:
    """See `store.custody.Custody.release_all`."""
    return _tell(db, "release_all")


def move(db: sqlite3.Connection, ids: Collection[str], to: State, code: str, moment: Moment) -> frozenset[str]:
    """See `store.custody.Custody.move`."""
    left = frozenset(id for id in dict.fromkeys(ids) if not _moved(db, id, to, code, moment.now))
    if to is State.DROPPED:
        for id in set(ids) - left:
            _tell(db, "retire_of", id=id)
    return left


def _moved(db: sqlite3.Connection, id: str, to: State, code: str, now: float) -> bool:
    """Whether it may go there. What it was before is noted, because its row will not say so any more.

    That it was received is known already: by its arrival, or noted when it was received again.
    """
    was = _ask(db, "standing", id=id)
    if not _tell(db, "move", id=id, state=to, code=code, now=now):
        return False
    for state, why, source, since in was:
        if state != State.RECEIVED:
            _tell(db, "note", at=since, kind=state, item=id, source=source, code=why)
        if to is State.RECEIVED:
            _tell(db, "note", at=now, kind=to, item=id, source=source, code="")
    return True


def clean_more(db: sqlite3.Connection, ids: Collection[str], moment: Moment) -> frozenset[str]:
    """See `store.custody.Custody.clean_more`."""
    chosen = [id for id in dict.fromkeys(ids) if _ask(db, "may_add", id=id)]
    for state in (State.CLEANED, State.RECEIVED):
        move(db, chosen, state, "", moment)
    for id in chosen:
        _tell(db, "add", id=id)
    return frozenset(ids) - frozenset(chosen)


def forget_payload(db: sqlite3.Connection, ids: Collection[str], raw: bool, clean: bool, moment: Moment) -> None:
    """See `store.custody.Custody.forget_payload`."""
    for id in ids:
        _tell(db, "forget", id=id, keep_raw=not raw, keep_clean=not clean, now=moment.now)


def complete_studies(db: sqlite3.Connection, idle: str, moment: Moment) -> list[Completed]:
    """See `store.custody.Custody.complete_studies`; `idle` as JSON."""
    found = sorted(_ask(db, "complete", idle=idle, boot=moment.boot, monotonic=moment.monotonic), reverse=True)
    first = {str(alias): str(source) for alias, source in found}
    done = [Completed(alias, first[alias], missing_of(db, alias, idle)) for alias in sorted(first)]
    for one in done:
        if one.missing:
            _tell(db, "note_short", study=one.alias, source=one.source)
    return done


def shortages_told(db: sqlite3.Connection, studies: Collection[str]) -> None:
    """See `store.custody.Custody.shortages_told`."""
    for study in studies:
        _tell(db, "shortage_told", study=study)


def turned_away(db: sqlite3.Connection, caller: Mapping[str, str], most: int, moment: Moment) -> None:
    """See `store.custody.Custody.turned_away`."""
    _tell(db, "turn_away", **caller, now=moment.now)
    _tell(db, "forget_callers", most=most)


def note(db: sqlite3.Connection, event: Mapping[str, object]) -> None:
    """See `store.custody.Custody.note`."""
    _tell(db, "note", **event)
