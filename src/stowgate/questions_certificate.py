"""What a certificate of a study says: what came in, what was made of it, what is known of it at each destination."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from stowgate.lifecycle import Delivery, Evidence, State
from stowgate.policy import Policy
from stowgate.questions import pages, sources_of
from stowgate.questions_delivery import View
from stowgate.store.clean_object import CleanObject
from stowgate.store.custody import Row
from stowgate.store.deliveries import FORGOTTEN, LOST, OTHER_BYTES, OnItsWay
from stowgate.store.study import Study

KIND, VERSION = "stowgate study certificate", 1
_COPIES = (State.DUPLICATE, State.REJECTED)
"""What came and was not kept, because it is here already or was never taken in."""
_BAD = ("lost", "altered", "refused")
"""What is known of an object at a destination that does not have it as it was sent."""

_PAGE = 500
_T = TypeVar("_T")


def certificate_of(
    view: View, alias: str, unit: str, made: float, policies: Mapping[str, tuple[str, Policy]], key: str = ""
) -> dict[str, Any]:
    """Everything that is known of a study: aliases, codes, digests and the UIDs it has now; no value it came with.

    made     -- now, seconds since 1970
    policies -- by id of its key: the name of a profile of the configuration, "" for the unit's own, and the policy
    key      -- id of a recipient's key: then it is for that recipient's eyes, and holds nothing that others have, too
    """
    rows = list(pages(view, (), study=alias))
    items = _items(view, [row for row in rows if row.state not in _COPIES], key)
    mended = _mended(items)
    kept = [one for one in items if one.row.id not in mended]
    places = {one.row.id: one.place for one in kept} | dict.fromkeys(mended, "duplicates")
    made_with = dict.fromkeys((clean.policy, clean.key_id) for one in kept for clean in one.cleans)
    sources = [_source(one) for one in sources_of(view, alias)]
    new = sorted({clean.study for one in kept for clean in one.cleans})
    return {
        "kind": KIND, "version": VERSION, "unit": unit, "made": when(made),
        "study": {"alias": "" if key else alias, "new_uids": new, "sources": sources},
        "counts": _counts(rows, places), "instances_of_the_study": len(kept),
        "delivered_everywhere": bool(kept) and all(one.place == "delivered" for one in kept),
        "destinations": _destinations(kept),
        "made_with": [_recipe(policy, key, policies.get(key)) for policy, key in made_with],
        "instances": [_instance(one) for one in kept],
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Item:
    """One item with what was made of it: of all recipients (`shared`), or of one of them."""

    row: Row
    cleans: Sequence[CleanObject]
    ways: Sequence[OnItsWay]
    shared: bool

    @property
    def place(self) -> str:
        """Where it counts: in one of the places of the conservation line, or in "lost"."""
        if self.row.delivered and any(map(_was_lost, self.ways)):
            return "lost"
        if self._is_everywhere():
            return "delivered"
        return "waiting" if self.row.delivered else _place(self.row)

    def _is_everywhere(self) -> bool:
        """Of the ledger's word, but for what is asked again: that counts as what it was, until the answer."""
        if self.shared and (self.row.delivered or self.row.state is not State.WAITING):
            return self.row.delivered
        goes = [way for way in self.ways if way.code != FORGOTTEN]
        bound = {way.clean for way in goes}
        return bool(goes) and all(one.id in bound for one in self.cleans) and all(map(self.has_arrived, goes))

    def has_arrived(self, way: OnItsWay) -> bool:
        """Whether it is there, by the evidence that was asked for."""
        if way.state is Delivery.REFUSED or way.code in LOST:
            return False
        if way.stand == "over":
            return True
        # On its way to better evidence, or asked again: only of what was enough before is known that it is the latter.
        enough = self.row.delivered or way.evidence is Evidence.CONTENT
        return way.state is Delivery.VERIFIED and enough


def _items(view: View, rows: Sequence[Row], key: str) -> list[_Item]:
    """Each row with its clean objects, all or those of one key; without the rows that only others have objects of."""
    ids = [row.id for row in rows]
    cleans, ways = _of_all(view.deliveries.made_of, ids), _of_all(view.deliveries.of_items, ids)
    items = []
    for row in rows:
        made = [one for one in cleans.get(row.id, ()) if key in ("", one.key_id)]
        if made or row.id not in cleans:
            own = {one.id for one in made}  # what was a copy is told of the ways of its original
            items.append(_Item(row, made, [way for way in ways.get(row.id, ()) if way.clean in own], not key))
    return items


def _mended(items: Sequence[_Item]) -> frozenset[str]:
    """Ids of what was purged and came again: a later item goes with every object of it wherever it went.

    Whether it was lost there or not: who has the same object once more has no second instance of the study.
    """
    later: dict[tuple[str, str, str], set[str]] = {}
    mended = []
    for one in reversed(items):
        names = {clean.id: _name(clean) for clean in one.cleans}
        goes = [(names[way.clean], way.destination) for way in one.ways if way.code != FORGOTTEN]
        was_there = one.row.state is State.PURGED and one.place in ("lost", "delivered")
        if was_there and goes and all(there in later.get(name, ()) for name, there in goes):
            mended.append(one.row.id)
        elif one.place != "dropped":
            for name, there in goes:
                later.setdefault(name, set()).add(there)
    return frozenset(mended)


