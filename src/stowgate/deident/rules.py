"""The rules for one policy and SOP class as a tree of dictionaries, filled as attributes are met (PS3.15 E.1)."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from stowgate.deident.resolve import (
    FLAVOURS,
    NO_TABLES,
    TEMPORAL_VRS,
    TEXT_VRS,
    Verdict,
    first_vr,
    is_upgrade,
    judge,
    resolve,
)
from stowgate.policy import Option, Override, Policy
from stowgate.standard import iods
from stowgate.standard.iods import NOWHERE, Place


class Rule(NamedTuple):
    """What happens to one attribute at one place.

    action  -- final: X Z D K C U
    flavour -- kind of value: uid person patient_id date time datetime age text code number bulk sequence other
    table   -- code as in Table E.1-1 with the option's replacement, such as "X/Z/D" or "K"; "" if unlisted
    origin  -- "E.1-1", "option:NAME", "role:ROLE", "override", "repeating", "private", "structure" (group lengths,
               command, meta and directory groups, signatures and the like), "unknown", or "type" where the type of
               the attribute forbids the plain action
    type    -- 1 1C 2 2C 3, "" where the IOD does not have it or has no tables
    vr      -- of the dictionary, "" if unknown
    why     -- one sentence
    basic   -- the profile's own action here, final: what to do when a value can be neither kept nor cleaned by option
    value   -- the replacement a user's override gives
    """

    action: str
    flavour: str
    table: str
    origin: str
    type: str
    vr: str
    why: str
    basic: str = "X"
    value: str | None = None


def _removed(table: str, origin: str, why: str) -> Rule:
    return Rule("X", "other", table, origin, "", "", why)


STRUCTURE = _removed(
    "", "structure", "it belongs to the encoding or the transport, or seals old values: it always goes"
)
REPEATING = _removed("X", "repeating", "curves and overlays can show text and go as whole groups")
PRIVATE = _removed("X", "private", "private attributes go unless they are known to be safe")
UNKNOWN = _removed("", "unknown", "the data dictionary does not have this attribute")

ALWAYS_REMOVED = frozenset(
    (0xFFFAFFFA, 0x4FFE0001, 0x00880200, 0x04000500, 0x04000550, 0x04000551, 0x04000552, 0x04000561, 0xFFFCFFFC)
)
"""Digital signatures, MAC parameters, icons, encrypted, modified, nonconforming and original attributes, padding."""

PATIENT_IDENTITY = frozenset((0x00100010, 0x00100020))
SUBJECT_IDENTITY = frozenset((0x00120040, 0x00120042))
"""Patient's Name and ID take the pseudonym for Z and D, the trial's Subject ID and Reading ID for D."""

_OVERRIDE_ACTIONS = {"keep": "K", "remove": "X", "empty": "Z", "replace": "D"}
_DONE = {"X": "removed", "Z": "emptied", "D": "a dummy", "U": "a new UID", "K": "kept", "C": "cleaned"}

Pending = tuple[tuple[tuple[int, ...], Override], ...]
"""The overrides that apply at or below a place, each with what is left of its path."""


def is_transport(tag: int) -> bool:
    """Whether a tag is a group length or of the command, file meta or directory groups."""
    return not tag & 0xFFFF or tag >> 16 in (0x0000, 0x0002, 0x0004)


def is_structure(tag: int) -> bool:
    """Whether an attribute goes at every depth whatever anybody says."""
    return is_transport(tag) or tag in ALWAYS_REMOVED


def is_repeating(tag: int) -> bool:
    """Whether a tag is of the even groups 5000 to 50FE (curves) or 6000 to 60FE (overlays)."""
    return tag >> 24 in (0x50, 0x60) and not tag & 0x10000


def _flavour(tag: int, vr: str, action: str) -> str:
    if (tag in PATIENT_IDENTITY and action in "ZD") or (tag in SUBJECT_IDENTITY and action == "D"):
        return "patient_id"
    if action == "C" and first_vr(vr) in TEXT_VRS:
        return "text"
    return FLAVOURS.get(first_vr(vr), "other")


def _sentence(verdict: Verdict, kind: str, action: str) -> str:
    if verdict.code in ("K", "C", action):
        return verdict.why
    here = {NO_TABLES: "no tables for this SOP class", "": "not part of the IOD here"}.get(kind, f"Type {kind} here")
    return f"{verdict.why}; {here}, so {_DONE[action]}"


def rule_of(tag: int, verdict: Verdict, kind: str) -> Rule:
    """The rule where an attribute with this verdict has type `kind`."""
    action = resolve(verdict.code, kind)
    listed = not verdict.origin.startswith(("role:", "unknown"))
    return Rule(
        action,
        _flavour(tag, verdict.vr, action),
        verdict.code if listed else "",
        "type" if is_upgrade(verdict.code, action) else verdict.origin,
        "" if kind == NO_TABLES else kind,
        verdict.vr,
        _sentence(verdict, kind, action),
        resolve(verdict.basic, kind),
    )


def _overridden(override: Override, plain: Rule) -> Rule:
    """The user's rule in place of the plain one; an emptied Patient ID is empty, without a pseudonym."""
    flavour = FLAVOURS.get(first_vr(plain.vr), "other")
    why = f"an override of the user says {override.action}"
    action = _OVERRIDE_ACTIONS[override.action]
    return Rule(action, flavour, plain.table, "override", plain.type, plain.vr, why, plain.basic, override.value)


