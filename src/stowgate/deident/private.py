"""Private elements: gone, unless Retain Safe Private, the source's statement or the user keeps them (PS3.15 E.3.10)."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from stowgate.deident import actions, keeping, sequences
from stowgate.deident.actions import REMOVED, Frame, Verb
from stowgate.deident.encode import DUMMIES
from stowgate.deident.plan import Plan, carried_out
from stowgate.dicom.budget import Budget
from stowgate.dicom.scanner import BULK_VRS
from stowgate.dicom.walk import Elements, Walked, is_undefined, items
from stowgate.standard.safe_private import vm_of

_CHARACTERISTICS = 0x00080300
_GROUP, _CREATOR, _STATUS, _SAFE_LIST = 0x00080301, 0x00080302, 0x00080303, 0x00080304
_ACTIONS, _IDENTIFYING, _ACTION = 0x00080305, 0x00080306, 0x00080307
EVERY = -1
"""Low byte that stands for the whole block in what a source declares."""
_MOST_CREATORS = 256
"""Creators remembered per attribute: hostile objects with endless ones must not fill the memory."""


def verb(plan: Plan, tag: int, vr: bytes) -> Verb:
    """The verb for a private tag: its meaning hangs on the creator that reserved its block (PS3.5 7.8.1)."""
    number = tag & 0xFFFF
    removed = _removed(plan, vr)
    if not plan.node.keeps_private or tag >> 16 < 9 or tag >> 16 == 0xFFFF:
        return removed
    if 0x10 <= number <= 0xFF:
        return _creator(plan, tag)
    return _owned(plan, tag, vr, removed) if number >= 0x1000 else removed


def _removed(plan: Plan, vr: bytes) -> Verb:
    gone = actions.constant(REMOVED)
    return sequences.checked(gone, plan.explicit) if vr == b"SQ" else gone


def _owned(plan: Plan, tag: int, vr: bytes, removed: Verb) -> Verb:
    """An element inside a block: judged by (group, creator, low byte), wherever the block lies."""
    group, block, low = tag >> 16, tag >> 8 & 0xFF, tag & 0xFF
    verbs: dict[tuple[bytes, str], Verb | None] = {}

    def choose(frame: Frame) -> Verb | None:
        creator = creator_of(frame, group, block)
        declared = frame.job.declared
        said = declared.get((group, creator, low)) or declared.get((group, creator, EVERY), "")
        if (creator, said) not in verbs:
            if len(verbs) >= _MOST_CREATORS:
                verbs.clear()
            verbs[creator, said] = _chosen(plan, tag, vr, creator, said, removed)
        return verbs[creator, said]

    def judged(frame: Frame, start: int, value: int, end: int) -> bytes | None:
        return carried_out(choose(frame), frame, start, value, end)

    judged.stays = lambda frame, start, value, end: (  # type: ignore[attr-defined]
        choose(frame) is not removed if vr == b"SQ" else judged(frame, start, value, end) != REMOVED
    )
    return judged


def _chosen(plan: Plan, tag: int, vr: bytes, creator: bytes, said: str, removed: Verb) -> Verb | None:
    rule = plan.node.private_rule(tag >> 16, creator.decode("latin-1"), tag & 0xFF)
    action = said if said and rule.origin != "override" else rule.action
    written = vr if vr != b"UN" else (rule.vr.encode() or vr)
    if rule.origin != "override" and not said and not _is_listed(vr, rule.vr):
        return removed  # the table calls a number safe, not a text in its place
    if not creator or action == "X" or (written not in DUMMIES and written not in (b"UI", b"SQ")):
        return removed
    if written == b"SQ":
        return sequences.descend(plan.child(tag), tag) if vr == b"SQ" and action in ("K", "C") else removed
    if action == "Z":
        return actions.empty(tag, vr, plan.explicit)
    if action == "D":
        return actions.dummy(tag, vr, plan.explicit)
    vm = vm_of(tag >> 16, creator.decode("latin-1"), tag & 0xFF) if _is_listed(vr, rule.vr) else ""
    return _kept(plan, tag, written, action, vm)


def _is_listed(vr: bytes, listed: str) -> bool:
    """Whether a file writes a safe attribute with the VR the table gives it; UN says nothing of what it is."""
    return vr in (b"UN", listed.encode()) or {vr, listed.encode()} == {b"OB", b"OW"}


def _kept(plan: Plan, tag: int, vr: bytes, action: str, vm: str) -> Verb | None:
    """Values that are kept still follow the options: UIDs are mapped, dates move or go, text is searched."""
    gone = actions.constant(REMOVED)
    if vr == b"UI":
        return actions.map_uids(tag, vr, plan.explicit) if plan.node.maps_uids else None
    if vr in (b"DA", b"TM", b"DT"):
        if plan.node.dates == "shift":
            return actions.shift(tag, vr, plan.explicit, gone)
        return None if plan.node.dates == "keep" else gone
    if action == "U":
        return gone
    return keeping.keep(tag, vr, plan.explicit, gone, vm)


def _creator(plan: Plan, tag: int) -> Verb:
    """A creator stays only if an element under it stays."""
    first = tag & 0xFFFF0000 | (tag & 0xFF) << 8

    def judged(frame: Frame, _start: int, _value: int, _end: int) -> bytes | None:
        frame.job.budget.spend(0)  # thousands of creators take their time
        for inner in range(first, first + 0x100):
            found = frame.elements.get(inner)
            if found is not None:
                stays = getattr(plan.entry(inner, found[0])[1], "stays", None)
                if stays and stays(frame, *found[1:]):
                    return None
        return REMOVED

    return judged


def is_opaque(frame: Frame, plan: Plan, tag: int) -> bool:
    """Whether a kept value of VR UN would not be looked at either: nobody says that it is text, a date or a UID."""
    group, block = tag >> 16, tag >> 8 & 0xFF
    rule = plan.node.private_rule(group, creator_of(frame, group, block).decode("latin-1"), tag & 0xFF)
    return not rule.vr or rule.vr.encode() in BULK_VRS


def creator_of(frame: Frame, group: int, block: int) -> bytes:
    """The creator that reserved a block in this data set, trimmed; empty if there is none."""
    found = frame.elements.get(group << 16 | block)
    return bytes(frame.view[found[2] : found[3]]).strip(b" \0") if found else b""


def declared_by(
    view: memoryview, elements: Elements, explicit: bool, budget: Budget
) -> Mapping[tuple[int, bytes, int], str]:
    """What Private Data Element Characteristics Sequence says: K for safe ones, the stated action for others."""
    found = elements.get(_CHARACTERISTICS)
    if found is None or found[0] != b"SQ":
        return {}
    said: dict[tuple[int, bytes, int], str] = {}
    _, _, value, end = found
    for _, _, item in items(view, value, end, explicit, is_undefined(view, value), budget, 1, Walked()):
        group, creator = _numbers(view, item, _GROUP), _code(view, item, _CREATOR)
        if len(group) != 1 or not creator:
            continue
        status = _code(view, item, _STATUS)
        if status == b"SAFE":
            said[group[0], creator, EVERY] = "K"
        for low in _numbers(view, item, _SAFE_LIST) if status == b"MIXED" else ():
            said[group[0], creator, low & 0xFF] = "K"
        stated = item.get(_ACTIONS)
        if stated and stated[0] == b"SQ":
            open_ended = is_undefined(view, stated[2])
            for _, _, inner in items(view, stated[2], stated[3], explicit, open_ended, budget, 2, Walked()):
                action = _code(view, inner, _ACTION).decode("latin-1")
                for low in _numbers(view, inner, _IDENTIFYING):
                    said[group[0], creator, low & 0xFF] = action if action in ("D", "Z", "U") else "X"
    return said


def _code(view: memoryview, elements: Elements, tag: int) -> bytes:
    found = elements.get(tag)
    return bytes(view[found[2] : found[3]]).strip(b" \0") if found else b""


def _numbers(view: memoryview, elements: Elements, tag: int) -> tuple[int, ...]:
    found = elements.get(tag)
    if not found:
        return ()
    raw = bytes(view[found[2] : found[3]])
    return struct.unpack(f"<{len(raw) // 2}H", raw[: len(raw) & ~1])
