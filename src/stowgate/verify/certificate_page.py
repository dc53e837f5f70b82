"""The page of a certificate: whether all of a study arrived first, then what is known of each of its objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from stowgate.reasons import REASONS
from stowgate.verify.page import template
from stowgate.verify.report import Verdict

EVIDENCE = {
    "content": "its bytes were read again there, and are the same",
    "presence": "it was asked afterwards, and has it",
    "status": "it said that it stored it",
    "": "nothing is known yet",
}
_WORDS = {"given_up": "given up with it"}
_BAD = {"lost": "lost.", "altered": "altered.", "refused": "refused."}
_PLACES = ("delivered", "lost", "waiting", "held", "quarantined", "rejected", "duplicates", "dropped")
_TONES = {
    "delivered": "good",
    "lost": "alarm",
    "waiting": "wait",
    "held": "wait",
    "quarantined": "alarm",
    "rejected": "calm",
}


def certificate_page(data: Mapping[str, Any], fingerprint: str) -> str:
    """One HTML page that loads nothing. `data` as `questions_certificate.certificate_of` gives it."""
    instances = data["instances"]
    return template("certificate.html").render(
        data=data,
        state=verdict(data),
        places=[(name, number, _TONES.get(name, "calm")) for name, number in _places(data["counts"])],
        missing=[(one, *_why(one)) for one in instances if not one["delivered"]],
        missing_in_words=_of_missing(Counter(one["place"] for one in instances if not one["delivered"])),
        destinations=[(name, counts, _tone(counts), _known(name, data)) for name, counts in _named(data)],
        objects=[(one, made) for one in instances for made in one["objects"]],
        word_of=lambda way: way["state"] if way["known"] == "none" else _WORDS.get(way["known"], way["known"]),
        fingerprint=" ".join(fingerprint[at : at + 8] for at in range(0, len(fingerprint), 8)),
    )


def _places(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """What was lost is a place where something was lost."""
    return [(name, counts[name]) for name in _PLACES if name != "lost" or counts.get(name)]


def verdict(data: Mapping[str, Any]) -> Verdict:
    """What became of the study, in a word and a sentence."""
    whole = data["instances_of_the_study"]
    arrived = sum(one["delivered"] for one in data["instances"])
    names = " and ".join(name for name, counts in _named(data) if counts["done"]) or "no destination"
    if not whole:
        return Verdict("Nothing kept", "calm", "No object of this study was taken into custody.")
    if arrived == whole:
        some = "Its one object is" if whole == 1 else f"All {whole:,} objects are"
        return Verdict("Delivered", "good", f"{some} at {names}, by the evidence that was asked for.")
    left, lost = whole - arrived, sum(one["place"] == "lost" for one in data["instances"])
    told = f"{arrived:,} of {whole:,} objects {_is(arrived)} everywhere they go; {left:,} {_is(left)} not"
    if lost:
        return Verdict("Not all delivered", "alarm", f"{told}: {lost:,} lost.")
    return Verdict("Not all delivered", "wait", f"{told}.")


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _of_missing(places: Mapping[str, int]) -> str:
    """Of what has not arrived: what is lost, what was given up, and what the unit has."""
    lost, dropped = places.get("lost", 0), places.get("dropped", 0)
    left = sum(places.values()) - lost - dropped
    told = []
    if lost:
        it, them = ("it was", "it") if lost == 1 else ("they were", "them")
        told.append(
            f"{lost:,} {_is(lost)} lost there: {it} verified there and then deleted here, and cannot be sent again "
            f"from here. Ask the destination for its backup, or the scanner to send {them} once more."
        )
    if dropped:
        told.append(f"{dropped:,} {'was' if dropped == 1 else 'were'} dropped here by a person.")
    if left and told:
        told.append(f"{left:,} {_is(left)} in the custody of the unit, with the state shown here.")
    return " ".join(told) or "Nothing of it is lost: it is in the custody of the unit, with the state shown here."


def _why(one: Mapping[str, Any]) -> tuple[str, list[tuple[str, str]]]:
    """How an item that has not arrived stands, and why: sentences, each with its code."""
    ways = [way for made in one["objects"] for way in made["deliveries"] if way["known"] != "given_up"]
    told = [
        (f"{way['destination']}: {_sentence(way['code'])}".rstrip(": "), way["code"])
        for way in ways
        if way["code"] and (one["place"] != "lost" or way["known"] in ("lost", "altered"))
    ]
    if one["place"] == "lost":
        return "lost", told
    if one["place"] == "dropped":
        payload = {"purging": ", and its payload is being deleted", "purged": ", and its payload was deleted"}
        return one["state"], [(f"It was dropped: a person gave it up{payload.get(one['state'], '')}.", one["code"])]
    own = [(_sentence(one["code"]), one["code"])] if one["code"] else []
    return one["state"], [*own, *told] or [("It is on its way.", "")]


def _sentence(code: str) -> str:
    return REASONS[code].sentence if code in REASONS else ""


def _named(data: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, int]]]:
    found: Mapping[str, Mapping[str, int]] = data["destinations"]
    return found.items()


def _tone(counts: Mapping[str, int]) -> str:
    if any(counts.get(name) for name in _BAD):
        return "alarm"
    return "good" if counts["done"] == counts["objects"] else "wait"


def _known(name: str, data: Mapping[str, Any]) -> list[tuple[int, str, str]]:
    """Of how many objects what is known at a destination, in words and with a code where there is one."""
    counts = data["destinations"][name]
    rows = [(counts.get(f"evidence_{level}", 0), EVIDENCE[level], "") for level in ("content", "presence", "status")]
    ways = [way for one in data["instances"] for made in one["objects"] for way in made["deliveries"]]
    for known, words in _BAD.items():
        codes = Counter(way["code"] for way in ways if (way["destination"], way["known"]) == (name, known))
        rows += [(number, f"{words} {_sentence(code)}".rstrip(), code) for code, number in codes.items()]
    rows.append((counts.get("evidence_none", 0), EVIDENCE[""], ""))
    rows.append(
        (counts.get("asked_again", 0), "asked for again at the moment; until the answer it counts as it did", "")
    )
    return [row for row in rows if row[0]]