class _Book:
    """The nodes for one policy and IOD, shared among paths that are at the same place."""

    __slots__ = ("dates", "keeps_private", "maps_uids", "nodes", "policy", "strict")

    def __init__(self, policy: Policy, strict: bool) -> None:
        self.policy = policy
        self.strict = strict
        self.nodes: dict[tuple[Place, Pending], Node] = {}
        self.maps_uids = not policy.has(Option.UIDS)
        self.keeps_private = any(rule.action != "X" for rule in _private_rules(policy).values())
        shift = "shift" if policy.has(Option.MODIFIED_DATES) else "remove"
        self.dates = "keep" if policy.has(Option.FULL_DATES) else shift

    def node(self, place: Place, pending: Pending) -> Node:
        """The node of a place; two threads that ask at once get the same one."""
        found = self.nodes.get((place, pending))
        return found or self.nodes.setdefault((place, pending), Node(self, place, pending))


class Node:
    """The rules of one data set: the top level, or the items of one sequence. Shared among threads.

    `rules` holds what was asked before, for a plain look-up in a hot loop. Tags the dictionary does not have are never
    put there, so hostile objects cannot make it grow.
    """

    __slots__ = ("_book", "_children", "_pending", "_place", "rules")

    def __init__(self, book: _Book, place: Place, pending: Pending) -> None:
        self.rules: dict[int, Rule] = {}
        self._book = book
        self._place = place
        self._pending = pending
        self._children: dict[int, Node] = {}

    @property
    def known(self) -> bool:
        """Whether the SOP class has IOD tables; if not, the strictest branch of each code is taken."""
        return not self._book.strict

    @property
    def keeps_private(self) -> bool:
        """Whether any private attribute may stay."""
        return self._book.keeps_private

    @property
    def maps_uids(self) -> bool:
        """Whether instance UIDs are replaced."""
        return self._book.maps_uids

    @property
    def dates(self) -> str:
        """What happens to a kept private date: "keep", "shift" or "remove"."""
        return self._book.dates

    def rule(self, tag: int) -> Rule:
        """The rule of an attribute of this data set (group << 16 | element); private ones go: see `private_rule`."""
        found = self.rules.get(tag)
        if found is not None:
            return found
        if tag & 0x10000:
            return PRIVATE
        if is_transport(tag):
            return STRUCTURE
        if is_repeating(tag):
            return REPEATING
        made = self._decide(tag)
        return made if made is UNKNOWN else self.rules.setdefault(tag, made)

    def _decide(self, tag: int) -> Rule:
        verdict = judge(tag, self._book.policy.options)
        if verdict is None:
            return UNKNOWN
        plain = rule_of(tag, verdict, NO_TABLES if self._book.strict else self._place.type_of(tag))
        if tag in ALWAYS_REMOVED:
            return plain if plain.table and plain.action == "X" else STRUCTURE
        override = next((override for path, override in self._pending if path == (tag,)), None)
        return plain if override is None else _overridden(override, plain)

    def child(self, tag: int) -> Node:
        """The rules inside the items of a sequence of this data set."""
        found = self._children.get(tag)
        if found is not None:
            return found
        place = self._place.child(tag)
        pending = tuple((path[1:], override) for path, override in self._pending if path[0] == tag and path[1:])
        node = self._book.node(place, pending)
        return node if place == NOWHERE and not pending else self._children.setdefault(tag, node)

    def child_private(self) -> Node:
        """The rules inside the items of a private sequence, about which no IOD says anything."""
        return self._book.node(NOWHERE, ())

    def private_rule(self, group: int, creator: str, low: int) -> Rule:
        """As `rules.private_rule`, under this node's policy."""
        return private_rule(self._book.policy, group, creator, low)

    def required(self) -> tuple[tuple[int, str], ...]:
        """What an item made up from nothing needs here: tag and type, "1" or "2", ascending. Empty without tables."""
        return tuple((tag, kind) for tag, kind in self._place.types().items() if kind in ("1", "2"))


