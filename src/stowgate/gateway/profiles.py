"""What each recipient gets: by which profiles an object is cleaned, and where what each of them made may go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from stowgate.analyse import triage
from stowgate.outbox.policy import Urgency
from stowgate.outbox.routing import SEND, Facts, Rule, profiles_of, routed, wish_of, wished
from stowgate.policy import Policy
from stowgate.store.clean_object import CleanObject
from stowgate.store.custody import Coming, Custody, Leased
from stowgate.store.deliveries import FORGOTTEN, Bound, Unbound
from stowgate.vault.key import Key


class Made(Protocol):
    """A clean object, as far as it says what it was made with."""

    @property
    def policy(self) -> str:
        """Digest of the policy."""

    @property
    def key_id(self) -> str:
        """Id of the key."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What one recipient gets: a policy and a key. `name` is "" for the unit's own."""

    name: str
    policy: Policy
    key: Key = field(repr=False)

    @property
    def mark(self) -> tuple[str, str]:
        """Digest of the policy and id of the key: two profiles with the same mark make the same objects."""
        return self.policy.digest, self.key.id

    def made(self, clean: Made) -> bool:
        """Whether a clean object is one of its own."""
        return (clean.policy, clean.key_id) == self.mark


@dataclass(frozen=True, slots=True)
class Left:
    """What is left to do for an item.

    missing -- the profiles that it has to be cleaned by
    kept    -- ids of the clean objects that go on standing for it
    spare   -- ids of those that nobody wants, and that never were on their way anywhere
    """

    missing: tuple[Profile, ...]
    kept: tuple[str, ...] = ()
    spare: tuple[str, ...] = ()


class Profiles:
    """Those of one gateway. An object is cleaned once for each that a fitting route asks for, else by the unit's own.

    A destination is one recipient: all its routes ask for the same profile.
    """

    def __init__(
        self,
        own: Profile,
        named: Iterable[Profile] = (),
        rules: Sequence[Rule] = (),
        destinations: Iterable[str] = (),
        reasons: Sequence[triage.Rule] | None = None,
    ) -> None:
        """destinations -- all of them, whether a rule names them or not
        reasons      -- rules of urgency, by default the shipped ones
        """
        self._reasons = triage.rules() if reasons is None else tuple(reasons)
        self.own = own
        self.by_name: Mapping[str, Profile] = {one.name: one for one in (own, *named)}
        self._rules = tuple(rules)
        self._of = dict.fromkeys(destinations, own)
        self._of |= {destination: self.by_name[name] for destination, name in profiles_of(rules).items()}

    def routed(self, facts: Facts) -> Mapping[str, Urgency]:
        """See `outbox.routing`: by the rules, and where a person wants it; what a person sent goes there alone."""
        level = Urgency[triage.level_of(self._reasons, facts.triage).upper()]
        found = {} if facts.source == SEND else dict(routed(facts, self._rules, level))
        for name, urgency in wished(facts, self._of, level).items():
            found[name] = max(urgency, found.get(name, urgency))
        return found

    def places(self, facts: Facts, made: Made) -> list[Bound]:
        """Where a clean object goes: to those destinations alone that get what its policy and its key make."""
        return [Bound(name, urgency) for name, urgency in self.routed(facts).items() if self._of[name].made(made)]

    def goes_further(self, copy: Coming, source: str) -> bool:
        """Whether a copy goes where its original, from that source, does not. Where a person sent that is not known."""
        facts = Facts(copy.source, copy.modality, copy.sop_class, copy.marks, copy.priority)
        if copy.source in (source, SEND):  # what a person sends is led there by who takes it
            return False
        theirs = {} if source == SEND else self.routed(replace(facts, source=source))
        return not set(self.routed(facts)) <= set(theirs)

    def wants(self, facts: Facts) -> dict[tuple[str, str], list[Bound]]:
        """Where it goes, by the mark of what goes there: should it be a copy, its original goes there for it."""
        found: dict[tuple[str, str], list[Bound]] = {}
        for name, urgency in self.routed(facts).items():
            found.setdefault(self._of[name].mark, []).append(Bound(name, urgency, wish_of(name)))
        return found

    def left(self, facts: Facts, standing: Sequence[CleanObject] = (), been: Mapping[str, str] | None = None) -> Left:
        """What is left to do for an item that goes where its facts say.

        standing -- what was made of it before
        been     -- by destination: the id of the clean object that was on its way there, and that settles it
        """
        goes, there = self.routed(facts), been or {}
        wanted = {self._of[name].mark: self._of[name] for name in goes if name not in there}
        if not goes and not standing:
            wanted = {self.own.mark: self.own}
        has = {(clean.policy, clean.key_id) for clean in standing}
        kept: list[str] = []
        spare: list[str] = []
        for clean in standing:
            stays = not goes or clean.id in there.values() or (clean.policy, clean.key_id) in wanted
            (kept if stays else spare).append(clean.id)
        return Left(tuple(one for mark, one in wanted.items() if mark not in has), tuple(kept), tuple(spare))

    def left_of(self, facts: Facts, item: str, ledger: Custody) -> Left:
        """The same of an item in the ledger."""
        ways = [way for way in ledger.deliveries.of_items([item]).get(item, ()) if way.code != FORGOTTEN]
        return self.left(facts, ledger.cleans_of_item(item), {way.destination: way.clean for way in ways})

    def fitting(self, destination: str, cleans: Sequence[CleanObject]) -> CleanObject | None:
        """Of the clean objects of an item the one that a destination gets, None where it is not made yet."""
        return next((one for one in cleans if self._of[destination].made(one)), None)

    def chosen(self, name: str, cleans: Sequence[CleanObject]) -> CleanObject | None:
        """Of the clean objects of an item the one of a profile; an older policy will do, another profile's will not."""
        wanted = self.by_name[name].mark
        others = {one.mark for one in self.by_name.values()} - {wanted}
        mine = [one for one in cleans if one.key_id == wanted[1] and (one.policy, one.key_id) not in others]
        exact = [one for one in mine if one.policy == wanted[0]]
        return next(reversed(exact or mine), None)


def facts_of(one: Leased | Unbound) -> Facts:
    """What the ledger knows of an item that its routes are decided by."""
    reasons = one.triage if isinstance(one, Unbound) else ()  # what is cleaned goes the same way, however urgent it is
    return Facts(one.source, one.modality, one.sop_class, one.marks, one.priority, reasons)
