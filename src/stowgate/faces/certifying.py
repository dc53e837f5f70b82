"""A certificate of a study out of an open ledger: data and page, signed by the key of this unit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stowgate.errors import Misconfigured
from stowgate.faces.held import project_key, recipient_key
from stowgate.faces.policies import named, policy_of, recipients
from stowgate.policy import Policy
from stowgate.questions import study_named
from stowgate.questions_certificate import certificate_of
from stowgate.settings import Settings
from stowgate.store.custody_view import CustodyView
from stowgate.verify.certificate import fingerprint, public_key, signed, signed_page
from stowgate.verify.certificate_page import certificate_page, verdict


@dataclass(frozen=True, slots=True)
class Certified:
    """What was signed, as data and as a page; `word` and `sentence` say how the study stands."""

    data: dict[str, Any]
    page: bytes
    fingerprint: str
    word: str
    sentence: str


def seed_of(settings: Settings, spool: Path) -> bytes:
    """The secret that this unit signs with: of the project's key and the unit's name, so it outlives its disk."""
    return project_key(settings, spool).sub(b"certificate:" + settings.unit.name.encode())


def certified(
    view: CustodyView, beginning: str, settings: Settings, spool: Path, now: float, recipient: str | None = None
) -> Certified:
    """Misconfigured: "unknown_item" where no study's alias, or more than one, begins so.

    recipient -- whose eyes it is for: the name of a [[profile]], "" for the unit's own; None: everything of everybody
    """
    alias = study_named(view, beginning.lower())
    if alias is None:
        raise Misconfigured("unknown_item")
    policies = {_key_of(settings, spool, name): (name, policy) for name, policy in _profiles(settings)}
    data = certificate_of(view, alias, settings.unit.name, now, policies, _key_of(settings, spool, recipient))
    seed = seed_of(settings, spool)
    who, state = fingerprint(public_key(seed)), verdict(data)
    page = signed_page(certificate_page(data, who), seed)
    return Certified(signed(data, seed), page, who, state.word, state.sentence)


def _key_of(settings: Settings, spool: Path, recipient: str | None) -> str:
    """The id of the key that a recipient's objects are made with, "" for everybody's."""
    if recipient is None:
        return ""
    key = recipient_key(named(settings, recipient), spool) if recipient else project_key(settings, spool)
    return key.id if key else f"none yet of {recipient}"


def _profiles(settings: Settings) -> Iterator[tuple[str, Policy]]:
    yield "", policy_of(settings)
    yield from ((one.name, policy) for one, policy in recipients(settings))
