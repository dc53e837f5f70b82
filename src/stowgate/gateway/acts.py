"""What a person does to items: hold, release, drop, export. Each act is in the audit log before it is done."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from stowgate import events, layout
from stowgate.errors import Misconfigured, Rejected, disk_code
from stowgate.gateway.outbox import Outbox
from stowgate.gateway.profiles import Profiles
from stowgate.gateway.purge import Purge
from stowgate.gateway.recovery import let_go
from stowgate.gateway.sending import sent
from stowgate.ingest.source import Intake
from stowgate.lifecycle import State
from stowgate.observe.audit import AuditLog
from stowgate.observe.record import MOST_IDS, Entry
from stowgate.store.clean_ref import ref_of
from stowgate.store.custody import Custody
from stowgate.store.sheet import Original
from stowgate.store.spool import CleanShelf, RawShelf
from stowgate.vault.folder import sync_folder

_STEP = 1 << 20


@dataclass(frozen=True, slots=True)
class Hands:
    """What acts are done with, in an open spool. `layout`: template of the paths of exported clean objects."""

    ledger: Custody
    raw: RawShelf
    clean: CleanShelf
    audit: AuditLog
    layout: str = layout.DEFAULT
    woken: Callable[[int], None] = lambda _: None
    """Told how many items were given back to the workers."""
    outbox: Outbox | None = None
    profiles: Profiles | None = None
    purge: Purge | None = None
    intake: Intake | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """How an act ended: ids that it was done to, and those that their state or their damage kept from it."""

    ids: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


def resolved(ledger: Custody, beginnings: Iterable[str]) -> list[str]:
    """Whole ids; Misconfigured("unknown_item") for the first that is none."""
    found: list[str] = []
    for beginning in beginnings:
        row = ledger.row(beginning)
        if row is None:
            raise Misconfigured("unknown_item", beginning[:32] if beginning.isalnum() else "")
        found.append(row.id)
    return list(dict.fromkeys(found))


def hold(hands: Hands, ids: Sequence[str], actor: str) -> Done:
    """Keep waiting items from going on; what was delivered cannot be held back any more."""
    _note(hands, "hold", ids, actor)
    rows = ((id, hands.ledger.row(id)) for id in ids)
    there = {id for id, row in rows if row and row.delivered}
    left = hands.ledger.move([id for id in ids if id not in there], State.HELD, "held_by_person")
    return _done(ids, there | left)


def release(hands: Hands, ids: Sequence[str], actor: str, quarantined: bool = False) -> Done:
    """Let held items, or quarantined ones, be judged again."""
    _note(hands, "quarantine_release" if quarantined else "release", ids, actor)
    chosen = _in(hands, ids, State.QUARANTINED if quarantined else State.HELD)
    left = set(ids) - set(chosen) | hands.ledger.move(chosen, State.RECEIVED)
    done = _done(ids, left)
    hands.woken(len(done.ids))
    return done


def drop(hands: Hands, ids: Sequence[str], actor: str) -> Done:
    """Give items up: the payload is deleted, the row stays and counts."""
    _note(hands, "quarantine_drop", ids, actor)
    done = _done(ids, hands.ledger.move(ids, State.DROPPED))
    let_go(done.ids, hands.raw, hands.clean, hands.ledger)
    return done


def purge(hands: Hands, ids: Sequence[str], actor: str) -> Done:
    """Delete what is proved to have arrived everywhere it goes, or was dropped; the rest is left."""
    _note(hands, "purge", ids, actor)
    gone = set(hands.purge.now(ids) if hands.purge else ())
    return _done(ids, set(ids) - gone)


def send(hands: Hands, names: Sequence[str], actor: str) -> Done:
    """Take files into custody for one destination: its name, then their paths; an answer of `sending.sent` for each."""
    destination, *paths = names
    if hands.outbox is None or hands.intake is None or destination not in hands.outbox.drains:
        raise Misconfigured("bad_setting", f"there is no [[dest]] called {destination}")
    hands.audit.append(Entry("send", actor, destination, count=len(paths)))
    return Done(tuple(sent(path, destination, hands.intake, hands.outbox) for path in paths))


def retry(hands: Hands, ids: Sequence[str], actor: str, now: bool = False) -> Done:
    """Let what waits for its time be tried, and what was refused be sent again; `now`: whatever the link looks like."""
    _note(hands, "retry", ids, actor)
    done = _done(ids, hands.ledger.deliveries.retry(ids))
    for drain in hands.outbox.drains.values() if hands.outbox else ():
        if now:
            drain.hurry()
        else:
            drain.ring()
    return done


def verify(hands: Hands, ids: Sequence[str], actor: str) -> Done:
    """Have destinations asked again for what was delivered to them."""
    _note(hands, "verify", ids, actor)
    there = hands.outbox.drains if hands.outbox else {}
    done = _done(ids, hands.ledger.deliveries.recheck(ids, there))
    for drain in hands.outbox.drains.values() if hands.outbox else ():
        drain.ring()
    return done


def pause(hands: Hands, names: Sequence[str], actor: str, resume: bool = False) -> Done:
    """Send nothing to destinations, by name, until they are resumed; or resume them."""
    known = _known(hands, names).drains
    kind, code = ("dest_resume", "") if resume else ("dest_pause", "paused_by_person")
    for name in names:
        hands.audit.append(Entry(kind, actor, name))
        hands.ledger.deliveries.pause(name, code)
        known[name].paused(code)
    return Done(tuple(names))


def catch_up(hands: Hands, names: Sequence[str], actor: str) -> Done:
    """Send destinations, by name, what came before they were there, as the routes say; the items, and those left."""
    known = _known(hands, names)
    found: dict[str, bool] = {}
    for name in names:
        hands.audit.append(Entry("dest_catch_up", actor, name))
        found |= known.catch_up(name)
    return Done(tuple(id for id, goes in found.items() if goes), tuple(id for id, goes in found.items() if not goes))


def forget(hands: Hands, names: Sequence[str], actor: str) -> Done:
    """Give up destinations, by name, that the configuration has no more; Misconfigured("bad_setting") where it has."""
    if still := [name for name in names if hands.outbox and name in hands.outbox.drains]:
        raise Misconfigured("bad_setting", f"the gateway that runs still sends to {still[0]}; start it anew first")
    there = hands.ledger.deliveries.counts()
    done = [name for name in names if name in there]
    for name in done:
        hands.audit.append(Entry("dest_forget", actor, name))
        if hands.outbox:
            hands.outbox.forget(name)
    return _done(names, set(names) - set(done))


def _known(hands: Hands, names: Sequence[str]) -> Outbox:
    """What leads out; Misconfigured("bad_setting") where it does not lead there."""
    unknown = [name for name in names if hands.outbox is None or name not in hands.outbox.drains]
    if hands.outbox is None or unknown:
        raise Misconfigured("bad_setting", f"there is no [[dest]] called {unknown[0] if unknown else ''}")
    return hands.outbox


def export_clean(hands: Hands, ids: Sequence[str], folder: Path, actor: str, profile: str = "") -> Done:
    """Write what waiting items are to one recipient below a folder, by the template; the same name is replaced.

    profile -- name of the recipient's; "" is the unit's own. Objects of two recipients never lie in one folder by this.
    """
    if profile and not (hands.profiles and profile in hands.profiles.by_name):
        raise Misconfigured("bad_setting", f"there is no [[profile]] called {profile}")
    _note(hands, "export", ids, actor)
    done: list[str] = []
    for id in _in(hands, ids, State.WAITING):
        cleans = hands.ledger.cleans_of_item(id)
        made = hands.profiles.chosen(profile, cleans) if hands.profiles else next(reversed(cleans), None)
        if made is None:
            continue
        try:
            ref = ref_of(made, hands.clean)
            with hands.clean.open(made.id) as source:
                _write(source, folder, layout.path_of(hands.layout, ref.names), 0o644)
        except Rejected:
            continue
        done.append(id)
    return _done(ids, set(ids) - set(done))


def export_originals(hands: Hands, ids: Sequence[str], folder: Path, actor: str) -> Done:
    """Write identified originals into a folder of their owner, named by their ids."""
    _note(hands, "quarantine_export", ids, actor)
    left: set[str] = set()
    for id in ids:
        try:
            with hands.raw.open(id) as source:
                _write(source, folder, f"{id}.dcm", 0o600)
        except Rejected:
            left.add(id)
    return _done(ids, left)


def _in(hands: Hands, ids: Sequence[str], state: State) -> list[str]:
    """Those of them that are in this state."""
    rows = ((id, hands.ledger.row(id)) for id in ids)
    return [id for id, row in rows if row and row.state is state]


def _note(hands: Hands, kind: str, ids: Sequence[str], actor: str) -> None:
    events.Act(kind, actor, tuple(ids[:MOST_IDS]), len(ids))  # one of the closed set
    hands.audit.append(Entry(kind, actor, ids=tuple(ids[:MOST_IDS]), count=len(ids)))


def _done(ids: Sequence[str], left: Iterable[str]) -> Done:
    kept = frozenset(left)
    return Done(tuple(id for id in ids if id not in kept), tuple(id for id in ids if id in kept))


def _write(source: Original, folder: Path, name: str | Path, mode: int) -> None:
    """A whole, durable file under its name below the folder, or none; a failure names the folder alone."""
    place = folder / name
    part = place.with_name(f".{os.urandom(8).hex()}.part")  # somebody may be writing the same beside us
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        try:
            _copy(source, handle)
        finally:
            os.close(handle)
        os.replace(part, place)
        sync_folder(place.parent)
    except OSError as error:
        raise Misconfigured(disk_code(error, "output_unwritable"), str(folder)) from None
    finally:
        with suppress(OSError):  # where it has its name, or the folder is none, there is nothing to take away
            part.unlink()


def _copy(source: Original, handle: int) -> None:
    for offset in range(0, source.size, _STEP):
        data = memoryview(source.read(offset, _STEP))
        while data:
            data = data[os.write(handle, data) :]
    os.fsync(handle)
