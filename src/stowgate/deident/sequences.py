"""Sequences: kept ones are rewritten item by item, removed ones are still followed to their end (PS3.5 7.5)."""

from __future__ import annotations

from functools import lru_cache

from stowgate.deident import actions, derive
from stowgate.deident.actions import REMOVED, Frame, Verb
from stowgate.deident.data_set import rewrite
from stowgate.deident.encode import dummy_value, element, item, permitted_vrs
from stowgate.deident.plan import Plan
from stowgate.deident.rules import Node, Rule
from stowgate.dicom.budget import Budget
from stowgate.dicom.limits import Limits
from stowgate.dicom.walk import Walked, check_structure, is_undefined, items

_DEEPEST_DUMMY = 8

_REMEMBERED = 4096
"""Bytes of a sequence whose soundness is remembered: slices of a series repeat them again and again."""


def verb(plan: Plan, rule: Rule, tag: int) -> Verb:
    """The verb for a sequence under one rule."""
    if rule.action in ("X", "Z", "D"):
        return checked(in_place_of(plan, tag, rule.action), plan.explicit)
    return descend(plan.child(tag), tag)


def in_place_of(plan: Plan, tag: int, action: str) -> Verb:
    """X, Z or D on a sequence, whatever stands there."""
    if action == "D":
        return _one_dummy_item(plan.node.child(tag), tag, plan.explicit)
    return actions.constant(REMOVED if action == "X" else element(tag, b"SQ", b"", plan.explicit))


def checked(then: Verb, explicit: bool) -> Verb:
    """What is not looked into must be sound too: limits hold for removed sequences as for kept ones."""

    def followed(frame: Frame, start: int, value: int, end: int) -> bytes | None:
        view, depth, budget = frame.view, frame.depth + 1, frame.job.budget
        open_ended = is_undefined(view, value)
        if end - value > _REMEMBERED:
            check_structure(view, value, end, explicit, open_ended, budget, depth)
        else:
            budget.spend(_elements_in(bytes(view[value:end]), explicit, open_ended, depth, budget.depth))
        return then(frame, start, value, end)

    return followed


@lru_cache(maxsize=256)
def _elements_in(value: bytes, explicit: bool, open_ended: bool, depth: int, deepest: int) -> int:
    """How many items and elements a sound sequence has; raises what is wrong with one that is not."""
    budget = Budget(Limits(depth=deepest))
    most = budget.elements
    check_structure(memoryview(value), 0, len(value), explicit, open_ended, budget, depth)
    return most - budget.elements


def descend(plan: Plan, tag: int) -> Verb:
    """Rewrite every item by the rules of its place; the sequence changes only if something inside does."""

    def rewritten(frame: Frame, _start: int, value: int, end: int) -> bytes | None:
        job, view, depth = frame.job, frame.view, frame.depth + 1
        out: list[bytes | memoryview] = []
        changed = False
        found = items(view, value, end, job.explicit, is_undefined(view, value), job.budget, depth, Walked())
        for index, (start, stop, elements) in enumerate(found):
            where = f"{frame.where}({tag >> 16:04X},{tag & 0xFFFF:04X})[{index}]." if job.record else ""
            inner = Frame(job, view, elements, frame.codecs, depth, where)
            inner.codecs = inner.own_codecs()
            last = next(reversed(elements.values()))[3] if elements else start + 8
            pieces = rewrite(inner, plan, start + 8, last)
            if pieces is None:
                out.append(view[start:stop])
            else:
                changed = True
                out.append(item(b"".join(pieces)))
        return element(tag, b"SQ", b"".join(out), job.explicit) if changed else None

    return rewritten


def _one_dummy_item(node: Node, tag: int, explicit: bool) -> Verb:
    return lambda frame, _start, _value, _end: element(
        tag, b"SQ", item(dummy_item(node, explicit, frame.job.key)), explicit
    )


def dummy_item(node: Node, explicit: bool, key: bytes, depth: int = 0) -> bytes:
    """An item's content with a dummy for each Type 1 attribute and nothing in each Type 2 one."""
    body = b""
    for tag, kind in node.required():
        permitted = permitted_vrs(tag)
        vr = permitted[0] if permitted else b"UN"
        if kind == "2":
            value = b""
        elif vr == b"SQ":
            value = item(dummy_item(node.child(tag), explicit, key, depth + 1) if depth < _DEEPEST_DUMMY else b"")
        else:
            value = derive.uid(key, b"%08X" % tag) if vr == b"UI" else dummy_value(tag, vr)
        body += element(tag, vr, value, explicit)
    return body
