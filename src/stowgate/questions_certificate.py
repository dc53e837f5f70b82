"""What a certificate of a study says: what came in, what was made of it, what is known of it at each destination."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from stowgate.lifecycle import Delivery, State
from stowgate.policy import Policy
from stowgate.questions import pages, sources_of
from stowgate.questions_delivery import View
from stowgate.store.clean_object import CleanObject
from stowgate.store.custody import Row
from stowgate.store.deliveries import FORGOTTEN, OnItsWay
from stowgate.store.study import Study

KIND, VERSION = "stowgate study certificate", 1
_COPIES = (State.DUPLICATE, State.REJECTED)
"""What came and was not kept, because it is here already or was never taken in."""

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
    kept = [row for row in rows if row.state not in _COPIES]
    ids = [row.id for row in kept]
    cleans, ways = _of_all(view.deliveries.made_of, ids), _of_all(view.deliveries.of_items, ids)
    if key:
        kept = [row for row in kept if any(one.key_id == key for one in cleans.get(row.id, ())) or row.id not in cleans]
        cleans = {id: [one for one in ones if one.key_id == key] for id, ones in cleans.items()}
        theirs = {one.id for ones in cleans.values() for one in ones}
        ways = {id: [one for one in ones if one.clean in theirs] for id, ones in ways.items()}
    lost = frozenset(id for id, ones in ways.items() if any(map(_was_lost, ones)))
    instances = [_instance(row, cleans.get(row.id, []), ways.get(row.id, []), lost, shared=not key) for row in kept]
    made_with = dict.fromkeys((clean.policy, clean.key_id) for ones in cleans.values() for clean in ones)
    sources = [_source(one) for one in sources_of(view, alias)]
    new = sorted({clean.study for ones in cleans.values() for clean in ones})
    return {
        "kind": KIND, "version": VERSION, "unit": unit, "made": when(made),
        "study": {"alias": "" if key else alias, "new_uids": new, "sources": sources},
        "counts": _counts(rows, lost), "instances_of_the_study": len(kept),
        "delivered_everywhere": bool(instances) and all(one["delivered"] for one in instances),
        "destinations": _destinations(way for ones in ways.values() for way in ones),
        "made_with": [_recipe(policy, key, policies.get(key)) for policy, key in made_with],
        "instances": instances,
    }  # fmt: skip


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


def _counts(rows: Sequence[Row], lost: Container[str]) -> dict[str, int]:
    """The places of the conservation line; what was deleted here after it was delivered counts as delivered.

    Unless a destination lost it since: that is in a place of its own.
    """
    places = Counter("lost" if row.delivered and row.id in lost else _place(row) for row in rows)
    names = ("delivered", "lost", "waiting", "held", "quarantined", "rejected", "duplicates", "dropped")
    return {"received": len(rows), **{name: places[name] for name in names}}


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


def _destinations(ways: Iterable[OnItsWay]) -> dict[str, dict[str, int]]:
    """Of each: how many objects are how far, and with which evidence."""
    found: dict[str, Counter[str]] = {}
    for way in ways:
        counts = found.setdefault(way.destination, Counter())
        counts["objects"] += 1
        counts[str(way.state)] += 1
        counts[f"evidence_{way.evidence or 'none'}"] += 1
        counts["done"] += _has_arrived(way)
    return {name: dict(counts) for name, counts in sorted(found.items())}


def _has_arrived(way: OnItsWay) -> bool:
    return way.stand == "over" and way.state is not Delivery.REFUSED and not way.code


def _was_lost(way: OnItsWay) -> bool:
    """Whether it was verified there and purged here, and then they lost it."""
    return way.stand == "over" and way.code not in ("", FORGOTTEN) and way.state is not Delivery.REFUSED


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


def _instance(
    row: Row, cleans: Sequence[CleanObject], ways: Sequence[OnItsWay], lost: Container[str], *, shared: bool
) -> dict[str, Any]:
    """Of all destinations, or of one recipient's: who compares two certificates must not find the same id in both."""
    goes = [way for way in ways if way.code != FORGOTTEN]
    arrived = row.delivered and row.id not in lost if shared else bool(goes) and all(map(_has_arrived, goes))
    return {
        "item": row.id if shared else "", "state": str(row.state), "code": row.code, "arrived": when(row.arrived),
        "delivered": arrived, "still_here": row.has_clean,
        "objects": [_object(clean, [way for way in ways if way.clean == clean.id]) for clean in cleans],
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
                "code": way.code, "queued": when(way.queued), "updated": when(way.updated), "tries": way.attempts,
            }
            for way in ways
        ],
    }  # fmt: skip
