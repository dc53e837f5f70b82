"""Which private elements an output may hold, and what in them (PS3.15 E.3.10, PS3.3 C.12.1.1.7)."""

from __future__ import annotations

import struct
from functools import lru_cache

from stowgate.policy import Option, Policy
from stowgate.standard.safe_private import is_safe, vm_of
from stowgate.verify.elements import DataSet, Elements
from stowgate.verify.expect import NOT_SOUGHT, Expectation
from stowgate.verify.forms import private_form
from stowgate.verify.search import CODE, NUMBER, OTHER, TEXT
from stowgate.verify.verdicts import Verdict, age, blank, derived_uid, kept_uid, shifted

_CHARACTERISTICS = 0x00080300
_GROUP, _CREATOR, _STATUS, _NONIDENTIFYING = 0x00080301, 0x00080302, 0x00080303, 0x00080304
_ACTIONS, _IDENTIFYING, _ACTION = 0x00080305, 0x00080306, 0x00080307
_WHOLE_BLOCK = -1

_Key = tuple[int, bytes, int]
"""Group, creator without padding, low byte of the element or `_WHOLE_BLOCK`."""

_KINDS = {
    **dict.fromkeys((b"AE", b"LO", b"SH", b"ST", b"LT", b"UC", b"UR", b"UT", b"PN"), TEXT),
    **dict.fromkeys((b"DS", b"IS", b"DA", b"TM", b"DT", b"AS", b"UI"), NUMBER),
    b"CS": CODE,
}
_NO_VRS: frozenset[bytes] = frozenset()
_CREATOR_EXPECTED = Expectation("gate_private", None, TEXT, _NO_VRS)


class Private:
    """Judges the private elements of one object under one policy."""

    def __init__(self, policy: Policy, source: Elements) -> None:
        self.options = policy.options
        self.safe = Option.SAFE_PRIVATE in policy.options
        self.overrides = _overrides(policy) if policy.overrides else {}
        self.declared = _declared(source) if self.safe else {}

    def expected(self, elements: DataSet, tag: int) -> Expectation | None:
        """What may stand in a private element of a data set; None if it may not be there at all."""
        number, group = tag & 0xFFFF, tag >> 16
        if not (self.safe or self.overrides) or group < 9 or group == 0xFFFF:
            return None
        if 0x10 <= number <= 0xFF:
            first = group << 16 | number << 8
            return _CREATOR_EXPECTED if any(first <= other <= first | 0xFF for other in elements) else None
        if number < 0x1000:
            return None
        found = elements.get(group << 16 | number >> 8)
        creator = found[1].strip(b" \0") if found is not None and isinstance(found[1], bytes) else b""
        return self._owned(group, creator, number & 0xFF, elements[tag][0]) if creator else None

    def _owned(self, group: int, creator: bytes, low: int, vr: bytes) -> Expectation | None:
        action = self.overrides.get((group, creator, low))
        if action is not None:
            return {"keep": Expectation("gate_private", None, NOT_SOUGHT, _NO_VRS, "kept")}.get(
                action, Expectation("gate_private", blank, NOT_SOUGHT, _NO_VRS)
            )
        if not self.safe:
            return None
        said = self.declared.get((group, creator, low)) or self.declared.get((group, creator, _WHOLE_BLOCK))
        listed = is_safe(group, creator.decode("latin-1"), low)
        if said not in (None, "K"):
            return _replaced(vr)
        if said is None and listed is None:
            return None
        written = vr if vr != b"UN" or not listed else listed[:2].encode()
        fits = listed is not None and written.decode("latin-1") in listed.split("/")
        return self._kept(written, vm_of(group, creator.decode("latin-1"), low) if fits else "")

    def _kept(self, vr: bytes, vm: str) -> Expectation | None:
        kind = _KINDS.get(vr, OTHER)
        if vr == b"SQ":
            return Expectation("gate_private", None, kind, _NO_VRS, "kept")
        if vr == b"UI":
            verdict: Verdict = kept_uid if Option.UIDS in self.options else derived_uid
            return Expectation("gate_uid", verdict, kind, _NO_VRS)
        if vr in (b"DA", b"TM", b"DT") and Option.FULL_DATES not in self.options:
            moved = Option.MODIFIED_DATES in self.options
            by_vr: dict[bytes, Verdict | None] = {b"DA": shifted, b"DT": shifted, b"TM": None}
            return Expectation("gate_date", by_vr[vr] if moved else blank, kind, _NO_VRS)
        if vr == b"AS":
            return Expectation("gate_age", age, kind, _NO_VRS)
        return Expectation("gate_private", None, kind, _NO_VRS, form=private_form(vr.decode("latin-1"), vm))


def _replaced(vr: bytes) -> Expectation:
    """An element that the source says identifies: emptied, a dummy, or a mapped UID."""
    return Expectation("gate_private", derived_uid if vr == b"UI" else blank, NOT_SOUGHT, _NO_VRS)


@lru_cache(maxsize=32)
def _overrides(policy: Policy) -> dict[_Key, str]:
    found: dict[_Key, str] = {}
    for one in policy.overrides:
        if "," in one.target:
            group, rest = one.target.split(",", 1)
            creator, low = rest.rsplit(",", 1)
            found[int(group, 16), creator.strip().encode("latin-1", "replace"), int(low, 16)] = one.action
    return found


def _declared(top: Elements) -> dict[_Key, str]:
    """What the source says of its own private elements: K for safe ones, else the action it asks for."""
    said: dict[_Key, str] = {}
    for item in _items(top, _CHARACTERISTICS):
        group, creator, status = _numbers(item, _GROUP), _text(item, _CREATOR), _text(item, _STATUS)
        if len(group) != 1 or not creator:
            continue
        if status == b"SAFE":
            said[group[0], creator, _WHOLE_BLOCK] = "K"
        for low in _numbers(item, _NONIDENTIFYING) if status == b"MIXED" else ():
            said[group[0], creator, low & 0xFF] = "K"
        for asked in _items(item, _ACTIONS):
            for low in _numbers(asked, _IDENTIFYING):
                said[group[0], creator, low & 0xFF] = _text(asked, _ACTION).decode("latin-1") or "X"
    return said


def _items(elements: Elements, tag: int) -> list[DataSet]:
    found = elements.get(tag)
    return found[1] if found is not None and isinstance(found[1], list) else []


def _text(elements: DataSet, tag: int) -> bytes:
    found = elements.get(tag)
    return found[1].strip(b" \0") if found is not None and isinstance(found[1], bytes) else b""


def _numbers(elements: DataSet, tag: int) -> tuple[int, ...]:
    found = elements.get(tag)
    raw = found[1] if found is not None and isinstance(found[1], bytes) else b""
    return struct.unpack(f"<{len(raw) // 2}H", raw[: len(raw) & ~1])