def _name(clean: CleanObject) -> tuple[str, str, str]:
    return clean.instance, clean.policy, clean.key_id


def when(seconds: float) -> str:
    """UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _of_all(ask: Callable[[Sequence[str]], Mapping[str, list[_T]]], ids: Sequence[str]) -> dict[str, list[_T]]:
    groups = (ids[at : at + _PAGE] for at in range(0, len(ids), _PAGE))
    return {id: ones for group in groups for id, ones in ask(group).items()}


def _source(study: Study) -> dict[str, Any]:
    return {
        "source": study.source, "modality": study.modality, "first": when(study.first), "last": when(study.last),
        "complete": study.complete, "expected": study.expected, "missing": study.missing,
    }  # fmt: skip


def _counts(rows: Sequence[Row], places: Mapping[str, str]) -> dict[str, int]:
    """The places of the conservation line; what was deleted here after it was delivered counts as delivered.

    Unless a destination lost it since: that is in a place of its own, until the same comes again.
    """
    found = Counter(places.get(row.id) or _place(row) for row in rows)
    names = ("delivered", "lost", "waiting", "held", "quarantined", "rejected", "duplicates", "dropped")
    return {"received": len(rows), **{name: found[name] for name in names}}


def _place(row: Row) -> str:
    if row.delivered:
        return "delivered"
    match row.state:
        case State.RECEIVED | State.CLEANED | State.WAITING:
            return "waiting"
        case State.PURGING | State.PURGED:
            return "dropped"
        case State.DUPLICATE:
            return "duplicates"
        case _:
            return str(row.state)


def _destinations(items: Iterable[_Item]) -> dict[str, dict[str, int]]:
    """Of each: how many objects are how far, and with which evidence; what was given up with it counts nowhere.

    What is lost or altered there is in none of the states: nothing that was known of it holds any more.
    """
    found: dict[str, Counter[str]] = {}
    for item, way in ((one, way) for one in items for way in one.ways if way.code != FORGOTTEN):
        counts, known = found.setdefault(way.destination, Counter()), _known(way)
        counts["objects"] += 1
        if known in _BAD:
            counts[known] += 1
        else:
            counts[str(way.state)] += 1
            counts[f"evidence_{known}"] += 1
        counts["done"] += item.has_arrived(way)
        if way.stand not in ("over", "parked") and (_was_lost(way) or item.has_arrived(way)):
            counts["asked_again"] += 1
    return {name: dict(counts) for name, counts in sorted(found.items())}


def _known(way: OnItsWay) -> str:
    """What is known of it there, in a word: its evidence, or what became of it."""
    if way.code == FORGOTTEN:
        return "given_up"
    if way.state is Delivery.REFUSED:
        return "refused"
    if way.code in LOST:
        return "altered" if way.code == OTHER_BYTES else "lost"
    return str(way.evidence) or "none"


def _was_lost(way: OnItsWay) -> bool:
    """Whether it was verified there and purged here, and then they lost it; also while they are asked again."""
    return way.code in LOST and way.state is Delivery.VERIFIED


def _recipe(policy: str, key: str, known: tuple[str, Policy] | None) -> dict[str, Any]:
    """By what it was made; in words where the configuration still says so."""
    told: dict[str, Any] = {"policy": policy, "key": key, "recipient": known[0] if known else ""}
    if known is None or known[1].digest != policy:
        return told
    asked = known[1]
    return told | {
        "profile": asked.profile, "options": sorted(asked.options), "edition": asked.edition,
        "rule_revision": asked.revision, "overrides": len(asked.overrides),
    }  # fmt: skip


def _instance(one: _Item) -> dict[str, Any]:
    """Of all destinations, or of one recipient's: who compares two certificates must not find the same id in both."""
    row = one.row
    return {
        "item": row.id if one.shared else "", "state": str(row.state), "code": row.code, "arrived": when(row.arrived),
        "place": one.place, "delivered": one.place == "delivered", "still_here": row.has_clean,
        "objects": [_object(clean, [way for way in one.ways if way.clean == clean.id]) for clean in one.cleans],
    }  # fmt: skip


def _object(clean: CleanObject, ways: Sequence[OnItsWay]) -> dict[str, Any]:
    """What the gate passed: nothing else ever becomes a clean object."""
    return {
        "sop_instance_uid": clean.instance, "series_uid": clean.series, "sop_class": clean.sop_class,
        "transfer_syntax": clean.transfer_syntax, "bytes": clean.size, "sha256": clean.digest, "gate": "passed",
        "policy": clean.policy, "key": clean.key_id,
        "deliveries": [
            {
                "destination": way.destination, "state": str(way.state), "evidence": str(way.evidence),
                "known": _known(way), "code": way.code, "queued": when(way.queued), "updated": when(way.updated),
                "tries": way.attempts,
            }
            for way in ways
        ],
    }  # fmt: skip