@lru_cache(maxsize=1024)
def _book(policy: Policy, iod: str) -> _Book:
    return _Book(policy, strict=not iod)


def _path(target: str) -> tuple[int, ...]:
    return tuple(int(tag, 16) for tag in target.split("/"))


@lru_cache(maxsize=64)
def _standard_overrides(policy: Policy) -> Pending:
    return tuple((_path(override.target), override) for override in policy.overrides if "," not in override.target)


def rules_for(policy: Policy, sop_class: str) -> Node:
    """The rules of the top level for a SOP class under a policy. Cached by IOD, and safe to call from every thread."""
    return rules_for_iod(policy, iods.iod_of(sop_class) or "")


def rules_for_iod(policy: Policy, iod: str) -> Node:
    """The rules of the top level of an IOD by name, such as "ct-image"; "" for one that has no tables."""
    place = iods.top_of(iod) if iod else NOWHERE
    return _book(policy, iod).node(place, _standard_overrides(policy))


def private_rule(policy: Policy, group: int, creator: str, low: int) -> Rule:
    """The rule of a private attribute: its group, the creator of its block, the low byte of its element.

    The creator is matched exactly, blanks around it aside, wherever in the group its block lies (PS3.5 7.8).
    """
    return _private_rules(policy).get((group, creator.strip(" \0"), low), PRIVATE)


def private_key(target: str) -> tuple[int, str, int]:
    """Group, creator and low byte of "gggg,CREATOR,ee"; a creator may hold commas itself."""
    group, rest = target.split(",", 1)
    creator, low = rest.rsplit(",", 1)
    return int(group, 16), creator, int(low, 16)


@lru_cache(maxsize=64)
def _private_rules(policy: Policy) -> dict[tuple[int, str, int], Rule]:
    """Everything private that does not simply go: safe attributes under their option, then the user's overrides."""
    found: dict[tuple[int, str, int], Rule] = {}
    if policy.has(Option.SAFE_PRIVATE):
        from stowgate.standard import safe_private

        found = {(row.group, row.creator, row.low): _safe(first_vr(row.vr), policy) for row in safe_private.rows()}
    for override in policy.overrides:
        if "," in override.target:
            key = private_key(override.target)
            found[key] = _overridden(override, found.get(key, PRIVATE))
    return found


def _safe(vr: str, policy: Policy) -> Rule:
    """The rule of a row of Table E.3.10-1; a UID is still mapped, a date follows the options on dates."""
    origin, why = f"option:{Option.SAFE_PRIVATE}", "the standard lists this private attribute as safe"
    action = "K" if vr else "X"
    if vr == "UI" and not policy.has(Option.UIDS):
        action = "U"
    elif vr in TEMPORAL_VRS and not policy.has(Option.FULL_DATES):
        action = "C" if policy.has(Option.MODIFIED_DATES) else "X"
    return Rule(action, FLAVOURS.get(vr, "other"), "C", origin if vr else "private", "", vr, why if vr else PRIVATE.why)
