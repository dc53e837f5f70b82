"""The page of a certificate: whether all of a study arrived first, then what is known of each of its objects."""

from __future__ import annotations

from collections.abc import Mapping
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
        missing=[one for one in instances if not one["delivered"]],
        objects=[(one, made) for one in instances for made in one["objects"]],
        evidence=EVIDENCE,
        sentence_of=lambda code: REASONS[code].sentence if code in REASONS else "",
        fingerprint=" ".join(fingerprint[at : at + 8] for at in range(0, len(fingerprint), 8)),
    )


def _places(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """What was lost is a place where something was lost."""
    return [(name, counts[name]) for name in _PLACES if name != "lost" or counts.get(name)]


def verdict(data: Mapping[str, Any]) -> Verdict:
    """What became of the study, in a word and a sentence."""
    whole = data["instances_of_the_study"]
    arrived = sum(one["delivered"] for one in data["instances"])
    names = " and ".join(data["destinations"]) or "no destination"
    if not whole:
        return Verdict("Nothing kept", "calm", "No object of this study was taken into custody.")
    if arrived == whole:
        some = "Its one object is" if whole == 1 else f"All {whole:,} objects are"
        return Verdict("Delivered", "good", f"{some} at {names}, by the evidence that was asked for.")
    left = whole - arrived
    told = f"{arrived:,} of {whole:,} objects {'is' if arrived == 1 else 'are'} everywhere they go"
    return Verdict("Not all delivered", "wait", f"{told}; {left:,} {'is' if left == 1 else 'are'} not.")
