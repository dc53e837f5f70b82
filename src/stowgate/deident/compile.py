"""Chooses the verb for each attribute, by its rule and by the value representation it is written with."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from stowgate.deident import actions, keeping, private, sequences
from stowgate.deident.actions import Frame, Verb
from stowgate.deident.encode import DUMMIES, element, permitted_vrs
from stowgate.deident.forms import vm_of
from stowgate.deident.plan import Entry, Plan
from stowgate.deident.rules import Rule, rules_for
from stowgate.dicom.budget import OddEncoding
from stowgate.policy import Policy

_TEMPORAL = frozenset(("date", "time", "datetime"))
_SWAPS = (frozenset((b"OB", b"OW", b"UN")), frozenset((b"US", b"SS", b"OW")))


@lru_cache(maxsize=256)
def plan_for(policy: Policy, sop_class: str, explicit: bool) -> Plan:
    """The plan of the top level for objects of one SOP class in one encoding."""
    return Plan(rules_for(policy, sop_class), policy, explicit, compile_entry)


def compile_entry(plan: Plan, tag: int, vr: bytes) -> Entry:
    """The entry for one attribute of a plan."""
    rule = plan.node.rule(tag)
    verb = private.verb(plan, tag, vr) if tag & 0x10000 else _standard(plan, rule, tag, vr)
    return vr, getattr(verb, "always", verb), rule, f"{rule.action} {rule.origin}"


def _standard(plan: Plan, rule: Rule, tag: int, vr: bytes) -> Verb | None:
    written = _written_vr(tag, vr)
    verb = _verb(plan, rule, tag, vr, written)
    if vr == b"UN" and written == b"SQ" and rule.action not in ("X", "Z"):
        return _odd
    if vr == b"SQ" and written != b"SQ":
        return sequences.checked(actions.by_type(rule, tag, written, plan.explicit), plan.explicit)
    return verb


def _odd(_frame: Frame, _start: int, _value: int, _end: int) -> bytes | None:
    raise OddEncoding


def _written_vr(tag: int, vr: bytes) -> bytes:
    """The VR a new value gets: the file's own when the standard permits it, else the dictionary's first."""
    permitted = permitted_vrs(tag)
    return vr if not permitted or vr in permitted else permitted[0]


def _mismatch(vr: bytes, written: bytes) -> bool:
    return vr not in (written, b"UN") and not any(vr in swap and written in swap for swap in _SWAPS)


def _verb(plan: Plan, rule: Rule, tag: int, vr: bytes, written: bytes) -> Verb | None:
    if written == b"SQ" and vr in (b"SQ", b"UN"):
        return sequences.verb(plan, rule, tag)
    if written == b"SQ":
        return _noting("wrong_vr", sequences.in_place_of(plan, tag, _by_type(rule)))
    if written not in DUMMIES and written != b"UI":
        return actions.constant(actions.REMOVED)
    if rule.action in ("K", "C", "U") and _mismatch(vr, written):
        return _noting("wrong_vr", actions.by_type(rule, tag, written, plan.explicit))
    return _VERBS[rule.action](plan, rule, tag, written)


def _by_type(rule: Rule) -> str:
    """How far a sequence whose items cannot be followed may go."""
    upgrades = {"1": "D", "1C": "D", "2": "Z", "2C": "Z"}
    return rule.action if rule.action in ("X", "Z", "D") else upgrades.get(rule.type, "X")


def _noting(finding: str, verb: Verb) -> Verb:
    def noted(frame: Frame, start: int, value: int, end: int) -> bytes | None:
        frame.job.findings.add(finding)
        return verb(frame, start, value, end)

    return noted


def _clean(plan: Plan, rule: Rule, tag: int, vr: bytes) -> Verb | None:
    otherwise = _basic(plan, rule, tag, vr)
    if rule.flavour in _TEMPORAL:
        return actions.shift(tag, vr, plan.explicit, otherwise)
    if vr == b"AE":
        return actions.stand_in(tag, vr, plan.explicit)
    if rule.flavour == "text" and vr != b"OB":
        return actions.clean_text(tag, vr, plan.explicit, otherwise)
    return otherwise


def _basic(plan: Plan, rule: Rule, tag: int, vr: bytes) -> Verb:
    """The profile's own action, for what an option cannot clean."""
    return _VERBS[rule.basic](plan, rule, tag, vr) or actions.constant(actions.REMOVED)


def _otherwise(plan: Plan, rule: Rule, tag: int, vr: bytes) -> Verb:
    """What becomes of a kept value that turns out to name this patient."""
    gone = actions.by_type(rule, tag, vr, plan.explicit)
    needed = vr == b"CS" and rule.type in ("1", "1C")
    return keeping.without_bad(tag, plan.explicit, gone) if needed else gone


def _replace(plan: Plan, rule: Rule, tag: int, vr: bytes) -> Verb:
    if rule.value is not None:
        return actions.constant(element(tag, vr, rule.value.encode(), plan.explicit))
    return actions.dummy(tag, vr, plan.explicit)


_VERBS: dict[str, Callable[[Plan, Rule, int, bytes], Verb | None]] = {
    "X": lambda _plan, _rule, _tag, _vr: actions.constant(actions.REMOVED),
    "Z": lambda plan, rule, tag, vr: actions.empty(tag, vr, plan.explicit, rule.origin == "override"),
    "D": _replace,
    "K": lambda plan, rule, tag, vr: keeping.keep(tag, vr, plan.explicit, _otherwise(plan, rule, tag, vr), vm_of(tag)),
    "C": _clean,
    "U": lambda plan, _rule, tag, vr: (
        actions.map_uids(tag, vr, plan.explicit) if vr == b"UI" else actions.constant(actions.REMOVED)
    ),
}
